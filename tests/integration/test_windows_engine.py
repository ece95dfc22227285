# SPDX-License-Identifier: GPL-3.0-or-later
"""The command under rules of Windows that can be played here (tests/windows/README.md): no Windows was involved."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3

import pytest
from command import build
from windows_host import WindowsHost

ODD = "n\u00e4me \u4e2d \u20ac.txt"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build(tmp_path_factory.mktemp("agent") / "fleet-backup.pyz")


class Shop:
    """An application on the host, and its job."""

    def __init__(self, host, program, **job):
        self.host, self.program = host, program
        self.app, self.database = host.folder / "app", host.folder / "shop.sqlite"
        (self.app / "sub").mkdir(parents=True)
        (self.app / "one.txt").write_bytes(b"a\nb\r\n\x1a c")
        (self.app / "sub" / "big").write_bytes(os.urandom(300_000))
        (self.app / ODD).write_bytes(b"x")
        os.link(self.app / "one.txt", self.app / "hard")
        with sqlite3.connect(self.database) as connection:
            connection.execute("CREATE TABLE t (a)")
            connection.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(5000)))
        connection.close()
        sources = [
            {"name": "files", "files": {"paths": [str(self.app)]}},
            {"name": "database", "sqlite": {"path": str(self.database)}},
        ]
        self.config = host.folder / "jobs.json"
        self.config.write_text(
            json.dumps(
                {
                    "host": "win1",
                    "stores": [{"name": "disk", "local": {"path": str(host.folder / "store")}}],
                    "jobs": [{"name": "shop", "sources": sources, "stores": ["disk"], "retention": {"keep_last": 1}, **job}],
                }
            )
        )

    def __call__(self, *words, exit=0):
        done = self.host.run(self.program, "--config", str(self.config), *words)
        assert done.returncode == exit, (words, done.stdout.decode("cp1252"), done.stderr.decode("cp1252"))
        return done

    def content(self):
        files = {str(path.relative_to(self.app)): path.read_bytes() for path in self.app.rglob("*") if path.is_file()}
        with sqlite3.connect(self.database) as connection:
            rows = connection.execute("SELECT sum(a) FROM t").fetchall()
        connection.close()
        return files, rows


@pytest.fixture
def host(tmp_path):
    (tmp_path / "host").mkdir()
    return WindowsHost(tmp_path / "host")


@pytest.mark.parametrize("job", ({}, {"format": "zip"}), ids=("tar", "zip"))
def test_back_up_destroy_restore_and_prune(host, program, job):
    shop = Shop(host, program, **job)
    shop("run", "shop")
    before = shop.content()
    (shop.app / "new").write_bytes(b"new")
    second = json.loads(shop("run", "shop", "--kind", "incremental", "--json").stdout)
    assert second["kind"] == "incremental"
    listed = shop("show", "latest", "--job", "shop", "--files").stdout
    # The console has no such character, and that stops nothing.
    assert b"n\xe4me \\u4e2d \x80.txt" in listed
    shop("verify", "shop")
    (shop.app / "one.txt").write_bytes(b"changed")
    (shop.app / "new").unlink()
    with sqlite3.connect(shop.database) as connection:
        connection.execute("DELETE FROM t")
    connection.close()
    shop("restore", "shop", "--yes")
    assert shop.content() == ({**before[0], "new": b"new"}, before[1])
    shutil.rmtree(shop.app)
    shop.database.unlink()
    shop("restore", "shop", "--yes")
    assert shop.content() == ({**before[0], "new": b"new"}, before[1])
    shop("prune", "shop")
    shop("verify", "shop")
    # Nothing stays behind beside what was restored.
    assert {path.name for path in host.folder.iterdir() if path.name.startswith(".")} == set()
    assert host.access[0][1:] == ["/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F"]


def test_what_windows_cannot_have_is_left_out_and_told(host, program):
    """A backup from Linux, restored on Windows."""
    shop = Shop(host, program)
    odd = ("a:b", "nul.txt", "dot.", "space ", "back\\..\\..\\slash", "Con", "ONE.TXT")
    for name in odd:
        (shop.app / name).write_bytes(b"odd")
    (shop.app / "com1").mkdir()
    (shop.app / "com1" / "below").write_bytes(b"odd")
    (shop.app / "link").symlink_to("one.txt")
    shop("run", "shop")
    before = shop.content()
    shutil.rmtree(shop.app)
    result = json.loads(shop("restore", "shop", "--yes", "--json", exit=3).stdout)
    warnings = {warning["code"]: warning for warning in result["warnings"]}
    assert warnings["name-skipped"]["count"] == len(odd) + 2
    assert warnings["link-skipped"]["count"] == 1
    left = {name: data for name, data in before[0].items() if name not in (*odd, "com1/below", "link")}
    left["ONE.TXT"] = left.pop("one.txt") if "one.txt" not in shop.content()[0] else b"odd"
    assert {name.casefold() for name in shop.content()[0]} == {name.casefold() for name in left}


def test_a_file_that_another_run_has_locked(host, program):
    """Two runs of one job: the second says who holds the lock, though Windows lets nobody read what is locked."""
    import fcntl

    shop = Shop(host, program)
    shop("run", "shop")
    lock = host.data / "fleet-backup" / "state" / "locks" / "shop.lock"
    with open(lock, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 1 << 30)
        done = shop("run", "shop", exit=10)
    assert b"another run of it is under way (process " in done.stderr
