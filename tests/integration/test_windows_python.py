# SPDX-License-Identifier: GPL-3.0-or-later
"""The built command, run by CPython for Windows under Wine (tests/windows/README.md says what that proves, and what not)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import time
import uuid
from pathlib import Path
from xml.etree import ElementTree

import pytest
from agent import write_agent
from command import Command, build
from ftp_servers import PyFtp
from windows_python import Windows, missing

from _engine.job_options import CONFIG

SHOP = Path(__file__).parents[1] / "windows" / "python" / "shop.py"
PICTURE = "Größe 10 € – 中.jpg"
LONG = "ein Ordner mit einem sehr langen Namen, " * 2 + "wirklich"


@pytest.fixture(scope="module")
def windows():
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    running = Windows()
    yield running
    running.close()


@pytest.fixture(scope="module")
def program(windows, tmp_path_factory):
    return windows.path(build(tmp_path_factory.mktemp("agent") / "fleet-backup.pyz"))


class Host:
    """A folder of drive C:, an application in it, its job and its store."""

    def __init__(self, windows, program, **job):
        self.windows, self.program = windows, program
        self.name = "test-" + uuid.uuid4().hex[:8]
        self.folder = windows.drive / self.name
        self.pictures, self.database, self.store = self.folder / "Bilder", self.folder / "shop.sqlite", self.folder / "Sicherung"
        self.pictures.mkdir(parents=True)
        sources = [
            {"name": "pictures", "files": {"paths": [self.path("Bilder")]}},
            {"name": "database", "sqlite": {"path": self.path("shop.sqlite")}},
        ]
        self.config = {
            "host": "win1",
            "state_dir": self.path("Zustand"),
            "stores": [{"name": "disk", "local": {"path": self.path("Sicherung")}}],
            "jobs": [{"name": "shop", "sources": sources, "stores": ["disk"], "retention": {"keep_last": 1}, **job}],
        }

    def fill(self):
        for name, data in (
            (PICTURE, b"\xff\xd8" + os.urandom(200_000)),
            ("line ends.txt", b"a\nb\r\nc\x1a d\r"),
            ("read-only.ini", b"[shop]\r\n"),
            ("LEER", b""),
        ):
            (self.pictures / name).write_bytes(data)
        (self.pictures / "read-only.ini").chmod(0o444)
        os.link(self.pictures / PICTURE, self.pictures / "the same.jpg")
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, text)")

    @property
    def job(self):
        return self.config["jobs"][0]

    def path(self, *names):
        return "\\".join(("C:", self.name, *names))

    def argv(self, *words):
        (self.folder / "jobs.json").write_text(json.dumps(self.config))
        return ["-I", self.program, "--config", self.path("jobs.json"), *words]

    def __call__(self, *words, exit=0):
        done = self.windows.python(*self.argv(*words))
        assert done.returncode == exit, (words, done.returncode, done.stdout.decode("cp1252"), done.stderr.decode("cp1252"))
        return done

    def wait_for(self, name, process):
        """Wait until a running program has made a file."""
        end = time.monotonic() + 60
        while not (self.folder / name).exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "%s was not made within a minute" % name
            time.sleep(0.05)

    def module(self, name, options):
        (self.folder / "parameters.json").write_text(json.dumps(options))
        return self.json("module", name, "--parameters", self.path("parameters.json"))

    def installed(self, *words):
        """What the installed command, a batch file, answers."""
        done = self.windows.run("cmd", "/c", "C:\\Program Files\\fleet-backup\\fleet-backup.cmd", *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    @property
    def data(self):
        return self.windows.drive / "ProgramData" / "fleet-backup"

    def json(self, *words, exit=0):
        return json.loads(self(*words, "--json", exit=exit).stdout)

    def files(self):
        return {
            path.relative_to(self.pictures).as_posix(): path.read_bytes() for path in self.pictures.rglob("*") if path.is_file()
        }

    def orders(self):
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return [number for (number,) in connection.execute("SELECT id FROM orders ORDER BY id")]


@pytest.fixture
def host(windows, program):
    made = []

    def make(**job):
        made.append(Host(windows, program, **job))
        return made[-1]

    yield make
    for one in made:
        shutil.rmtree(one.folder)


def test_a_shop_that_is_open(host):
    shop = host()
    deep = shop.pictures / LONG / LONG / LONG / LONG
    deep.mkdir(parents=True)
    (deep / "weit unten.jpg").write_bytes(b"deep")
    (shop.pictures / "held.log").write_bytes(b"held")
    shop.fill()
    assert len(str(deep)) - len(str(shop.folder)) > 260

    with shop.windows.start(str(SHOP), shop.path("shop.sqlite"), shop.path("Bilder", "held.log")) as application:
        assert application.stdout.readline().strip() == b"open", application.stderr.read()
        first = shop.json("run", "shop", exit=3)
        assert [warning["code"] for warning in first["warnings"]] == ["file-unreadable"], first["warnings"]
        assert "held.log" in str(first["warnings"])
        (shop.pictures / "new.jpg").write_bytes(b"new")
        (shop.pictures / "LEER").unlink()
        second = shop.json("run", "shop", "--kind", "incremental", exit=3)
        count = int(application.communicate()[0])
    assert (first["kind"], second["kind"]) == ("full", "incremental")
    assert count > 10
    shop.json("run", "shop", "--kind", "incremental")
    content, orders = shop.files(), shop.orders()
    assert orders == list(range(1, count + 1))

    (listed,) = shop.json("list", "shop")["jobs"]
    assert [backup["outcome"] for backup in listed["backups"]] == ["success", "warning", "warning"]
    shop("verify", "shop")
    paths = [entry["path"] for entry in shop.json("show", "latest", "--job", "shop", "--files")["entries"]]
    assert {path for path in paths if path.startswith("C/")} >= {"C/%s/Bilder/%s" % (shop.name, path) for path in content}
    shown = shop("cat", "latest", "C/%s/Bilder/line ends.txt" % shop.name, "--job", "shop").stdout
    assert shown == content["line ends.txt"]

    shutil.rmtree(shop.pictures)
    shop.database.unlink()
    shop("restore", "shop")
    assert (shop.files(), shop.orders()) == (content, orders)
    assert not os.stat(shop.pictures / "read-only.ini").st_mode & 0o200
    assert os.path.samefile(shop.pictures / PICTURE, shop.pictures / "the same.jpg")
    again = shop.json("restore", "shop", "--yes", "--no-safety-backup")
    plan = again["components"][0]["plan"]
    assert (plan["overwrite_count"], plan["create_count"], plan["unchanged_count"]) == (0, 0, len(paths) - 1)

    # Over what is there: changed, read-only, in the way, open.
    (shop.pictures / "read-only.ini").chmod(0o644)
    (shop.pictures / "read-only.ini").write_bytes(b"changed")
    (shop.pictures / "read-only.ini").chmod(0o444)
    (shop.pictures / "new.jpg").unlink()
    (shop.pictures / "new.jpg").mkdir()
    (shop.pictures / "later.jpg").write_bytes(b"later")
    shop("restore", "shop", exit=11)
    with shop.windows.start(str(SHOP), shop.path("shop.sqlite"), shop.path("Bilder", "held.log")) as application:
        application.stdout.readline()
        (shop.pictures / "held.log").write_bytes(b"HELD")
        refused = shop.json("restore", "shop", "--yes", exit=14)
        assert "held.log: cannot be put in place" in refused["error"]["message"]
        assert "put back" not in refused["error"]["message"]
        application.communicate()
    assert (shop.pictures / "read-only.ini").read_bytes() == b"changed"
    shop("restore", "shop", "--yes")
    assert (shop.files(), shop.orders()) == ({**content, "later.jpg": b"later"}, orders)

    # Windows has no zones, and here is no library that has them.
    shop.job["timezone"] = "Europe/Madrid"
    refused = shop("prune", "shop", exit=4)
    assert b"tzdata" in refused.stderr
    del shop.job["timezone"]
    kept = shop.json("run", "shop")["id"]
    shop("prune", "shop")
    backups = shop.json("list", "shop")["jobs"][0]["backups"]
    assert [backup["id"] for backup in backups if backup["tag"] == "manual"] == [kept]
    shop("verify", "shop")
    assert {path.name for path in shop.folder.rglob("*") if path.name.startswith(".")} <= {".restricted"}


def test_encrypted_to_two_stores_with_a_key_that_was_made_there(host, tmp_path):
    shop = host(stores=["disk", "far"], delta_from="64KiB")
    shop.fill()
    server = PyFtp(tmp_path, "explicit")
    try:
        far = {**server.options("/store"), "ca_file": shop.windows.path(server.certificate.ca)}
        shop.config["stores"].append({"name": "far", "ftp": far})
        made = shop.json("keygen", shop.path("key.txt"))
        shop.job["encryption"] = {"recipients": [made["recipient"]]}
        shop("run", "shop")
        with (shop.pictures / PICTURE).open("r+b") as picture:
            picture.seek(1000)
            picture.write(b"changed")
        content, orders = shop.files(), shop.orders()
        changed = shop.json("run", "shop", "--kind", "incremental")
        assert changed["stored"] < 100_000
        shop.job.update(format="zip", compression={"algorithm": "gzip"}, delta_from="1GiB")
        shop("run", "shop")
        stored = b"".join(path.read_bytes() for path in shop.store.rglob("*") if path.is_file())
        assert b"age-encryption.org" in stored and b"read-only.ini" not in stored
        shutil.rmtree(shop.store)
        shutil.rmtree(shop.pictures)
        shop("restore", "shop", "--store", "far", exit=16)
        for backup in shop.json("list", "shop", "--store", "far")["jobs"][0]["backups"][:2]:
            shop("restore", "shop", "--yes", "--no-safety-backup", "--backup", backup["id"], "--identity", shop.path("key.txt"))
            assert (shop.files(), shop.orders()) == (content, orders)
            shutil.rmtree(shop.pictures)
    finally:
        server.close()


def test_two_runs_of_one_job(host):
    shop = host()
    shop.fill()
    waits = "import os, sys, time\nopen(sys.argv[1], 'x').close()\nwhile os.path.exists(sys.argv[1]): time.sleep(0.05)"
    shop.job["hooks"] = {"before": [{"command": [shop.windows.program, "-c", waits, shop.path("busy")], "timeout": "60s"}]}
    with shop.windows.start(*shop.argv("run", "shop")) as first:
        shop.wait_for("busy", first)
        second = shop("run", "shop", exit=10)
        (shop.folder / "busy").unlink()
        assert first.wait(60) == 0, first.communicate()
    assert b"another run of it is under way (process " in second.stderr
    # A run that is ended as Task Scheduler ends it leaves a lock that holds nobody up.
    with shop.windows.start(*shop.argv("run", "shop")) as first:
        shop.wait_for("busy", first)
        shop.windows.end(first)
    (shop.folder / "busy").unlink()
    shop.job["hooks"] = {"before": [{"command": [shop.windows.program, "-c", "raise SystemExit('stop it')"]}]}
    refused = shop("run", "shop", exit=13)
    assert b"stop it" in refused.stderr
    del shop.job["hooks"]
    shop("run", "shop")
    (listed,) = shop.json("list", "shop")["jobs"]
    assert [backup["outcome"] for backup in listed["backups"]] == ["success"] * 2


def test_what_windows_cannot_have_is_left_out_and_told(host, tmp_path):
    """A backup from Linux, restored on Windows."""
    shop = host()
    here = tmp_path / "from linux"
    (here / "com1").mkdir(parents=True)
    odd = ("a:b", "nul.txt", "dot.", "space ", "back\\..\\..\\slash", "Con", "ONE.TXT", "com1/below")
    for name in ("one.txt", *odd):
        (here / name).write_bytes(b"odd")
    (here / "link").symlink_to("one.txt")
    linux = Command(build(tmp_path / "fleet-backup.pyz"), tmp_path)
    linux.add_job("shop", {"name": "files", "files": {"paths": [str(here)]}})
    linux("run", "shop")
    shutil.copytree(linux.store, shop.store)
    shop.config["host"] = "web1"
    result = shop.json("restore", "shop", "--to", shop.path("Bilder"), "--yes", exit=3)
    warnings = {warning["code"]: warning["count"] for warning in result["warnings"]}
    # The folder com1 with what is in it, and one of the two that differ only in case. (Links: Wine says that it made one.)
    assert warnings == {"name-skipped": len(odd) + 1}
    assert [Path(path).name.casefold() for path in shop.files()] == ["one.txt"]


def test_installed_and_scheduled(host):
    shop = host()
    shop.fill()
    shop.job["schedules"] = [{"at": "02:00"}, {"every": "6h", "kind": "incremental"}]
    del shop.config["state_dir"]
    sent = shop.folder / "fleet-backup.pyz"  # without bytecode
    write_agent(str(sent))
    shop.program = shop.path("fleet-backup.pyz")
    given = {option.name: option.default for option in CONFIG} | shop.config
    places = dict.fromkeys(("library_dir", "program", "config_dir", "command", "interpreter"))
    digest = hashlib.sha256(sent.read_bytes()).hexdigest()
    agent = {**given, **places, "state": "present", "sha256": digest, "wheels": [], "secrets": "file"}
    assert shop.module("agent", agent)["changed"]
    assert not shop.module("agent", agent)["changed"]
    assert {finding["outcome"] for finding in shop.installed("check", "--json")["findings"]} == {"success"}
    schedule = {"config": None, "command": None, "state": "present", "scheduler": None}
    told = shop.module("schedule", schedule)["schedule"]
    assert [(row["name"], row["state"]) for row in told["schedules"]] == [("daily", "active"), ("scheduled", "active")]
    # What Task Scheduler is told to start; Wine's would not.
    task = ElementTree.fromstring((shop.data / "state" / "tasks" / "shop.daily.xml").read_text(encoding="utf-16"))
    exec_ = task.find(".//{*}Exec")
    (shop.folder / "daily.cmd").write_text('@"%s" %s\n' % (exec_.findtext("{*}Command"), exec_.findtext("{*}Arguments")))
    started = shop.windows.run("cmd", "/c", shop.path("daily.cmd"))
    assert (started.returncode, started.stdout) == (0, b""), started.stderr
    (backup,) = shop.installed("list", "--json", "shop")["jobs"][0]["backups"]
    assert (backup["tag"], backup["outcome"]) == ("daily", "success")
    assert shop.module("agent", {**agent, "state": "absent"})["changed"]
    assert not shop.data.exists() and not (shop.windows.drive / "Program Files" / "fleet-backup").exists()
