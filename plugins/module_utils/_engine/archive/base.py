# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of a delta: frames of an older, full component, decoded when they are needed."""

from __future__ import annotations

import itertools
import threading
import typing as t
from concurrent.futures import Future

from ..errors import IntegrityError
from .anchors import WIDEST
from .frame_table import FrameTable

# Frames of a new dump go through those of its base nearly in order: what lies in two ranges is decoded once.
_KEPT = 4

Raw = t.Union[bytes, memoryview]


class BaseFrames:
    """Ranges of the raw bytes of a base, for several threads. ``decode`` returns those of one frame."""

    def __init__(self, table: FrameTable, decode: t.Callable[[int], Raw]) -> None:
        self._decode = decode
        self._lock = threading.Lock()
        # The last used is the last.
        self._kept: t.Dict[int, Future[Raw]] = {}
        #: Where each frame ends in the stream.
        self.ends = list(itertools.accumulate(table.row(frame)[3] for frame in range(len(table))))

    def joined(self, first: int, last: int) -> Raw:
        """The raw bytes of the frames ``first`` to ``last``. Raises what ``decode`` raises; IntegrityError for no such range."""
        if not 0 <= first <= last < len(self.ends) or last - first >= WIDEST:
            raise IntegrityError("frames %d to %d of the base are no prefix; it has %d" % (first, last, len(self.ends)))
        parts = [self._frame(number) for number in range(first, last + 1)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

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
