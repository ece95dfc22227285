# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting rows back: those of the backup are inserted, or take the place of those with the same key, in one transaction.

stage() does all of it but the COMMIT, so that the rules of the database have been met by then. Rows that are there and not in the
backup stay, unless the restore is asked to delete. What is replaced is kept in the session until the end, for undo().
"""

from __future__ import annotations

import contextlib
import typing as t

from ..archive.index import Entry, entry_path
from ..errors import RestoreError
from ..names import path_component
from ..result import Notice
from ..sources import RestorePlan, RestoreTarget
from ..tree.select import Selection
from .catalogue import in_order, quoted
from .databases import Database, Part, Writing, literal_of, open_database
from .segments import KEYS, split_header
from .selection import Table, tables_of

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader


class RowsRestoring:
    """See sources.Restoring."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self._options = options = target.options or {}
        self._component = component
        self._delete = target.delete
        self._facts = component.facts
        self._stack = contextlib.ExitStack()
        self._writing: t.Optional[Writing] = None
        self._committed = False
        self._columns_of: t.Dict[int, t.List[str]] = {}
        self.plan = RestorePlan()
        if target.to is not None:
            raise RestoreError(
                "to: rows are not restored into a folder; name another database with the option postgresql or sqlite"
            )
        self._check_tenant(options)
        self._chosen = _chosen(component, target.include)
        with open_database(options) as database:
            self._tables = {
                ".".join([database.schema, *table.parts][-2:]): table for table in tables_of(options, literal_of(options))
            }
            self._parts = self._match(database)
            self._make_plan(database)

    def stage(self, progress: t.Callable[[int], None]) -> None:
        database = self._stack.enter_context(open_database(self._options))
        writing = self._writing = self._stack.enter_context(database.writing())
        writing.begin()
        for part in self._parts:
            self._columns_of[part.number] = writing.load(part, self._component, progress)
            self._check_count(writing, part)
        for part in self._parts:
            self._upsert(writing, part)
        if self._delete:
            for part in reversed(self._parts):
                self._remove_others(writing, part)
        for part in self._parts:
            writing.go_on(part)
        writing.check()

    def commit(self) -> t.List[Notice]:
        if self._writing is None:
            raise RestoreError("the rows have not been staged")
        self._writing.commit()
        self._committed = True
        return []

    def undo(self) -> None:
        writing = self._writing
        if not self._committed or writing is None:
            return
        writing.begin()
        # Rows that were there get their old values, in place: deleting them could take rows of other tables along.
        for part in self._parts:
            self._write(writing, part, "old", [column for column, _type in part.described.columns])
        for part in reversed(self._parts):
            writing.run(
                "DELETE FROM %s AS t WHERE EXISTS (SELECT 1 FROM %s r WHERE %s) AND NOT EXISTS (SELECT 1 FROM %s o WHERE %s)"
                % (
                    part.described.quoted,
                    self._temporary(part, "rows"),
                    part.same_key("t", "r"),
                    self._temporary(part, "old"),
                    part.same_key("t", "o"),
                ),
                part.described.full_name,
            )
        writing.commit()
        self._committed = False

    def finish(self) -> None:
        self._writing = None
        self._stack.close()

    def _check_tenant(self, options: t.Mapping[str, t.Any]) -> None:
        of_backup = self._facts.get("tenant")
        if of_backup is not None and options["tenant"] != of_backup:
            raise RestoreError("the backup holds rows of tenant %s, and the job is about %s" % (of_backup, options["tenant"]))

    def _match(self, database: Database) -> t.List[Part]:
        """The tables of the backup as the database has them, in the order of their references."""
        described = []
        for folder in self._chosen:
            entry = self._chosen[folder][0]
            name = split_header(self._component.read(entry), repr(entry_path(entry)))[0].table
            table = self._tables.get(name, Table('"%s"."%s"' % _split(name), "true", None, ()))
            found = database.describe(table, RestoreError)
            if not found.key:
                raise RestoreError("table %s has no primary key, so its rows cannot be told apart; name one (key)" % name)
            described.append(found)
        parts = []
        for number, found in enumerate(in_order(described, database.references(RestoreError))):
            listed = self._chosen[path_component(found.full_name.encode("utf-8"))]
            keys = [e for e in listed if entry_path(e).endswith(b"/" + KEYS)]
            parts.append(Part(found, [e for e in listed if e not in keys], keys[0] if keys else None, number))
        return parts

    def _make_plan(self, database: Database) -> None:
        for part in self._parts:
            text = "rows of table %s of database %s" % (part.described.full_name, database.name)
            if database.has_rows(part.described, RestoreError):
                self.plan.overwrite.append(text)
                self.plan.overwrite_count += 1
            else:
                self.plan.create.append(text)
                self.plan.create_count += 1

    def _check_count(self, writing: Writing, part: Part) -> None:
        recorded = self._facts.get("tables")
        expected = recorded.get(part.described.full_name) if isinstance(recorded, dict) else None
        found = writing.number("SELECT count(*) FROM %s" % self._temporary(part, "rows"), part.described.full_name)
        if isinstance(expected, int) and part.keys is not None and found != expected:
            raise RestoreError(
                "the backup holds %d rows of table %s, not the %d that were recorded"
                % (found, part.described.full_name, expected)
            )

    def _upsert(self, writing: Writing, part: Part) -> None:
        table = part.described
        writing.run(
            "CREATE TEMP TABLE %s AS SELECT t.* FROM %s t JOIN %s r ON %s"
            % (part.temporary("old"), table.quoted, self._temporary(part, "rows"), part.same_key("t", "r")),
            table.full_name,
        )
        self._write(writing, part, "rows", self._columns_of[part.number])

    def _write(self, writing: Writing, part: Part, source: str, columns: t.Sequence[str]) -> None:
        """Insert rows, or let them take the place of those with the same key."""
        table = part.described
        names = ", ".join(map(quoted, columns))
        changes = ", ".join("%s = EXCLUDED.%s" % (quoted(c), quoted(c)) for c in columns if c not in table.key)
        writing.run(
            "INSERT INTO %s (%s) %s SELECT %s FROM %s WHERE true ON CONFLICT (%s) DO %s"
            % (
                table.quoted,
                names,
                writing.overriding,
                names,
                self._temporary(part, source),
                ", ".join(map(quoted, table.key)),
                "UPDATE SET " + changes if changes else "NOTHING",
            ),
            "table %s" % table.full_name,
        )

    def _remove_others(self, writing: Writing, part: Part) -> None:
        """Remove the rows, of this tenant, that the backup does not have."""
        table = part.described
        others = "%s AS t WHERE (%s) AND NOT EXISTS (SELECT 1 FROM %s r WHERE %s)" % (
            table.quoted,
            table.table.where,
            self._temporary(part, "rows"),
            part.same_key("t", "r"),
        )
        writing.run("INSERT INTO %s SELECT t.* FROM %s" % (self._temporary(part, "old"), others), table.full_name)
        writing.run("DELETE FROM %s" % others, "table %s" % table.full_name)

    def _temporary(self, part: Part, kind: str) -> str:
        return "%s.%s" % (t.cast(Writing, self._writing).temporary_schema, part.temporary(kind))


def _chosen(component: ComponentReader, include: t.Sequence[str]) -> t.Dict[bytes, t.List[Entry]]:
    """The entries of each table of which any is chosen, in the order of the segments."""
    selection = Selection(include)
    entries: t.Dict[bytes, t.List[Entry]] = {}
    wanted = set()
    for entry in component.entries():
        path = entry_path(entry)
        folder = path.rpartition(b"/")[0]
        entries.setdefault(folder, []).append(entry)
        if selection.means(path, False):
            wanted.add(folder)
    return {folder: listed for folder, listed in entries.items() if folder in wanted}


def _split(name: str) -> t.Tuple[str, str]:
    schema, _dot, table = name.partition(".")
    return schema.replace('"', '""'), table.replace('"', '""')
