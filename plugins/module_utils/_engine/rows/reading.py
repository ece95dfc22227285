# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading rows: all tables in one snapshot, in full or what has changed since the backup before."""

from __future__ import annotations

import json
import typing as t

from ..archive.rows import RowsWriter
from ..errors import FleetBackupError, SourceError
from ..names import path_component
from ..result import Notice
from ..sources import Plan, Reading
from .catalogue import Described
from .databases import Snapshot, literal_of, open_database
from .segments import KEYS, header, last_segment, segment_name
from .selection import tables_of


def plan(options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> Plan:
    """What a backup would read: the tables, as the catalogue knows them. Raises SourceError."""
    with open_database(options, spool) as database:
        tables = [database.describe(table) for table in tables_of(options, literal_of(options))]
        return Plan(len(tables), 0, {"database": database.name, "tables": [table.full_name for table in tables]})


def list_tenants(name: str, options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> t.List[str]:
    """What the query for the tenants finds: its first column, as texts. Raises SourceError."""
    with open_database(options, spool) as database:
        try:
            found = database.tenants(options["tenants"].rstrip().rstrip(";"))
        except SourceError as error:
            raise SourceError("source %s: the tenants cannot be listed: %s" % (name, error)) from None
    if None in found or "" in found:
        raise SourceError("source %s: the query for the tenants found one without a name (NULL or an empty text)" % name)
    return t.cast("t.List[str]", found)


def present(options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> bool:
    """Whether all the tables are there to be backed up."""
    try:
        plan(options, spool)
    except FleetBackupError:
        return False
    return True


def back_up(
    name: str, options: t.Mapping[str, t.Any], spool: t.Optional[str], writer: RowsWriter, progress: t.Callable[[int], None]
) -> Reading:
    """Read the rows that ``options`` choose into ``writer``. Raises SourceError."""
    if options["tenants"] and options["tenant"] is None:
        raise SourceError("source %s: its rows belong to tenants; a backup is taken of one of them at a time" % name)
    with open_database(options, spool) as database, database.snapshot(options["overlap"]) as snapshot:
        facts: t.Dict[str, t.Any] = {
            "server": snapshot.server,
            "database": database.name,
            "tenant": options["tenant"],
            "tables": {},
            "bytes": {},
            "read": {},
        }
        run = _Run(name, snapshot, writer, options["deletions"] == "keys", Reading(facts), progress)
        for table in tables_of(options, literal_of(options)):
            run.table(snapshot.describe(table))
        run.reading.notices.extend(snapshot.notices())
        return run.reading


class _Run:
    def __init__(
        self, name: str, snapshot: Snapshot, writer: RowsWriter, keys: bool, reading: Reading,
        progress: t.Callable[[int], None],
    ) -> None:  # fmt: skip
        self._name = name
        self._snapshot = snapshot
        self._writer = writer
        self._keys = keys
        self._progress = progress
        self._previous = writer.previous()
        #: Of the table that is being read, with what is kept of it.
        self._bytes = 0
        self.reading = reading

    def table(self, described: Described) -> None:
        """Read a table: its rows, or what has changed of them; and its keys."""
        table, name, facts = described.table, described.full_name, self.reading.facts
        folder = path_component(name.encode("utf-8"))
        self._bytes = 0
        since, number = self._keep(described, folder)
        where = table.where
        if since is not None:
            where += " AND (%s)" % self._snapshot.changed_since(described, since)
        more = {"layout": described.layout, "until": self._snapshot.until}
        self._writer.begin_segment(folder + b"/" + segment_name(number), "table", more)
        self._put(header(described, "rows"))
        rows = self._snapshot.rows(described, where, self._write)
        facts["read"][name] = rows
        if described.key and self._keys:
            self._writer.begin_segment(folder + b"/" + KEYS, "section", more)
            self._put(header(described, "keys"))
            facts["tables"][name] = self._snapshot.keys(described, self._write)
        elif since is None:
            facts["tables"][name] = rows
        else:
            facts["tables"][name] = self._snapshot.count(described)
        facts["bytes"][name] = self._bytes
        if table.changed_column and not described.key:
            self.reading.notices.append(
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
            self._bytes += json.loads(line)["size"]
        return last.until, last.number + 1

    def _write(self, data: memoryview) -> None:
        self._put(data)
        self._progress(len(data))

    def _put(self, data: t.Union[bytes, memoryview]) -> None:
        self._writer.write(data)
        self._bytes += len(data)
