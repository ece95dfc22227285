# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of a drive being read: a piece of it a request, because the library keeps each answer in memory."""

from __future__ import annotations

from .client import DriveClient
from .tree import Entry

_PIECE = 8 << 20


class DriveReader:
    """``size`` bytes of a file from ``offset`` on, which it has. It never ends early without an error."""

    def __init__(self, client: DriveClient, entry: Entry, offset: int, size: int, place: str) -> None:
        self._client = client
        self._id = entry.id
        self._next = offset
        self._left = size
        self._place = place
        self._piece = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        if not self._piece and self._left and size:
            count = min(self._left, _PIECE)
            self._piece = memoryview(self._client.read(self._id, self._next, count, self._place))
            self._next += count
            self._left -= count
        data, self._piece = bytes(self._piece[:size]), self._piece[size:]
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._piece, self._left = memoryview(b""), 0
