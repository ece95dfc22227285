# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting rows back: those of the backup are inserted, or take the place of those with the same key, in one transaction.

stage() does all of it but the COMMIT, so that every rule of the database has been met by then. Rows that are there and not in the
backup stay, unless the restore is asked to delete. What is replaced is kept in the session until the end, for undo().
"""

from __future__ import annotations

import contextlib
import json
import typing as t

from ..archive.index import Entry, entry_path
from ..errors import RestoreError
from ..postgresql.client import Client
from ..postgresql.dump_reader import path_component
from ..postgresql.lexer import literal, quoted
from ..postgresql.loading import Worker
from ..result import Notice
from ..sources import RestorePlan, RestoreTarget
from ..tree.select import Selection
from .catalogue import Described, describe, in_order
from .reading import COPY_FORMAT
from .segments import KEYS
from .selection import Table, tables_of

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader

_PROLOGUE = b"""SET statement_timeout = 0; SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = 0;
SET row_security = off;
SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET client_encoding = 'UTF8';
SET standard_conforming_strings = on; SET client_min_messages = warning; SET search_path = 'pg_catalog';
"""


class _Part(t.NamedTuple):
    """One table on its way back. ``columns``: those that the backup has."""

    described: Described
    segments: t.List[Entry]
    keys: t.Optional[Entry]
    number: int

    def temporary(self, kind: str) -> str:
        return "pg_temp.fleet_backup_%s_%d" % (kind, self.number)

    def same_key(self, one: str, other: str) -> str:
        return " AND ".join("%s.%s = %s.%s" % (one, quoted(c), other, quoted(c)) for c in self.described.key)


class RowsRestoring:
    """See sources.Restoring."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        options = target.options or {}
        self._component = component
        self._delete = target.delete
        self._tables = {_full_name(table): table for table in tables_of(options)}
        self._database: str = options["postgresql"]["database"]
        self._facts = component.facts
        self._stack = contextlib.ExitStack()
        self._worker: t.Optional[Worker] = None
        self._committed = False
        self._columns_of: t.Dict[int, t.List[str]] = {}
        self.plan = RestorePlan()
        if target.to is not None:
            raise RestoreError("to: rows are not restored into a folder; name another database with the option postgresql")
        self._check_tenant(options)
        self._chosen = _chosen(component, target.include)
        with Client(options["postgresql"]) as client:
            self._parts = self._match(client)
            self._make_plan(client)
        self._options = options["postgresql"]

    def stage(self, progress: t.Callable[[int], None]) -> None:
        client = self._stack.enter_context(Client(self._options))
        child = self._stack.enter_context(client.worker(self._database))
        worker = self._worker = Worker(client, child, _PROLOGUE)
        self._child = child
        self._run("BEGIN; SET CONSTRAINTS ALL DEFERRED;", "the transaction")
        for part in self._parts:
            self._load(part, worker, progress)
        for part in self._parts:
            self._upsert(part)
        if self._delete:
            for part in reversed(self._parts):
                self._remove_others(part)
        for part in self._parts:
            self._move_sequences(part)
        self._run("SET CONSTRAINTS ALL IMMEDIATE;", "the rules between the tables")

    def commit(self) -> t.List[Notice]:
        self._run("COMMIT;", "the transaction")
        self._committed = True
        return []

    def undo(self) -> None:
        if not self._committed:
            return
        self._run("BEGIN; SET CONSTRAINTS ALL DEFERRED;", "the way back")
        # Rows that were there get their old values, in place: deleting them could take rows of other tables along.
        for part in self._parts:
            self._write(part, part.temporary("old"), [column for column, _type in part.described.columns])
        for part in reversed(self._parts):
            self._run(
                "DELETE FROM %s t USING %s r WHERE %s AND NOT EXISTS (SELECT FROM %s o WHERE %s);"
                % (
                    part.described.quoted,
                    part.temporary("rows"),
                    part.same_key("t", "r"),
                    part.temporary("old"),
                    part.same_key("o", "r"),
                ),
                part.described.full_name,
            )
        self._run("COMMIT;", "the way back")
        self._committed = False

    def finish(self) -> None:
        self._worker = None
        self._stack.close()

    def _check_tenant(self, options: t.Mapping[str, t.Any]) -> None:
        of_backup = self._facts.get("tenant")
        if of_backup is not None and options["tenant"] != of_backup:
            raise RestoreError("the backup holds rows of tenant %s, and the job is about %s" % (of_backup, options["tenant"]))

    def _match(self, client: Client) -> t.List[_Part]:
        """The tables of the backup as the database has them, in the order of their references."""

        def query(sql: str) -> t.Any:
            return client.query(sql, self._database, RestoreError)

        described = []
        for folder in self._chosen:
            name = _name_of(self._component, self._chosen[folder])
            table = self._tables.get(name, Table('"%s"."%s"' % tuple(_split(name)), "true", None, ()))
            found = describe(query, table, RestoreError)
            if not found.key:
                raise RestoreError("table %s has no primary key, so its rows cannot be told apart; name one (key)" % name)
            described.append(found)
        entries = {path_component(d.full_name.encode("utf-8")): d for d in described}
        folders = {d.oid: folder for folder, d in entries.items()}
        parts = []
        for number, found in enumerate(in_order(query, described)):
            listed = self._chosen[folders[found.oid]]
            keys = [e for e in listed if entry_path(e).endswith(b"/" + KEYS)]
            parts.append(_Part(found, [e for e in listed if e not in keys], keys[0] if keys else None, number))
        return parts

    def _make_plan(self, client: Client) -> None:
        for part in self._parts:
            table = part.described
            there = client.query(
                "SELECT to_json(EXISTS (SELECT FROM %s WHERE %s))" % (table.quoted, table.table.where),
                self._database,
                RestoreError,
            )
            text = "rows of table %s of database %s" % (table.full_name, self._database)
            if there:
                self.plan.overwrite.append(text)
                self.plan.overwrite_count += 1
            else:
                self.plan.create.append(text)
                self.plan.create_count += 1

    def _load(self, part: _Part, worker: Worker, progress: t.Callable[[int], None]) -> None:
        """The rows of one table into a temporary one: of each key the last, and only keys that there were at the end."""
        table, lines, keys, rows = part.described, part.temporary("lines"), part.temporary("keys"), part.temporary("rows")
        self._run("CREATE TEMP TABLE %s (n bigserial, line json);" % lines.partition(".")[2], table.full_name)
        columns: t.List[str] = []
        for entry in part.segments:
            columns = self._copy(entry, lines, table.full_name, worker, progress)
        missing = sorted(set(columns) - {c for c, _type in table.columns})
        if missing:
            raise RestoreError("table %s has no column %s any more" % (table.full_name, ", ".join(missing)))
        only = ""
        if part.keys is not None:
            self._run("CREATE TEMP TABLE %s (n bigserial, line json);" % keys.partition(".")[2], table.full_name)
            self._copy(part.keys, keys, table.full_name, worker, progress)
            types = dict(table.columns)
            only = " JOIN (SELECT DISTINCT %s FROM %s) k ON %s" % (
                ", ".join("(line ->> %d)::%s AS %s" % (n, types[c], quoted(c)) for n, c in enumerate(table.key)),
                keys,
                part.same_key("k", "r"),
            )
        key = ", ".join("r." + quoted(c) for c in table.key)
        self._run(
            "CREATE TEMP TABLE %s AS SELECT DISTINCT ON (%s) r.* FROM %s s"
            " CROSS JOIN LATERAL json_populate_record(NULL::%s, s.line) r%s ORDER BY %s, s.n DESC;"
            % (rows.partition(".")[2], key, lines, table.quoted, only, key),
            table.full_name,
        )
        self._run("DROP TABLE %s; ANALYZE %s;" % (lines, rows), table.full_name)
        self._check_count(part)
        self._columns_of[part.number] = columns

    def _check_count(self, part: _Part) -> None:
        recorded = self._facts.get("tables")
        expected = recorded.get(part.described.full_name) if isinstance(recorded, dict) else None
        found = int(self._ask("SELECT count(*) FROM %s;" % part.temporary("rows"), part.described.full_name))
        if isinstance(expected, int) and part.keys is not None and found != expected:
            raise RestoreError(
                "the backup holds %d rows of table %s, not the %d that were recorded"
                % (found, part.described.full_name, expected)
            )

    def _copy(
        self, entry: Entry, into: str, what: str, worker: Worker, progress: t.Callable[[int], None]
    ) -> t.List[str]:  # fmt: skip
        """Load a segment; return the columns that its first line names."""
        parts = self._component.read(entry)
        head = b""
        for data in parts:
            head += bytes(data)
            if b"\n" in head:
                break
        first, _newline, rest = head.partition(b"\n")
        try:
            columns = json.loads(first)[3]
        except (ValueError, LookupError, TypeError):
            raise RestoreError("a segment of table %s does not begin as it must" % what) from None
        self._child.write(b"COPY %s (line) FROM STDIN WITH %s;\n%s" % (into.encode("ascii"), COPY_FORMAT.encode("ascii"), rest))
        for data in parts:
            self._child.write(data)
            progress(len(data))
        self._child.write(b"\\.\n")
        worker.done("table %s" % what)
        return list(columns)

    def _upsert(self, part: _Part) -> None:
        table, rows = part.described, part.temporary("rows")
        self._run(
            "CREATE TEMP TABLE %s AS SELECT t.* FROM %s t JOIN %s r ON %s;"
            % (part.temporary("old").partition(".")[2], table.quoted, rows, part.same_key("t", "r")),
            table.full_name,
        )
        self._write(part, rows, self._columns_of[part.number])

    def _write(self, part: _Part, source: str, columns: t.Sequence[str]) -> None:
        """Insert rows, or let them take the place of those with the same key."""
        table = part.described
        names = ", ".join(map(quoted, columns))
        changes = ", ".join("%s = EXCLUDED.%s" % (quoted(c), quoted(c)) for c in columns if c not in table.key)
        self._run(
            "INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s ON CONFLICT (%s) DO %s;"
            % (
                table.quoted,
                names,
                names,
                source,
                ", ".join(map(quoted, table.key)),
                "UPDATE SET " + changes if changes else "NOTHING",
            ),
            "table %s" % table.full_name,
        )

    def _remove_others(self, part: _Part) -> None:
        """Remove the rows, of this tenant, that the backup does not have."""
        table = part.described
        others = "%s t WHERE (%s) AND NOT EXISTS (SELECT FROM %s r WHERE %s)" % (
            table.quoted,
            table.table.where,
            part.temporary("rows"),
            part.same_key("r", "t"),
        )
        self._run("INSERT INTO %s SELECT t.* FROM %s;" % (part.temporary("old"), others), table.full_name)
        self._run("DELETE FROM %s;" % others, "table %s" % table.full_name)

    def _move_sequences(self, part: _Part) -> None:
        """Let sequences go on after the greatest of the numbers that came back."""
        table = part.described
        for column, kind in table.columns:
            if kind in ("smallint", "integer", "bigint"):
                self._run(
                    "SELECT setval(s::regclass, m)"
                    " FROM (SELECT pg_get_serial_sequence(%s, %s) AS s, (SELECT max(%s) FROM %s) AS m) x"
                    " WHERE s IS NOT NULL AND m > coalesce(pg_sequence_last_value(s::regclass), 0);"
                    % (literal(table.quoted), literal(column), quoted(column), table.quoted),
                    "the sequence of table %s" % table.full_name,
                )

    def _run(self, sql: str, what: str) -> None:
        self._ask(sql, what)

    def _ask(self, sql: str, what: str) -> bytes:
        if self._worker is None:
            raise RestoreError("%s: the session has ended" % what)
        self._child.write(sql.encode("utf-8") + b"\n")
        lines = self._worker.done(what)
        return next((line for line in reversed(lines) if line.strip().isdigit()), b"")


