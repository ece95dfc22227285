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
from ..errors import IntegrityError, NotFoundError
from ..manifest import Component, Volume
from ..stores import Readable
from .codec import codec
from .frames import FRAME, cores
from .reader import FrameTable

#: A stored frame is never larger: raw blocks add a few bytes each.
LARGEST_STORED = FRAME + (64 << 10)

_MAX_WORKERS = 4

# What is handed to other threads is larger.
_SMALL = 64 << 10

Raw = t.Union[bytes, memoryview]


class Report(t.Protocol):
    """Told of damage: the object's name, what is wrong with it, and an entry that it spoils."""

    def __call__(self, name: str, problem: str, entry: t.Optional[bytes] = None) -> None: ...


class _Pending(t.NamedTuple):
    frame: int
    raw: t.Optional[Future[Raw]]
    hashed: t.Optional[Future[None]]
    buffer: t.Optional[bytearray]


class FrameScan:
    """Frames in order. seek() and take() use them; finish() goes through those that are left, and to the ends of the volumes."""

    def __init__(
        self, catalog: Catalog, backup_id: str, component: Component, table: FrameTable, report: Report,
        advance: t.Callable[[int], None],
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._id = backup_id
        self._component = component
        self._table = table
        self._report = report
        self._advance = advance
        self._codec = codec(component.compression)
        workers = min(cores(), _MAX_WORKERS)
        self._workers = ThreadPoolExecutor(workers, "decode")
        self._hasher = ThreadPoolExecutor(1, "hash")
        self._ahead = workers + 2
        self._buffers: t.List[bytearray] = []
        self._source = self._read()
        self._pending: t.Deque[_Pending] = collections.deque()
        self._file: t.Optional[Readable] = None
        self._used: t.Optional[_Pending] = None
        self._number = -1
        self._data: t.Optional[Raw] = b""
        self._offset = 0
        #: The volume of the last damaged frame that take() met.
        self.damaged = ""

    def volume(self, frame: int) -> str:
        """The name of the volume that a frame lies in."""
        return self._table.row(min(frame, len(self._table) - 1))[0] if len(self._table) else self._component.frames.name

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
            raw = self._table.row(self._number)[3]
            if self._offset >= raw:
                self._next()
                continue
            count = min(size, raw - self._offset)
            if self._data is None:
                whole = False
                self.damaged = self.volume(self._number)
            else:
                use(memoryview(self._data)[self._offset : self._offset + count])
            self._offset += count
            size -= count
        return whole

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
        self._data = None
        if used.raw is not None:
            try:
                self._data = used.raw.result()
            except IntegrityError as error:
                self._report(self.volume(used.frame), "frame %d: %s" % (used.frame, error))

    def _free(self, used: t.Optional[_Pending]) -> None:
        if used is not None and used.buffer is not None:
            if used.hashed is not None:
                used.hashed.result()
            self._buffers.append(used.buffer)

    def _read(self) -> t.Generator[_Pending, None, None]:
        """Read volume after volume, frame after frame, and set hashing and decoding going."""
        frame = 0
        for volume in self._component.volumes:
            digest = _VolumeDigest(self._hasher)
            position = 0
            readable = self._open(volume.name)
            try:
                for _number in range(volume.frames):
                    _name, offset, stored, raw = self._table.row(frame)
                    position += self._pass(readable, offset - position, digest)
                    buffer = self._buffers.pop() if self._buffers else bytearray(LARGEST_STORED)
                    view = memoryview(buffer)[:stored]
                    got = _fill(readable, view) if position == offset else 0
                    self._advance(got)
                    position += got
                    if got < stored:
                        yield _Pending(frame, None, None, buffer)
                    else:
                        yield _Pending(frame, self._decode(view, raw), digest.update(view), buffer)
                    frame += 1
                # A zip ends with its directory. Anything beyond the volume's size is too much.
                position += self._pass(readable, max(volume.size - position, 0) + 1, digest)
                if readable is not None:
                    self._judge(volume, position, digest)
            finally:
                if readable is not None:
                    readable.close()

    def _decode(self, view: memoryview, raw: int) -> Future[Raw]:
        if raw > _SMALL:
            return self._workers.submit(self._codec.decompress, view, raw)
        # Handing a small frame over costs more than to decode it.
        done: Future[Raw] = Future()
        try:
            done.set_result(self._codec.decompress(view, raw))
        except IntegrityError as error:
            done.set_exception(error)
        return done

    def _judge(self, volume: Volume, size: int, digest: _VolumeDigest) -> None:
        if size > volume.size:
            self._report(volume.name, "has more than the %d bytes that were stored" % volume.size)
        elif size < volume.size:
            self._report(volume.name, "has %d bytes instead of %d" % (size, volume.size))
        elif digest.hexdigest() != volume.sha256:
            self._report(volume.name, "is not what was stored (its SHA-256 differs)")

    def _open(self, name: str) -> t.Optional[_Source]:
        try:
            return _Source(self._catalog.store.open(self._catalog.key(self._id, name)), name, self._report)
        except NotFoundError:
            self._report(name, "is missing")
            return None

    def _pass(self, source: t.Optional[_Source], size: int, digest: _VolumeDigest) -> int:
        """Hash bytes that are in no frame; return how many there were."""
        done = 0
        while done < size:
            view = memoryview(bytearray(min(size - done, FRAME)))
            got = _fill(source, view)
            self._advance(got)
            digest.update(view[:got])
            done += got
            if got < len(view):
                break
        return done


class _VolumeDigest:
    """The hash of a volume, made by another thread; small pieces are joined first."""

    def __init__(self, hasher: ThreadPoolExecutor) -> None:
        self._hasher = hasher
        self._digest = hashlib.sha256()
        self._small = bytearray()

    def update(self, view: memoryview) -> t.Optional[Future[None]]:
        """Hash a piece. The buffer may be reused when the result is there, at once when it is None."""
        if len(view) <= _SMALL:
            self._small += view
            if len(self._small) > _SMALL:
                self._flush()
            return None
        self._flush()
        return self._hasher.submit(self._digest.update, view)

    def hexdigest(self) -> str:
        self._flush()
        return self._hasher.submit(self._digest.hexdigest).result()

    def _flush(self) -> None:
        if self._small:
            self._hasher.submit(self._digest.update, self._small)
            self._small = bytearray()


class _Source:
    """A volume being read; one that cannot be read on is reported and ends there."""

    def __init__(self, file: Readable, name: str, report: Report) -> None:
        self._file = file
        self._name = name
        self._report = report

    def readinto(self, view: memoryview) -> int:
        try:
            return self._file.readinto(view)
        except OSError as error:
            self._report(self._name, "cannot be read: %s" % error.strerror)
            return 0

    def close(self) -> None:
        self._file.close()


def _fill(source: t.Optional[_Source], view: memoryview) -> int:
    """Read until the view is full or the source ends; return the bytes read."""
    done = 0
    while source is not None and done < len(view):
        count = source.readinto(view[done:])
        if not count:
            break
        done += count
    return done
