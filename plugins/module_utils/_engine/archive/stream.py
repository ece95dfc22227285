# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of bytes as a component: a dump, a database file. Its index has one entry."""

from __future__ import annotations

import hashlib
import typing as t

from .entry import text_field
from .frames import FrameWriter
from .index import IndexWriter


class StreamWriter:
    """Takes the bytes of a stream; close() ends it."""

    format = "raw"

    def __init__(self, frames: FrameWriter, index: IndexWriter, backup_id: str, path: bytes) -> None:
        self._frames = frames
        self._index = index
        self._id = backup_id.encode("ascii")
        self._path = path
        self._digest = hashlib.sha256()
        #: Bytes so far.
        self.bytes = 0

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Take all of ``data``; the buffer may be reused at once."""
        self._digest.update(data)
        self._frames.write(data)
        self.bytes += len(data)

    def close(self) -> None:
        where = b',"bytes":["%s",0,0,%d]' % (self._id, self.bytes) if self.bytes else b""
        line = b'{%s,"type":"stream","size":%d%s,"sha256":"%s"}\n' % (
            text_field(b"path", self._path), self.bytes, where, self._digest.hexdigest().encode("ascii"),
        )  # fmt: skip
        self._index.add(self._path, line)
