# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: a component's entries, and the bytes of each, read by ranges from the store."""

from __future__ import annotations

import hashlib
import json
import threading
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from ..catalog import Catalog
from ..errors import IntegrityError, NotFoundError
from ..manifest import SEALED_ENDING, Component, Deltas, Manifest, Part, StoredFile
from ..names import printable
from .base import BaseFrames
from .codec import codec
from .content import hash_zeros
from .delta import FrameDecoder, Prefix
from .frame_table import FrameTable
from .index import Entries, Entry, IndexReader, Root, entry_path, stored_place
from .stream import SECTION_TYPES

if t.TYPE_CHECKING:
    from ..age.stream import AgeReader

#: Reads ``size`` bytes of a volume from ``offset`` on.
Fetch = t.Callable[[str, int, int], bytes]

# So many bytes are hashed while whoever asked for them uses them.
_MUCH = 256 << 10

# Backups whose frames are kept decoded ahead at the same time.
_OPEN_BACKUPS = 4


def read_object(catalog: Catalog, backup_id: str, name: str, offset: int = 0, size: t.Optional[int] = None) -> bytes:
    """Return an object of a backup's folder, or ``size`` bytes of it; decrypted, and counted so, if it is encrypted.

    Raises IntegrityError when there are fewer, DecryptionError when the catalog's keyring does not open it.
    """
    if not name.endswith(SEALED_ENDING):
        return read_stored(catalog, backup_id, name, offset, size)
    return open_sealed(catalog, backup_id, name).read(offset, size)


def open_sealed(catalog: Catalog, backup_id: str, name: str) -> AgeReader:
    """The reader of an encrypted object; it may be used by several threads."""
    from ..age.header import LIMIT
    from ..age.stream import AgeReader

    def read_at(offset: int, size: int) -> bytes:
        return read_stored(catalog, backup_id, name, offset, size)

    try:
        total = catalog.store.size(catalog.key(backup_id, name))
    except NotFoundError:
        raise IntegrityError("%s of %s is missing on store %s" % (name, backup_id, catalog.store.name), [name]) from None
    key, header_size = catalog.keyring.file_key(backup_id, name, read_at(0, min(total, LIMIT)))
    return AgeReader(read_at, total, key, header_size, name)


def read_stored(catalog: Catalog, backup_id: str, name: str, offset: int = 0, size: t.Optional[int] = None) -> bytes:
    """Return an object of a backup's folder as it is stored. Raises IntegrityError when there are fewer than ``size`` bytes."""
    try:
        file = catalog.store.open(catalog.key(backup_id, name), offset, size)
    except NotFoundError:
        raise IntegrityError("%s of %s is missing on store %s" % (name, backup_id, catalog.store.name), [name]) from None
    try:
        parts = []
        left = size
        while left is None or left > 0:
            part = file.read(1 << 20 if left is None else left)
            if not part:
                break
            parts.append(part)
            if left is not None:
                left -= len(part)
    finally:
        file.close()
    data = b"".join(parts)
    if size is not None and len(data) != size:
        raise IntegrityError("%s of %s is cut off on store %s" % (name, backup_id, catalog.store.name), [name])
    return data


