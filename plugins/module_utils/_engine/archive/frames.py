# SPDX-License-Identifier: GPL-3.0-or-later
"""The hot loop: a reader fills frames, workers compress them on all cores, one writer hashes and stores them in order.

A handful of buffers goes round and round, so memory stays the same whatever the size. The reader is the caller's
thread; it waits when no buffer is free. Each byte is read once, copied never, and hashed as stored in the writer.
"""

from __future__ import annotations

import os
import queue
import threading
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from ..errors import FleetBackupError
from ..system import give_way
from .codec import Buffers, Codec

#: A frame holds at most this many bytes ...
FRAME = 4 << 20
#: ... and small entries are grouped until it holds at least this many.
GROUP = 1 << 20

_MAX_WORKERS = 8

# A buffer is handed on after this many pieces, though it is not full.
_PIECES = 4096

#: Bytes that are no part of a frame (a zip's headers), made in the writer, which alone knows the offset.
Literal = t.Callable[[int], t.Iterable[bytes]]
#: Of a buffer: the end of the frame, and whether it ends a zip member.
Slice = t.Tuple[int, bool]
Piece = t.Union[Slice, Literal]
#: Given the number of a frame, its bytes, and whether it ends a zip member; called by several threads.
Encode = t.Callable[[int, memoryview, bool], Buffers]
#: Given the number of a frame, and it as it is stored; called by the writer.
Copy = t.Callable[[int, Buffers], None]
#: Told how many bytes come next that must not be cut; returns whether they begin a new volume.
Fit = t.Callable[[int], bool]


