# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of large files, copied for the deltas to come (file_deltas.py)."""

from __future__ import annotations

import typing as t

from .frames import FRAME

if t.TYPE_CHECKING:
    from .codec import Buffers
    from .component import BaseCopy

# The last frame of a file that is being read.
_OPEN = 1 << 62


class LargeFileCopy:
    """Picks the frames of large files, for the private copy of what deltas will be made against.

    The reader of the files tells where one begins and ends; the writer of the frames hands over all of them.
    """

    def __init__(self, begin: t.Callable[[], t.Optional[BaseCopy]], least: int) -> None:
        self._begin = begin
        self._copy: t.Optional[BaseCopy] = None
        self._begun = False
        self.least = least
        #: First and last frame of each run of frames that is kept.
        self._kept: t.List[t.List[int]] = []
        self._at = 0

    def begin(self, frame: int, size: int) -> bool:
        """A file of ``size`` bytes begins in ``frame``, which is being filled; return whether it is kept."""
        if not self._begun:
            self._copy = self._begin()
            self._begun = True
        if self._copy is None or not self._copy.fits(size + 2 * FRAME):
            return False
        if self._kept and self._kept[-1][1] >= frame:
            self._kept[-1][1] = _OPEN
        else:
            self._kept.append([frame, _OPEN])
        return True

    def end(self, frame: int) -> None:
        """The file that is kept ends in ``frame``, which is being filled."""
        self._kept[-1][1] = frame

    def take(self, frame: int, buffers: Buffers) -> None:
        """Here is a frame as it is stored. No frame comes before begin() or end() told of it."""
        while self._at < len(self._kept) and self._kept[self._at][1] < frame:
            self._at += 1
        if self._copy is not None and self._at < len(self._kept) and self._kept[self._at][0] <= frame:
            for buffer in buffers:
                self._copy.write(buffer)

    def commit(self, frame_table: bytes) -> None:
        if self._copy is not None:
            self._copy.commit(frame_table, self._kept)

    def abort(self) -> None:
        if self._copy is not None:
            self._copy.abort()
