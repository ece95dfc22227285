# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump of pg_dump as it passes: cut where the rows of a table begin and end, its rows and objects counted, its end checked.

The rows of a table, with the COPY statement, are a section of their own; so are the contents of the large objects; and so is
each run of all that lies between. The bytes are passed on as they are.
"""

from __future__ import annotations

import typing as t

from ..errors import SourceError
from ..names import path_component
from ..rare import count_lines, find
from .items import RULE, Item, parse_header
from .lexer import LineLexer, Name, qualified_name

END_OF_DATABASE = b"-- PostgreSQL database dump complete\n"
END_OF_GLOBALS = b"-- PostgreSQL database cluster dump complete\n"

#: Types of items that are large objects' contents.
LARGE_OBJECTS = (b"BLOBS", b"LARGE OBJECTS")

_END_OF_ROWS = b"\n\\.\n"
_FROM_STDIN = b" FROM stdin;\n"
_LARGE_OBJECT = b"SELECT pg_catalog.lo_open("

# The statement of a table with many columns of long names is far below this.
_LONGEST_STATEMENT = 16 << 20


class Sections(t.Protocol):
    """What takes the dump: StreamWriter."""

    def begin_entry(self, path: bytes, kind: str = "section") -> None: ...

    def write(self, data: t.Union[bytes, memoryview]) -> None: ...


class DumpReader:
    """Told the dump of the database ``database`` buffer by buffer, it writes it on to ``sections``. close() checks its end.

    ``rows`` has the rows of each table by the path of its section; ``objects`` the number of objects of each type;
    ``large_objects`` how many there are.
    """

    def __init__(self, sections: Sections, database: bytes, end: bytes = END_OF_DATABASE) -> None:
        self.rows: t.Dict[bytes, int] = {}
        self.tables: t.Dict[bytes, Name] = {}
        self.objects: t.Dict[str, int] = {}
        self.large_objects = 0
        self._sections = sections
        self._folder = path_component(database)
        self._end = end
        self._complete = False
        self._lexer = LineLexer()
        # Of the rows under way: their section; None outside of rows. And the last bytes before the next buffer.
        self._table: t.Optional[bytes] = None
        self._before = b""
        # Lines that are not passed on yet, since what they belong to is not known; and the beginning of a line.
        self._held: t.List[bytes] = []
        self._rest = b""
        self._statement = False
        self._statement_size = 0
        # What is being written: "table", "large", "schema" or nothing.
        self._kind = ""
        self._numbers = {"schema": 0, "large": 0}

    def feed(self, buffer: bytearray, size: int) -> None:
        """Take the first ``size`` bytes of ``buffer``, which may be reused afterwards. Raises SourceError."""
        place = 0
        while place < size:
            if self._table is not None:
                place = self._take_rows(self._table, buffer, place, size)
            else:
                place = self._take_lines(buffer, place, size)

    def close(self) -> None:
        """End. Raises SourceError when the dump was cut off."""
        if self._table is not None or self._rest or not self._complete or not self._lexer.outside:
            raise SourceError("the dump of database %s was cut off: its end is missing" % self._folder.decode("utf-8", "replace"))
        self._pass_on()

    def _take_rows(self, table: bytes, buffer: bytearray, start: int, size: int) -> int:
        """Pass on rows up to the end of the table or of the buffer; return the place after them."""
        before = self._before
        joint = before + buffer[start : min(start + 3, size)]
        found = joint.find(_END_OF_ROWS)
        if found >= 0:
            end = start + found + 4 - len(before)
        else:
            found = find(buffer, _END_OF_ROWS, 1, start, size)
            end = found + 4 if found >= 0 else -1
        stop = size if end < 0 else end
        self._sections.write(memoryview(buffer)[start:stop])
        self.rows[table] += count_lines(buffer[start:stop])
        if end < 0:
            self._before = (before + bytes(buffer[max(start, size - 3) : size]))[-3:]
        else:
            # The line of the mark is no row.
            self.rows[table] -= 1
            self._table = None
        return stop

    def _take_lines(self, buffer: bytearray, place: int, size: int) -> int:
        """Take lines up to the beginning of rows or the end of the buffer; return the place after them."""
        while place < size and self._table is None:
            end = buffer.find(b"\n", place, size) + 1
            if not end:
                self._rest += buffer[place:size]
                return size
            line = bytes(buffer[place:end])
            if self._rest:
                line, self._rest = self._rest + line, b""
            place = end
            self._line(line)
        return place

    def _line(self, line: bytes) -> None:
        if self._statement:
            self._statement_line(line)
            return
        if not self._lexer.outside:
            self._lexer.line(line)
            self._write(line)
            return
        if len(self._held) == 2:
            item = parse_header(self._held[1]) if line == RULE else None
            if item is not None:
                self._held.append(line)
                self._begin(item)
                return
            # Some other comment. This line may begin the next one.
            self._pass_on()
        elif len(self._held) == 1:
            if line.startswith(b"-- "):
                self._held.append(line)
                if line == self._end:
                    self._complete = True
                return
            self._pass_on()
        if line == RULE:
            self._held.append(line)
            return
        if line.startswith(_LARGE_OBJECT):
            self.large_objects += 1
        self._lexer.line(line)
        self._write(line)

    def _begin(self, item: Item) -> None:
        kind = item.type.decode("ascii", "replace")
        self.objects[kind] = self.objects.get(kind, 0) + 1
        if item.type == b"TABLE DATA":
            # The section has the name that stands in the statement: the comment's may be cut or changed.
            self._statement, self._statement_size = True, 0
        elif item.type in LARGE_OBJECTS:
            self._change("large")
            self._pass_on()
        else:
            self._change("schema")
            self._pass_on()

    def _statement_line(self, line: bytes) -> None:
        """A line of what comes before the rows of a table."""
        self._held.append(line)
        self._statement_size += len(line)
        self._lexer.line(line)
        if self._lexer.outside and line.endswith(_FROM_STDIN):
            text = b"".join(self._held)
            name = qualified_name(text, (b"COPY",))
            if name is None or len(name) != 2:
                raise SourceError("the dump holds a COPY statement that names no table: %r" % text[-200:])
            path = b"/".join((self._folder, *map(path_component, name)))
            self._sections.begin_entry(path, "table")
            self._kind = "table"
            self._statement = False
            self._held.clear()
            self._sections.write(text)
            self._table, self._before = path, b"\n"
            self.rows[path] = 0
            self.tables[path] = name
        elif self._statement_size > _LONGEST_STATEMENT:
            raise SourceError("the dump announces the rows of a table, and they do not come: %r" % self._held[1][:200])

    def _write(self, line: bytes) -> None:
        """Pass on a line outside of rows. After rows only empty ones still belong to them; settings are for what follows."""
        if self._kind == "" or (self._kind == "table" and line != b"\n") or (self._kind == "large" and line.startswith(b"SET ")):
            self._change("schema")
        self._sections.write(line)

    def _pass_on(self) -> None:
        held, self._held = self._held, []
        for line in held:
            self._write(line)

    def _change(self, kind: str) -> None:
        """Go on with a section of this kind; a new one unless it is what is being written."""
        if kind != self._kind:
            self._kind = kind
            self._numbers[kind] += 1
            number = self._numbers[kind]
            name = b"schema.%d.sql" % number if kind == "schema" else b"large-objects.%d.sql" % number
            self._sections.begin_entry(b"%s/%s" % (self._folder, name), "section")