def _chosen(component: ComponentReader, include: t.Sequence[str]) -> t.Dict[bytes, t.List[Entry]]:
    """The entries of each table of which any is chosen, in the order of the segments."""
    selection = Selection(include)
    entries: t.Dict[bytes, t.List[Entry]] = {}
    wanted = set()
    for entry in component.entries():
        path = entry_path(entry)
        folder = path.rpartition(b"/")[0]
        entries.setdefault(folder, []).append(entry)
        if selection.means(path, False):
            wanted.add(folder)
    return {folder: listed for folder, listed in entries.items() if folder in wanted}


def _name_of(component: ComponentReader, entries: t.Sequence[Entry]) -> str:
    """The name of the table, from the first line of a segment."""
    head = b""
    for data in component.read(entries[0]):
        head += bytes(data)
        if b"\n" in head:
            break
    try:
        return t.cast(str, json.loads(head.partition(b"\n")[0])[1])
    except (ValueError, LookupError, TypeError):
        raise RestoreError("%r does not begin as it must" % entry_path(entries[0])) from None


def _full_name(table: Table) -> str:
    parts = table.parts
    return ".".join(parts if len(parts) > 1 else ["public", *parts])


def _split(name: str) -> t.Tuple[str, str]:
    schema, _dot, table = name.partition(".")
    return schema.replace('"', '""'), table.replace('"', '""')
