# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of databases and tables: in SQL, in the paths of a dump's sections, and in messages."""

from __future__ import annotations

import re
import typing as t

_UNSAFE = re.compile(rb"[%/\x00-\x1f\x7f]")


class Section(t.NamedTuple):
    """What a section of a dump is of: a database, what kind of thing in it, and its name ("" for all of a kind)."""

    database: str
    kind: str
    name: str = ""

    @property
    def path(self) -> bytes:
        """Its archive path, such as ``shop/tables/orders``."""
        parts = [self.database, self.kind] + ([self.name] if self.name else [])
        return b"/".join(_component(part) for part in parts if part)


def section(path: bytes) -> Section:
    """The section with this archive path."""
    parts = [re.sub(rb"%([0-9A-F]{2})", lambda found: bytes([int(found.group(1), 16)]), p) for p in path.split(b"/")]
    texts = [part.decode("utf-8", "surrogateescape") for part in parts]
    if len(texts) == 1:
        return Section("", texts[0])
    return Section(texts[0], texts[1], texts[2] if len(texts) > 2 else "")


def quoted(name: str) -> str:
    """The name as SQL wants it."""
    return "`%s`" % name.replace("`", "``")


def literal(text: str) -> str:
    """The text as a literal of SQL, whatever the sql_mode says of backslashes."""
    return "CONVERT(X'%s' USING utf8mb4)" % text.encode("utf-8", "surrogateescape").hex() if text else "''"


def shown(name: str) -> str:
    """The name for people, on one line."""
    return name if name.isprintable() else ascii(name)[1:-1]


def _component(name: str) -> bytes:
    data = name.encode("utf-8", "surrogateescape")
    if data in (b".", b".."):
        return data.replace(b".", b"%2E")
    return _UNSAFE.sub(lambda found: b"%%%02X" % found.group()[0], data)