class FrameReader:
    """Decoded frames, by number. Read in order, they are fetched and decoded ahead on all cores.

    The longer it goes in order, the more are read ahead: a file of some frames costs nothing beyond them.
    """

    def __init__(
        self, table: FrameTable, decoder: FrameDecoder, fetch: Fetch, has: t.Callable[[int], bool] = lambda _frame: True
    ) -> None:
        self.table = table
        #: Whether a frame is there at all.
        self.has = has
        self._decoder = decoder
        self._fetch = fetch
        self._most_ahead = decoder.workers + 1
        # Frames that were asked for in order, one after another.
        self._in_order = 0
        self._workers: t.Optional[ThreadPoolExecutor] = None
        self._pending: t.Dict[int, Future[t.Union[bytes, memoryview]]] = {}
        self._last = -1
        self._current: t.Tuple[int, t.Union[bytes, memoryview]] = (-1, b"")

    def read(self, frame: int, offset: int, size: int, alone: bool = False) -> t.Iterator[memoryview]:
        """Yield ``size`` raw bytes from ``offset`` of ``frame`` on, going on in the next frames.

        ``alone``: what follows is not read next, so no frame after the last of these bytes is fetched ahead.
        """
        end = self._end(frame, offset + size) if alone else len(self.table)
        while size:
            data = memoryview(self._frame(frame, end))[offset : offset + size]
            if data:
                yield data
            size -= len(data)
            frame, offset = frame + 1, 0

    def frame(self, number: int) -> t.Union[bytes, memoryview]:
        """The raw bytes of one frame. What follows is fetched ahead when they are asked for in order."""
        return self._frame(number, len(self.table))

    def close(self) -> None:
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)
            self._workers = None
        self._pending.clear()

    def _end(self, frame: int, size: int) -> int:
        """The frame after those that hold ``size`` bytes from the beginning of ``frame`` on."""
        while size > 0 and 0 <= frame < len(self.table):
            size -= self.table.row(frame)[3]
            frame += 1
        return frame

    def _frame(self, frame: int, end: int) -> t.Union[bytes, memoryview]:
        if self._current[0] == frame:
            return self._current[1]
        if not 0 <= frame < len(self.table):
            raise IntegrityError("the index points to frame %d; there are %d" % (frame, len(self.table)))
        self._in_order = self._in_order + 1 if frame == self._last + 1 and self._last >= 0 else 0
        self._last = frame
        for number in [n for n in self._pending if n < frame]:
            del self._pending[number]
        ahead = min(self._in_order, self._most_ahead)
        if ahead > 1:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(self._decoder.workers, "decode")
            for number in range(frame, min(frame + ahead, end)):
                if number not in self._pending:
                    self._pending[number] = self._workers.submit(self.decode, number)
        pending = self._pending.pop(frame, None)
        data = pending.result() if pending is not None else self.decode(frame)
        self._current = (frame, data)
        return data

    def decode(self, frame: int) -> t.Union[bytes, memoryview]:
        """The raw bytes of one frame, fetched and decoded here and now; for several threads."""
        volume, offset, stored, raw = self.table.row(frame)
        data = self._fetch(volume, offset, stored)
        try:
            return self._decoder.decode(frame, data, raw)
        except IntegrityError as error:
            raise IntegrityError("%s, frame %d: %s" % (volume, frame, error), error.objects or [volume]) from None


class StoredVolumes:
    """Ranges of the volumes of a backup as they were before they were encrypted."""

    def __init__(self, catalog: Catalog, backup_id: str) -> None:
        self._catalog = catalog
        self._id = backup_id
        self._sealed: t.Dict[str, AgeReader] = {}
        self._opening = threading.Lock()

    def fetch(self, volume: str, offset: int, size: int) -> bytes:
        if volume.endswith(SEALED_ENDING):
            return self._open_sealed(volume).read(offset, size)
        return read_stored(self._catalog, self._id, volume, offset, size)

    def _open_sealed(self, volume: str) -> AgeReader:
        with self._opening:  # with a passphrase it takes a second and a lot of memory: once is enough
            reader = self._sealed.get(volume)
            if reader is None:
                reader = self._sealed[volume] = open_sealed(self._catalog, self._id, volume)
            return reader


def open_frames(
    catalog: Catalog, backup_id: str, part: Part, prefix: t.Optional[Prefix] = None
) -> FrameReader:  # fmt: skip
    """The frames of a component or of its deltas. ``prefix`` reads what they build upon."""
    table = FrameTable(part.frames.name, read_object(catalog, backup_id, part.frames.name))
    decoder = FrameDecoder(codec(part.compression), table, prefix)
    return FrameReader(table, decoder, StoredVolumes(catalog, backup_id).fetch)


def bases_of(part: Part) -> t.List[str]:
    """The ids of the backups that the frames of a component, or of its deltas, need."""
    if isinstance(part, Deltas):
        return part.bases
    return [part.base] if part.is_delta and part.base is not None else []


class Bases:
    """What the frames of a delta build upon, opened when it is needed; for several threads. ``ids``: of the backups, by number.

    ``component(id)`` tells the component of such a backup. Raises IntegrityError, whose ``objects`` begin with the id of that.
    """

    def __init__(self, catalog: Catalog, ids: t.Sequence[str], component: t.Callable[[str], Component]) -> None:
        self._catalog = catalog
        self._ids = ids
        self._component = component
        #: By number, the last used last.
        self._open: t.Dict[int, BaseFrames] = {}
        self._lock = threading.Lock()

    def read(self, number: int, start: int, size: int) -> t.Union[bytes, memoryview]:
        """``size`` raw bytes of a base from ``start`` on."""
        with self._lock:
            frames = self._open.pop(number, None)
            if frames is None:
                frames = self._open_base(number)
            while len(self._open) >= _OPEN_BACKUPS:
                del self._open[next(iter(self._open))]
            self._open[number] = frames
        return frames.read(start, size)

    def _open_base(self, number: int) -> BaseFrames:
        if number >= len(self._ids):
            raise IntegrityError("it needs base %d; there are %d" % (number, len(self._ids)))
        backup_id = self._ids[number]
        return open_base(self._catalog, backup_id, self._component(backup_id))


