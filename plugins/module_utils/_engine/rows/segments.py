# SPDX-License-Identifier: GPL-3.0-or-later
"""Segments of a table's rows: their names, their first lines, which is the last (docs/format.md, Rows)."""

from __future__ import annotations

import json
import typing as t

from ..errors import RestoreError
from .catalogue import Described

#: The entry that lists the keys of all rows that there were.
KEYS = b"keys.jsonl"


class Last(t.NamedTuple):
    number: int
    layout: str
    until: str


class Header(t.NamedTuple):
    """What the first line of a segment says."""

    table: str
    columns: t.List[str]


def segment_name(number: int) -> bytes:
    return b"%06d.jsonl" % number


def header(described: Described, what: str) -> bytes:
    """The first line of a segment: an array, which no row is."""
    text = json.dumps(
        ["table", described.full_name, what, list(described.key) if what == "keys" else [c for c, _t in described.columns]],
        ensure_ascii=False,
    )
    return text.encode("utf-8") + b"\n"


def split_header(parts: t.Iterator[memoryview], what: str) -> t.Tuple[Header, t.Iterator[t.Union[bytes, memoryview]]]:
    """The first line of a segment, and what follows it. Raises RestoreError."""
    head = b""
    for data in parts:
        head += bytes(data)
        if b"\n" in head:
            break
    first, _newline, rest = head.partition(b"\n")
    try:
        found = json.loads(first)
        line = Header(str(found[1]), list(map(str, found[3])))
    except (ValueError, LookupError, TypeError):
        raise RestoreError("a segment of table %s does not begin as it must" % what) from None

    def following() -> t.Iterator[t.Union[bytes, memoryview]]:
        yield rest
        yield from parts

    return line, following()


def last_segment(lines: t.Mapping[bytes, bytes]) -> t.Optional[Last]:
    """What the last of a table's segments says of itself, by the lines of the index."""
    if not lines:
        return None
    path = max(lines)
    entry = json.loads(lines[path])
    try:
        return Last(int(path.rpartition(b"/")[2].split(b".")[0]), str(entry["layout"]), str(entry["until"]))
    except (KeyError, ValueError):
        return None
