# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of the lexical rules of SQL as it takes to read a dump: where strings end, so that nothing in them is taken for more.

Works on bytes: every encoding that a PostgreSQL server can have leaves the bytes of ASCII to ASCII.
"""

from __future__ import annotations

import re
import typing as t

_OPENING = re.compile(rb"'|\"|\\|\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$|--|/\*")
_QUOTE = re.compile(rb"''|'")
_ESCAPED_QUOTE = re.compile(rb"\\.|''|'", re.DOTALL)
_DOUBLE_QUOTE = re.compile(rb'""|"')
_COMMENT = re.compile(rb"/\*|\*/")

#: A name, a number or another word; a string of any kind; one character of punctuation. Space and comments are passed over.
TOKEN = re.compile(
    rb"(?P<space>\s+|--[^\n]*)"
    rb'|(?P<name>(?:"(?:[^"]|"")*"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*))'
    rb"|(?P<string>'(?:[^']|'')*')"
    rb"|(?P<other>.)",
    re.DOTALL,
)

Name = t.Tuple[bytes, ...]


class LineLexer:
    """Told a text line by line, it knows at the end of each whether a statement's text goes on in a string or a comment."""

    def __init__(self) -> None:
        self._closing: t.Optional[t.Pattern[bytes]] = None
        self._dollar = b""
        self._depth = 0
        #: Whether a backslash stood outside of every string: a command to psql.
        self.commands = False

    @property
    def outside(self) -> bool:
        """Whether the next line begins outside of every string and comment."""
        return self._closing is None and not self._dollar

    def line(self, line: bytes) -> None:
        """Take the next line, with its end."""
        place = 0
        while True:
            if self._dollar:
                place = line.find(self._dollar, place)
                if place < 0:
                    return
                place += len(self._dollar)
                self._dollar = b""
            elif self._closing is not None:
                place = self._close(line, place)
                if place < 0:
                    return
            found = _OPENING.search(line, place)
            if found is None:
                return
            place = found.end()
            if found.group() == b"--":
                return
            self._open(line, found.start(), found.group())

    def _open(self, line: bytes, place: int, mark: bytes) -> None:
        if mark == b"'":
            escaped = line[place - 1 : place] in (b"E", b"e") and not line[max(place - 2, 0) : place - 1].isalnum()
            self._closing = _ESCAPED_QUOTE if escaped else _QUOTE
        elif mark == b'"':
            self._closing = _DOUBLE_QUOTE
        elif mark == b"\\":
            self.commands = True
        elif mark == b"/*":
            self._closing, self._depth = _COMMENT, 1
        else:
            self._dollar = mark

    def _close(self, line: bytes, place: int) -> int:
        """Where the string or comment ends, or -1 when it does not in this line."""
        closing = t.cast(t.Pattern[bytes], self._closing)
        for found in closing.finditer(line, place):
            mark = found.group()
            if closing is _COMMENT:
                self._depth += 1 if mark == b"/*" else -1
                ended = not self._depth
            else:
                ended = len(mark) == 1
            if ended:
                self._closing = None
                return found.end()
        return -1


def tokens(text: bytes) -> t.Iterator[t.Tuple[str, bytes]]:
    """The words of a statement of pg_dump's own making (no dollar quotes before what is looked for): kind and text."""
    for found in TOKEN.finditer(text):
        kind = t.cast(str, found.lastgroup)
        if kind != "space":
            yield kind, found.group()


def unquoted(name: bytes) -> bytes:
    """A name as it is meant."""
    return name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name


def quoted(name: str) -> str:
    """A name as it can stand in a statement."""
    return '"%s"' % name.replace('"', '""')


def literal(text: str) -> str:
    """A text as it can stand in a statement, whatever standard_conforming_strings says."""
    if "\\" in text:
        return " E'%s'" % text.replace("\\", "\\\\").replace("'", "''")
    return "'%s'" % text.replace("'", "''")


def qualified_name(text: bytes, *before: t.Sequence[bytes]) -> t.Optional[Name]:
    """The dotted name that follows one of the sequences of words ``before``, wherever that first stands in ``text``.

    Words between them that can be left out (ONLY, IF, EXISTS) are passed over.
    """
    words = list(tokens(text))
    for place in range(len(words)):
        for sequence in before:
            end = _after(words, place, sequence)
            if end >= 0:
                name = _name_at(words, end)
                if name:
                    return name
    return None


_OPTIONAL = (b"ONLY", b"IF", b"NOT", b"EXISTS")


def _after(words: t.List[t.Tuple[str, bytes]], place: int, sequence: t.Sequence[bytes]) -> int:
    for word in sequence:
        if place >= len(words):
            return -1
        kind, text = words[place]
        if word == b"*":
            if kind != "name":
                return -1
        elif kind != "name" or text != word:
            return -1
        place += 1
    while place < len(words) and words[place][1] in _OPTIONAL:
        place += 1
    return place


def _name_at(words: t.List[t.Tuple[str, bytes]], place: int) -> Name:
    parts: t.List[bytes] = []
    while place < len(words) and words[place][0] == "name":
        parts.append(unquoted(words[place][1]))
        if place + 1 < len(words) and words[place + 1][1] == b".":
            place += 2
        else:
            break
    return tuple(parts)
