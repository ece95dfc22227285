# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing rows to PostgreSQL: a psql that is told one statement after the other."""

from __future__ import annotations

import typing as t

from ..archive.index import Entry
from ..archive.reader import ComponentReader
from ..errors import RestoreError
from ..postgresql.client import Client
from ..postgresql.lexer import literal, quoted
from ..postgresql.loading import Worker
from ..streaming import Streaming
from .databases import Part
from .postgresql import COPY_FORMAT
from .segments import split_header

_PROLOGUE = b"""SET statement_timeout = 0; SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = 0;
SET row_security = off;
SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET client_encoding = 'UTF8';
SET standard_conforming_strings = on; SET client_min_messages = warning; SET search_path = 'pg_catalog';
"""


class PostgresqlWriting:
    """See databases.Writing."""

    temporary_schema = "pg_temp"
    overriding = "OVERRIDING SYSTEM VALUE"

    def __init__(self, client: Client, child: Streaming) -> None:
        self._child = child
        self._worker = Worker(client, child, _PROLOGUE)

    def begin(self) -> None:
        self.run("BEGIN; SET CONSTRAINTS ALL DEFERRED", "the transaction")

    def run(self, sql: str, what: str) -> None:
        self._ask(sql, what)

    def number(self, sql: str, what: str) -> int:
        return int(next((line for line in reversed(self._ask(sql, what)) if line.strip().isdigit()), b"0"))

    def load(self, part: Part, component: ComponentReader, progress: t.Callable[[int], None]) -> t.List[str]:
        table, lines, keys, rows = part.described, part.temporary("lines"), part.temporary("keys"), part.temporary("rows")
        self.run("CREATE TEMP TABLE %s (n bigserial, line json)" % lines, table.full_name)
        columns: t.List[str] = []
        for entry in part.segments:
            columns = self._copy(component, entry, lines, table.full_name, progress)
        missing = sorted(set(columns) - {c for c, _type in table.columns})
        if missing:
            raise RestoreError("table %s has no column %s any more" % (table.full_name, ", ".join(missing)))
        only = ""
        if part.keys is not None:
            self.run("CREATE TEMP TABLE %s (n bigserial, line json)" % keys, table.full_name)
            self._copy(component, part.keys, keys, table.full_name, progress)
            types = dict(table.columns)
            only = " JOIN (SELECT DISTINCT %s FROM pg_temp.%s) k ON %s" % (
                ", ".join("(line ->> %d)::%s AS %s" % (n, types[c], quoted(c)) for n, c in enumerate(table.key)),
                keys,
                part.same_key("k", "r"),
            )
        key = ", ".join("r." + quoted(c) for c in table.key)
        self.run(
            "CREATE TEMP TABLE %s AS SELECT DISTINCT ON (%s) r.* FROM pg_temp.%s s"
            " CROSS JOIN LATERAL json_populate_record(NULL::%s, s.line) r%s ORDER BY %s, s.n DESC"
            % (rows, key, lines, table.quoted, only, key),
            table.full_name,
        )
        self.run("DROP TABLE pg_temp.%s; ANALYZE pg_temp.%s" % (lines, rows), table.full_name)
        return columns

    def go_on(self, part: Part) -> None:
        table = part.described
        for column, kind in table.columns:
            if kind in ("smallint", "integer", "bigint"):
                self.run(
                    "SELECT setval(s::regclass, m)"
                    " FROM (SELECT pg_get_serial_sequence(%s, %s) AS s, (SELECT max(%s) FROM %s) AS m) x"
                    " WHERE s IS NOT NULL AND m > coalesce(pg_sequence_last_value(s::regclass), 0)"
                    % (literal(table.quoted), literal(column), quoted(column), table.quoted),
                    "the sequence of table %s" % table.full_name,
                )

    def check(self) -> None:
        self.run("SET CONSTRAINTS ALL IMMEDIATE", "the rules between the tables")

    def commit(self) -> None:
        self.run("COMMIT", "the transaction")

    def _copy(
        self, component: ComponentReader, entry: Entry, into: str, what: str, progress: t.Callable[[int], None]
    ) -> t.List[str]:  # fmt: skip
        """Load a segment; return the columns that its first line names."""
        header, parts = split_header(component.read(entry), what)
        self._child.write(b"COPY pg_temp.%s (line) FROM STDIN WITH %s;\n" % (into.encode("ascii"), COPY_FORMAT.encode("ascii")))
        for data in parts:
            self._child.write(data)
            progress(len(data))
        self._child.write(b"\\.\n")
        self._worker.done("table %s" % what)
        return header.columns

    def _ask(self, sql: str, what: str) -> t.List[bytes]:
        self._child.write(sql.encode("utf-8") + b";\n")
        return self._worker.done(what)
