# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of one upload, sent side by side with bounded memory."""

from __future__ import annotations

import tempfile
import typing as t
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ..errors import FleetBackupError, StoreUnavailableError
from .digests import Body

#: The largest part, by the protocol.
_LARGEST_PART = 5 << 30
#: Bytes of parts on their way in memory, besides the one that is being filled.
_IN_FLIGHT = 32 << 20
#: A part that is larger waits in a temporary file.
_LARGEST_IN_MEMORY = 32 << 20


def size_of_part(first: int, number: int) -> int:
    """The size of a part (counted from 0): it doubles every 1,000 parts, so that the 10,000 that are allowed hold 5 TiB."""
    return min(first << (number // 1000), _LARGEST_PART)


class PartBuffer:
    """Room for one part, in memory, or in a file when it is too large for that."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.filled = 0
        self._memory = bytearray(size) if size <= _LARGEST_IN_MEMORY else None
        self._file: t.Any = tempfile.TemporaryFile() if self._memory is None else None

    @property
    def room(self) -> int:
        return self.size - self.filled

    def add(self, data: memoryview) -> None:
        """Take all of ``data``, for which there is room."""
        if self._memory is not None:
            self._memory[self.filled : self.filled + len(data)] = data
        else:
            try:
                self._file.write(data)
            except OSError as error:
                raise StoreUnavailableError("the folder for temporary files cannot hold a part: %s" % error.strerror) from error
        self.filled += len(data)

    def body(self) -> Body:
        """What was filled in, as a request sends it."""
        if self._memory is None:
            self._file.seek(0)
            return t.cast(t.BinaryIO, self._file)
        if self.room:
            # Cut off, because a copy would take as much memory again. It is the last part.
            del self._memory[self.filled :]
            self.size = self.filled
        return self._memory

    def clear(self) -> None:
        """Make room again."""
        self.filled = 0
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()


Send = t.Callable[[int, PartBuffer], None]


class Parts:
    """Sends parts in threads of its own, at most ``parallel`` at once, and fewer when they are large."""

    def __init__(self, parallel: int) -> None:
        self._parallel = parallel
        self._pool: t.Optional[ThreadPoolExecutor] = None
        self._sending: t.Dict[Future[None], PartBuffer] = {}
        self._free: t.List[PartBuffer] = []
        self._error: t.Optional[FleetBackupError] = None

    def buffer(self, size: int) -> PartBuffer:
        """An empty buffer. Memory is bounded, because send() waits."""
        while self._free:
            buffer = self._free.pop()
            if buffer.size == size:
                return buffer
        return PartBuffer(size)

    def send(self, buffer: PartBuffer, send: Send, number: int) -> None:
        """Send a part as soon as there is a place for it. Raises what went wrong with an earlier one."""
        while self._sending and (
            len(self._sending) >= self._parallel or sum(b.size for b in self._sending.values()) + buffer.size > _IN_FLIGHT
        ):
            self._await_one()
        self._raise()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._parallel, thread_name_prefix="s3 part")
        self._sending[self._pool.submit(send, number, buffer)] = buffer

    def finish(self) -> None:
        """Wait for all. Raises what went wrong."""
        while self._sending:
            self._await_one()
        self._raise()
        self.close()

    def close(self) -> None:
        """Send nothing more; what is on its way is waited for, so that nothing arrives later."""
        if self._pool is not None:
            for future in self._sending:
                future.cancel()
            self._pool.shutdown(wait=True)
            self._pool = None
        self._sending.clear()
        self._free.clear()

    def _await_one(self) -> None:
        for future in wait(self._sending, return_when=FIRST_COMPLETED).done:
            buffer = self._sending.pop(future)
            try:
                future.result()
            except FleetBackupError as error:
                self._error = self._error or error
            buffer.clear()
            self._free.append(buffer)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
