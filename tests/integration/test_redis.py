# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: all keys of a real server, from the host and in a container, back into its data folder."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import threading
import time
import uuid

import docker as docker_library
import jobs
import pytest
import redises
from canary import Canary
from command import Command, write_agent
from redises import Server

from _engine.errors import ConfigurationError
from _engine.job import parse_config
from _engine.operations.database_dump import database_dump
from _engine.operations.restore import RestoreRequest, restore

CANARY = "c4nary-\"\\ %+/ñ'$x"


@pytest.fixture
def servers(tmp_path):
    """Starts servers of this host, and ends them."""
    started = []

    def start(word="data", **options):
        started.append(Server(tmp_path / word, **options))
        return started[-1]

    yield start
    for server in started:
        server.kill()
        server.stop()


def source(server, **options):
    secret = {} if server.password is None else {"password": server.password}
    return {"name": "cache", "redis": {"port": server.port, **secret, **options}}


def put_back(config, **options):
    return restore(config, "app", RestoreRequest(confirm=True, **options))


def codes(result):
    return [notice.code for notice in result.warnings]


def failed(config):
    result = jobs.backup(config, config.jobs[0])
    assert result.outcome == "failure" and result.id is None
    store = jobs.catalog(config).store.local_path()
    names = [name for _folder, _folders, files in os.walk(store) for name in files if not name.endswith(".failed.json")]
    assert names == [], "something was left on the store"
    return result.error


@pytest.mark.parametrize("method", ["replication", "save"])
@pytest.mark.parametrize("log", ["no", "yes"])
def test_every_key_comes_back(tmp_path, servers, method, log):
    server = servers(password=CANARY, appendonly=log)
    server.fill()
    before = server.state()
    assert len(before) == 314
    config = jobs.configure(tmp_path, source(server, method=method))
    taken = jobs.take(config)
    facts = taken.components[0].facts
    assert (taken.outcome, facts["check"], facts["keys"]) == ("success", "full", 314)
    assert facts["tables"] == {"db0": 312, "db3": 1, "db15": 1}
    assert facts["appendonly"] == (log == "yes")
    server.cli("FLUSHALL")
    server.cli("SET", "wrong", "1")
    running = put_back(config, safety_backup=False)
    assert "stop it first" in running.error["message"]
    assert server.cli("GET", "wrong").strip() == "1"
    server.stop()
    restored = put_back(config)
    assert restored.error is None
    assert set(codes(restored)) <= {"previous-kept"}
    server.start()
    assert server.state() == before
    # It goes on writing where it is used to.
    server.cli("SET", "more", "1")
    server.stop()
    server.start()
    assert (server.cli("GET", "more").strip() == "1") == (log == "yes")


def test_what_was_there_is_kept(tmp_path, servers):
    server = servers(save="3600 1")
    server.fill(5)
    config = jobs.configure(tmp_path, source(server))
    jobs.take(config)
    server.cli("SET", "newer", "1")
    server.cli("SAVE")
    server.stop()
    old = (server.folder / "dump.rdb").read_bytes()
    restored = put_back(config)
    (kept,) = restored.warnings[0].paths
    with open(kept, "rb") as file:
        assert file.read() == old
    server.start()
    assert server.cli("EXISTS", "newer").strip() == "0"


def test_a_failed_restore_puts_back_what_was_there(tmp_path, servers):
    server = servers(appendonly="yes")
    server.fill(5)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("1")
    config = jobs.configure(tmp_path, source(server), jobs.files(tmp_path / "tree"))
    taken = jobs.take(config)
    server.cli("SET", "newer", "1")
    before = server.state()
    server.stop()
    there = sorted(path.relative_to(server.folder) for path in server.folder.rglob("*"))
    volume = next(jobs.backup_folder(config, taken.id).glob("cache.rdb*"))
    data = bytearray(volume.read_bytes())
    data[-20] ^= 1
    volume.write_bytes(data)
    assert put_back(config, safety_backup=False).error["code"] == "integrity"
    assert sorted(path.relative_to(server.folder) for path in server.folder.rglob("*")) == there
    server.start()
    assert server.state() == before


