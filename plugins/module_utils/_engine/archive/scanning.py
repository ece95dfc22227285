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
from ..errors import DecryptionError, IntegrityError, NotFoundError
from ..manifest import SEALED_ENDING, Component, Volume
from ..stores import Readable
from .codec import codec
from .frames import FRAME, cores
from .reader import FrameTable, open_sealed

if t.TYPE_CHECKING:
    from ..age.stream import AgeReader

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
    """Frames in order. seek() and take() use them; finish() goes through those that are left, and to the ends of the volumes.

    ``unsound``: encrypted volumes that are not what was stored.
    """

    def __init__(
        self, catalog: Catalog, backup_id: str, component: Component, table: FrameTable, report: Report,
        advance: t.Callable[[int], None], unsound: t.Container[str],
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._id = backup_id
        self._component = component
        self._table = table
        self._report = report
        self._advance = advance
        self._unsound = unsound
        self._codec = codec(component.compression)
        workers = min(cores(), _MAX_WORKERS)
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
            if self._offset >= self._raw:
                self._next()
                continue
            count = min(size, self._raw - self._offset)
            if self._data is None:
                whole = False
                self.damaged = self.volume(self._number)
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
            source = self._open(volume)
            try:
                for _number in range(volume.frames):
                    _name, offset, stored, raw = self._table.row(frame)
                    source.skip_to(offset)
                    buffer = self._buffers.pop() if self._buffers else bytearray(LARGEST_STORED)
                    view = memoryview(buffer)[:stored]
                    if source.position == offset and source.fill(view):
                        yield _Pending(frame, self._decode(view, raw), source.hash(view), buffer)
                    else:
                        yield _Pending(frame, None, None, buffer)
                    frame += 1
                source.finish()
            finally:
                source.close()

    def _open(self, volume: Volume) -> _Source:
        if volume.name.endswith(SEALED_ENDING):
            return _SealedSource(self._catalog, self._id, volume, self._report, volume.name in self._unsound)
        return _PlainSource(self._catalog, self._id, volume, self._report, self._advance, self._hasher)

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


class _Source:
    """The bytes that a volume's frames lie in, from the first to the last. One that cannot be read is reported and ends there."""

    def __init__(self, volume: Volume, report: Report) -> None:
        self._volume = volume
        self._report = report
        self.position = 0

    def read_into(self, view: memoryview) -> int:
        raise NotImplementedError

    def fill(self, view: memoryview) -> bool:
        """Read until the view is full; False when the source ends before."""
        done = 0
        while done < len(view):
            count = self.read_into(view[done:])
            if not count:
                break
            done += count
        self.position += done
        return done == len(view)

    def hash(self, view: memoryview) -> t.Optional[Future[None]]:
        """Hash what was read. The buffer may be reused when the result is there, at once when it is None."""
        return None

    def skip_to(self, position: int) -> None:
        """Read what lies between two frames: the headers in a zip."""
        while self.position < position:
            view = memoryview(bytearray(min(position - self.position, FRAME)))
            before = self.position
            whole = self.fill(view)
            self.hash(view[: self.position - before])
            if not whole:
                break

    def finish(self) -> None:
        """Read the rest and report the volume if it is not what was stored."""

    def close(self) -> None:
        """Let go of it."""


class _PlainSource(_Source):
    """A volume as it is stored, hashed on the way by another thread; small pieces are joined first."""

    def __init__(
        self, catalog: Catalog, backup_id: str, volume: Volume, report: Report, advance: t.Callable[[int], None],
        hasher: ThreadPoolExecutor,
    ) -> None:  # fmt: skip
        super().__init__(volume, report)
        self._advance = advance
        self._hasher = hasher
        self._digest = hashlib.sha256()
        self._small = bytearray()
        self._file: t.Optional[Readable] = None
        try:
            self._file = catalog.store.open(catalog.key(backup_id, volume.name))
        except NotFoundError:
            report(volume.name, "is missing")

    def read_into(self, view: memoryview) -> int:
        if self._file is None:
            return 0
        try:
            count = self._file.readinto(view)
        except OSError as error:
            self._report(self._volume.name, "cannot be read: %s" % error.strerror)
            return 0
        self._advance(count)
        return count

    def hash(self, view: memoryview) -> t.Optional[Future[None]]:
        if len(view) <= _SMALL:
            self._small += view
            if len(self._small) > _SMALL:
                self._flush()
            return None
        self._flush()
        return self._hasher.submit(self._digest.update, view)

    def finish(self) -> None:
        if self._file is None:
            return
        size, name = self._volume.size, self._volume.name
        # A zip ends with its directory. Anything beyond the volume's size is too much.
        self.skip_to(size + 1)
        self._flush()
        if self.position > size:
            self._report(name, "has more than the %d bytes that were stored" % size)
        elif self.position < size:
            self._report(name, "has %d bytes instead of %d" % (self.position, size))
        elif self._hasher.submit(self._digest.hexdigest).result() != self._volume.sha256:
            self._report(name, "is not what was stored (its SHA-256 differs)")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _flush(self) -> None:
        if self._small:
            self._hasher.submit(self._digest.update, self._small)
            self._small = bytearray()


class _SealedSource(_Source):
    """What an encrypted volume holds. What is stored of it was hashed before; here every chunk proves itself."""

    def __init__(self, catalog: Catalog, backup_id: str, volume: Volume, report: Report, unsound: bool) -> None:
        super().__init__(volume, report)
        self._inside: t.Optional[AgeReader] = None
        self._taken = 0
        try:
            self._inside = open_sealed(catalog, backup_id, volume.name)
        except IntegrityError as error:
            report(volume.name, str(error))
        except DecryptionError as error:
            # A header that was damaged is opened by no key; else it is the wrong one.
            if not unsound:
                raise
            report(volume.name, str(error))

    def read_into(self, view: memoryview) -> int:
        if self._inside is None or self._taken >= self._inside.size:
            return 0
        count = min(len(view), self._inside.size - self._taken)
        try:
            view[:count] = self._inside.read(self._taken, count)
        except IntegrityError as error:
            self._report(self._volume.name, str(error))
            # The chunks behind the damaged one may be whole, but are not looked at.
            self._inside = None
            return 0
        self._taken += count
        return count
