# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes on their way to several stores: appended once, read by each store at its own pace.

The newest are in memory, older ones in a file without a name below ``state_dir``, so that a killed process leaves nothing. How
many there are at most is settled by lanes.py.
"""

from __future__ import annotations

import collections
import os
import tempfile
import typing as t

from .private import private_folder, write_all

CHUNK = 4 << 20

#: Bytes that are kept in memory.
MEMORY = 8 * CHUNK


class _Chunk:
    """``data``: the bytes, while they are in memory; ``slot``: their place in the file afterwards."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.size = 0
        self.data: t.Optional[bytearray] = bytearray(CHUNK)
        self.slot = -1


class Spool:
    """A log of bytes, numbered from 0; those from ``start`` to ``end`` are there. The caller holds a lock."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file: t.Optional[t.BinaryIO] = None
        self._slots = 0
        self._free_slots: t.List[int] = []
        self._chunks: t.Deque[_Chunk] = collections.deque()
        self._in_memory: t.Deque[_Chunk] = collections.deque()
        self.end = 0
        #: Why no more than what fits into memory can be kept, if so.
        self.trouble: t.Optional[OSError] = None

    @property
    def start(self) -> int:
        return self._chunks[0].start if self._chunks else self.end

    def append(self, data: memoryview) -> None:
        """Copy ``data`` to the end."""
        while data:
            if not self._chunks or self._chunks[-1].size == CHUNK:
                self._spill()
                self._chunks.append(_Chunk(self.end))
                self._in_memory.append(self._chunks[-1])
            chunk = self._chunks[-1]
            count = min(len(data), CHUNK - chunk.size)
            if chunk.data is None:
                raise RuntimeError("the last chunk is always in memory")
            chunk.data[chunk.size : chunk.size + count] = data[:count]
            chunk.size += count
            self.end += count
            data = data[count:]

    def read(self, position: int, most: int) -> t.Union[bytes, memoryview]:
        """Some of the bytes from ``position`` on; they stay valid. Raises OSError."""
        # Fixed sizes, but for the last: so its place is known.
        chunk = self._chunks[(position - self._chunks[0].start) // CHUNK]
        offset = position - chunk.start
        count = min(most, chunk.size - offset)
        if chunk.data is not None:
            return memoryview(chunk.data)[offset : offset + count]
        if self._file is None:
            raise RuntimeError("a chunk is neither in memory nor in the file")
        self._file.seek(chunk.slot * CHUNK + offset)
        return self._file.read(count)

    def release(self, position: int) -> None:
        """Forget what lies before ``position``."""
        while self._chunks and self._chunks[0].start + CHUNK <= position:
            chunk = self._chunks.popleft()
            if chunk.data is not None:
                self._in_memory.remove(chunk)
            else:
                self._free_slots.append(chunk.slot)

    def close(self) -> None:
        self._chunks.clear()
        self._in_memory.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self) -> None:
        """Move the oldest chunk in memory to the file if there are too many."""
        if len(self._in_memory) < MEMORY // CHUNK or self.trouble is not None:
            return
        chunk = self._in_memory[0]
        try:
            if self._file is None:
                private_folder(self._folder)
                self._file = t.cast(t.BinaryIO, tempfile.TemporaryFile(dir=self._folder, buffering=0))
            slot = self._free_slots.pop() if self._free_slots else self._slots
            self._slots = max(self._slots, slot + 1)
            self._file.seek(slot * CHUNK)
            write_all(self._file.fileno(), memoryview(chunk.data or b"")[: chunk.size])
        except OSError as error:
            self.trouble = error
            return
        chunk.slot, chunk.data = slot, None
        self._in_memory.popleft()


def late_file(folder: str) -> t.BinaryIO:
    """A private file for an object that is sent when it is complete: in memory while it is small, without a name later."""
    private_folder(folder)
    return t.cast(t.BinaryIO, tempfile.SpooledTemporaryFile(1 << 20, dir=os.fspath(folder)))