def test_written_while_it_is_copied(tmp_path, servers):
    """Every copy has the invariant: pairs of keys are written in one transaction."""
    server = servers()
    server.cli(stdin=b"".join(b"MSET a:%d 0 b:%d 0\n" % (n, n) for n in range(2000)))
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            server.cli(stdin=b"".join(b"MSET a:%d %d b:%d %d\n" % (k, n, k, n) for k in range(0, 2000, 7)))

    writer = threading.Thread(target=write)
    writer.start()
    config = jobs.configure(tmp_path, source(server))
    try:
        taken = [jobs.take(config).id for _round in range(3)]
    finally:
        stop.set()
        writer.join()
    for number, backup_id in enumerate(taken):
        folder = tmp_path / ("copy%d" % number)
        assert put_back(config, backup=backup_id, to=str(folder)).error is None
        (folder / "cache.rdb").rename(folder / "dump.rdb")
        copy = Server(folder)
        try:
            pairs = zip(*(copy.cli("MGET", *("%s:%d" % (k, n) for n in range(2000))).split() for k in "ab"))
            assert all(a == b for a, b in pairs)
        finally:
            copy.kill()
            copy.stop()


def test_by_its_socket_and_as_a_dump(tmp_path, servers):
    server = servers()
    server.fill(50)
    dest = tmp_path / "dump.rdb"
    dump = {"redis": {"socket": server.socket}, "dest": str(dest)}
    result = database_dump(dump)
    assert (result.error, result.facts["keys"]) == (None, 64)
    checked = subprocess.run(["redis-check-rdb", dest], capture_output=True, text=True, check=True).stdout
    assert "64 keys read" in checked


def test_a_server_that_cannot_save_and_one_that_is_dead(tmp_path, servers):
    server = servers(save="")
    server.fill(5)
    (server.folder / "dump.rdb" / "in the way").mkdir(parents=True)
    error = failed(jobs.configure(tmp_path, source(server, method="save")))
    assert error["code"] == "source" and "could not save" in error["message"]
    server.kill()
    error = failed(jobs.configure(tmp_path, source(server)))
    assert error["code"] == "source" and "refused" in error["message"]


@pytest.mark.parametrize("harm", ["cut", "flip", "kill"])
def test_a_damaged_copy_is_refused(tmp_path, servers, harm):
    """A program in the place of redis-cli damages what the real one writes, and exits with 0."""
    server = servers()
    server.fill(2000)
    program = tmp_path / "broken-cli"
    shorten = {"cut": "head -c 9000", "flip": "tr e f", "kill": "head -c 9000; kill -9 $$"}[harm]
    program.write_text(
        '#!/bin/sh\ncase "$*" in *--rdb*) redis-cli "$@" | (%s); exit 0;; *) exec redis-cli "$@";; esac\n' % shorten
    )
    program.chmod(0o755)
    error = failed(jobs.configure(tmp_path, source(server, redis_cli=str(program))))
    assert error["code"] == "source", error


def test_a_server_that_stops_meanwhile(tmp_path, servers):
    """In the middle of what it sends; that is longer than what the system keeps for a reader."""
    server = servers(rdbcompression="no")
    for n in range(24):
        server.cli("-x", "SET", "big:%d" % n, stdin=os.urandom(1 << 20))
    program = tmp_path / "killing-cli"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *--rdb*) redis-cli "$@" | (head -c 100000; kill -9 %d; cat); exit 0;;'
        ' *) exec redis-cli "$@";; esac\n' % server._process.pid
    )
    program.chmod(0o755)
    error = failed(jobs.configure(tmp_path, source(server, redis_cli=str(program))))
    assert error["code"] == "source", error


def test_an_account_that_may_not_copy(tmp_path, servers):
    server = servers()
    server.cli("ACL", "SETUSER", "weak", "on", ">x", "~*", "+@read", "+ping", "+info")
    weak = {"username": "weak", "password": "x"}
    error = failed(jobs.configure(tmp_path, source(server, **weak)))
    assert error["code"] == "source" and "NOPERM" in error["message"], error


def test_without_the_checking_program_the_end_is_checked(tmp_path, servers, monkeypatch):
    server = servers()
    server.fill(5)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("redis-cli",):
        (programs / name).symlink_to("/usr/bin/" + name)
    monkeypatch.setenv("PATH", str(programs))
    config = jobs.configure(tmp_path, source(server))
    taken = jobs.take(config)
    assert codes(taken) == ["not-checked"]
    assert taken.components[0].facts["check"] == "end"


