# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading rows from PostgreSQL: all tables in one snapshot, as psql writes them, in one session.

The server makes the JSON. COPY in CSV with a quote and a delimiter that JSON never holds leaves the lines as they are.
"""

from __future__ import annotations

import os
import typing as t

from ..archive.rows import RowsWriter
from ..errors import SourceError
from ..postgresql import inventory
from ..postgresql.client import Client
from ..postgresql.dump_reader import path_component
from ..postgresql.lexer import literal, quoted
from ..result import Notice
from ..sources import Plan, Reading
from .catalogue import Described, describe
from .segments import KEYS, header, last_segment, segment_name
from .selection import tables_of

if t.TYPE_CHECKING:
    from ..streaming import Streaming

#: How COPY writes JSON as it is. A raw control character can only be white space between the words of a json column.
COPY_FORMAT = "(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"

_READ = 1 << 20

_SETTINGS = """SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET client_encoding = 'UTF8'; SET xmlbinary = 'base64'; SET search_path = 'pg_catalog';
"""

# Whoever changes a row now, and commits after this snapshot, began no later than the oldest transaction that is open.
_UNTIL = """
SELECT to_json(to_char(least(now(),
    (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()),
    (SELECT min(prepared) FROM pg_prepared_xacts WHERE database = current_database()))
  - interval '%d seconds', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00"'))
"""


def plan(name: str, options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> Plan:
    """What a backup would read: the tables, as the catalogue knows them."""
    with Client(options["postgresql"], spool) as client:
        database = options["postgresql"]["database"]

        def query(sql: str) -> t.Any:
            return client.query(sql, database, what="source %s" % name)

        tables = [describe(query, table) for table in tables_of(options)]
        return Plan(len(tables), 0, {"database": database, "tables": [table.full_name for table in tables]})


def list_tenants(name: str, options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> t.List[str]:
    """What the query for the tenants finds: its first column, as texts."""
    with Client(options["postgresql"], spool) as client:
        found = client.query(
            "SELECT coalesce(json_agg(t.fleet_backup_tenant::text), '[]') FROM (%s) AS t(fleet_backup_tenant)"
            % options["tenants"].rstrip().rstrip(";"),
            options["postgresql"]["database"],
            what="source %s: the tenants cannot be listed" % name,
        )
    if None in found or "" in found:
        raise SourceError("source %s: the query for the tenants found one without a name (NULL or an empty text)" % name)
    return t.cast("t.List[str]", found)


def present(options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> bool:
    """Whether all the tables are there to be backed up."""
    try:
        plan("", options, spool)
    except SourceError:
        return False
    return True


def back_up(
    name: str, options: t.Mapping[str, t.Any], spool: t.Optional[str], writer: RowsWriter, progress: t.Callable[[int], None]
) -> Reading:
    """Read the rows that ``options`` choose into ``writer``. Raises SourceError."""
    if options["tenants"] and options["tenant"] is None:
        raise SourceError("source %s: its rows belong to tenants; a backup is taken of one of them at a time" % name)
    with Client(options["postgresql"], spool) as client:
        return _Run(name, options, client, writer, progress).take()


class _Run:
    def __init__(
        self, name: str, options: t.Mapping[str, t.Any], client: Client, writer: RowsWriter, progress: t.Callable[[int], None]
    ) -> None:
        self._name = name
        self._options = options
        self._client = client
        self._writer = writer
        self._progress = progress
        self._buffer = bytearray(_READ)
        self._previous = writer.previous()

    def take(self) -> Reading:
        options = self._options
        database = options["postgresql"]["database"]
        server = self._client.query(inventory.SERVER, what="source %s: the server cannot be reached" % self._name)
        facts: t.Dict[str, t.Any] = {
            "server": server["version"],
            "database": database,
            "tenant": options["tenant"],
            "tables": {},
            "read": {},
        }
        reading = Reading(facts)
        with self._client.session(database) as session:
            session.write(_SETTINGS)
            session.begin()
            until = session.query(_UNTIL % options["overlap"])
            zone = session.query("SELECT to_json(reset_val) FROM pg_settings WHERE name = 'TimeZone'")
            self._until, self._zone = until, zone
            self._child = session.child
            for table in tables_of(options):
                self._table(describe(session.query, table), session.query, facts, reading)
            session.end()
        return reading

    def _table(self, described: Described, query: t.Callable[[str], t.Any], facts: t.Dict[str, t.Any], reading: Reading) -> None:
        table, name = described.table, described.full_name
        folder = path_component(name.encode("utf-8"))
        since, number = self._keep(described, folder)
        where = table.where
        if since is not None:
            column = quoted(t.cast(str, table.changed_column))
            # A column without a time zone holds the time of the server's own.
            kind = dict(described.columns)[t.cast(str, table.changed_column)]
            moment = literal(since) + "::timestamptz"
            if "without" in kind:
                moment = "(%s AT TIME ZONE %s)" % (moment, literal(self._zone))
            where += " AND (%s >= %s OR %s IS NULL)" % (column, moment, column)
        more = {"layout": described.layout, "until": self._until}
        source = "(SELECT * FROM %s WHERE %s) t" % (described.quoted, where)
        value = "row_to_json(t)" if described.plain else "translate(row_to_json(t)::text, E'\\n\\r\\t', '   ')"
        self._writer.begin_segment(folder + b"/" + segment_name(number), "table", more)
        self._writer.write(header(described, "rows"))
        rows = self._copy("SELECT %s FROM %s" % (value, source), name)
        facts["read"][name] = rows
        if described.key and self._options["deletions"] == "keys":
            keys = ", ".join(map(quoted, described.key))
            self._writer.begin_segment(folder + b"/" + KEYS, "section", more)
            self._writer.write(header(described, "keys"))
            if since is None:
                facts["tables"][name] = rows
            facts["tables"][name] = self._copy(
                "SELECT json_build_array(%s) FROM %s WHERE %s" % (keys, described.quoted, table.where), name
            )
        elif since is None:
            facts["tables"][name] = rows
        else:
            facts["tables"][name] = query("SELECT count(*) FROM %s WHERE %s" % (described.quoted, table.where))
        if table.changed_column and not described.key:
            reading.notices.append(
                Notice("no-key", "table %s has no primary key; name the columns of one (key)" % name, self._name)
            )

    def _keep(self, described: Described, folder: bytes) -> t.Tuple[t.Optional[str], int]:
        """Keep the segments that an increment goes on with; return since when rows are read, and the next segment's number."""
        if not described.table.changed_column or not described.key:
            return None, 1
        prefix = folder + b"/"
        lines = {path: line for path, line in self._previous.items() if path.startswith(prefix) and not path.endswith(KEYS)}
        last = last_segment(lines)
        if last is None or last.layout != described.layout:
            return None, 1
        for path, line in lines.items():
            self._writer.keep(path, line)
        return last.until, last.number + 1

    def _copy(self, select: str, what: str) -> int:
        """Let psql write the rows of a query; return how many there were."""
        child: Streaming = self._child
        mark = os.urandom(12).hex().encode("ascii") + b"\n"
        child.write(
            b"COPY (%s) TO STDOUT WITH %s;\nSELECT '%s';\n" % (select.encode("utf-8"), COPY_FORMAT.encode("ascii"), mark[:-1])
        )
        buffer, view = self._buffer, memoryview(self._buffer)
        rows = held = 0
        while True:
            count = child.readinto(view[held:])
            if not count:
                child.finish("source %s, table %s" % (self._name, what))
                raise SourceError("source %s, table %s: psql ended before it was done" % (self._name, what))
            size = held + count
            # The mark is the last that psql writes, as a line of its own.
            if buffer.endswith(mark, 0, size):
                self._pass_on(size - len(mark))
                return rows + buffer.count(b"\n", 0, size - len(mark))
            held = min(len(mark), size)
            self._pass_on(size - held)
            rows += buffer.count(b"\n", 0, size - held)
            buffer[:held] = buffer[size - held : size]

    def _pass_on(self, size: int) -> None:
        if size:
            self._writer.write(memoryview(self._buffer)[:size])
            self._progress(size)
