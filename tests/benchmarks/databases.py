# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases on servers: backups, restores, one table, one tenant's rows, and the day after, beside the servers' own programs."""

from __future__ import annotations

import os
import subprocess
import typing as t

from comparisons import MIB, OURS, Comparison, Contender, Place
from data import BIG
from deltas import second_day
from measuring import Argv, Step, run_reading, stored_bytes
from servers import SHOP, Database, mariadb_shop, postgresql_shop, postgresql_tenants

_ZSTD = ["zstd", "-q", "-3", "-T2"]
_COPY = "shop_copy"
_MEMORY = 200 * MIB

PG_ZSTD, PG_PLAIN, PG_RESTORE = "pg_dump -Fc -Z0 | zstd -3 -T2", "pg_dump -Fc", "pg_restore -j2"
MARIA_ZSTD, MARIA_RESTORE = "mariadb-dump | zstd -3 -T2", "zstd -dc | mariadb"
COPY = "COPY (SELECT row_to_json ...)"


def _our_backup(place: Place, database: Database) -> Contender:
    folder = place.folder(OURS)
    config = place.config(folder, os.path.join(folder, "output"), database.source())
    return Contender(OURS, folder, [place.call(config, "run", "bench")])


def _their_backup(place: Place, name: str, *pipeline: Argv, slow: bool = False) -> Contender:
    folder = place.folder(name)
    target = os.path.join(folder, "output", "f")
    return Contender(name, folder, [Step(pipeline, target), Step([["sync", "-f", target]])], needs=("zstd",), slow=slow)


def postgresql_backup(place: Place) -> Comparison:
    database = postgresql_shop(place.data)
    contenders = [
        _our_backup(place, database),
        _their_backup(place, PG_ZSTD, database.dump("-Fc", "-Z0"), _ZSTD),
        _their_backup(place, PG_PLAIN, database.dump("-Fc"), slow=True),
    ]
    return Comparison(place.data, contenders, {PG_ZSTD: 1.1, PG_PLAIN: 0.5}, rss=_MEMORY)


def mariadb_backup(place: Place) -> Comparison:
    database = mariadb_shop(place.data)
    contenders = [_our_backup(place, database), _their_backup(place, MARIA_ZSTD, database.dump(), _ZSTD)]
    return Comparison(place.data, contenders, {MARIA_ZSTD: 1.1}, rss=_MEMORY)


def _our_restore(place: Place, database: Database) -> Contender:
    """Into a new database."""
    folder = place.folder(OURS)
    config = place.config(folder, os.path.join(folder, "store"), database.source())
    restore = place.call(config, "restore", "bench", "--option", "restore_as=%s=%s" % (SHOP, _COPY), "--yes")
    once = [place.call(config, "run", "bench")]
    return Contender(OURS, folder, [restore], before=[Step([database.drop(_COPY)])], once=once)


def postgresql_restore(place: Place) -> Comparison:
    database = postgresql_shop(place.data)
    folder = place.folder(PG_RESTORE)
    archive = os.path.join(database.folder, "shop.dump")
    steps = [
        Step([database.program("createdb", _COPY)]),
        Step([database.program("pg_restore", "-j2", "-d", _COPY, archive)]),
    ]
    once = [Step([database.dump("-Fc", "-f", archive)])]
    theirs = Contender(PG_RESTORE, folder, steps, before=[Step([database.drop(_COPY)])], once=once)
    return Comparison(place.data, [_our_restore(place, database), theirs], {PG_RESTORE: 1.15}, rss=_MEMORY)


def mariadb_restore(place: Place) -> Comparison:
    database = mariadb_shop(place.data)
    folder = place.folder(MARIA_RESTORE)
    archive = os.path.join(folder, "shop.sql.zst")
    create = Step([database.client("mysql", "-e", "CREATE DATABASE %s" % _COPY)])
    steps = [create, Step([["zstd", "-q", "-dc", archive], database.client(_COPY)])]
    once = [Step([database.dump(), _ZSTD], archive)]
    theirs = Contender(MARIA_RESTORE, folder, steps, before=[Step([database.drop(_COPY)])], once=once, needs=("zstd",))
    return Comparison(place.data, [_our_restore(place, database), theirs], {MARIA_RESTORE: 1.15}, rss=_MEMORY)


