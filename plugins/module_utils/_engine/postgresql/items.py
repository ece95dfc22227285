# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that a dump is made of: pg_dump writes a comment before each that tells what it is."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ..errors import RestoreError
from .lexer import TOKEN, LineLexer, Name, qualified_name, quoted, unquoted

#: The comment is this line, one that HEADER matches, and this line again.
RULE = b"--\n"
HEADER = re.compile(
    rb"-- (?P<data>Data for )?Name: (?P<name>.*); Type: (?P<type>[^;]*); Schema: (?P<schema>.*?); Owner: (?P<owner>.*?)"
    rb"(?:; Tablespace: .*)?\n\Z"
)

# Written by pg_dump for psql; everything else that begins so is not of its making.
_KNOWN_COMMANDS = (b"\\restrict ", b"\\unrestrict ", b"\\connect ", b"\\encoding ")

# Not bytes.splitlines(), which also ends lines at a carriage return.
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")

# Statements between objects, which count for all that follow.
_SETTING = re.compile(rb"SET (default_tablespace|default_table_access_method) = (.*);\n\Z")

#: Names of what an object of some type belongs to, by what stands before it.
_RELATION_AFTER: t.Dict[bytes, t.Tuple[t.Tuple[bytes, ...], ...]] = {
    b"TABLE": ((b"TABLE",),),
    b"FOREIGN TABLE": ((b"TABLE",),),
    b"TABLE ATTACH": ((b"ATTACH", b"PARTITION"),),
    b"SEQUENCE": ((b"ALTER", b"TABLE"),),
    b"SEQUENCE OWNED BY": ((b"OWNED", b"BY"),),
    b"DEFAULT": ((b"TABLE",),),
    b"CONSTRAINT": ((b"TABLE",),),
    b"CHECK CONSTRAINT": ((b"TABLE",),),
    b"FK CONSTRAINT": ((b"TABLE",),),
    b"INDEX": ((b"ON",),),
    b"STATISTICS": ((b"FROM",),),
    b"TRIGGER": ((b"ON",),),
    b"RULE": ((b"TO",), (b"VIEW",)),
    b"POLICY": ((b"ON",),),
    b"ROW SECURITY": ((b"TABLE",),),
    b"PUBLICATION TABLE": ((b"TABLE",),),
    b"ACL": ((b"ON", b"TABLE"),),
    b"SECURITY LABEL": ((b"ON", b"TABLE"), (b"ON", b"COLUMN")),
    b"COMMENT": (
        (b"ON", b"TABLE"),
        (b"ON", b"COLUMN"),
        (b"CONSTRAINT", b"*", b"ON"),
        (b"TRIGGER", b"*", b"ON"),
        (b"POLICY", b"*", b"ON"),
        (b"RULE", b"*", b"ON"),
    ),
}


@dataclass
class Item:
    """One object of a dump: its statements with the comment before them. ``type`` is empty for what is written between objects.

    ``settings``: the statements of before that hold for it.
    """

    type: bytes
    name: bytes
    schema: bytes
    owner: bytes
    text: bytes = b""
    settings: t.Dict[bytes, bytes] = field(default_factory=dict)

    def relation(self) -> t.Optional[Name]:
        """The schema and the name of the table that it belongs to, if it does."""
        before = _RELATION_AFTER.get(self.type)
        name = qualified_name(self.text, *before) if before else None
        if name is None:
            return None
        # A column's name follows the table's.
        return name[:2] if len(name) >= 2 else None

    @property
    def of_database(self) -> bool:
        """Whether it is the database itself or one of its properties, and not something in it."""
        if self.type in (b"DATABASE", b"DATABASE PROPERTIES"):
            return True
        return self.type in (b"COMMENT", b"ACL", b"SECURITY LABEL") and self.name.startswith(b"DATABASE ")


def parse_header(line: bytes) -> t.Optional[Item]:
    """What the middle line of a comment says, or None for another comment."""
    found = HEADER.match(line)
    if found is None:
        return None
    return Item(found.group("type"), found.group("name"), found.group("schema"), found.group("owner"))


def split_items(text: bytes, settings: t.Optional[t.Dict[bytes, bytes]] = None) -> t.List[Item]:
    """The objects of a part of a dump that holds no rows of tables. ``settings``: those that hold at its beginning.

    Raises RestoreError for a command to psql that pg_dump does not write: one could run programs.
    """
    result = [Item(b"", b"", b"", b"", settings=dict(settings or {}))]
    lexer = LineLexer()
    lines = _LINE.findall(text)
    parts: t.List[bytes] = []
    held = dict(result[0].settings)
    place = 0

    def begin(item: Item) -> None:
        result[-1].text = b"".join(parts)
        parts.clear()
        item.settings = dict(held)
        result.append(item)

    while place < len(lines):
        line = lines[place]
        if lexer.outside:
            if line == RULE and lines[place + 2 : place + 3] == [RULE]:
                item = parse_header(lines[place + 1])
                if item is not None:
                    begin(item)
                    parts += lines[place : place + 3]
                    place += 3
                    continue
            if line.startswith(b"\\"):
                if not line.startswith(_KNOWN_COMMANDS):
                    raise _foreign_command(line)
                # What follows \connect is a prologue again.
                if result[-1].type:
                    begin(Item(b"", b"", b"", b""))
                elif line.startswith(b"\\connect "):
                    parts.clear()
                place += 1
                continue
            setting = _SETTING.match(line)
            if setting is not None:
                held[setting.group(1)] = setting.group(2)
                if not result[-1].type:
                    result[-1].settings = dict(held)
                place += 1
                continue
        lexer.line(line)
        if lexer.commands:
            raise _foreign_command(line)
        parts.append(line)
        place += 1
    result[-1].text = b"".join(parts)
    if not lexer.outside:
        raise RestoreError("the dump ends inside of a text")
    return result


def _foreign_command(line: bytes) -> RestoreError:
    return RestoreError("the dump holds a command to psql that pg_dump does not write: %r" % line[:80])


def settings_text(settings: t.Mapping[bytes, bytes]) -> bytes:
    """The statements that make ``settings`` hold."""
    return b"".join(b"SET %s = %s;\n" % setting for setting in sorted(settings.items()))


def rename_database(text: bytes, old: bytes, new: str) -> bytes:
    """Statements about the database ``old``, said of ``new`` instead."""
    result = []
    follows = False
    place = 0
    for found in TOKEN.finditer(text):
        kind, word = found.lastgroup, found.group()
        if kind == "space":
            continue
        if follows and kind == "name" and unquoted(word) == old:
            result += [text[place : found.start()], quoted(new).encode("utf-8")]
            place = found.end()
        follows = kind == "name" and word == b"DATABASE"
    return b"".join(result) + text[place:]
