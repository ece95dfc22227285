# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of bytes as a component: a dump, a database file. Its index has one entry, or one for each section of the run."""

from __future__ import annotations

import hashlib
import typing as t

from .entry import text_field
from .frames import GROUP, FrameWriter
from .index import IndexWriter, sort_key

# So much is read at once: it is still in a core's own cache when it is hashed.
_RUN = 1 << 18

#: What a section can be: the rows of a table, the documents of a collection, anything else.
SECTION_TYPES = ("table", "collection", "section")


class StreamWriter:
    """Takes the bytes of a stream; close() ends it.

    Sections are told by begin_entry(): each is an entry of its own, so that it can be read without the rest. They follow one
    another without a gap. Their lines, a few hundred bytes each, are kept until the end. ``cuts``: begin a frame with a section
    where the last one is large enough.
    """

    format = "raw"

    def __init__(self, frames: FrameWriter, index: IndexWriter, backup_id: str, path: bytes, cuts: bool = True) -> None:
        self._frames = frames
        self._index = index
        self._id = backup_id.encode("ascii")
        self._path = path
        self._type = b"stream"
        self._cuts = cuts
        self._place = (0, 0)
        self._began = 0
        self._digest = hashlib.sha256()
        self._lines: t.Dict[bytes, bytes] = {}
        #: Bytes so far.
        self.bytes = 0

    def begin_entry(self, path: bytes, kind: str = "section") -> None:
        """End the section before and begin one, before its first byte is written. ``kind`` is one of SECTION_TYPES.

        Raises ValueError for a path that an earlier section has: names in a dump come from the user's database.
        """
        if kind not in SECTION_TYPES:
            raise ValueError("%r is no kind of section; those are: %s" % (kind, ", ".join(SECTION_TYPES)))
        if self._type != b"stream":
            self._end_entry()
        elif self.bytes:
            raise ValueError("bytes were written before the first section began")
        if path in self._lines:
            raise ValueError("there are two sections %r" % path)
        if self._cuts and self._frames.offset() >= GROUP:
            self._frames.cut()
        self._path, self._type = path, kind.encode("ascii")
        self._place = (self._frames.frame, self._frames.offset())
        self._began = self.bytes
        self._digest = hashlib.sha256()

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Take all of ``data``; the buffer may be reused at once."""
        self._digest.update(data)
        self._frames.write(data)
        self.bytes += len(data)

    def write_all(self, readinto: t.Callable[[memoryview], t.Optional[int]], progress: t.Callable[[int], None]) -> None:
        """Take what ``readinto`` gives until that is nothing: it reads right into the frame that is being filled."""
        while True:
            view = self._frames.space(_RUN)
            count = readinto(view)
            if not count:
                return
            self._digest.update(view[:count])
            self._frames.pos += count
            self.bytes += count
            progress(count)

    def close(self) -> None:
        self._end_entry()
        for path in sorted(self._lines, key=sort_key):
            self._index.add(path, self._lines[path])

    def _end_entry(self) -> None:
        size = self.bytes - self._began
        where = b',"bytes":["%s",%d,%d,%d]' % (self._id, *self._place, size) if size else b""
        self._lines[self._path] = b'{%s,"type":"%s","size":%d%s,"sha256":"%s"}\n' % (
            text_field(b"path", self._path), self._type, size, where, self._digest.hexdigest().encode("ascii"),
        )  # fmt: skip
