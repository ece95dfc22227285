# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting some tables of a database back into it.

A table that is there keeps its structure: its rows are replaced by those of the backup, which were loaded and counted beside it
before. A table that is not there is made again with what belongs to it (sequences, defaults, constraints, indexes, triggers,
policies, grants). All of it happens in one transaction, which fails when a foreign key would not hold afterwards.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..errors import RestoreError
from . import relations
from .client import Client
from .items import Item, settings_text
from .lexer import TOKEN, LineLexer, Name, qualified_name, quoted
from .loading import Content, Rows, Worker
from .parts import Part, database_items, table_name

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader

_FROM_STDIN = b" FROM stdin;\n"
_SETVAL = re.compile(rb"setval\('((?:[^']|'')*)', (-?\d+), (true|false)\)")

# In this order, which is not quite that of a dump: an index of a partition is there before it is attached.
_MADE_BEFORE = (b"TABLE", b"FOREIGN TABLE", b"SEQUENCE", b"SEQUENCE OWNED BY", b"DEFAULT", b"COMMENT")
_MADE_AFTER = (
    b"SEQUENCE SET",
    b"CONSTRAINT",
    b"CHECK CONSTRAINT",
    b"INDEX",
    b"TABLE ATTACH",
    b"STATISTICS",
    b"RULE",
    b"TRIGGER",
    b"POLICY",
    b"ROW SECURITY",
    b"COMMENT",
    b"ACL",
    b"SECURITY LABEL",
    b"PUBLICATION TABLE",
    b"FK CONSTRAINT",
)


class Copy(t.NamedTuple):
    """What stands before the rows of a table, and the rows. ``columns``: ``(a, b)`` as in the statement, or nothing."""

    columns: bytes
    rows: t.Iterator[t.Union[bytes, memoryview]]


