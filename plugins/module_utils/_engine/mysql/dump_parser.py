# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the sections of a dump of mariadb-dump or mysqldump while it passes by, and counts the rows.

It reads SQL as the client does that will restore it: quotes, comments, DELIMITER. Only a comment between two statements can begin
a section; so no row, name, comment of a table or body of a routine can look like one. Statements are kept until they end,
but for INSERT, which is nearly all of a dump: of that only the end is looked for, and a dump has no line end within a row.
"""

from __future__ import annotations

import itertools
import re
import typing as t

from ..errors import SourceError
from ..rare import count_lines, find
from .naming import Section

_TOKEN = (
    rb"'(?:[^'%(escape)s]|%(escaped)s'')*'"
    rb'|"(?:[^"%(escape)s]|%(escaped)s"")*"'
    rb"|`(?:[^`]|``)*`"
    rb"|/\*(?!!|M!)|--[\ \t\n]|\#|%(delimiter)s"
)
_INSERT = re.compile(rb"(?:INSERT|REPLACE) +(?:IGNORE +)?INTO `(?:[^`]|``)*`")
_NAME = re.compile(rb"`((?:[^`]|``)*)`")
_DATABASE = re.compile(rb"USE `((?:[^`]|``)*)`;")

# What the first line of a comment says, and the kind of section that it begins.
_KINDS = (
    (b"-- Table structure for table ", "tables"),
    (b"-- Sequence structure for ", "sequences"),
    (b"-- Temporary table structure for view ", "placeholders"),
    (b"-- Temporary view structure for view ", "placeholders"),
    (b"-- Final view structure for view ", "views"),
    (b"-- Dumping events for database ", "events"),
    (b"-- Dumping routines for database ", "routines"),
    (b"-- Current Database: ", "database"),
)
_FOOTER = (b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE", b"/*!40101 SET SQL_MODE=@OLD_SQL_MODE")
_END = b"-- Dump completed"
_END_OF_ROWS = b");\n"
_MODE = b"SQL_MODE='NO_AUTO_VALUE_ON_ZERO'"
_WIDER_MODE = b"SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"
# What follows the rows of a table that keeps those of the past.
_HISTORY = re.compile(rb"/\*M?!\d+ SET [@ ]*system_versioning_insert_history")
_SANDBOX = b"/*M!999999\\- enable the sandbox mode */"

# Longer than any statement but INSERT should be: a CREATE TABLE with thousands of columns, a long procedure.
_LONGEST = 64 << 20

Write = t.Callable[[t.Union[bytes, memoryview]], None]
Begin = t.Callable[[Section], None]


class DumpParser:
    """``begin`` is told each section before ``write`` is told its bytes. feed() all, then close()."""

    def __init__(self, begin: Begin, write: Write) -> None:
        self._begin = begin
        self._write = write
        self._buffer = bytearray()
        self._done = 0
        self._delimiter = b";"
        self._backslash = True
        self._tokens = self._pattern()
        self._database = ""
        self._databases: t.List[str] = []
        self._section = Section("", "header")
        self._unlocked = False
        self._in_insert = False
        self._one_line = False
        # How many bytes of the INSERT under way need not be looked through again for its end.
        self._without_end = 0
        self._ended = False
        #: The rows of each table, by database and name.
        self.rows: t.Dict[t.Tuple[str, str], int] = {}
        #: How many of each kind each database has.
        self.counts: t.Dict[str, t.Dict[str, int]] = {}
        begin(self._section)

    def feed(self, data: t.Union[bytes, memoryview]) -> None:
        self._buffer += data
        self._go_on()
        if len(self._buffer) > _LONGEST and not self._in_insert:
            raise SourceError("the dump has a statement of more than %d bytes that is no INSERT" % _LONGEST)

    def close(self) -> None:
        """Raises SourceError when the dump is not whole."""
        if self._buffer and not self._in_insert:
            # The last line may lack its end.
            self._buffer += b"\n"
            self._go_on(last=True)
        if not self._ended or self._in_insert:
            raise SourceError(
                "the dump is cut off: its end mark (%s) is missing, though the dump program reported no error" % _END.decode()
            )

    def _go_on(self, last: bool = False) -> None:
        self._done = 0
        view = self._buffer
        size = len(view) - (1 if last else 0)
        while self._done < len(view):
            if not (self._insert() if self._in_insert else self._statement()):
                break
        done = min(self._done, size)
        if done:
            with memoryview(view)[:done] as part:
                self._write(part)
            del self._buffer[:done]
        if last:
            self._buffer.clear()

    def _flush(self, upto: int) -> int:
        """Write what lies before ``upto``; return how far all positions have moved."""
        if upto:
            with memoryview(self._buffer)[:upto] as part:
                self._write(part)
            del self._buffer[:upto]
            self._done -= upto
        return upto

    def _insert(self) -> bool:
        start = self._done
        end = find(self._buffer, _END_OF_ROWS, 1, start + self._without_end, len(self._buffer))
        stop = end + len(_END_OF_ROWS) if end >= 0 else max(len(self._buffer) - len(_END_OF_ROWS) + 1, start)
        self._without_end = 0
        if self._one_line:
            if end < 0:
                # Rows that no line ends tell apart are counted statement by statement.
                self._without_end = stop - start
                return False
            self._count(_rows_of(bytes(self._buffer[start:stop])))
        else:
            self._count(count_lines(self._buffer[start:stop]))
        self._done = stop
        self._in_insert = end < 0
        return end >= 0

    def _count(self, rows: int) -> None:
        key = (self._section.database, self._section.name)
        self.rows[key] = self.rows.get(key, 0) + rows

    def _statement(self) -> bool:
        """Take one comment line, one statement or the beginning of an INSERT; False when more must be read first."""
        buffer, start = self._buffer, self._done
        if buffer.startswith(b"\n", start):
            self._done += 1
            return True
        line = buffer.find(b"\n", start)
        if line < 0:
            return False
        if buffer.startswith(b"--\n", start):
            return self._comment(start)
        if buffer.startswith(b"-- ", start):
            self._ended = self._ended or buffer.startswith(_END, start)
            self._done = line + 1
            return True
        if buffer.startswith(_SANDBOX, start):
            # Clients of another generation choke on it. The restore asks for the same by an option.
            line -= self._flush(start)
            del buffer[: line + 1]
            self._done = 0
            return True
        if buffer[start : start + 10].upper() == b"DELIMITER ":
            self._delimiter = bytes(buffer[start + 10 : line]).strip()
            self._tokens = self._pattern()
            self._done = line + 1
            return True
        if buffer.startswith((b"INSERT ", b"REPLACE "), start):
            found = _INSERT.match(buffer, start)
            values = buffer.find(b"VALUES", found.end()) if found else -1
            if found is None or values < 0 or len(buffer) < values + 8:
                return False
            self._one_line = buffer[values + 6] != 0x0A
            self._done = values + 7
            self._in_insert = True
            return True
        end = self._end_of_statement(start)
        if end < 0:
            return False
        self._look_at(bytes(buffer[start:end]), start, end)
        return True

    def _comment(self, start: int) -> bool:
        """A comment of several lines, between two lines that are empty but for the dashes."""
        buffer = self._buffer
        position = start + 3
        while True:
            line = buffer.find(b"\n", position)
            if line < 0:
                return False
            text = bytes(buffer[position:line])
            if text == b"--":
                position = line + 1
                break
            if not text.startswith(b"--"):
                # The head of the dump has single dashes between its lines.
                break
            position = line + 1
        text = bytes(buffer[start + 3 : position])
        moved = 0
        for words, kind in _KINDS:
            if text.startswith(words):
                moved = self._flush(start)
                self._enter(kind, text[len(words) :])
        self._ended = self._ended or text.startswith(_END)
        self._done = position - moved
        return True

    def _enter(self, kind: str, text: bytes) -> None:
        name = _name(text.replace(b"\n-- ", b"\n"))
        if kind == "database":
            self._database = name
            kind = "views" if name in self._databases else "database"
            self._databases.append(name)
            section = Section(name, kind)
        elif kind in ("events", "routines"):
            section = Section(self._database, kind)
        else:
            section = Section(self._database, kind, name)
            counts = self.counts.setdefault(self._database, {})
            counts[kind] = counts.get(kind, 0) + 1
        if kind == "tables":
            self.rows.setdefault((self._database, name), 0)
        self._to(section)

    def _to(self, section: Section) -> None:
        self._section = section
        self._unlocked = False
        self._begin(section)

    def _look_at(self, statement: bytes, start: int, end: int) -> None:
        """What a statement that begins at ``start`` means for the sections."""
        moved = 0
        if self._section.kind == "header" and _MODE in statement:
            # Dates such as February 30th, which a column may hold, would come back as zeros.
            self._buffer[start:end] = statement.replace(_MODE, _WIDER_MODE)
            end += len(_WIDER_MODE) - len(_MODE)
        elif statement.startswith(_FOOTER) and self._section.kind != "footer":
            moved = self._flush(start)
            self._to(Section("", "footer"))
        elif self._unlocked and not _HISTORY.match(statement):
            moved = self._flush(start)
            self._to(Section(self._section.database, "triggers", self._section.name))
        elif self._section.kind == "tables" and statement.startswith(b"UNLOCK TABLES"):
            self._unlocked = True
        elif b"sql_mode" in statement.lower():
            found = re.search(rb"sql_mode\s*=\s*'([^']*)'", statement, re.IGNORECASE)
            backslash = found is None or b"NO_BACKSLASH_ESCAPES" not in found.group(1)
            if backslash != self._backslash:
                self._backslash = backslash
                self._tokens = self._pattern()
        if self._section.kind in ("routines", "events", "triggers"):
            self._count_object(statement)
        self._done = end - moved

    def _count_object(self, statement: bytes) -> None:
        found = re.match(
            rb"(?:/\*!\d+ )?CREATE(?:\*/)?\s.*?\b(FUNCTION|PROCEDURE|PACKAGE|EVENT|TRIGGER)\s",
            statement,
            re.DOTALL | re.IGNORECASE,
        )
        if found:
            kind = found.group(1).decode().lower() + "s"
            counts = self.counts.setdefault(self._section.database, {})
            counts[kind] = counts.get(kind, 0) + 1

    def _end_of_statement(self, start: int) -> int:
        """Where the statement that begins at ``start`` ends, its delimiter included; -1 when that has not come yet."""
        position = start
        while True:
            found = self._tokens.search(self._buffer, position)
            if found is None:
                return -1
            token = found.group()
            if token == self._delimiter:
                return found.end()
            position = found.end()
            if token in (b"'", b'"', b"`"):
                return -1  # its end has not come yet
            if token == b"/*":
                position = self._after(b"*/", position)
            elif token == b"#" or (token.startswith(b"--") and not token.endswith(b"\n")):
                position = self._after(b"\n", position)
            if position < 0:
                return -1

    def _after(self, text: bytes, position: int) -> int:
        found = self._buffer.find(text, position)
        return -1 if found < 0 else found + len(text)

    def _pattern(self) -> t.Pattern[bytes]:
        escape, escaped = (rb"\\", rb"\\.|") if self._backslash else (b"", b"")
        text = _TOKEN % {b"escape": escape, b"escaped": escaped, b"delimiter": re.escape(self._delimiter)}
        # A quote that is not closed yet is a token too, or what follows it would be taken for SQL.
        return re.compile(text + rb"""|['"`]""", re.DOTALL)


def _rows_of(values: bytes) -> int:
    """How many rows stand in one line."""
    if b"\\" in values:
        values = values.replace(b"\\\\", b"").replace(b"\\'", b"")
    # Without what is escaped each quote begins or ends a text; so a row ends where there is an even number of them before.
    quotes = itertools.accumulate(map(bytes.count, values.split(b"),("), itertools.repeat(b"'")))
    return sum(1 - number % 2 for number in quotes)


def _name(text: bytes) -> str:
    found = _NAME.search(text)
    name = found.group(1).replace(b"``", b"`") if found else text.strip().strip(b"-\n").strip()
    return name.decode("utf-8", "surrogateescape")
