# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: those of a dump that a server lacks are made before its databases; those that it has are left as they are."""

from __future__ import annotations

import re
import typing as t

from ..errors import RestoreError
from .client import Client
from .lexer import LineLexer, quoted, tokens, unquoted

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class Roles:
    """The roles in ``globals.sql`` that are missing on a server."""

    def __init__(self, text: bytes, present: t.Collection[str]) -> None:
        self._statements = list(_statements(text))
        names = [name for name in (_created(s) for s in self._statements) if name is not None]
        self.missing = [name for name in names if name.decode("utf-8", "replace") not in present]
        self._made: t.List[str] = []

    def make(self, client: Client) -> None:
        """Make the missing roles, with their settings, passwords and memberships."""
        if not self.missing:
            return
        statements = [s for s in self._statements if _concerns(s, self.missing)]
        with client.script(client.maintenance, single_transaction=True) as child:
            child.write(client.guard())
            # What such a script holds by itself comes first: the settings of its session.
            child.write(b"SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n" + b"".join(statements))
            child.finish("the roles cannot be made", RestoreError)
        self._made = [name.decode("utf-8") for name in self.missing]

    def remove(self, client: Client) -> None:
        """Remove the roles that were made."""
        if self._made:
            client.run("DROP ROLE %s;" % ", ".join(map(quoted, self._made)), error=RestoreError, what="roles that were made")
            self._made = []


def _statements(text: bytes) -> t.Iterator[bytes]:
    lexer = LineLexer()
    parts: t.List[bytes] = []
    for line in _LINE.findall(text):
        if not parts and (line.startswith((b"--", b"\\")) or not line.strip()):
            continue
        parts.append(line)
        lexer.line(line)
        if lexer.outside and line.rstrip().endswith(b";"):
            yield b"".join(parts)
            parts = []


def _created(statement: bytes) -> t.Optional[bytes]:
    words = [word for _kind, word in tokens(statement)][:3]
    return unquoted(words[2]) if words[:2] == [b"CREATE", b"ROLE"] else None


def _concerns(statement: bytes, roles: t.Collection[bytes]) -> bool:
    """Whether a statement says something of one of ``roles``."""
    words = list(tokens(statement))
    texts = [word for _kind, word in words]
    if texts[:2] in ([b"CREATE", b"ROLE"], [b"ALTER", b"ROLE"]):
        return unquoted(texts[2]) in roles
    if texts[:3] == [b"COMMENT", b"ON", b"ROLE"]:
        return unquoted(texts[3]) in roles
    if texts[:1] == [b"GRANT"]:
        if b"ON" in texts:
            return b"TO" in texts and unquoted(texts[texts.index(b"TO") + 1]) in roles
        return any(kind == "name" and unquoted(word) in roles for kind, word in words[1:])
    return False