def open_base(catalog: Catalog, backup_id: str, component: Component) -> BaseFrames:
    """What a delta builds upon: ``component`` of the backup ``backup_id``.

    Raises IntegrityError, as the frames do later; its ``objects`` then begin with the id of that backup.
    """
    try:
        frames = open_frames(catalog, backup_id, component)
        if frames.table.is_delta:
            raise IntegrityError("%s is a delta itself, so none can build upon it" % component.name, [component.frames.name])
    except IntegrityError as error:
        raise _of_base(backup_id, error) from None

    def decode(frame: int) -> t.Union[bytes, memoryview]:
        try:
            return frames.decode(frame)
        except IntegrityError as error:
            raise _of_base(backup_id, error) from None

    return BaseFrames(frames.table, decode)


def _of_base(backup_id: str, error: IntegrityError) -> IntegrityError:
    return IntegrityError(
        "backup %s, which this one builds upon: %s" % (backup_id, error), ["%s/%s" % (backup_id, name) for name in error.objects]
    )


class ComponentReader:
    """One component of one backup on one store."""

    def __init__(self, catalog: Catalog, backup_id: str, component: Component) -> None:
        self.component = component
        self.backup_id = backup_id
        self._catalog = catalog
        self._moved: t.Dict[bytes, bytes] = {}
        name = component.index.name
        index_codec = codec("gzip" if component.compression == "deflate" else component.compression)
        self._index = IndexReader(name, _ranges(catalog, backup_id, name), component.index.table, index_codec)
        #: By whether they are deltas and the id of the backup that holds them, the last used last.
        self._frames: t.Dict[t.Tuple[bool, str], FrameReader] = {}
        self._hasher: t.Optional[ThreadPoolExecutor] = None

    @property
    def facts(self) -> t.Dict[str, t.Any]:
        """What was true of the source when it was read."""
        facts = self.component.facts
        if not isinstance(facts, StoredFile):
            return facts
        try:
            value = json.loads(read_object(self._catalog, self.backup_id, facts.name))
        except ValueError as error:
            raise IntegrityError("%s: is no JSON: %s" % (facts.name, error), [facts.name]) from None
        return t.cast(t.Dict[str, t.Any], value)

    @property
    def roots(self) -> t.List[Root]:
        """The roots of a tree."""
        return [root._replace(path=self._moved.get(root.name, root.path)) for root in self._index.roots()]

    def move_roots(self, paths: t.Mapping[bytes, bytes]) -> None:
        """Let roots, by name, lie elsewhere than where they were when they were backed up."""
        self._moved.update(paths)

    def entries(self, start: bytes = b"") -> Entries:
        """All entries in the order of the index, or those from the archive path ``start`` on."""
        return self._index.entries(start)

    def in_stream_order(self, select: t.Optional[t.Callable[[Entry], bool]] = None) -> t.List[Entry]:
        """The entries of a stream, or those that ``select`` takes, in the order of their bytes."""
        return sorted(filter(select, self.entries()), key=place)

    @property
    def index(self) -> IndexReader:
        """The entries as they stand in the index."""
        return self._index

    def find(self, path: bytes) -> t.Optional[Entry]:
        """The entry with this archive path, found without reading the whole index."""
        return self._index.find(path)

    def read(self, entry: Entry) -> t.Iterator[memoryview]:
        """Yield the archived bytes of an entry; of a sparse file its segments, joined.

        The views are valid until the next one. Raises IntegrityError at the end when the entry's sha256 does not hold.
        """
        digest = hashlib.sha256()
        if "segments" in entry:
            yield from self._read_sparse(entry, digest.update)
        elif stored_place(entry)[1]:
            for data in self._raw(entry):
                if len(data) < _MUCH:
                    digest.update(data)
                    yield data
                else:
                    hashed = self._in_its_thread(digest.update, data)
                    yield data
                    hashed.result()
        if "sha256" in entry and digest.hexdigest() != entry["sha256"]:
            volumes = [v.name for v in self.component.all_volumes]
            raise IntegrityError(
                "%s of component %s is not what was backed up (its SHA-256 differs)"
                % (printable(entry_path(entry)), self.component.name),
                volumes,
            )

    def another(self) -> ComponentReader:
        """A reader of the same component, for another thread."""
        return ComponentReader(self._catalog, self.backup_id, self.component)

    def close(self) -> None:
        for frames in self._frames.values():
            frames.close()
        self._frames.clear()
        if self._hasher is not None:
            self._hasher.shutdown()
            self._hasher = None

    def _in_its_thread(self, update: t.Callable[[memoryview], None], data: memoryview) -> Future[None]:
        if self._hasher is None:
            self._hasher = ThreadPoolExecutor(1, "hash")
        return self._hasher.submit(update, data)

    def frame(self, backup_id: str, number: int) -> t.Union[bytes, memoryview]:
        """The raw bytes of a whole frame of this component in a backup; entries are read in the order of their bytes."""
        return self._frames_of(backup_id, False).frame(number)

    def _raw(self, entry: Entry) -> t.Iterator[memoryview]:
        is_delta, place = stored_place(entry)
        backup_id, frame, offset, size = place or (self.backup_id, 0, 0, 0)
        # Sections of a dump are chosen one by one, and not read in the order of their bytes.
        return self._frames_of(backup_id, is_delta).read(frame, offset, size, alone=entry["type"] in SECTION_TYPES)

    def _frames_of(self, backup_id: str, is_delta: bool) -> FrameReader:
        frames = self._frames.pop((is_delta, backup_id), None)
        if frames is None:
            if len(self._frames) >= _OPEN_BACKUPS:
                self._frames.pop(next(iter(self._frames))).close()
            frames = self._open_frames(backup_id, is_delta)
        self._frames[is_delta, backup_id] = frames
        return frames

    def _open_frames(self, backup_id: str, is_delta: bool) -> FrameReader:
        component = self.component if backup_id == self.backup_id else self._older(backup_id)
        part: t.Optional[Part] = component.deltas if is_delta else component
        if part is None:
            raise IntegrityError("backup %s has no deltas of %s, but entries refer to them" % (backup_id, component.name))
        bases = bases_of(part)
        prefix = Bases(self._catalog, bases, self._older).read if bases else None
        return open_frames(self._catalog, backup_id, part, prefix)

    def _older(self, backup_id: str) -> Component:
        older = self._catalog.manifest(backup_id).component(self.component.name)
        if older is None:
            raise IntegrityError(
                "backup %s, which holds data of this one, has no component %s" % (backup_id, self.component.name)
            )
        return older

    def _read_sparse(self, entry: Entry, update: t.Callable[[memoryview], t.Any]) -> t.Iterator[memoryview]:
        """The segments' bytes; the holes between them are hashed as zeros."""
        data = self._raw(entry) if stored_place(entry)[1] else iter(())
        view = memoryview(b"")
        position = 0
        for start, length in entry["segments"]:
            hash_zeros(start - position, update)
            position = start + length
            while length:
                if not view:
                    view = next(data, view)
                    if not view:
                        raise IntegrityError("%s: its index tells of more bytes than there are" % printable(entry_path(entry)))
                part, view = view[:length], view[length:]
                update(part)
                yield part
                length -= len(part)
        hash_zeros(entry["size"] - position, update)


def place(entry: Entry) -> t.Tuple[int, int]:
    """Where the bytes of an entry lie: frame and offset. Empty ones come first."""
    _id, frame, offset, _size = entry.get("bytes") or (None, 0, 0, 0)
    return frame, offset


def _ranges(catalog: Catalog, backup_id: str, name: str) -> t.Callable[[int, int], bytes]:
    """Reads ranges of an object, opening it when the first is asked for."""
    sealed: t.List[AgeReader] = []

    def read(offset: int, size: int) -> bytes:
        if not name.endswith(SEALED_ENDING):
            return read_stored(catalog, backup_id, name, offset, size)
        if not sealed:
            sealed.append(open_sealed(catalog, backup_id, name))
        return sealed[0].read(offset, size)

    return read


def open_component(catalog: Catalog, manifest: Manifest, name: str) -> ComponentReader:
    """Return the reader of a component. Raises NotFoundError, which names those that there are."""
    component = manifest.component(name)
    if component is None:
        raise NotFoundError(
            "backup %s has no component %r; it has %s" % (manifest.id, name, ", ".join(c.name for c in manifest.components))
        )
    return ComponentReader(catalog, manifest.id, component)
