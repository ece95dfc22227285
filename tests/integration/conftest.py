# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of several tests: the built command, and disks that are soon full."""

from __future__ import annotations

import os
import sqlite3
import subprocess

import pytest
from command import Command, build


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build(tmp_path_factory.mktemp("agent") / "fleet-backup.pyz")


@pytest.fixture
def cli(program, tmp_path):
    """A job "app" of a database and a folder of files, and a job "notes" of one more folder."""
    command = Command(program, tmp_path)
    (tmp_path / "app" / "static" / "uploads").mkdir(parents=True)
    for n in range(20):
        (tmp_path / "app" / "static" / "uploads" / ("picture-%02d.jpg" % n)).write_bytes(os.urandom(5000 + n))
    (tmp_path / "app" / "config.ini").write_text("[app]\ncolour = green\n")
    with sqlite3.connect(tmp_path / "app" / "market.db") as database:
        database.execute("CREATE TABLE vehicle (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        database.executemany("INSERT INTO vehicle (name) VALUES (?)", [("vehicle %d" % n,) for n in range(500)])
    database.close()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("a note")
    command.add_job(
        "app",
        {"name": "database", "sqlite": {"path": str(tmp_path / "app" / "market.db")}},
        {"name": "uploads", "files": {"paths": [str(tmp_path / "app" / "static" / "uploads")]}},
        {"name": "config", "files": {"paths": [str(tmp_path / "app" / "config.ini")]}},
    )
    command.add_job("notes", {"name": "notes", "files": {"paths": [str(tmp_path / "notes")]}})
    return command


@pytest.fixture
def small_disk():
    """Makes file systems in memory: of a size, at a path, for a user."""
    made = []

    def make(path, size, owner="root"):
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s,mode=0700,uid=%s" % (size, owner), "none", path], check=True)
        made.append(path)
        return path

    yield make
    for path in made:
        subprocess.run(["umount", "-l", path], check=True)