class TablesRestoring:
    """The chosen tables of ``part`` into the database ``database``, which is there."""

    def __init__(self, client: Client, component: ComponentReader, part: Part, content: Content, database: str) -> None:
        database_items(content)
        self._client = client
        self._component = component
        self._database = database
        self._content = content
        self._part = part
        self._side = "fleet_backup_%s" % os.urandom(4).hex()
        chosen = {table_name(entry) for entry in part.chosen_tables}
        self._rows = {table_name(rows.entry): rows for rows in content.rows if table_name(rows.entry) in chosen}
        self._present: t.List[Name] = []
        self._missing: t.List[Name] = []
        self._columns: t.Dict[Name, bytes] = {}
        self._staged = False
        self._committed = False

    def stage(self, progress: t.Callable[[int], None]) -> None:
        """Load the rows of the tables that are there beside them."""
        there = {
            (schema.encode("utf-8"), name.encode("utf-8"))
            for schema, name in self._client.query(relations.TABLES, self._database, RestoreError)
        }
        self._present = [name for name in self._rows if name in there]
        self._missing = [name for name in self._rows if name not in there]
        if not self._rows:
            raise RestoreError("nothing that was chosen of database %s is a table" % self._database)
        if not self._present:
            return
        self._client.run("CREATE SCHEMA %s;" % quoted(self._side), self._database, RestoreError, self._what)
        self._staged = True
        with self._client.worker(self._database) as child:
            worker = Worker(self._client, child, self._content.prologue)
            for number, name in enumerate(self._present):
                rows = self._rows[name]
                copy = read_copy(self._component.read(rows.entry))
                self._columns[name] = copy.columns
                new = self._beside("new", number)
                child.write(
                    b"CREATE TABLE %s AS SELECT %s FROM ONLY %s WITH NO DATA;\n" % (new, _list(copy.columns), _text(name))
                )
                child.write(b"COPY %s %s FROM stdin;\n" % (new, copy.columns))
                self._count(rows, worker.rows(t.cast("t.Iterator[memoryview]", copy.rows), "rows of %s" % rows.what, progress))
            worker.end(self._what)

    def commit(self) -> None:
        """Swap the rows, make the missing tables, and see that foreign keys hold: in one transaction."""
        with self._client.script(self._database, single_transaction=True) as child:
            child.write(self._client.guard() + self._content.prologue)
            child.write(b"SET LOCAL lock_timeout = '60s';\n")
            if self._present:
                child.write(b"SET LOCAL session_replication_role = replica;\n")
                for number, name in enumerate(self._present):
                    child.write(self._replace(number, name))
                child.write(b"SET LOCAL session_replication_role = origin;\n")
            before, after = self._items()
            self._write_items(child.write, before)
            for name in self._missing:
                for part in self._component.read(self._rows[name].entry):
                    child.write(part)
            self._write_items(child.write, after)
            child.write(b"SET CONSTRAINTS ALL IMMEDIATE;\n" + relations.check_foreign_keys([*self._present, *self._missing]))
            child.finish(self._what, RestoreError)
        self._committed = True

    def undo(self) -> None:
        """Bring the old rows back."""
        if not self._committed:
            return
        statements = ["SET LOCAL session_replication_role = replica;"]
        for number, name in enumerate(self._present):
            table = _text(name).decode("utf-8")
            old = self._beside("old", number).decode("utf-8")
            columns = relations.column_list(self._client, self._database, name)
            statements.append("DELETE FROM ONLY %s;" % table)
            statements.append(_insert(table, columns, old))
        statements += ["DROP TABLE %s CASCADE;" % _text(name).decode("utf-8") for name in self._missing]
        self._client.run("BEGIN;\n%s\nCOMMIT;" % "\n".join(statements), self._database, RestoreError, self._what)
        self._committed = False

    def finish(self) -> None:
        if self._staged:
            self._client.run(
                "SET client_min_messages = warning;\nDROP SCHEMA IF EXISTS %s CASCADE;" % quoted(self._side),
                self._database,
                RestoreError,
                self._what,
            )
            self._staged = False

    @property
    def _what(self) -> str:
        return "tables of database %s" % self._database

    def _beside(self, kind: str, number: int) -> bytes:
        return ("%s.%s_%d" % (quoted(self._side), kind, number)).encode("ascii")

    def _count(self, rows: Rows, found: t.Optional[int]) -> None:
        if rows.expected is not None and found != rows.expected:
            raise RestoreError(
                "table %s has %s rows in the backup, not the %d that were recorded" % (rows.what, found, rows.expected)
            )

    def _replace(self, number: int, name: Name) -> bytes:
        table, columns = _text(name), self._columns[name]
        everything = relations.column_list(self._client, self._database, name)
        old, new = self._beside("old", number), self._beside("new", number)
        return b"\n".join(
            (
                b"LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE;" % table,
                b"CREATE TABLE %s AS SELECT %s FROM ONLY %s;" % (old, everything.encode("utf-8"), table),
                b"DELETE FROM ONLY %s;" % table,
                _insert(table.decode("utf-8"), _list(columns).decode("utf-8"), new.decode("ascii")).encode("utf-8"),
                *self._sequence_values(self._sequences_of([name])),
                b"",
            )
        )

    def _sequences_of(self, tables: t.Collection[Name]) -> t.Set[Name]:
        """The sequences that belong to columns of these tables."""
        result = set()
        for item in self._content.before:
            if item.type in (b"SEQUENCE", b"SEQUENCE OWNED BY") and item.relation() in tables:
                name = qualified_name(item.text, (b"SEQUENCE", b"NAME"), (b"ALTER", b"SEQUENCE"))
                if name:
                    result.add(name)
        return result

    def _sequence_values(self, sequences: t.Collection[Name]) -> t.List[bytes]:
        """Let no sequence of a table that is there stay behind where it was; what is ahead stays, since it is in use."""
        result = []
        for item in self._content.after:
            found = _SETVAL.search(item.text) if item.type == b"SEQUENCE SET" else None
            if found is None:
                continue
            name = _sequence_name(found.group(1))
            if name is not None and name in sequences:
                sequence, value = _text(name), found.group(2)
                result.append(
                    b"SELECT pg_catalog.%s FROM %s s, pg_catalog.pg_sequence q WHERE q.seqrelid = '%s'::regclass"
                    b" AND CASE WHEN q.seqincrement > 0 THEN s.last_value < %s ELSE s.last_value > %s END;"
                    % (found.group(), sequence, found.group(1), value, value)
                )
        return result

    def _items(self) -> t.Tuple[t.List[Item], t.List[Item]]:
        """What makes the missing tables: before their rows and after."""
        missing = set(self._missing)
        sequences = self._sequences_of(missing)
        constraints = relations.constraints(self._client, self._database) if missing else set()
        publications = relations.publications(self._client, self._database) if missing else set()

        def belongs(item: Item) -> bool:
            if item.type == b"SEQUENCE" and item.relation() not in missing:
                return qualified_name(item.text, (b"SEQUENCE",)) in sequences
            if item.type == b"SEQUENCE SET":
                found = _SETVAL.search(item.text)
                return found is not None and _sequence_name(found.group(1)) in sequences
            table = item.relation()
            if item.type == b"FK CONSTRAINT" and table not in missing:
                # Of another table: it went with the table that it refers to.
                refers = qualified_name(item.text, (b"REFERENCES",))
                name = qualified_name(item.text, (b"CONSTRAINT",))
                return refers in missing and table is not None and name is not None and (*table, name[0]) not in constraints
            if item.type == b"PUBLICATION TABLE":
                publication = qualified_name(item.text, (b"PUBLICATION",))
                return table in missing and publication is not None and publication[0] in publications
            return table in missing

        after = [item for item in [*self._content.before, *self._content.after] if item.type in _MADE_AFTER and belongs(item)]
        before = [item for item in self._content.before if item.type in _MADE_BEFORE and belongs(item)]
        return before, sorted((i for i in after if i not in before), key=lambda item: _MADE_AFTER.index(item.type))

    def _write_items(self, write: t.Callable[[bytes], None], items: t.Sequence[Item]) -> None:
        for item in items:
            write(settings_text(item.settings) + item.text)


