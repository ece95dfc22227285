# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL database says of tables: their columns, keys, and which refer to which."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from ..errors import FleetBackupError, SourceError
from ..postgresql.lexer import literal, quoted
from .selection import Table

Query = t.Callable[[str], t.Any]

_COLUMNS = """
SELECT json_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname,
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
SELECT coalesce(json_agg(json_build_array(conrelid::bigint, confrelid::bigint)), '[]') FROM pg_constraint
WHERE contype = 'f' AND conrelid <> confrelid
"""


@dataclass(frozen=True)
class Described:
    """A table as it is. ``columns``: names and types of those that can be written to."""

    table: Table
    oid: int
    schema: str
    name: str
    columns: t.Tuple[t.Tuple[str, str], ...]
    key: t.Tuple[str, ...]
    plain: bool

    @property
    def full_name(self) -> str:
        return "%s.%s" % (self.schema, self.name)

    @property
    def quoted(self) -> str:
        return "%s.%s" % (quoted(self.schema), quoted(self.name))

    @property
    def layout(self) -> str:
        """What must not have changed for an increment to go on with what is there."""
        text = json.dumps([self.full_name, self.columns, self.key, self.table.where, self.table.changed_column])
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def describe(query: Query, table: Table, error: t.Type[FleetBackupError] = SourceError) -> Described:
    """Ask the database about a table. Raises ``error`` when it has none of that name, or it does not fit what is asked of it."""
    name = table.quoted if len(table.parts) > 1 else "public." + table.quoted
    found = query(_COLUMNS % literal(name))
    if found is None:
        raise error("there is no table %s" % table.name)
    types = {column: kind for column, kind, _generated in found["columns"]}
    key = table.key or tuple(found["key"])
    for column in [*key, *([table.changed_column] if table.changed_column else [])]:
        if column not in types:
            raise error("table %s has no column %s" % (table.name, column))
    if table.changed_column and not types[table.changed_column].startswith("timestamp"):
        raise error(
            "table %s: changed_column %s is of type %s; it must be a timestamp"
            % (table.name, table.changed_column, types[table.changed_column])
        )
    return Described(
        table,
        found["oid"],
        found["schema"],
        found["name"],
        tuple((column, kind) for column, kind, generated in found["columns"] if not generated),
        key,
        found["plain"],
    )


def in_order(query: Query, tables: t.Sequence[Described]) -> t.List[Described]:
    """The tables, each after those that it refers to; those that refer to one another in the order that they have."""
    there = {table.oid: table for table in tables}
    refers: t.Dict[int, t.Set[int]] = {oid: set() for oid in there}
    for child, parent in query(_REFERENCES):
        if child in there and parent in there:
            refers[child].add(parent)
    result: t.List[Described] = []
    left = list(tables)
    while left:
        done = {table.oid for table in result}
        ready = [table for table in left if refers[table.oid] <= done] or left[:1]
        result += ready
        left = [table for table in left if table not in ready]
    return result
