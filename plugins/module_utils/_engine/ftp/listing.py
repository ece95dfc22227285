# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a folder: by MLSD (RFC 3659), or from the lines that servers without it print for people."""

from __future__ import annotations

import re
import typing as t

from .connection import Connection

_UNIX = re.compile(r"([-dl])[-rwxsStTlL]{9}[.+@]?\s+\d+\s+\S+\s+\S+\s+(\d+)\s+[A-Za-z]{3}\s+\d+\s+[\d:]+ (.+)")
_WINDOWS = re.compile(r"\d\d-\d\d-\d\d(?:\d\d)?\s+\d\d:\d\d(?:[AP]M)?\s+(<DIR>|\d+) +(.+)")


class Entry(t.NamedTuple):
    name: str
    is_folder: bool
    size: int
    #: When it was last changed, as the server tells programs; empty when it does not.
    modified: str = ""


def entries(connection: Connection) -> t.List[Entry]:
    """What is in the current folder, without . and .. ; raises as ftplib does, ValueError for lines that say nothing."""
    lines: t.List[str] = []
    connection.ftp.retrlines("MLSD" if connection.lists_facts else "LIST", lines.append)
    connection.ftp.voidcmd("TYPE I")  # listings are text, and ftplib switches to it
    found = map(_facts if connection.lists_facts else _line, lines)
    return [entry for entry in found if entry is not None and entry.name not in (".", "..")]


def _facts(line: str) -> t.Optional[Entry]:
    text, _space, name = line.partition(" ")
    facts = dict(fact.lower().partition("=")[::2] for fact in text.split(";") if fact)
    if facts.get("type") in ("cdir", "pdir"):
        return None
    return Entry(name, facts.get("type") == "dir", int(facts.get("size") or 0), facts.get("modify", ""))


def _line(line: str) -> t.Optional[Entry]:
    if not line.strip() or re.match(r"total \d+$", line):
        return None
    unix = _UNIX.match(line)
    if unix:
        kind, size, name = unix.groups()
        # What a link leads to is not known; our own files are none.
        return None if kind == "l" else Entry(name, kind == "d", int(size))
    windows = _WINDOWS.match(line)
    if windows:
        size, name = windows.groups()
        return Entry(name, size == "<DIR>", 0 if size == "<DIR>" else int(size))
    raise ValueError("the server lists its files in a way that is not understood: %r" % line)
