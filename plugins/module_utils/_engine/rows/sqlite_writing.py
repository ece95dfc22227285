# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing rows to an SQLite database, in one transaction of one connection."""

from __future__ import annotations

import base64
import contextlib
import json
import typing as t

from ..archive.index import Entry
from ..archive.reader import ComponentReader
from ..errors import RestoreError
from ..sqlite.database import explain, patiently, sqlite3, value
from .catalogue import quoted
from .databases import Part
from .segments import split_header

# Rows that are inserted at a time.
_ROWS = 500


class SqliteWriting:
    """See databases.Writing. Foreign keys are enforced, also where the application does not ask for that."""

    temporary_schema = "temp"
    overriding = ""

    def __init__(self, connection: sqlite3.Connection, path: str, patience: float) -> None:
        self._connection = connection
        self._path = path
        self._patience = patience

    def begin(self) -> None:
        with self._told("the transaction"):
            self._connection.execute("PRAGMA foreign_keys = ON")
            patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"), self._patience)
            self._connection.execute("PRAGMA defer_foreign_keys = ON")

    def run(self, sql: str, what: str) -> None:
        with self._told(what):
            self._connection.execute(sql)

    def number(self, sql: str, what: str) -> int:
        with self._told(what):
            return int(value(self._connection, sql))

    def load(self, part: Part, component: ComponentReader, progress: t.Callable[[int], None]) -> t.List[str]:
        table, name = part.described, part.described.full_name
        rows, keys = "temp." + part.temporary("rows"), "temp." + part.temporary("keys")
        with self._told("table %s" % name):
            self._make(rows, [column for column, _type in table.columns], table.key)
            columns: t.List[str] = []
            for entry in part.segments:
                columns = self._fill(component, entry, rows, name, [c for c, _type in table.columns], progress)
            if part.keys is not None:
                self._make(keys, table.key, table.key)
                self._fill(component, part.keys, keys, name, table.key, progress)
                # The rows are compared as they are, without the collations of the table.
                self._connection.execute(
                    "DELETE FROM %s AS r WHERE NOT EXISTS (SELECT 1 FROM %s k WHERE %s)" % (rows, keys, part.same_key("k", "r"))
                )
        return columns

    def go_on(self, part: Part) -> None:
        """SQLite itself lets AUTOINCREMENT go on after the greatest number that was inserted."""

    def check(self) -> None:
        """SQLite checks at the end, and then still can take everything back."""

    def commit(self) -> None:
        try:
            patiently(lambda: self._connection.execute("COMMIT"), self._patience)
        except sqlite3.IntegrityError:
            broken = self._connection.execute('SELECT DISTINCT "table", parent FROM pragma_foreign_key_check').fetchall()
            raise RestoreError(
                "%s: a foreign key would be broken: %s; nothing was changed"
                % (self._path, ", ".join("rows of %s refer to none of %s" % pair for pair in broken) or "of a table")
            ) from None
        except sqlite3.Error as error:
            raise RestoreError("the transaction: %s" % explain(error, self._path, self._patience)) from error

    def _make(self, name: str, columns: t.Sequence[str], key: t.Sequence[str]) -> None:
        """A temporary table, whose columns take values of any type as they are."""
        self._connection.execute("CREATE TABLE %s (%s)" % (name, ", ".join(map(quoted, columns))))
        self._connection.execute(
            "CREATE UNIQUE INDEX temp.%s_key ON %s (%s)"
            % (name.partition(".")[2], name.partition(".")[2], ", ".join(map(quoted, key)))
        )

    def _fill(
        self, component: ComponentReader, entry: Entry, into: str, what: str, there: t.Sequence[str],
        progress: t.Callable[[int], None],
    ) -> t.List[str]:  # fmt: skip
        """Load a segment, the last row of each key; return the columns that its first line names."""
        header, parts = split_header(component.read(entry), what)
        missing = sorted(set(header.columns) - set(there))
        if missing:
            raise RestoreError("table %s has no column %s any more" % (what, ", ".join(missing)))
        insert = "INSERT OR REPLACE INTO %s (%s) VALUES (%%s)" % (into, ", ".join(map(quoted, header.columns)))
        plain = insert % ", ".join("?" * len(header.columns))
        for lines in _lines(parts, progress):
            rows = [_values(line, header.columns, what) for line in lines]
            if any(isinstance(item, _Text) for row in rows for item in row):
                for row in rows:
                    self._connection.execute(
                        insert % ", ".join("CAST(? AS TEXT)" if isinstance(item, _Text) else "?" for item in row), row
                    )
            else:
                self._connection.executemany(plain, rows)
        return header.columns

    @contextlib.contextmanager
    def _told(self, what: str) -> t.Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RestoreError("%s: %s" % (what, explain(error, self._path, self._patience))) from error


class _Text(bytes):
    """A text that is not UTF-8."""


def _lines(
    parts: t.Iterable[t.Union[bytes, memoryview]], progress: t.Callable[[int], None]
) -> t.Iterator[t.List[bytes]]:  # fmt: skip
    """The lines of a segment, some hundred at a time."""
    rest = b""
    lines: t.List[bytes] = []
    for data in parts:
        progress(len(data))
        *whole, rest = (rest + bytes(data)).split(b"\n")
        lines += whole
        while len(lines) >= _ROWS:
            yield lines[:_ROWS]
            del lines[:_ROWS]
    if rest:
        lines.append(rest)
    yield lines


def _values(line: bytes, columns: t.Sequence[str], what: str) -> t.List[t.Any]:
    """The values of a row or a key. Raises RestoreError."""
    try:
        found = json.loads(line)
        return [_value(item) for item in (found if isinstance(found, list) else map(found.__getitem__, columns))]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise RestoreError("a row of table %s in the backup is not as it must be: %r" % (what, line[:100])) from None


def _value(item: t.Any) -> t.Any:
    if not isinstance(item, dict):
        return item
    [(kind, text)] = item.items()
    if kind == "real":
        return float(text)
    data = base64.b64decode(text, validate=True)
    return _Text(data) if kind == "text_base64" else data
