# SPDX-License-Identifier: GPL-3.0-or-later
"""Which full component the delta of a stream builds upon, or why it must be a full one itself."""

from __future__ import annotations

import typing as t

from .archive.anchors import Anchors, Sampler
from .archive.base import BaseFrames
from .archive.checking import check_object
from .archive.reader import FrameReader, open_frames
from .archive.references import Base
from .base_cache import BaseCache
from .catalog import Catalog
from .errors import FleetBackupError, IntegrityError
from .manifest import Component, Manifest

#: Full again when the last delta took more than this part of what its base takes: a delta never grows smaller.
WORTHWHILE = 0.3


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


def bases_of(components: t.Sequence[Component], catalog: Catalog) -> t.Dict[str, Component]:
    """The bases of those components that are deltas, by name. Raises NotFoundError, IntegrityError, the store's errors."""
    bases = {c.name: catalog.manifest(c.base).component(c.name) for c in components if c.is_delta and c.base is not None}
    return {name: base for name, base in bases.items() if base is not None}


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
    problems: t.List[str] = []

    def report(name: str, problem: str, entry: t.Optional[bytes] = None) -> None:
        problems.append("%s %s" % (name, problem))

    for stored in (component.frames, *component.volumes):
        if not check_object(catalog, base_id, stored, report, lambda _count: None):
            raise IntegrityError("; ".join(problems), [stored.name])
    return open_frames(catalog, base_id, component)


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
