# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading back what was written to a disk, while more is being written.

A window at a time, past the page cache (O_DIRECT) where the file system allows it: so it is the disk that answers. The
kernel is asked to write each window out as soon as it is whole, and it is read some windows later, so that neither the
writer nor the end has to wait for all of it. Compared by CRC-32, which is nearly free.
"""

from __future__ import annotations

import collections
import mmap
import os
import queue
import threading
import typing as t
import zlib

from ..system import begin_to_write

_WINDOW = 32 << 20
_BUFFER = 4 << 20
#: Windows that are being written out by the kernel before they are read: a direct read would wait for them, and writers for it.
_LAG = 4

#: offset, size, CRC-32
_Window = t.Tuple[int, int, int]


class ReadBack:
    """Told of everything that is written to a new file, from the start on; finish() says whether the disk gives it back."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._start = self._end = self._crc = 0
        self._same = True
        self._error: t.Optional[OSError] = None
        self._fresh: t.Deque[_Window] = collections.deque()
        self._windows: queue.SimpleQueue[t.Optional[_Window]] = queue.SimpleQueue()
        self._thread: t.Optional[threading.Thread] = None

    def wrote(self, data: memoryview) -> None:
        """Note what is about to be written. Windows that are complete by now are read in the background."""
        if self._end - self._start >= _WINDOW:
            self._close_window()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="read back", daemon=True)
                self._thread.start()
            if len(self._fresh) > _LAG:
                self._windows.put(self._fresh.popleft())
        self._crc = zlib.crc32(data, self._crc)
        self._end += len(data)

    def finish(self) -> bool:
        """Read the rest. Call it once everything is durable. Raises OSError."""
        self._close_window()
        for window in self._fresh:
            self._windows.put(window)
        if self._thread is None:
            self._windows.put(None)
            self._work()
        self.stop()
        if self._error:
            raise self._error
        return self._same

    def stop(self) -> None:
        """End the background thread. Idempotent."""
        if self._thread is not None:
            self._windows.put(None)
            self._thread.join()
            self._thread = None

    def _close_window(self) -> None:
        size = self._end - self._start
        self._fresh.append((self._start, size, self._crc))
        if size >= _WINDOW:
            begin_to_write(self._fd, self._start, size)
        self._start, self._crc = self._end, 0

    def _work(self) -> None:
        try:
            fd = _open(self._path)
            buffer = mmap.mmap(-1, _BUFFER)  # O_DIRECT wants memory that begins at a page
            try:
                for window in iter(self._windows.get, None):
                    self._same = self._same and _crc(fd, buffer, window) == window[2]
            finally:
                buffer.close()
                os.close(fd)
        except OSError as error:
            self._error = error


def _open(path: str) -> int:
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags | getattr(os, "O_DIRECT", 0))
    except OSError:
        return os.open(path, flags)  # tmpfs and some network file systems have no other copy to ask for


def _crc(fd: int, buffer: mmap.mmap, window: _Window) -> int:
    """The CRC-32 of a window, as read; of fewer bytes if the file is shorter."""
    offset, size, _place = window
    end = offset + size
    crc = 0
    # A direct read begins at a block; what stands before the window is skipped.
    position = offset - offset % mmap.PAGESIZE
    with memoryview(buffer) as view:
        while position < end:
            if hasattr(os, "preadv"):
                count = os.preadv(fd, [view], position)
            else:
                os.lseek(fd, position, os.SEEK_SET)
                data = os.read(fd, _BUFFER)
                count = len(data)
                view[:count] = data
            if not count:
                break
            with view[max(offset - position, 0) : min(count, end - position)] as part:
                crc = zlib.crc32(part, crc)
            position += count
    return crc
