# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of a database that is there: which, their columns, and whether their foreign keys hold."""

from __future__ import annotations

import typing as t

from ..errors import RestoreError
from .client import Client
from .lexer import Name, literal, quoted

#: Schema and name of each table that can hold rows.
TABLES = (
    "SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname)), '[]') FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"
)

_CONSTRAINTS = (
    "SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, k.conname)), '[]') FROM pg_constraint k"
    " JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
)

# Rows that refer to rows that are not there. Only of keys that were known to hold.
_CHECK = """
DO $fleet_backup$
DECLARE k record; found bigint;
BEGIN
  FOR k IN
    SELECT c.conname, c.conrelid::regclass AS child, c.confrelid::regclass AS parent,
      string_agg(format('x.%%I IS NOT NULL', a.attname), ' AND ' ORDER BY o.n) AS given,
      string_agg(format('x.%%I = y.%%I', a.attname, b.attname), ' AND ' ORDER BY o.n) AS equal
    FROM pg_constraint c, unnest(c.conkey, c.confkey) WITH ORDINALITY AS o(mine, other, n), pg_attribute a, pg_attribute b
    WHERE c.contype = 'f' AND c.convalidated AND a.attrelid = c.conrelid AND a.attnum = o.mine
      AND b.attrelid = c.confrelid AND b.attnum = o.other
      AND c.conparentid = 0 AND EXISTS (SELECT FROM unnest(ARRAY[%(tables)s]::regclass[]) t
        LEFT JOIN LATERAL pg_partition_ancestors(t) p ON true WHERE c.conrelid IN (t, p.relid) OR c.confrelid IN (t, p.relid))
    GROUP BY c.oid, c.conname, c.conrelid, c.confrelid
  LOOP
    EXECUTE format('SELECT count(*) FROM %%s x WHERE %%s AND NOT EXISTS (SELECT FROM %%s y WHERE %%s)',
      k.child, k.given, k.parent, k.equal) INTO found;
    IF found > 0 THEN
      RAISE EXCEPTION '%% rows of %% would refer to rows of %% that are not there (%%); restore that table too',
        found, k.child, k.parent, k.conname;
    END IF;
  END LOOP;
END $fleet_backup$;
"""


def table_text(name: Name) -> str:
    """A table's name as it can stand in a statement."""
    return ".".join(quoted(part.decode("utf-8")) for part in name)


def column_list(client: Client, database: str, name: Name) -> str:
    """The columns of a table that can be written to, as they can stand in a statement."""
    columns = client.query(
        "SELECT coalesce(json_agg(attname ORDER BY attnum), '[]') FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''" % literal(table_text(name)),
        database,
        RestoreError,
    )
    return ", ".join(map(quoted, columns))


def constraints(client: Client, database: str) -> t.Set[Name]:
    """Schema, table and name of each constraint."""
    found = client.query(_CONSTRAINTS, database, RestoreError)
    return {tuple(word.encode("utf-8") for word in row) for row in found}


def publications(client: Client, database: str) -> t.Set[bytes]:
    """The names of the publications."""
    found = client.query("SELECT coalesce(json_agg(pubname), '[]') FROM pg_publication", database, RestoreError)
    return {name.encode("utf-8") for name in found}


def check_foreign_keys(tables: t.Sequence[Name]) -> bytes:
    """A statement that fails when a foreign key from or to one of ``tables`` does not hold."""
    return (_CHECK % {"tables": ", ".join(literal(table_text(name)) for name in tables)}).encode("utf-8")
