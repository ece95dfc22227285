# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of tenants as a whole: who they are, what each has, who is missed; by the command, schedules and modules alike."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3

import pytest
import receivers
from command import Command

from _engine.job import NotifierConfig, parse_config
from _engine.modules import backup_info, carry_out, copy_backup, mark_backup, restore, verify
from _engine.modules import prune as prune_module
from _engine.operations.listing import list_backups
from _engine.operations.notify import notify
from _engine.operations.schedule import run_schedule
from _engine.operations.status import status
from _engine.operations.tenants import backup_each, find_job

_SCHEMA = """
CREATE TABLE tenant (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, tenant TEXT REFERENCES tenant, note TEXT);
INSERT INTO tenant VALUES ('a', 'first'), ('b', 'second'), ('C d', 'third');
INSERT INTO orders (tenant, note) SELECT id, 'note' FROM tenant, (SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4);
"""


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.db"
    run(path, _SCHEMA)
    return path


def run(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)


def orders(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT tenant, count(*) FROM orders GROUP BY 1"))


def describe(folder, database, **job):
    tables = [{"name": "orders", "where": "tenant = :tenant"}, {"name": "tenant", "where": "id = :tenant"}]
    rows = {"sqlite": {"path": str(database)}, "tenants": "SELECT id FROM tenant", "tables": tables}
    sources = [{"name": "rows", "rows": rows}]
    stores = [{"name": name, "local": {"path": str(folder / name)}} for name in ("disk", "offsite")]
    return {
        "host": "web1",
        "state_dir": str(folder / "state"),
        "stores": stores,
        "jobs": [{"name": "app", "sources": sources, "stores": ["disk", "offsite"], "max_age": "26h", **job}],
    }


def params(described, **more):
    """The options of a module, with the job in them."""
    job = described["jobs"][0]
    rest = {key: None for key in ("config", "name", "tenant", "store", "notifiers", "sign", "signing_key", "trusted_hosts")}
    rest.update({key: None for key in ("scheduler", "scheduler_account", "schedules_enabled")})
    keys = {"identities": [], "passphrase": None, "file_keys": {}}
    return {**rest, **keys, **{key: described[key] for key in ("host", "state_dir", "stores")}, "job": job, **more}


def module(task, described, **more):
    result, answer = carry_out(task, params(described, **more), False, True)
    assert result.error is None, result.error
    return answer


def taken(config, **options):
    result = backup_each(config, config.jobs, **options)
    assert result.error is None, result.error
    return {part.job: part for part in result.results}


def test_a_listing_tells_what_each_tenant_has(tmp_path, database, program):
    described = describe(tmp_path, database)
    config = parse_config(described)
    run(database, "DELETE FROM orders WHERE tenant = 'b' AND id % 2")
    parts = taken(config)
    assert sorted(parts) == ["app@%43%20d", "app@a", "app@b"]
    listed = {one.tenant: one for one in list_backups(config).jobs}
    assert {tenant: one.rows for tenant, one in listed.items()} == {"a": 5, "b": 3, "C d": 5}
    for one in listed.values():
        component = parts[one.job].components[0]
        assert sum(table["bytes"] for table in one.tables.values()) == one.bytes == component.bytes > 0
        assert {name: table["rows"] for name, table in one.tables.items()} == component.facts["tables"]
        assert one.stored == one.backups[0].stored > 0 and not one.stale and not one.gone
    # The same for people: a line for each tenant, and of one tenant a line for each table.
    cli = Command(program, tmp_path)
    cli.config.update(described)
    cli.save()
    lines = cli("list").stdout.splitlines()
    assert lines[0] == "app: 3 tenants"
    assert [line.split()[0] for line in lines[1:]] == ["TENANT", "C", "a", "b"]
    assert lines[3].split()[1] == "5" and parts["app@a"].id in lines[3] and lines[3].endswith("fresh")
    alone = cli("list", "app@b").stdout
    assert parts["app@b"].id in alone and ["main.orders", "2"] in [line.split()[:2] for line in alone.splitlines()]


def test_a_restore_that_asks_asks_for_the_tenant(tmp_path, database, program):
    terminal = pytest.importorskip("terminal")
    cli = Command(program, tmp_path)
    cli.config.update(describe(tmp_path, database))
    cli.save()
    cli("run", "app")
    run(database, "DELETE FROM orders")
    with terminal.Terminal(cli.argv("restore"), env=cli.environment()) as asked:
        for question, answer in (("Which job?", ""), ("Which tenant?", "3"), ("Which backup?", "1"), ("Into which folder?", "")):
            asked.expect(question)
            asked.expect("): ")
            asked.type(answer)
        asked.expect("anything else to leave: ")
        asked.type("app@b")
        assert asked.finish() == 0
    assert orders(database) == {"b": 4}


def test_a_tenant_without_a_backup_is_missed_and_one_that_is_gone_is_not(tmp_path, database):
    config = parse_config(describe(tmp_path, database))
    # Before the first run the job itself is what has no backup.
    (never,) = list_backups(config).jobs
    assert (never.job, never.stale) == ("app", True)
    assert [(one.job, one.healthy) for one in status(config).jobs] == [("app", False)]
    taken(config)
    run(database, "PRAGMA foreign_keys = OFF; DELETE FROM tenant WHERE id = 'a'; INSERT INTO tenant VALUES ('new', 'x')")
    # Nobody knows of the new one before the next run; that cannot back it up.
    for store in ("disk", "offsite"):
        (tmp_path / store / "web1" / "app@new").write_text("in the way of the folder")
    result = backup_each(config, config.jobs)
    assert result.error is not None and [part.job for part in result.results if part.error] == ["app@new"]
    for store in ("disk", "offsite"):
        (tmp_path / store / "web1" / "app@new").unlink()
    listed = {one.tenant: one for one in list_backups(config).jobs}
    assert {tenant: (one.stale, one.gone) for tenant, one in listed.items()} == {
        "C d": (False, False), "a": (False, True), "b": (False, False), "new": (True, False),
    }  # fmt: skip
    assert notify_names(config) == ["app@new"]
    health = {one.job: one.healthy for one in status(config).jobs}
    assert health == {"app@%43%20d": True, "app@b": True, "app@new": False}
    # A later run finds them all, and nothing is left to be told.
    taken(config)
    assert status(config).healthy and not any(one.stale for one in list_backups(config).jobs)
    # The database cannot be asked who they are: that is the job's own failure.
    shutil.move(database, tmp_path / "away.db")
    failed = backup_each(config, config.jobs)
    assert failed.error["code"] == "source"
    assert [one.job for one in status(config).jobs if not one.healthy] == ["app"]
    shutil.move(tmp_path / "away.db", database)
    taken(config)
    assert status(config).healthy


def notify_names(config):
    """The jobs that people would be told of as stale."""
    notifier = NotifierConfig("ops", "command", {"command": ["true"], "timeout": 5}, ("stale",), "en")
    return notify(dataclasses.replace(config, notifiers=(notifier,)), "stale", dry_run=True).stale


def test_a_dead_mans_switch_is_told_once_of_all_tenants(tmp_path, database):
    with receivers.http_server() as requests:
        described = describe(tmp_path, database, notify=["switch"])
        described["notifiers"] = [{"name": "switch", "healthcheck": {"url": requests.url}}]
        config = parse_config(described)
        taken(config)
        # One in the middle fails, and the last succeeds.
        for store in ("disk", "offsite"):
            shutil.rmtree(tmp_path / store / "web1" / "app@a")
            (tmp_path / store / "web1" / "app@a").write_text("in the way of the folder")
        result = backup_each(config, config.jobs)
        assert [part.job for part in result.results if part.error] == ["app@a"] and result.results[-1].job == "app@b"
        # A run of one tenant says nothing of the others.
        backup_each(config, [find_job(config, "app@b")])
    told = [(path, body.decode().splitlines()[0]) for path, _headers, body in requests.seen]
    assert told == [
        ("/hook/token-canary", "web1/app: backup succeeded"), ("/hook/token-canary/fail", "web1/app: backup FAILED"),
    ]  # fmt: skip


def test_schedules_work_on_every_tenant(tmp_path, database):
    schedules = [
        {"name": "backup", "tag": "nightly", "at": "02:00"},
        {"name": "prune", "operation": "prune", "at": "03:00"},
        {"name": "verify", "operation": "verify", "at": "04:00"},
        {"name": "copy", "operation": "copy", "at": "05:00"},
    ]
    config = parse_config(describe(tmp_path, database, schedules=schedules, retention={"keep_last": 1}))
    for _n in range(2):
        result = run_schedule(config, "app", "backup")
        assert (result.error, result.job, len(result.results)) == (None, "app", 3)
    pruned = run_schedule(config, "app", "prune")
    assert pruned.error is None and [len(part.deleted) for part in pruned.results] == [1, 1, 1]
    shutil.rmtree(tmp_path / "offsite")
    (tmp_path / "offsite").mkdir()
    copied = run_schedule(config, "app", "copy")
    assert copied.error is None and [len(part.copied) for part in copied.results] == [1, 1, 1]
    checked = run_schedule(config, "app", "verify")
    assert checked.error is None and len(checked.backups) == 6
    assert all(one.last_verified for one in status(config).jobs)


def test_modules_work_on_one_tenant_or_on_all(tmp_path, database):
    described = describe(tmp_path, database, retention={"keep_last": 1})
    config = parse_config(described)
    before = orders(database)
    taken(config)
    newest = taken(config)
    given = {"all_hosts": False, "details": False, "backup": None, "find": None}
    found = module(backup_info, described, tenant="C d", **given)["info"]["jobs"]
    assert [(one["tenant"], one["rows"], len(one["backups"])) for one in found] == [("C d", 5, 2)]
    mark = {"state": "pinned", "note": ""}
    assert module(mark_backup, described, tenant="a", backup=newest["app@a"].id, **mark)["mark"]["job"] == "app@a"
    assert module(mark_backup, described, backup=newest["app@b"].id, **mark)["changed"]
    rules = {"orphans": False, "max_delete": None}
    one = module(prune_module, described, tenant="a", **rules)
    assert len(one["prune"]["deleted"]) == 1 and len(one["diff"]) == 2
    rest = module(prune_module, described, **rules)
    assert [(part["job"], len(part["deleted"])) for part in rest["prune"]["results"]] == [
        ("app@%43%20d", 1), ("app@a", 0), ("app@b", 1),
    ]  # fmt: skip
    levels = {"sample": None, "backups": [], "level": "quick", "from_dir": None}
    assert len(module(verify, described, tenant="b", **levels)["verify"]["backups"]) == 2
    copying = {"backups": [], "all": True, "from_store": None, "to_stores": [], "to_dir": str(tmp_path / "copy")}
    module(copy_backup, described, **copying)
    assert sorted(os.listdir(tmp_path / "copy" / "web1")) == ["app@%43%20d", "app@a", "app@b"]
    # One tenant comes back, then all of them; an id is of one tenant, so it needs the name.
    wanted = {
        "controller_identities": [], "backup": "latest", "at": None, "components": [], "include": [], "to": None,
        "from_dir": None, "from_host": None, "move": {}, "store": None, "delete": False, "set_ids": False, "devices": False,
        "confirm": True, "safety_backup": False,
        "options": {},
    }  # fmt: skip
    run(database, "DELETE FROM orders; DELETE FROM tenant")
    module(restore, described, tenant="a", **wanted)
    assert orders(database) == {"a": 4}
    result, _answer = carry_out(restore, params(described, **{**wanted, "backup": newest["app@b"].id}), False, False)
    assert "name the tenant (app@TENANT)" in result.error["message"]
    answer = module(restore, described, **wanted)
    assert len(answer["restore"]["results"]) == 3
    assert orders(database) == before
