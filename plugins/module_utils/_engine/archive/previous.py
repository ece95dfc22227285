# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of an earlier backup, met while a tree is walked in the same order: a merge, so that nothing is kept in memory."""

from __future__ import annotations

import json
import typing as t

from .frames import FRAME
from .index import Entry, entry_path, sort_key

# An entry whose bytes may be trusted ends so: nothing says that it was young, changed or padded.
_TRUSTED_END = b'"sha256":"'
_TRUSTED_SIZE = len(_TRUSTED_END) + 64 + len(b'"}')

_PATH = b'{"path":"'
_AFTER_PATH = b'","type":"'


class PreviousEntries:
    """``lines`` of an index without header and table. Paths must be asked for in the order of the index."""

    def __init__(self, lines: t.Iterator[bytes]) -> None:
        self._lines = lines
        #: The first line that nobody has asked for; empty when it is still to be read.
        self._line: t.Optional[bytes] = b""

    def peek(self) -> bytes:
        """The next line that nobody has asked for; empty at the end."""
        line = self._line
        if line == b"":
            line = self._line = next(self._lines, None)
        return line or b""

    def take(self) -> None:
        """Go on behind the line that peek() returned."""
        self._line = b""

    def find(self, path: bytes) -> t.Optional[bytes]:
        """The line of the entry ``path``, or None. No path is found twice."""
        beginning = plain_beginning(path)
        while True:
            line = self._line = self._line or next(self._lines, None)
            if line is None:
                return None
            # Nearly always the very next, and so no key is needed.
            if beginning is None or not line.startswith(beginning):
                here, wanted = sort_key(_line_path(line)), sort_key(path)
                if here != wanted:
                    if here > wanted:
                        return None
                    self._line = b""
                    continue
            self._line = b""
            return line


def plain_beginning(path: bytes) -> t.Optional[bytes]:
    """What the line of a file begins with, where its path stands in it as it is; else None."""
    if b'"' in path or b"\\" in path:
        return None
    return b"%s%s%s" % (_PATH, path, _AFTER_PATH)


def _line_path(line: bytes) -> bytes:
    if line.startswith(_PATH):
        path = line[len(_PATH) : line.index(_AFTER_PATH)]
        if b"\\" not in path:
            return path
    return entry_path(json.loads(line))


def has_state(line: bytes, state: bytes) -> bool:
    """Whether an entry's state is exactly this, and its content can be trusted to be unchanged for it."""
    return line.startswith(state) and line[len(state) : len(state) + 1] == b"," and is_trusted(line)


def is_trusted(line: bytes) -> bool:
    """Whether nothing speaks against the content of an entry: it was not young, changed or padded."""
    return line[-_TRUSTED_SIZE:].startswith(_TRUSTED_END)


def content_of(entry: Entry) -> bytes:
    """The part of an entry's line that tells its content: from bytes to sha256, as it stands there."""
    parts = [
        b',"%s":%s' % (key.encode("ascii"), json.dumps(entry[key], separators=(",", ":")).encode("ascii"))
        for key in ("bytes", "delta", "base", "segments", "sha256")
        if key in entry
    ]
    return b"".join(parts)


def last_frame(frame: int, offset: int, size: int, full: int = FRAME) -> int:
    """The last frame of an entry's bytes: all frames but an entry's last are full, since only there one is cut early."""
    return frame + (offset + size - 1) // full
