# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of databases as plain files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess

import pytest

from _engine.operations.database_dump import database_dump

READ = {".sqlite": ["cat"], ".sqlite.gz": ["gzip", "-dc"], ".sqlite.zst": ["zstd", "-dc"]}


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, square INTEGER)")
        connection.executemany("INSERT INTO numbers VALUES (?, ?)", [(n, n * n) for n in range(1000)])
    return path


@pytest.mark.parametrize("ending", READ)
def test_the_copy_is_the_database(tmp_path, database, ending):
    dest = tmp_path / ("copy" + ending)
    with contextlib.closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO numbers VALUES (1000, 1000000)")
        writer.commit()  # lies in the -wal file, which is open
        result = database_dump({"sqlite": {"path": str(database)}, "dest": str(dest)})
    assert (result.error, result.changed) == (None, True)
    assert result.facts["tables"] == {"numbers": 1001}
    assert result.size == os.path.getsize(dest)
    plain = tmp_path / "plain"
    with open(plain, "wb") as file:
        subprocess.run([*READ[ending], dest], stdout=file, check=True)
    with contextlib.closing(sqlite3.connect(plain)) as copy:
        assert copy.execute("SELECT count(*), sum(square) FROM numbers").fetchone() == (1001, sum(n * n for n in range(1001)))


@pytest.mark.parametrize("ending", READ)
def test_a_database_that_nobody_wrote_to_changes_nothing(tmp_path, database, ending):
    description = {"sqlite": {"path": str(database)}, "dest": str(tmp_path / ("copy" + ending))}
    assert database_dump(description).changed
    inode = os.stat(description["dest"]).st_ino
    assert not database_dump(description).changed
    assert os.stat(description["dest"]).st_ino == inode
    with contextlib.closing(sqlite3.connect(database)) as writer, writer:
        writer.execute("UPDATE numbers SET square = 0 WHERE n = 3")
    assert database_dump(description).changed


def test_a_dry_run_writes_nothing(tmp_path, database):
    names = sorted(os.listdir(tmp_path))
    result = database_dump({"sqlite": {"path": str(database)}, "dest": str(tmp_path / "copy")}, dry_run=True)
    assert (result.error, result.changed) == (None, True)
    assert sorted(os.listdir(tmp_path)) == names


@pytest.mark.parametrize("content", [None, b"not a database, but text that is long enough"])
def test_what_is_no_database_is_an_error_and_the_old_copy_stays(tmp_path, content):
    (tmp_path / "copy").write_text("old")
    if content is not None:
        (tmp_path / "app.db").write_bytes(content * 100)
    result = database_dump({"sqlite": {"path": str(tmp_path / "app.db")}, "dest": str(tmp_path / "copy")})
    assert result.error["code"] == "source"
    assert (tmp_path / "copy").read_text() == "old"
    assert "app.db" in result.error["message"]
