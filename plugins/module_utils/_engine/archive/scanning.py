# SPDX-License-Identifier: GPL-3.0-or-later
"""All frames of a component in one pass: each volume is read once, and each buffer is both hashed and decoded.

The caller's thread reads ahead and uses what was decoded; one thread hashes what is stored, some decode. A handful of
buffers goes round, so memory stays the same whatever the size.
"""

from __future__ import annotations

import collections
import hashlib
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from ..catalog import Catalog
from ..errors import IntegrityError
from ..manifest import Part
from .delta import FrameDecoder
from .frame_table import FrameTable
from .frames import FRAME
from .volume_source import Report, open_volume

#: A stored frame is never larger: raw blocks add a few bytes each.
LARGEST_STORED = FRAME + (64 << 10)

_MAX_WORKERS = 4

# What is handed to other threads is larger.
_SMALL = 64 << 10

Raw = t.Union[bytes, memoryview]


class _Pending(t.NamedTuple):
    frame: int
    raw: t.Optional[Future[Raw]]
    hashed: t.Optional[Future[None]]
    buffer: t.Optional[bytearray]


class FrameScan:
    """Frames in order. seek() and take() use them; finish() goes through those that are left, and to the ends of the volumes."""

    def __init__(
        self, catalog: Catalog, backup_id: str, part: Part, table: FrameTable, decoder: FrameDecoder,
        report: Report, advance: t.Callable[[int], None],
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._id = backup_id
        self._part = part
        self._table = table
        self._report = report
        self._advance = advance
        self._decoder = decoder
        workers = min(decoder.workers, _MAX_WORKERS)
        self._workers = ThreadPoolExecutor(workers, "decode")
        self._hasher = ThreadPoolExecutor(1, "hash")
        self._ahead = workers + 2
        self._buffers: t.List[bytearray] = []
        self._source = self._read()
        self._pending: t.Deque[_Pending] = collections.deque()
        self._used: t.Optional[_Pending] = None
        self._number = -1
        self._raw = 0
        self._data: t.Optional[Raw] = b""
        self._offset = 0
        self._blamed = ""
        #: What is to blame for the last damaged frame that take() met: its volume, or an object of the base.
        self.damaged = ""

    def volume(self, frame: int) -> str:
        """The name of the volume that a frame lies in."""
        return self._table.row(min(frame, len(self._table) - 1))[0] if len(self._table) else self._part.frames.name

    def volumes_since(self, frame: int) -> t.List[str]:
        """The names of the volumes from that of a frame on to that of the current one."""
        return list(dict.fromkeys(self.volume(number) for number in range(frame, max(frame, self._number) + 1)))

    def seek(self, frame: int, offset: int) -> bool:
        """Go to a place ahead; False, without moving, when it lies in a frame that is gone."""
        if frame < self._number:
            return False
        while self._number < frame:
            self._next()
        self._offset = offset
        return True

    def take(self, size: int, use: t.Callable[[memoryview], t.Any]) -> bool:
        """Give the next ``size`` raw bytes to ``use``; return whether all of them could be decoded."""
        whole = True
        while size:
            if self._offset >= self._raw:
                self._next()
                continue
            count = min(size, self._raw - self._offset)
            if self._data is None:
                whole = False
                self.damaged = self._blamed
            else:
                use(memoryview(self._data)[self._offset : self._offset + count])
            self._offset += count
            size -= count
        return whole

    def sha256(self, size: int) -> t.Optional[str]:
        """The hash of the next ``size`` raw bytes; None when a part of them could not be decoded."""
        end = self._offset + size
        if self._data is not None and end <= self._raw:
            # Most files lie in one frame.
            digest = hashlib.sha256(memoryview(self._data)[self._offset : end])
            self._offset = end
            return digest.hexdigest()
        digest = hashlib.sha256()
        return digest.hexdigest() if self.take(size, digest.update) else None

    def finish(self) -> None:
        """Decode all frames that are left and compare the volumes with their hashes."""
        while self._number + 1 < len(self._table):
            self._next()
        for _rest in self._source:
            raise RuntimeError("there are more frames than the table has")

    def close(self) -> None:
        self._source.close()
        self._workers.shutdown(cancel_futures=True)
        self._hasher.shutdown(cancel_futures=True)

    def _next(self) -> None:
        """Make the next frame the current one."""
        self._free(self._used)
        while len(self._pending) < self._ahead:
            pending = next(self._source, None)
            if pending is None:
                break
            self._pending.append(pending)
        self._used = used = self._pending.popleft()
        self._number, self._offset = used.frame, 0
        self._raw = self._table.row(used.frame)[3]
        self._data = None
        self._blamed = self.volume(used.frame)
        if used.raw is not None:
            try:
                self._data = used.raw.result()
            except IntegrityError as error:
                if error.objects:
                    self._blamed = error.objects[0]
                    self._report(self._blamed, str(error))
                else:
                    self._report(self._blamed, "frame %d: %s" % (used.frame, error))

    def _free(self, used: t.Optional[_Pending]) -> None:
        if used is not None and used.buffer is not None:
            if used.hashed is not None:
                used.hashed.result()
            self._buffers.append(used.buffer)

    def _read(self) -> t.Generator[_Pending, None, None]:
        """Read volume after volume, frame after frame, and set hashing and decoding going."""
        frame = 0
        for volume in self._part.volumes:
            source = open_volume(self._catalog, self._id, volume, self._report, self._advance, self._hasher)
            try:
                for _number in range(volume.frames):
                    _name, offset, stored, raw = self._table.row(frame)
                    source.skip_to(offset)
                    buffer = self._buffers.pop() if self._buffers else bytearray(LARGEST_STORED)
                    view = memoryview(buffer)[:stored]
                    if source.position == offset and source.fill(view):
                        yield _Pending(frame, self._decode(frame, view, raw), source.hash(view), buffer)
                    else:
                        yield _Pending(frame, None, None, buffer)
                    frame += 1
                source.finish()
            finally:
                source.close()

    def _decode(self, frame: int, view: memoryview, raw: int) -> Future[Raw]:
        if raw > _SMALL:
            return self._workers.submit(self._decoder.decode, frame, view, raw)
        # Handing a small frame over costs more than to decode it.
        done: Future[Raw] = Future()
        try:
            done.set_result(self._decoder.decode(frame, view, raw))
        except IntegrityError as error:
            done.set_exception(error)
        return done
