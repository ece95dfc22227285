# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of a delta: the bytes of an older, full component, decoded when they are needed."""

from __future__ import annotations

import bisect
import itertools
import threading
import typing as t
from concurrent.futures import Future

from ..errors import IntegrityError
from .frame_table import FrameTable

# Frames of a new dump go through those of its base nearly in order: what lies in two runs is decoded once.
_KEPT = 3

Raw = t.Union[bytes, memoryview]


class BaseFrames:
    """The raw bytes of a base, for several threads. ``decode`` returns those of one frame."""

    def __init__(self, table: FrameTable, decode: t.Callable[[int], Raw]) -> None:
        self._decode = decode
        self._lock = threading.Lock()
        # The last used is the last.
        self._kept: t.Dict[int, Future[Raw]] = {}
        self._ends = list(itertools.accumulate(table.row(frame)[3] for frame in range(len(table))))
        #: All raw bytes.
        self.size = self._ends[-1] if self._ends else 0

    def part(self, frame: int, offset: int, size: int) -> BasePart:
        """The ``size`` bytes from ``offset`` of ``frame`` on. Raises IntegrityError when there are fewer."""
        if not (0 <= frame < len(self._ends) and offset >= 0):
            raise IntegrityError("its base has %d frames, and no frame %d" % (len(self._ends), frame))
        start = offset + (self._ends[frame - 1] if frame else 0)
        if start + size > self.size:
            raise IntegrityError("its base has %d bytes, not those from %d to %d" % (self.size, start, start + size))
        return BasePart(self, start, size)

    def read(self, start: int, size: int) -> Raw:
        """``size`` bytes from ``start`` on. Raises what ``decode`` raises; IntegrityError when there are fewer."""
        if not 0 <= start <= start + size <= self.size:
            raise IntegrityError("its base has %d bytes, not those from %d to %d" % (self.size, start, start + size))
        parts = []
        frame = bisect.bisect_right(self._ends, start)
        while size:
            end = self._ends[frame]
            data = memoryview(self._frame(frame))
            part = data[len(data) - (end - start) :][:size]
            parts.append(part)
            start, size, frame = start + len(part), size - len(part), frame + 1
        return b"".join(parts)

    def _frame(self, number: int) -> Raw:
        with self._lock:
            known = self._kept.pop(number, None)
            future: Future[Raw] = known or Future()
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[number] = future
        if known is None:
            try:
                future.set_result(self._decode(number))
            except BaseException as error:  # noqa: BLE001 - raised in every thread that waits for it
                future.set_exception(error)
        return future.result()


class BasePart:
    """Bytes of a base that are one older file: what BaseFrames is to a dump. ``start``: where they begin in the base."""

    def __init__(self, frames: BaseFrames, start: int, size: int) -> None:
        self._frames = frames
        self.start = start
        self.size = size

    def read(self, start: int, size: int) -> Raw:
        """``size`` bytes from ``start`` of the file on."""
        return self._frames.read(self.start + start, size)
