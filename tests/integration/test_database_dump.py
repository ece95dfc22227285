# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of databases as plain files."""

from __future__ import annotations

import contextlib
import json
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


def test_postgresql_as_sql_that_psql_restores(tmp_path, postgres, monkeypatch):
    (tmp_path / "state").mkdir()
    monkeypatch.setattr("_engine.operations.database_dump.default_state_dir", lambda: str(tmp_path / "state"))
    postgres.create_database("dumped")
    postgres.sql("CREATE TABLE numbers (n integer PRIMARY KEY); INSERT INTO numbers SELECT generate_series(1, 100)", "dumped")
    source = postgres.options(databases=["dumped"], globals=False)
    description = {"postgresql": source, "dest": str(tmp_path / "copy.sql.gz")}
    result = database_dump(description)
    assert (result.error, result.changed, result.facts["tables"]) == (None, True, {"dumped/public/numbers": 100})
    assert not database_dump(description).changed
    table = {"name": "numbers", "where": "n = 7 OR n = :tenant::integer"}
    rows = {"postgresql": postgres.options(database="dumped"), "tenant": "9", "tables": [table]}
    result = database_dump({"rows": rows, "dest": str(tmp_path / "copy.jsonl")})
    assert result.error is None
    assert [json.loads(line) for line in (tmp_path / "copy.jsonl").read_text().split("\n") if line.startswith("{")] == [
        {"n": 7}, {"n": 9},
    ]  # fmt: skip
    postgres.sql("DROP DATABASE dumped")
    postgres.psql(
        stdin=subprocess.run(["gzip", "-dc", tmp_path / "copy.sql.gz"], check=True, capture_output=True, text=True).stdout
    )
    assert postgres.sql("SELECT sum(n) FROM numbers", "dumped") == "5050"
    postgres.sql("DROP DATABASE dumped")