def _one_table(place: Place, database: Database, alone: Argv) -> Comparison:
    """What is read of the store, at most 1.5 times what the table takes when it is stored ``alone``."""
    folder = place.folder(OURS)
    store = os.path.join(folder, "store")
    config = place.config(folder, store, database.source())
    words = ["restore", "bench", "--include", database.one_table, "--no-safety-backup", "--yes"]
    call = place.call(config, *words).pipeline[0]
    ours = Contender(
        OURS,
        folder,
        [],
        once=[place.call(config, "run", "bench")],
        needs=("strace", "zstd"),
        measure=lambda: run_reading(call, store),
    )
    packed = os.path.join(folder, "alone.zst")
    with open(packed, "wb") as file, subprocess.Popen(alone, stdout=subprocess.PIPE) as dump:
        subprocess.run(_ZSTD, check=True, stdin=dump.stdout, stdout=file)
    return Comparison(place.data, [ours], {}, rss=_MEMORY, read=int(1.5 * os.path.getsize(packed)))


def postgresql_one_table(place: Place) -> Comparison:
    database = postgresql_shop(place.data)
    return _one_table(place, database, database.dump("-t", "event"))


def mariadb_one_table(place: Place) -> Comparison:
    database = mariadb_shop(place.data)
    return _one_table(place, database, database.dump("event"))


def _delta(place: Place, database: Database) -> Comparison:
    """0.5 % of the orders have changed since the first day. The limit is that of the other deltas: 1 MB for 275 MB."""
    folder = place.folder(OURS)
    config = place.config(folder, os.path.join(folder, "output"), database.source())
    change = Step([["cat", os.path.join(place.data, "changes.sql")], database.client(SHOP)])
    full, increment = place.call(config, "run", "bench"), place.call(config, "run", "bench", "--kind", "incremental")
    ours = second_day(OURS, folder, [full], change, increment)
    name = "the same in full"
    again = place.folder(name)
    config = place.config(again, os.path.join(again, "output"), database.source())
    whole = Contender(name, again, [place.call(config, "run", "bench")])
    return Comparison(place.data, [ours, whole], {}, rss=_MEMORY, stored=max(stored_bytes(place.data) // 275, 50_000))


def postgresql_delta(place: Place) -> Comparison:
    return _delta(place, postgresql_shop(place.data))


def mariadb_delta(place: Place) -> Comparison:
    return _delta(place, mariadb_shop(place.data))


def rows_tenant(place: Place) -> Comparison:
    """The rows of one tenant among 1,000; COPY compresses nothing, lists no keys and checks nothing."""
    database = postgresql_tenants(place.data)
    tables = [{"name": "orders", "where": "tenant_id = :tenant"}]
    folder = place.folder(OURS)
    source = {"rows": {"postgresql": database.options(database=SHOP), "tenant": str(BIG), "tables": tables}}
    config = place.config(folder, os.path.join(folder, "output"), source)
    query = "COPY (SELECT row_to_json(o) FROM orders o WHERE tenant_id = %d) TO STDOUT" % BIG
    contenders = [
        Contender(OURS, folder, [place.call(config, "run", "bench")]),
        _their_backup(place, COPY, database.client(SHOP, "-c", query)),
    ]
    return Comparison(place.data, contenders, {COPY: 2.0}, rss=_MEMORY)


#: name: (data set, what makes the comparison)
DATABASES: t.Dict[str, t.Tuple[str, t.Callable[[Place], Comparison]]] = {
    "postgresql-backup": ("tables", postgresql_backup),
    "postgresql-restore": ("tables", postgresql_restore),
    "postgresql-one-table": ("tables", postgresql_one_table),
    "postgresql-delta": ("tables", postgresql_delta),
    "mariadb-backup": ("tables", mariadb_backup),
    "mariadb-restore": ("tables", mariadb_restore),
    "mariadb-one-table": ("tables", mariadb_one_table),
    "mariadb-delta": ("tables", mariadb_delta),
    "rows-tenant": ("tenants", rows_tenant),
}
