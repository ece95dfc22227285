# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as a database has them: their columns and keys, and which refer to which."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from .selection import Table

#: Schema and name of a table.
Name = t.Tuple[str, str]


@dataclass(frozen=True)
class Described:
    """A table as it is. ``columns``: names and types of those that can be written to."""

    table: Table
    schema: str
    name: str
    columns: t.Tuple[t.Tuple[str, str], ...]
    key: t.Tuple[str, ...]

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
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def quoted(name: str) -> str:
    """A name as it can stand in a statement."""
    return '"%s"' % name.replace('"', '""')


def in_order(tables: t.Sequence[Described], references: t.Iterable[t.Tuple[Name, Name]]) -> t.List[Described]:
    """The tables, each after those that it refers to; those that refer to one another in the order that they have.

    ``references``: pairs of a table and one that it refers to.
    """
    refers: t.Dict[Name, t.Set[Name]] = {(table.schema, table.name): set() for table in tables}
    for child, parent in references:
        if child in refers and parent in refers and child != parent:
            refers[child].add(parent)
    result: t.List[Described] = []
    left = list(tables)
    while left:
        done = {(table.schema, table.name) for table in result}
        ready = [table for table in left if refers[table.schema, table.name] <= done] or left[:1]
        result += ready
        left = [table for table in left if table not in ready]
    return result
