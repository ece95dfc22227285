# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of a ``rows`` source ask for, table by table."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..errors import FleetBackupError
from ..postgresql.lexer import TOKEN

#: Where the tenant stands in a condition.
PARAMETER = "tenant"

_NAME = re.compile(r'"(?:[^"]|"")+"|[^".]+')


@dataclass(frozen=True)
class Table:
    """One table. ``where`` is a condition in SQL, with the tenant filled in; ``key`` its columns, empty for the primary key."""

    name: str
    where: str
    changed_column: t.Optional[str]
    key: t.Tuple[str, ...]

    @property
    def parts(self) -> t.List[str]:
        """Schema (if it is given) and name, unquoted."""
        return [p[1:-1].replace('""', '"') if p.startswith('"') else p for p in _NAME.findall(self.name)]

    @property
    def quoted(self) -> str:
        return ".".join('"%s"' % part.replace('"', '""') for part in self.parts)

    def check_columns(self, there: t.Container[str], key: t.Sequence[str], error: t.Type[FleetBackupError]) -> None:
        """Check that the columns of its key and its ``changed_column`` are there. Raises ``error``."""
        for column in [*key, *([self.changed_column] if self.changed_column else [])]:
            if column not in there:
                raise error("table %s has no column %s" % (self.name, column))


def tables_of(options: t.Mapping[str, t.Any], literal: t.Callable[[str], str]) -> t.List[Table]:
    """The tables of a source. The conditions are the user's own; the tenant is data, and is quoted with ``literal``."""
    tenant = options["tenant"]
    return [
        Table(
            table["name"],
            "(%s)" % fill_in(table["where"], tenant, literal) if table["where"] else "true",
            table["changed_column"],
            tuple(table["key"]),
        )
        for table in options["tables"]
    ]


def has_parameter(condition: str) -> bool:
    """Whether a condition asks for the tenant."""
    return fill_in(condition, "", repr) != fill_in(condition, "x", repr)


def fill_in(condition: str, tenant: t.Optional[str], literal: t.Callable[[str], str]) -> str:
    """The condition with the tenant, as a quoted text, where ``:tenant`` stands outside of strings and names."""
    result = []
    found = list(TOKEN.finditer(condition.encode("utf-8")))
    place = 0
    while place < len(found):
        word = found[place].group().decode("utf-8")
        following = found[place + 1].group() if place + 1 < len(found) else b""
        before = found[place - 1].group() if place else b""
        if word == ":" and before != b":" and following == PARAMETER.encode("ascii") and tenant is not None:
            result.append(literal(tenant))
            place += 2
        else:
            result.append(word)
            place += 1
    return "".join(result)