class Output(t.Protocol):
    """Where stored bytes go. The data may be reused as soon as write() returns."""

    def write(self, data: t.Union[bytes, memoryview], /) -> t.Any: ...


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class FrameWriter:
    """Frames for the volumes of a component.

    The reader writes to ``view`` from ``pos`` on (at most to its end) and calls cut() where a frame ends. ``table`` has a row
    ``[offset, stored, raw]`` for each frame once close() has returned. ``encode`` takes the place of the codec's compress().
    ``fit`` is asked before bytes that belong together. ``copy`` is given each frame as well.
    """

    def __init__(
        self, codec: Codec, output: Output, size: int = FRAME, encode: t.Optional[Encode] = None,
        most_workers: int = _MAX_WORKERS, fit: t.Optional[Fit] = None, copy: t.Optional[Copy] = None,
    ) -> None:  # fmt: skip
        self._size = size
        self._encode: Encode = encode or (lambda _frame, view, last: codec.compress(view, last))
        self._output = output
        self._fit = fit
        self._copy = copy
        workers = min(cores(), most_workers)
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        #: How many frames can be on their way at once.
        self.buffers = self._buffers_left = workers + 3
        # The reader, or what examines a copy beside it, is alone at its work; the workers get whatever it leaves.
        self._workers = ThreadPoolExecutor(workers, "compress", give_way)
        self._pending: queue.SimpleQueue[t.Optional[t.Tuple[memoryview, t.List[Piece], Future[t.List[Buffers]]]]] = (
            queue.SimpleQueue()
        )
        self._error: t.Optional[BaseException] = None
        # Through all volumes, and where in that the present one begins.
        self._offset = 0
        self._volume_start = 0
        self._pieces: t.List[Piece] = []
        self._start = 0
        #: Rows of frames already stored.
        self.table: t.List[t.List[int]] = []
        #: How many of them each volume has.
        self.counts = [0]
        #: Number of the frame that is being filled.
        self.frame = 0
        # Of the first frame in the buffer.
        self._first = 0
        #: Bytes handed to frames so far.
        self.raw = 0
        self.view = self._buffer()
        self.pos = 0
        self._writer = threading.Thread(target=self._write, name="store", daemon=True)
        self._writer.start()

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Copy ``data`` into frames, cutting them only where they are full."""
        end = self.pos + len(data)
        if end <= self._size:
            self.view[self.pos : end] = data
            self.pos = end
            return
        rest = memoryview(data)
        while rest:
            if self.pos == self._size:
                self.cut()
            count = min(self._size - self.pos, len(rest))
            self.view[self.pos : self.pos + count] = rest[:count]
            self.pos += count
            rest = rest[count:]

    def space(self, most: int) -> memoryview:
        """Where the next bytes go, ``most`` of them or less; how many came is to be added to ``pos``."""
        if self.pos == self._size:
            self.cut()
        return self.view[self.pos : self.pos + most]

    def cut(self) -> None:
        """End the frame, if anything is in it, and hand it on."""
        if self.pos > self._start:
            self._slice(False)
        if self._pieces:
            self._hand_on()

    def offset(self) -> int:
        """Where the next byte will lie in the frame that is being filled."""
        return self.pos - self._start

    def end_slice(self, last: bool) -> None:
        """End the frame but keep filling the same buffer: many small frames cost one hand-over (zip)."""
        if self.pos > self._start:
            self._slice(last)

    def literal(self, make: Literal) -> None:
        """Put bytes between frames; ``make`` is given the offset in all volumes joined and runs in the writer's thread."""
        self._pieces.append(make)
        if len(self._pieces) >= _PIECES:
            self.cut()

    def close(self) -> None:
        """Store everything and stop the threads. Raises what a worker or the output raised."""
        try:
            if self.pos > self._start:
                self._slice(False)
            if self._pieces:
                self._submit()
        finally:
            self._stop()
        if self._error:
            raise self._error

    def abort(self) -> None:
        """Stop the threads; what is not stored yet is dropped."""
        self._error = self._error or RuntimeError("aborted")
        self._stop()

    def _slice(self, last: bool) -> None:
        self.raw += self.pos - self._start
        self._pieces.append((self.pos, last))
        self._start = self.pos
        self.frame += 1

    def _hand_on(self) -> None:
        self._submit()
        self._first = self.frame
        self._pieces, self.pos, self._start = [], 0, 0
        self.view = self._buffer()

    def _submit(self) -> None:
        """Let what is in the buffer be compressed and stored; another one is to be filled then."""
        if self._error:
            raise self._error
        view, pieces = self.view, self._pieces
        self._pending.put((view, pieces, self._workers.submit(self._compress, self._first, view, pieces)))

    def _buffer(self) -> memoryview:
        if self._buffers_left and self._free.empty():
            self._buffers_left -= 1
            return memoryview(bytearray(self._size))
        return self._free.get()

    def _compress(self, frame: int, view: memoryview, pieces: t.List[Piece]) -> t.List[Buffers]:
        results: t.List[Buffers] = []
        start = 0
        for piece in pieces:
            if not callable(piece):
                end, last = piece
                results.append(self._encode(frame + len(results), view[start:end], last))
                start = end
        return results

    def _write(self) -> None:
        while True:
            item = self._pending.get()
            if item is None:
                return
            view, pieces, future = item
            try:
                results = future.result()
                if self._error is None:
                    self._store(pieces, results)
            except OSError as error:
                # Not to be taken by the reader for trouble with the file that it is reading.
                self._error = self._error or FleetBackupError("the archive cannot be written: %s" % error)
            except BaseException as error:  # noqa: BLE001 - handed to the reader, which raises it
                self._error = self._error or error
            self._free.put(view)

    def _store(self, pieces: t.List[Piece], results: t.List[Buffers]) -> None:
        write = self._output.write
        result = iter(results)
        start = 0
        for piece in pieces:
            if callable(piece):
                for data in piece(self._offset):
                    self._place(len(data))
                    write(data)
                    self._offset += len(data)
                continue
            buffers = next(result)
            if self._fit is not None:
                self._place(sum(map(len, buffers)))
            before = self._offset
            for buffer in buffers:
                write(buffer)
                self._offset += len(buffer)
            if self._copy is not None:
                self._copy(len(self.table), buffers)
            self.table.append([before - self._volume_start, self._offset - before, piece[0] - start])
            self.counts[-1] += 1
            start = piece[0]

    def _place(self, size: int) -> None:
        if self._fit is not None and self._fit(size):
            self._volume_start = self._offset
            self.counts.append(0)

    def _stop(self) -> None:
        self._pending.put(None)
        self._writer.join()
        self._workers.shutdown()
