# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of an SQLite database: its tables, and one read transaction on it.

Values keep their types: numbers and texts are JSON's own; ``{"base64": ...}`` is a blob, ``{"text_base64": ...}`` a text that is
not UTF-8, ``{"real": "inf"}`` or ``"-inf"`` infinity.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import time
import typing as t

from ..errors import FleetBackupError, SourceError
from ..result import Notice
from ..sqlite.database import (
    check_file,
    connect,
    explain,
    hold,
    journal_mode,
    mode_to_read,
    patiently,
    shown,
    sqlite3,
    value,
)
from .catalogue import Described, Name, quoted
from .selection import Table

if t.TYPE_CHECKING:
    from .databases import Write
    from .sqlite_writing import SqliteWriting

#: Seconds that no writer could commit that are worth a word: many applications give up after five.
_LONG_BLOCK = 5

# Rows that are fetched and written at a time.
_ROWS = 500

_SECONDS = "%Y-%m-%dT%H:%M:%SZ"

# Times are texts (ISO 8601, or as CURRENT_TIMESTAMP writes them) or numbers (seconds since 1970; larger ones milliseconds).
# A text without a zone may be somebody's local time, up to half a day behind; a date may mean its last moment; a minute, its
# last second.
_CHANGED = """julianday(CASE WHEN typeof({0}) = 'text' THEN {0} WHEN abs({0}) > 1e11
    THEN strftime('%Y-%m-%d %H:%M:%f', {0} / 1000.0, 'unixepoch') ELSE strftime('%Y-%m-%d %H:%M:%f', {0}, 'unixepoch') END)
  + CASE WHEN typeof({0}) <> 'text' OR {0} GLOB '*Z' OR {0} GLOB '*[+-][0-9][0-9]:[0-9][0-9]' THEN 0
    WHEN length({0}) > 10 THEN 0.5 ELSE 1.5 END + 1 / 1440.0"""


def literal(text: str) -> str:
    """A text as it can stand in a statement."""
    return "'%s'" % text.replace("'", "''")


class SqliteRows:
    """See databases.Database."""

    schema = "main"

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self.name: str = options["path"]
        self._patience: float = options["timeout"]
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> SqliteRows:
        check_file(self.name)
        self._reader = self._open(mode_to_read(self.name))
        return self

    def __exit__(self, *_: t.Any) -> None:
        self._stack.close()

    def describe(self, table: Table, error: t.Type[FleetBackupError] = SourceError) -> Described:
        with self._told(error):
            return _describe(self._reader, table, error)

    def references(self, error: t.Type[FleetBackupError] = SourceError) -> t.List[t.Tuple[Name, Name]]:
        with self._told(error):
            found = self._reader.execute(
                "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'"
            ).fetchall()
            # The parent is named as the statement of the child wrote it.
            names = {name.lower(): name for (name,) in self._reader.execute("SELECT name FROM sqlite_master")}
            return [(("main", child), ("main", names.get(parent.lower(), parent))) for child, parent in found]

    def tenants(self, query: str) -> t.List[t.Optional[str]]:
        with self._told(SourceError):
            rows = patiently(lambda: self._reader.execute(query).fetchall(), self._patience)
            return [None if row[0] is None else str(row[0]) for row in rows]

    def has_rows(self, described: Described, error: t.Type[FleetBackupError] = SourceError) -> bool:
        with self._told(error):
            sql = "SELECT EXISTS (SELECT 1 FROM %s WHERE %s)" % (described.quoted, described.table.where)
            return bool(patiently(lambda: value(self._reader, sql), self._patience))

    @contextlib.contextmanager
    def snapshot(self, overlap: int) -> t.Iterator[SqliteSnapshot]:
        with self._told(SourceError):
            until = time.strftime(_SECONDS, time.gmtime(time.time() - overlap))
            patiently(lambda: hold(self._reader), self._patience)
            try:
                yield SqliteSnapshot(self._reader, self.name, until)
            finally:
                self._reader.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self) -> t.Iterator[SqliteWriting]:
        from .sqlite_writing import SqliteWriting

        yield SqliteWriting(self._open("rw"), self.name, self._patience)

    def _open(self, mode: str) -> sqlite3.Connection:
        with self._told(SourceError):
            connection = connect(self.name, mode)
            self._stack.callback(connection.close)
            try:
                patiently(lambda: value(connection, "PRAGMA schema_version"), self._patience)
            except sqlite3.OperationalError as error:
                if mode == "rw" or ("readonly" not in str(error) and "unable to open" not in str(error)):
                    raise
                # The last writer died: its transaction must be rolled back, or its log read, before anyone can read.
                return self._open("rw")
            return connection

    @contextlib.contextmanager
    def _told(self, kind: t.Type[FleetBackupError]) -> t.Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise kind(explain(error, self.name, self._patience)) from error