def read_copy(parts: t.Iterator[memoryview]) -> Copy:
    """Take the COPY statement off the bytes of a table's section."""
    head = b""
    for part in parts:
        head += bytes(part)
        end = _end_of_statement(head)
        if end:
            statement = head[:end]
            place = _end_of_name(statement)
            columns = statement[place : -len(_FROM_STDIN)].strip()
            return Copy(columns, _chain(head[end:], parts))
    raise RestoreError("the rows of a table in the backup have no COPY statement")


def _chain(first: bytes, rest: t.Iterator[memoryview]) -> t.Iterator[t.Union[bytes, memoryview]]:
    yield first
    yield from rest


def _end_of_statement(text: bytes) -> int:
    lexer = LineLexer()
    place = 0
    while True:
        end = text.find(b"\n", place) + 1
        if not end:
            return 0
        lexer.line(text[place:end])
        if lexer.outside and text.endswith(_FROM_STDIN, place, end):
            return end
        place = end


def _end_of_name(statement: bytes) -> int:
    """Where the columns begin: after ``COPY schema.table``."""
    words = [found for found in TOKEN.finditer(statement) if found.lastgroup != "space"]
    start = next(n for n, found in enumerate(words) if found.group() == b"COPY")
    return words[start + 3].end()


def _sequence_name(text: bytes) -> t.Optional[Name]:
    return qualified_name(b"SEQUENCE " + text.replace(b"''", b"'"), (b"SEQUENCE",))


def _text(name: Name) -> bytes:
    return b".".join(b'"%s"' % part.replace(b'"', b'""') for part in name)


def _list(columns: bytes) -> bytes:
    return columns[1:-1] if columns else b""


def _insert(table: str, columns: str, source: str) -> str:
    if not columns:
        return "INSERT INTO %s SELECT FROM %s;" % (table, source)
    return "INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s;" % (table, columns, columns, source)
