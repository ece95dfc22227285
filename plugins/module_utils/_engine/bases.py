# SPDX-License-Identifier: GPL-3.0-or-later
"""What deltas build upon: of a stream a full component, or why there is none; of a changed file its bytes in an older backup."""

from __future__ import annotations

import typing as t

from .archive.anchors import Anchors, Sampler
from .archive.base import BaseFrames
from .archive.delta import WORTHWHILE
from .archive.frame_table import FrameTable
from .archive.references import Base, OpenBase
from .base_cache import BaseCache
from .catalog import Catalog
from .errors import FleetBackupError, IntegrityError
from .manifest import Component, Manifest, StoredFile

if t.TYPE_CHECKING:
    from .archive.reader import FrameReader


class BaseChoice(t.NamedTuple):
    """The base, or why there is none. ``unexpected``: the one that there should be is missing or damaged."""

    base: t.Optional[Base] = None
    reason: str = ""
    unexpected: bool = False


def choose_base(
    kind: str, parent: Manifest, name: str, driver: str, catalog: Catalog, cache: BaseCache, *, sealed: bool
) -> BaseChoice:
    """Choose and check the base for the component ``name`` of a run of this ``kind``, whose parent is given.

    It is that component of the parent, or, if that is a delta, what this one builds upon: so there are never deltas of deltas.
    Its bytes are in ``cache``, or in ``catalog`` when they are not ``sealed``. All of them are read and compared with their hash.
    """
    last = parent.component(name)
    if last is None or last.source != driver or last.shape != "stream":
        return BaseChoice(reason="%s has no such component" % parent.id)
    base_id = last.base if last.base is not None else parent.id
    try:
        component = catalog.manifest(base_id).component(name)
        if component is None or component.base is not None:
            raise IntegrityError("backup %s has no full component %s" % (base_id, name))
        if component.compression != "zstd":
            return BaseChoice(reason="that of %s was compressed with %s" % (base_id, component.compression))
        if last.is_delta and last.stored > WORTHWHILE * component.stored:
            share = 100 * last.stored // max(component.stored, 1)
            return BaseChoice(reason="the delta in %s took %d %% of what its base takes" % (parent.id, share))
        frames = _find(base_id, component, catalog, cache, sealed)
        if frames is None:
            return _lost(base_id, component, cache)
        anchors = _anchors(base_id, component, frames, cache)
    except FleetBackupError as error:
        return BaseChoice(reason="%s cannot be built upon: %s" % (base_id, error), unexpected=True)
    except OSError as error:
        return BaseChoice(reason="the copy of %s that this host keeps cannot be read: %s" % (base_id, error), unexpected=True)
    return BaseChoice(Base(base_id, kind, component, BaseFrames(frames.table, frames.decode), anchors))


class FileBases:
    """What changed files of the tree ``name`` can be compressed against.

    Their bytes are in ``cache``, or in ``catalog`` when they are not ``sealed``. ``recorded``: this host may not read the store.
    """

    def __init__(self, name: str, catalog: Catalog, cache: BaseCache, *, sealed: bool, recorded: bool) -> None:
        self._name = name
        self._catalog = catalog
        self._cache = cache
        self._sealed = sealed
        self._recorded = recorded
        self._cached: t.Dict[str, t.Optional[OpenBase]] = {}
        self._stored: t.Dict[str, OpenBase] = {}
        self._tables: t.Dict[str, t.Optional[FrameTable]] = {}

    def open(self, backup_id: str, first: int, last: int) -> t.Optional[OpenBase]:
        """Where these frames can be read; None when they cannot, or are not compressed with zstd. Raises FleetBackupError."""
        component = self._catalog.manifest(backup_id).component(self._name)
        if component is None or component.compression != "zstd":
            return None
        if backup_id not in self._cached:
            self._cached[backup_id] = self._open_cached(backup_id, component)
        cached = self._cached[backup_id]
        if cached is not None and all(cached.reader.has(frame) for frame in (first, last)):
            return cached
        if self._sealed:
            return None
        if backup_id not in self._stored:
            from .archive.reader import open_frames

            self._stored[backup_id] = _opened(open_frames(self._catalog, backup_id, component))
        return self._stored[backup_id]

    def delta_table(self, backup_id: str) -> t.Optional[FrameTable]:
        """The frames of the deltas in a backup; None when this host may not read them. Raises FleetBackupError."""
        if backup_id not in self._tables:
            component = self._catalog.manifest(backup_id).component(self._name)
            deltas = component.deltas if component is not None else None
            self._tables[backup_id] = None
            if deltas is not None and not self._recorded:
                from .archive.reader import read_object

                name = deltas.frames.name
                self._tables[backup_id] = FrameTable(name, read_object(self._catalog, backup_id, name))
        return self._tables[backup_id]

    def _open_cached(self, backup_id: str, component: Component) -> t.Optional[OpenBase]:
        try:
            reader = self._cache.open(backup_id, component)
        except (IntegrityError, OSError):
            return None  # it costs a file stored in full, or the way to the store
        return None if reader is None else _opened(reader)


def _opened(reader: FrameReader) -> OpenBase:
    return OpenBase(reader, BaseFrames(reader.table, reader.decode))


def _find(
    base_id: str, component: Component, catalog: Catalog, cache: BaseCache, sealed: bool
) -> t.Optional[FrameReader]:  # fmt: skip
    """The frames of the base, all of them checked. None when they are nowhere."""
    try:
        kept = cache.open(base_id, component)
    except (IntegrityError, OSError):
        if sealed:
            raise
        kept = None
    if kept is not None or sealed:
        return kept
    from .archive.reader import open_frames

    require_whole(catalog, base_id, (component.frames, *component.volumes))
    return open_frames(catalog, base_id, component)


def require_whole(catalog: Catalog, backup_id: str, objects: t.Iterable[StoredFile]) -> None:
    """Read objects of a backup and compare them with their hashes. Raises IntegrityError, the store's errors."""
    from .archive.checking import check_object

    problems: t.List[str] = []

    def report(name: str, problem: str, entry: t.Optional[bytes] = None) -> None:
        problems.append("%s %s" % (name, problem))

    for stored in objects:
        if not check_object(catalog, backup_id, stored, report, lambda _count: None):
            raise IntegrityError("; ".join(problems), [stored.name])


def _lost(base_id: str, component: Component, cache: BaseCache) -> BaseChoice:
    if component.stored > cache.limit:
        return BaseChoice(reason="the base is larger than delta_cache, so this host has no copy of it")
    reason = "this host has no copy of the one in %s, and cannot read the encrypted one" % base_id
    return BaseChoice(reason=reason, unexpected=True)


def _anchors(base_id: str, component: Component, frames: FrameReader, cache: BaseCache) -> Anchors:
    known = cache.anchors(base_id, component.name)
    if known is not None:
        return known
    sampler = Sampler()
    for frame in range(len(frames.table)):
        for data in frames.read(frame, 0, frames.table.row(frame)[3]):
            sampler.add(data)
    frames.close()
    anchors = sampler.anchors()
    cache.keep_anchors(base_id, component.name, anchors)
    return anchors
