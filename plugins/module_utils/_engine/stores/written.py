# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written of an object, so that an upload can go on after its connection was lost.

That a server took bytes does not mean that they are on its disk: systems keep them in memory for half a minute. When it was the
server that went down, they are gone, and the file may have holes. So what it took in the last minutes is read and compared first.
"""

from __future__ import annotations

import collections
import hashlib
import time
import typing as t
import zlib

from ..errors import StoreRefusedError

#: Seconds after which a server has written what it took. Linux: half a minute, and as long as it takes then.
_SETTLED = 120.0

# An upload goes on at one of these places.
_STEP = 1 << 20


class _Mark(t.NamedTuple):
    """``crc``: the CRC-32 of all before ``position``, which was written at ``time``."""

    position: int
    crc: int
    time: float


class Written:
    """``name`` begins messages. ``position``: where the next bytes belong. ``hashed``: the SHA-256 of all is wanted."""

    def __init__(self, name: str, hashed: bool) -> None:
        self._name = name
        self.position = 0
        self._crc = 0
        self._marks = collections.deque([_Mark(0, 0, 0.0)])
        self._digest = hashlib.sha256() if hashed else None
        self._hashed = 0

    def update(self, data: t.Union[bytes, memoryview]) -> None:
        """Take the next bytes; those of before where the upload went back."""
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        for begin in range(0, len(view), _STEP):
            self._take(view[begin : begin + _STEP])

    def go_back(self, most: int, read: t.Callable[[int, int], t.Iterator[bytes]]) -> int:
        """Go on after at most so many bytes; return after how many.

        ``read``: yields the bytes that the server has from a place on, at least so many. Raises StoreRefusedError when they are
        not those that were written; what ``read`` raises.
        """
        if self._marks[0].position > most:
            raise StoreRefusedError("%s: the server has lost what it had taken" % self._name)
        while self._marks[-1].position > most:
            self._marks.pop()
        first, last = self._marks[0], self._marks[-1]
        crc, left = first.crc, last.position - first.position
        for data in read(first.position, left) if left else ():
            part = memoryview(data)[:left]
            crc, left = zlib.crc32(part, crc), left - len(part)
        if left or crc != last.crc:
            raise StoreRefusedError("%s: the server holds something else than what it had taken" % self._name)
        self.position, self._crc = last.position, last.crc
        return last.position

    def digest(self) -> t.Optional[bytes]:
        """The SHA-256; None unless it was wanted."""
        return None if self._digest is None else self._digest.digest()

    def _take(self, data: memoryview) -> None:
        again = self._hashed - self.position
        self.position += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self._digest is not None and again < len(data):
            self._digest.update(data[again:])
            self._hashed = self.position
        if self.position - self._marks[-1].position >= _STEP:
            self._marks.append(_Mark(self.position, self._crc, time.monotonic()))
            while self._marks[1].time < self._marks[-1].time - _SETTLED:
                self._marks.popleft()
