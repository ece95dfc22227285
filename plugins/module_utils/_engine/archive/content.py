# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner loop: one file's bytes from its descriptor straight into the frame that is being filled, hashed on the way."""

from __future__ import annotations

import errno
import os
import typing as t

from ..system import IS_WINDOWS, may_have_holes, read_into
from .frames import FrameWriter

_ZEROS = bytes(1 << 20)

# What a device that fails, a server that is gone or a mandatory lock answers to read(2).
_UNREADABLE = {
    errno.EIO, errno.ESTALE, errno.EACCES, errno.EBADMSG, errno.ETIMEDOUT, getattr(errno, "EREMOTEIO", errno.EIO),
}  # fmt: skip

Update = t.Callable[[memoryview], t.Any]


def copy(frames: FrameWriter, fd: int, size: int, update: Update) -> t.Tuple[int, t.Optional[OSError]]:
    """Put exactly ``size`` bytes of ``fd`` into ``frames``, telling each run of them to ``update``.

    Returns ``(padded, error)``: how many zeros stand at the end because the file was shorter or could not be read on.
    """
    left, error = size, None
    while left:
        view = frames.space(left)
        try:
            count = read_into(fd, view)
        except OSError as problem:
            if problem.errno not in _UNREADABLE:
                raise
            error, count = problem, 0
        if not count:
            break
        update(view if count == len(view) else view[:count])
        frames.pos += count
        left -= count
    if left:
        zeros(frames, left, update)
    return left, error


def zeros(frames: FrameWriter, size: int, update: Update) -> None:
    """Put ``size`` zeros into ``frames``."""
    while size:
        count = min(size, len(_ZEROS))
        run = memoryview(_ZEROS)[:count]
        frames.write(run)
        update(run)
        size -= count


def hash_zeros(size: int, update: Update) -> None:
    """Tell ``update`` of ``size`` zeros that are not stored: a hole."""
    while size:
        count = min(size, len(_ZEROS))
        update(memoryview(_ZEROS)[:count])
        size -= count


def segments(fd: int, st: os.stat_result) -> t.Optional[t.List[t.Tuple[int, int]]]:
    """The ``(offset, length)`` of a sparse file's data; None for a file without holes, or where holes cannot be seen."""
    if IS_WINDOWS or not may_have_holes(st) or not hasattr(os, "SEEK_DATA"):
        return None
    found = []
    position = 0
    while position < st.st_size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # only a hole is left
            return None
        position = min(os.lseek(fd, start, os.SEEK_HOLE), st.st_size)
        if start < position:
            found.append((start, position - start))
    os.lseek(fd, 0, os.SEEK_SET)
    return None if found == [(0, st.st_size)] else found