def test_wrong_passwords_are_told_and_no_password_is_shown(tmp_path, servers):
    server = servers(password=CANARY)
    server.fill(200)
    wrong = jobs.configure(tmp_path, {"name": "cache", "redis": {"port": server.port, "password": "not it"}})
    assert "WRONGPASS" in failed(wrong)["message"] or "AUTH" in failed(wrong)["message"]
    (tmp_path / "password").write_text(CANARY)
    write_agent(str(tmp_path / "fleet-backup.pyz"))
    program = Command(tmp_path / "fleet-backup.pyz", tmp_path / "host")
    program.folder.mkdir()
    spy = tmp_path / "spy"
    seen = tmp_path / "seen"
    spy.write_text('#!/bin/sh\ncat /proc/[0-9]*/cmdline >>%s 2>/dev/null\nexec redis-cli "$@"\n' % seen)
    spy.chmod(0o755)
    program.add_job(
        "app",
        {"name": "cache", "redis": {"port": server.port, "password_file": str(tmp_path / "password"), "redis_cli": str(spy)}},
    )
    told = program("run", "app", "--json")
    shown = program("show", json.loads(told.stdout)["id"], "--json")
    unpacked = subprocess.run("zstd -dcq %s/web1/app/*/*.zst" % program.store, shell=True, capture_output=True, check=True)
    canary = Canary(CANARY)
    canary.arguments = {seen.read_bytes(), unpacked.stdout}
    assert str(spy).encode() in seen.read_bytes()
    assert canary.found(program.store, told.stdout, told.stderr, shown.stdout) + canary.found(program.state) == []


class Container:
    """A server in a container, its data in a volume."""

    def __init__(self, *settings):
        self.client = docker_library.from_env()
        self.name = "fleet-backup-test-redis-%s" % uuid.uuid4().hex[:8]
        self.made = self.client.containers.run(
            "fleet-backup/redis:bookworm", ["redis-server", "--dir", "/data", "--requirepass", "hidden", *settings], detach=True,
            name=self.name, network_mode="none", volumes={self.name: {"bind": "/data", "mode": "rw"}}, init=True,
        )  # fmt: skip
        self.cli = functools.partial(self._cli)
        self.wait()

    def _cli(self, *command, check=True, stdin=None):
        argv = ["docker", "exec", "-i", "-e", "REDISCLI_AUTH", self.name, "redis-cli"]
        return redises.cli(argv, command, "hidden", check, stdin)

    def wait(self):
        deadline = time.monotonic() + redises.PATIENCE
        while "PONG" not in self.cli("PING", check=False):
            self.made.reload()
            assert self.made.status in ("created", "running") and time.monotonic() < deadline, self.made.logs()

    def close(self):
        self.made.remove(force=True, v=True)
        self.client.volumes.get(self.name).remove(force=True)
        self.client.close()


@pytest.mark.parametrize("log", ["no", "yes"])
def test_in_a_container(tmp_path, redis_image, log):
    with contextlib.closing(Container("--appendonly", log)) as server:
        redises.fill(server.cli)
        before = redises.state(server.cli)
        described = {"name": "cache", "redis": {"container": server.name, "password": "hidden"}}
        config = jobs.configure(tmp_path, described)
        taken = jobs.take(config)
        assert (taken.outcome, taken.components[0].facts["keys"]) == ("success", 314)
        server.cli("FLUSHALL")
        restored = put_back(config)
        assert restored.error is None and restored.safety_backup
        server.wait()
        assert redises.state(server.cli) == before
        # Also when it does not run, as after a disaster.
        server.cli("FLUSHALL")
        server.made.stop()
        assert put_back(config).error is None
        server.made.start()
        server.wait()
        assert redises.state(server.cli) == before
        server.made.remove(force=True)
        assert "there is no container" in jobs.backup(config, config.jobs[0]).error["message"]
        server.made = server.client.containers.create("fleet-backup/redis:bookworm", "true")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"username": "x"}, "password: is missing"),
        ({"ca_cert": "/x"}, "ca_cert"),
        ({"port": 0}, "port"),
        ({"docker_host": "unix:///x"}, "docker_host"),
    ],
)
def test_wrong_options_are_told(tmp_path, options, told):
    with pytest.raises(ConfigurationError) as error:
        parse_config(jobs.describe(tmp_path, {"name": "cache", "redis": options}))
    assert told in str(error.value)
