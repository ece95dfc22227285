# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with a dump is told clearly, and leaves neither a backup nor anything else."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

import jobs
import pytest
from canary import Canary
from postgres import PASSWORD, Server

from _engine.operations.backup import backup
from _engine.operations.restore import RestoreRequest, restore
from _engine.progress import Progress


@pytest.fixture(scope="module")
def server():
    """One that may be stopped, with a database of some 30 MB."""
    server = Server()
    server.create_database("big")
    server.sql(
        "CREATE TABLE a AS SELECT n, md5(n::text) AS t FROM generate_series(1, 300000) n;"
        "CREATE TABLE b AS SELECT n, md5(n::text) AS t FROM generate_series(1, 300000) n;"
        "CREATE ROLE clerk LOGIN PASSWORD 'x'; GRANT SELECT ON a TO clerk",
        "big",
    )
    yield server
    server.remove()


def fails(folder, options, code="source", **more):
    """Take a backup that must fail; return the message. Nothing may be left but the note of the failure."""
    config = jobs.configure(folder, {"name": "db", "postgresql": {"databases": ["big"], "globals": False, **options}})
    result = backup(config, config.jobs[0], **more)
    assert result.error is not None and result.error["code"] == code, result.error
    kept = sorted(p.name for p in (folder / "store").rglob("*") if p.is_file())
    assert len(kept) == 1 and kept[0].endswith(".failed.json"), kept
    assert not [name for name in os.listdir(folder / "state") if "scratch" in name]
    return result.error["message"]


def fake_programs(server, name, text):
    """A folder of programs in which one is a script of ours. Where the server's user can reach it."""
    folder = Path(server.folder, "programs-" + os.urandom(4).hex())
    folder.mkdir(mode=0o755)
    for program in ("psql", "pg_dump", "pg_dumpall"):
        (folder / program).symlink_to(shutil.which(program))
    (folder / name).unlink()
    (folder / name).write_text("#!/bin/sh\n" + text)
    (folder / name).chmod(0o755)
    return str(folder)


class AtByte(Progress):
    """Does something once, when so many bytes were read."""

    def __init__(self, count, act):
        self.left = count
        self.act = act

    def advance(self, count):
        self.left -= count
        if self.left <= 0 and self.act:
            act, self.act = self.act, None
            act()


def test_the_server_stops_in_the_middle(tmp_path, server):
    try:
        message = fails(tmp_path, server.options(), progress=AtByte(5 << 20, server.stop))
    finally:
        server.start()
    assert "database big" in message and "pg_dump ended with exit code 1" in message


def test_the_server_is_not_there(tmp_path, server):
    message = fails(tmp_path, server.options(port=1))
    assert "the server cannot be reached" in message and "No such file or directory" in message


def test_a_wrong_password(tmp_path, server):
    message = fails(tmp_path, server.tcp(password="wrong-" + PASSWORD))
    assert "password authentication failed" in message
    assert "wrong-" not in message


def test_a_role_that_may_not_read_everything(tmp_path, server):
    options = server.tcp(user="clerk", password="x")
    assert "permission denied for table b" in fails(tmp_path, options)
    assert "role_passwords" in fails(_fresh(tmp_path), {**options, "globals": True})


def test_rows_hidden_by_a_policy_are_missed(tmp_path, server):
    server.sql(
        "CREATE TABLE own (id integer); ALTER TABLE own ENABLE ROW LEVEL SECURITY; GRANT SELECT ON a, b, own TO clerk", "big"
    )
    try:
        message = fails(tmp_path, server.tcp(user="clerk", password="x"))
    finally:
        server.sql("DROP TABLE own; REVOKE SELECT ON b FROM clerk", "big")
    assert "row-level security" in message or "row security" in message


def test_a_table_that_somebody_else_holds(tmp_path, server):
    with server.connected("big") as other:
        other.stdin.write(b"BEGIN; DROP TABLE b; SELECT 'locked';\n")
        other.stdin.flush()
        assert other.stdout.readline() == b"locked\n"
        message = fails(tmp_path, server.options(lock_timeout="1s"))
    assert "LOCK TABLE public.b" in message and "timeout" in message


def test_a_dump_that_ends_early_with_exit_code_0(tmp_path, server):
    real = shutil.which("pg_dump")
    programs = fake_programs(
        server, "pg_dump", 'case "$*" in *--help*|*--version*) exec %s "$@";; esac\n%s "$@" | head -c 9000000\n' % (real, real)
    )
    assert "was cut off" in fails(tmp_path, server.options(programs=programs))


def test_a_dump_that_leaves_a_table_out(tmp_path, server):
    real = shutil.which("pg_dump")
    programs = fake_programs(
        server, "pg_dump", 'case "$*" in *--help*|*--version*) exec %s "$@";; esac\nexec %s -T b "$@"\n' % (real, real)
    )
    assert "lacks the rows of 1 tables, such as public.b" in fails(tmp_path, server.options(programs=programs))


def test_a_client_that_is_older_than_the_server(tmp_path, server):
    programs = fake_programs(server, "pg_dump", "echo 'pg_dump (PostgreSQL) 13.22'\n")
    message = fails(tmp_path, server.options(programs=programs))
    assert "pg_dump is version 13" in message and "client of version 15" in message


def test_a_program_that_is_not_there(tmp_path, server):
    message = fails(tmp_path, server.options(programs="/nowhere"), code="missing-dependency")
    assert "/nowhere/psql" in message


