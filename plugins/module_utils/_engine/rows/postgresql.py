# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of PostgreSQL: its catalogue, and one snapshot of it, as psql writes the rows in one session.

The server makes the JSON. COPY in CSV with a quote and a delimiter that JSON never holds leaves the lines as they are.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import FleetBackupError, SourceError
from ..postgresql import inventory
from ..postgresql.client import Client, Session
from ..postgresql.lexer import literal, quoted
from ..result import Notice
from .catalogue import Described, Name
from .selection import Table

if t.TYPE_CHECKING:
    from .databases import Write
    from .postgresql_writing import PostgresqlWriting

#: How COPY writes JSON as it is. A raw control character can only be white space between the words of a json column.
COPY_FORMAT = "(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"

_READ = 1 << 20

_SETTINGS = """SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET client_encoding = 'UTF8'; SET xmlbinary = 'base64'; SET search_path = 'pg_catalog';
"""

_COLUMNS = """
SELECT json_build_object(
  'schema', n.nspname, 'name', c.relname,
  'columns', (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '')
      ORDER BY attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'plain', NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND (y.typname IN ('json', '_json') OR y.typtype IN ('c', 'd') OR y.typcategory = 'A')),
  'key', (SELECT coalesce(json_agg(a.attname ORDER BY o.n), '[]') FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS o(num, n),
    pg_attribute a WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = o.num))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)
"""

_REFERENCES = """
SELECT coalesce(
  json_agg(json_build_array(json_build_array(cn.nspname, c.relname), json_build_array(pn.nspname, p.relname))), '[]')
FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
  JOIN pg_class p ON p.oid = r.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE r.contype = 'f'
"""

# Whoever changes a row now, and commits after this snapshot, began no later than the oldest transaction that is open.
_UNTIL = """
SELECT to_json(to_char(least(now(),
    (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()),
    (SELECT min(prepared) FROM pg_prepared_xacts WHERE database = current_database()))
  - interval '%d seconds', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00"'))
"""

_ZONE = "SELECT to_json(reset_val) FROM pg_settings WHERE name = 'TimeZone'"


