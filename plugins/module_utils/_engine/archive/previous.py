# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lines of an earlier index tell: whether their content can be trusted, and what it is."""

from __future__ import annotations

import json

from .frames import FRAME
from .index import Entry

# An entry whose bytes may be trusted ends so: nothing says that it was young, changed or padded.
_TRUSTED_END = b'"sha256":"'
_TRUSTED_SIZE = len(_TRUSTED_END) + 64 + len(b'"}')


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