def test_a_restore_onto_a_server_that_stops(tmp_path, server):
    config = jobs.configure(tmp_path, {"name": "db", "postgresql": server.options(databases=["big"], globals=False)})
    jobs.take(config)
    before = server.dump("big")
    progress = AtByte(5 << 20, server.stop)
    try:
        result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False), progress=progress)
    finally:
        server.start()
    assert result.error["code"] == "restore"
    assert server.dump("big") == before
    server.sql(
        "".join('DROP DATABASE "%s";' % d for d in server.sql("SELECT datname FROM pg_database").split("\n") if "-new-" in d)
        or "SELECT 1"
    )


def test_damage_in_the_backup_is_told_and_changes_nothing(tmp_path, server):
    config = jobs.configure(tmp_path, {"name": "db", "postgresql": server.options(databases=["big"], globals=False)})
    folder = jobs.backup_folder(config, jobs.take(config).id)
    before, there = server.dump("big"), server.sql("SELECT datname FROM pg_database ORDER BY 1")
    (volume,) = folder.glob("db.sql*")
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.write_bytes(data)
    result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False))
    assert result.error["code"] == "integrity"
    assert server.dump("big") == before
    assert server.sql("SELECT datname FROM pg_database ORDER BY 1") == there


def test_the_password_is_nowhere(tmp_path, server):
    source = {"name": "db", "postgresql": server.tcp(databases=["big"])}
    config = jobs.configure(tmp_path, source, compression={"algorithm": "none"})
    with Canary(PASSWORD) as canary:
        results = [jobs.take(config), restore(config, "app", RestoreRequest(options={"restore_as": "big=copy"}))]
    assert results[1].error is None, results[1].error
    server.sql("DROP DATABASE copy")
    assert canary.saw("pg_dump") and canary.saw("psql")
    assert canary.found(tmp_path, *(json.dumps(result.to_dict()) for result in results)) == []


@pytest.mark.parametrize("terminate", ["false", "true"])
def test_a_server_that_tidies_up_meanwhile_is_no_user_of_the_database(tmp_path, server, terminate):
    """A worker of autovacuum, which only a superuser may end, and which the server ends by itself where it is in the way."""
    server.sql("CREATE ROLE owner LOGIN CREATEDB PASSWORD 'x'; CREATE DATABASE tidied OWNER owner TEMPLATE template0")
    tidying = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'tidied' AND backend_type = 'autovacuum worker'"
    try:
        config = jobs.configure(
            tmp_path,
            {"name": "db", "postgresql": server.tcp(user="owner", password="x", databases=["tidied"], globals=False)},
        )
        server.sql(
            "SET ROLE owner; CREATE TABLE t WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_cost_delay = 100)"
            " AS SELECT n FROM generate_series(1, 100000) n; UPDATE t SET n = 0 WHERE n = 7",
            "tidied",
        )
        jobs.take(config)
        server.sql("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        server.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 60
        while server.sql(tidying) == "0":
            assert time.monotonic() < deadline, "no worker of autovacuum comes"
            time.sleep(0.1)
        options = {"terminate_connections": terminate}
        result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False, options=options))
        assert result.error is None, result.error
        assert server.sql("SELECT count(*) FROM t WHERE n = 0", "tidied") == "1"
        assert server.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'tidied%'") == "1"
    finally:
        server.sql("ALTER SYSTEM RESET autovacuum_naptime")
        server.sql("SELECT pg_reload_conf()")
        server.sql("DROP DATABASE tidied WITH (FORCE)")
        server.sql("DROP ROLE owner")


def test_a_disk_that_is_full(tmp_path, server, small_disk):
    """First that of the store, then that of the server."""
    source = {"name": "db", "postgresql": server.options(databases=["small"], globals=False)}
    store = small_disk(tmp_path / "disk", "1m")
    config = jobs.configure(tmp_path, {**source, "postgresql": server.options(databases=["big"], globals=False)})
    config = dataclasses.replace(config, stores=jobs.configure(tmp_path / "disk", source).stores)
    result = backup(config, config.jobs[0])
    assert result.error["code"] == "store-full", result.error
    assert not [path for path in store.rglob("*") if path.is_file() and not path.name.endswith(".failed.json")]

    place = small_disk(Path(server.folder) / tmp_path.name, "24m", server.user)
    server.create_database("small")
    server.sql("CREATE TABLESPACE place LOCATION '%s'" % place)
    try:
        server.sql("CREATE TABLE t TABLESPACE place AS SELECT n, md5(n::text) AS t FROM generate_series(1, 100000) n", "small")
        config = jobs.configure(tmp_path, source)
        jobs.take(config)
        (place / "filler").write_bytes(bytes(12 << 20))
        there = server.sql("SELECT datname FROM pg_database ORDER BY 1")
        result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False))
        assert result.error["code"] == "restore" and "No space left on device" in result.error["message"], result.error
        assert server.sql("SELECT datname FROM pg_database ORDER BY 1") == there
        assert server.sql("SELECT count(*) FROM t", "small") == "100000"
        (place / "filler").unlink()
        result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False))
        assert result.error is None, result.error
    finally:
        server.sql("DROP DATABASE small; DROP TABLESPACE place")


def _fresh(folder):
    other = folder / "other"
    other.mkdir()
    return other