class SqliteSnapshot:
    """See databases.Snapshot."""

    def __init__(self, connection: sqlite3.Connection, path: str, until: str) -> None:
        self.server = sqlite3.sqlite_version
        self.until = until
        self._connection = connection
        self._path = path
        self._began = time.monotonic()

    def describe(self, table: Table) -> Described:
        return _describe(self._connection, table, SourceError)

    def changed_since(self, described: Described, until: str) -> str:
        changed = _CHANGED.format(quoted(t.cast(str, described.table.changed_column)))
        # What is no time at all is read each time.
        return "coalesce(%s >= julianday(%s), 1)" % (changed, literal(until))

    def rows(self, described: Described, where: str, write: Write) -> int:
        names = [column for column, _type in described.columns]
        encode = _ENCODER.encode
        return self._read(described, names, where, write, lambda row: encode(dict(zip(names, row))))

    def keys(self, described: Described, write: Write) -> int:
        encode = _ENCODER.encode
        empty = " OR ".join("%s IS NULL" % quoted(column) for column in described.key)
        if self._count(described, "(%s) AND (%s)" % (described.table.where, empty)):
            raise SourceError(
                "table %s: rows have no key (NULL in %s), so nothing tells them apart"
                % (described.full_name, " or ".join(described.key))
            )
        return self._read(described, described.key, described.table.where, write, lambda row: encode(list(row)))

    def count(self, described: Described) -> int:
        return self._count(described, described.table.where)

    def notices(self) -> t.List[Notice]:
        blocked = time.monotonic() - self._began
        if journal_mode(self._connection) == "wal" or blocked < _LONG_BLOCK:
            return []
        text = "%s: no writer could commit for %.1f s; in WAL mode none would have to wait" % (shown(self._path), blocked)
        return [Notice("writers-blocked", text)]

    def _count(self, described: Described, where: str) -> int:
        return int(value(self._connection, "SELECT count(*) FROM %s WHERE %s" % (described.quoted, where)))

    def _read(
        self, described: Described, columns: t.Sequence[str], where: str, write: Write,
        line: t.Callable[[t.Sequence[t.Any]], str],
    ) -> int:  # fmt: skip
        select = "SELECT %s FROM %s WHERE %s" % (", ".join(map(quoted, columns)), described.quoted, where)
        cursor = self._connection.execute(select)
        count = 0
        while True:
            rows = cursor.fetchmany(_ROWS)
            if not rows:
                return count
            try:
                text = "".join([line(row) + "\n" for row in rows]).encode("utf-8")
            except ValueError:
                # Infinity, or a text that is not UTF-8.
                text = "".join([line([_as_json(item) for item in row]) + "\n" for row in rows]).encode("utf-8")
            write(memoryview(text))
            count += len(rows)


def _describe(connection: sqlite3.Connection, table: Table, error: t.Type[FleetBackupError]) -> Described:
    schema, name = ["main", *table.parts][-2:]
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?)", (name,)
    ).fetchone()
    if found is None or schema != "main":
        raise error("there is no table %s" % table.name)
    columns, key = [], []
    for _number, column, kind, _not_null, _default, place, hidden in connection.execute(
        "PRAGMA main.table_xinfo(%s)" % quoted(found[0])
    ):
        if place:
            key.append((place, column))
        # The others are generated, or a virtual table's own.
        if not hidden:
            columns.append((column, kind))
    keys = table.key or tuple(column for _place, column in sorted(key))
    table.check_columns(dict(columns), keys, error)
    return Described(table, "main", found[0], tuple(columns), keys)


def _blob(data: t.Any) -> t.Dict[str, str]:
    return {"base64": base64.b64encode(data).decode("ascii")}


def _as_json(item: t.Any) -> t.Any:
    """A value that JSON itself has no words for."""
    if isinstance(item, float) and math.isinf(item):
        return {"real": repr(item)}
    if isinstance(item, str) and not _is_utf8(item):
        return {"text_base64": base64.b64encode(item.encode("utf-8", "surrogateescape")).decode("ascii")}
    return item


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_blob)
