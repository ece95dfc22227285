# SPDX-License-Identifier: GPL-3.0-or-later
"""What a component builds upon: the same component of older backups."""

from __future__ import annotations

import bisect
import itertools
import typing as t
from dataclasses import dataclass

from ..manifest import Component
from .anchors import Anchors
from .base import BaseFrames
from .previous import last_frame


@dataclass
class Parent:
    """The tree of an older backup that an increment is compared with. ``kind`` is what the increment then is.

    ``lines()`` reads its index; ``component_of(id)`` tells of any backup that its entries refer to, or itself.
    """

    backup_id: str
    kind: str
    lines: t.Callable[[], t.Iterator[bytes]]
    component_of: t.Callable[[str], Component]


@dataclass
class Base:
    """The full stream of an older backup that a delta is compressed against. ``kind`` is what the delta then is."""

    backup_id: str
    kind: str
    component: Component
    frames: BaseFrames
    anchors: Anchors


class References:
    """What a component uses of older backups: the bytes of each, and the volumes that they lie in."""

    def __init__(self, component_of: t.Callable[[str], Component]) -> None:
        self._component_of = component_of
        self._ends: t.Dict[str, t.List[int]] = {}
        self._names: t.Dict[str, t.List[str]] = {}
        self.bytes: t.Dict[str, int] = {}
        self.volumes: t.Dict[str, t.Set[str]] = {}

    @classmethod
    def to_all_of(cls, base: Base) -> References:
        """Any frame of a base may be needed."""
        references = cls(lambda _id: base.component)
        references.bytes[base.backup_id] = base.component.raw
        references.volumes[base.backup_id] = {volume.name for volume in base.component.volumes}
        return references

    def add(self, backup_id: str, frame: int, offset: int, size: int) -> None:
        """Note that ``size`` raw bytes are used from ``offset`` of ``frame`` on."""
        ends = self._ends.get(backup_id)
        if ends is None:
            volumes = self._component_of(backup_id).volumes
            ends = self._ends[backup_id] = list(itertools.accumulate(v.frames for v in volumes))
            self._names[backup_id] = [v.name for v in volumes]
            self.bytes[backup_id] = 0
            self.volumes[backup_id] = set()
        self.bytes[backup_id] += size
        if len(ends) == 1:
            self.volumes[backup_id].add(self._names[backup_id][0])
            return
        first = bisect.bisect_right(ends, frame)
        last = bisect.bisect_right(ends, last_frame(frame, offset, size))
        self.volumes[backup_id].update(self._names[backup_id][first : last + 1])
