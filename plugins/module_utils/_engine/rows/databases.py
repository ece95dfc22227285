# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases that rows are read from and written to, as reading.py and restoring.py see them: one file a kind."""

from __future__ import annotations

import typing as t

from ..archive.index import Entry
from ..archive.reader import ComponentReader
from ..errors import FleetBackupError, SourceError
from ..result import Notice
from .catalogue import Described, Name, quoted
from .selection import Table

#: Takes what was read.
Write = t.Callable[[memoryview], None]


class Part(t.NamedTuple):
    """One table on its way back: its segments, the keys that there were (None: nobody listed them), its number."""

    described: Described
    segments: t.List[Entry]
    keys: t.Optional[Entry]
    number: int

    def temporary(self, kind: str) -> str:
        """The name of a temporary table."""
        return "fleet_backup_%s_%d" % (kind, self.number)

    def same_key(self, one: str, other: str) -> str:
        return " AND ".join("%s.%s = %s.%s" % (one, quoted(c), other, quoted(c)) for c in self.described.key)


class Snapshot(t.Protocol):
    """One state of a database. Everything raises SourceError."""

    #: The version of the server or library.
    server: str
    #: What was changed before this time, as a text, is in the snapshot.
    until: str

    def describe(self, table: Table) -> Described:
        """A table as it is."""

    def changed_since(self, described: Described, until: str) -> str:
        """The condition for what may have changed since an older snapshot; ``until`` is that one's."""

    def rows(self, described: Described, where: str, write: Write) -> int:
        """Read rows as JSON objects, one a line; return how many there were."""

    def keys(self, described: Described, write: Write) -> int:
        """Read the keys of all rows as JSON arrays, one a line; return how many there were."""

    def count(self, described: Described) -> int:
        """How many rows there are."""

    def notices(self) -> t.List[Notice]:
        """What a person should know of the reading, at its end."""


class Writing(t.Protocol):
    """A session that writes: begin(), what is to be done, commit(). Everything raises RestoreError."""

    #: Where temporary tables are, and what stands between the columns and the rows of an INSERT.
    temporary_schema: str
    overriding: str

    def begin(self) -> None:
        """Begin a transaction; the rules between tables are checked at its end."""

    def run(self, sql: str, what: str) -> None:
        """Run a statement."""

    def number(self, sql: str, what: str) -> int:
        """The number that a statement returns."""

    def load(self, part: Part, component: ComponentReader, progress: t.Callable[[int], None]) -> t.List[str]:
        """The rows of a table into a temporary one (``rows``): of each key the last, and only keys that there were at the end.

        Returns the columns that they have.
        """

    def go_on(self, part: Part) -> None:
        """Let what numbers the rows of a table go on after those that came back."""

    def check(self) -> None:
        """Check the rules between tables, as far as that can be done before commit()."""

    def commit(self) -> None:
        """End the transaction."""


class Database(t.Protocol):
    """A database that can be asked for its tables. Everything raises SourceError, or the ``error`` that is given."""

    #: What people call it.
    name: str
    #: The schema of tables that are named without one.
    schema: str

    def describe(self, table: Table, error: t.Type[FleetBackupError] = SourceError) -> Described:
        """A table as it is."""

    def references(self, error: t.Type[FleetBackupError] = SourceError) -> t.List[t.Tuple[Name, Name]]:
        """Which table refers to which."""

    def tenants(self, query: str) -> t.List[t.Optional[str]]:
        """The first column of what a query finds, as texts."""

    def has_rows(self, described: Described, error: t.Type[FleetBackupError] = SourceError) -> bool:
        """Whether there are any of the rows that the source is about."""

    def snapshot(self, overlap: int) -> t.ContextManager[Snapshot]:
        """One state of it. What was changed up to ``overlap`` seconds before it began is not relied upon to be in it."""

    def writing(self) -> t.ContextManager[Writing]:
        """A session that writes."""


def literal_of(options: t.Mapping[str, t.Any]) -> t.Callable[[str], str]:
    """How a text stands in a statement for the database of a source."""
    if options["sqlite"] is not None:
        from .sqlite import literal

        return literal
    from ..postgresql import lexer

    return lexer.literal


def open_database(options: t.Mapping[str, t.Any], spool: t.Optional[str] = None) -> t.ContextManager[Database]:
    """The database of a source. Raises SourceError and the like."""
    if options["sqlite"] is not None:
        from .sqlite import SqliteRows

        return SqliteRows(options["sqlite"])
    from .postgresql import PostgresqlRows

    return PostgresqlRows(options["postgresql"], spool)