class PostgresqlRows:
    """See databases.Database."""

    schema = "public"

    def __init__(self, options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> None:
        self.name: str = options["database"]
        self._options = options
        self._spool = spool

    def __enter__(self) -> PostgresqlRows:
        self._client = Client(self._options, self._spool)
        return self

    def __exit__(self, *_: t.Any) -> None:
        self._client.close()

    def describe(self, table: Table, error: t.Type[FleetBackupError] = SourceError) -> Described:
        return _describe(lambda sql: self._client.query(sql, self.name, error), table, error)[0]

    def references(self, error: t.Type[FleetBackupError] = SourceError) -> t.List[t.Tuple[Name, Name]]:
        found = self._client.query(_REFERENCES, self.name, error)
        return [((child[0], child[1]), (parent[0], parent[1])) for child, parent in found]

    def tenants(self, query: str) -> t.List[t.Optional[str]]:
        found = self._client.query(
            "SELECT coalesce(json_agg(t.fleet_backup_tenant::text), '[]') FROM (%s) AS t(fleet_backup_tenant)" % query, self.name
        )
        return t.cast("t.List[t.Optional[str]]", found)

    def has_rows(self, described: Described, error: t.Type[FleetBackupError] = SourceError) -> bool:
        sql = "SELECT to_json(EXISTS (SELECT FROM %s WHERE %s))" % (described.quoted, described.table.where)
        return bool(self._client.query(sql, self.name, error))

    @contextlib.contextmanager
    def snapshot(self, overlap: int) -> t.Iterator[PostgresqlSnapshot]:
        server = self._client.query(inventory.SERVER, what="the server cannot be reached")
        with self._client.session(self.name) as session:
            session.write(_SETTINGS)
            session.begin()
            yield PostgresqlSnapshot(session, server["version"], overlap)
            session.end()

    @contextlib.contextmanager
    def writing(self) -> t.Iterator[PostgresqlWriting]:
        from .postgresql_writing import PostgresqlWriting

        with self._client.worker(self.name) as child:
            yield PostgresqlWriting(self._client, child)


class PostgresqlSnapshot:
    """See databases.Snapshot."""

    def __init__(self, session: Session, server: str, overlap: int) -> None:
        self.server = server
        self._session = session
        self._buffer = bytearray(_READ)
        self._plain: t.Dict[str, bool] = {}
        self.until: str = session.query(_UNTIL % overlap)
        self._zone: str = session.query(_ZONE)

    def describe(self, table: Table) -> Described:
        described, plain = _describe(self._session.query, table, SourceError)
        self._plain[described.full_name] = plain
        return described

    def changed_since(self, described: Described, until: str) -> str:
        column = t.cast(str, described.table.changed_column)
        moment = literal(until) + "::timestamptz"
        # A column without a time zone holds the time of the server's own.
        if "without" in dict(described.columns)[column]:
            moment = "(%s AT TIME ZONE %s)" % (moment, literal(self._zone))
        return "%s >= %s OR %s IS NULL" % (quoted(column), moment, quoted(column))

    def rows(self, described: Described, where: str, write: Write) -> int:
        plain = self._plain[described.full_name]
        value = "row_to_json(t)" if plain else "translate(row_to_json(t)::text, E'\\n\\r\\t', '   ')"
        return self._copy("SELECT %s FROM (SELECT * FROM %s WHERE %s) t" % (value, described.quoted, where), described, write)

    def keys(self, described: Described, write: Write) -> int:
        keys = ", ".join(map(quoted, described.key))
        select = "SELECT json_build_array(%s) FROM %s WHERE %s" % (keys, described.quoted, described.table.where)
        return self._copy(select, described, write)

    def count(self, described: Described) -> int:
        return int(self._session.query("SELECT count(*) FROM %s WHERE %s" % (described.quoted, described.table.where)))

    def notices(self) -> t.List[Notice]:
        return []

    def _copy(self, select: str, described: Described, write: Write) -> int:
        """Let psql write the rows of a query; return how many there were."""
        child = self._session.child
        mark = os.urandom(12).hex().encode("ascii") + b"\n"
        child.write(
            b"COPY (%s) TO STDOUT WITH %s;\nSELECT '%s';\n" % (select.encode("utf-8"), COPY_FORMAT.encode("ascii"), mark[:-1])
        )
        buffer, view = self._buffer, memoryview(self._buffer)
        rows = held = 0
        while True:
            count = child.readinto(view[held:])
            if not count:
                child.finish("table %s" % described.full_name)
                raise SourceError("table %s: psql ended before it was done" % described.full_name)
            size = held + count
            # The mark is the last that psql writes, as a line of its own.
            if buffer.endswith(mark, 0, size):
                size -= len(mark)
                if size:
                    write(view[:size])
                return rows + buffer.count(b"\n", 0, size)
            held = min(len(mark), size)
            if size > held:
                write(view[: size - held])
            rows += buffer.count(b"\n", 0, size - held)
            buffer[:held] = buffer[size - held : size]


def _describe(query: t.Callable[[str], t.Any], table: Table, error: t.Type[FleetBackupError]) -> t.Tuple[Described, bool]:
    """The table, and whether no column of it can hold line ends in JSON. Raises ``error`` for what is not there or unfit."""
    name = table.quoted if len(table.parts) > 1 else "public." + table.quoted
    found = query(_COLUMNS % literal(name))
    if found is None:
        raise error("there is no table %s" % table.name)
    types = {column: kind for column, kind, _generated in found["columns"]}
    key = table.key or tuple(found["key"])
    table.check_columns(types, key, error)
    if table.changed_column and not types[table.changed_column].startswith("timestamp"):
        raise error(
            "table %s: changed_column %s is of type %s; it must be a timestamp"
            % (table.name, table.changed_column, types[table.changed_column])
        )
    columns = tuple((column, kind) for column, kind, generated in found["columns"] if not generated)
    return Described(table, found["schema"], found["name"], columns, key), found["plain"]
