# SPDX-License-Identifier: GPL-3.0-or-later
"""What a component builds upon: the same component of older backups."""

from __future__ import annotations

import bisect
import itertools
import typing as t
from dataclasses import dataclass

from ..errors import IntegrityError
from ..manifest import Component
from . import delta
from .anchors import Anchors
from .base import BaseFrames
from .frame_table import FrameTable
from .frames import FRAME
from .index import IndexReader
from .previous import last_frame

if t.TYPE_CHECKING:
    from .reader import FrameReader


class OpenBase(t.NamedTuple):
    """The frames of an older backup: to be read in order, and any run of their bytes."""

    reader: FrameReader
    frames: BaseFrames


def _no_base(_id: str, _first: int, _last: int) -> t.Optional[OpenBase]:
    return None


def _no_table(_id: str) -> t.Optional[FrameTable]:
    return None


@dataclass
class Parent:
    """The tree of an older backup that an increment is compared with. ``kind`` is what the increment then is.

    ``index`` is its index; ``component_of(id)`` tells of any backup that its entries refer to, or itself.
    ``base(id, first, last)`` opens what deltas of changed files can be made against, when these frames of it can be read; else it
    returns None. ``delta_table(id)`` tells the frames of deltas, as far as this host may read it. Both raise FleetBackupError.
    """

    backup_id: str
    kind: str
    index: IndexReader
    component_of: t.Callable[[str], Component]
    base: t.Callable[[str, int, int], t.Optional[OpenBase]] = _no_base
    delta_table: t.Callable[[str], t.Optional[FrameTable]] = _no_table


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
        # By backup, the plain frames and those of deltas.
        self._ends: t.Tuple[t.Dict[str, t.List[int]], ...] = ({}, {})
        self._names: t.Tuple[t.Dict[str, t.List[str]], ...] = ({}, {})
        self.bytes: t.Dict[str, int] = {}
        self.volumes: t.Dict[str, t.Set[str]] = {}

    @classmethod
    def to_all_of(cls, base: Base) -> References:
        """Any frame of a base may be needed."""
        references = cls(lambda _id: base.component)
        references.bytes[base.backup_id] = base.component.raw
        references.volumes[base.backup_id] = {volume.name for volume in base.component.volumes}
        return references

    def in_several_volumes(self, backup_id: str) -> bool:
        """Whether it matters to add() in which frames of a backup the bytes lie, as far as is known by now."""
        ends = self._ends[False].get(backup_id)
        return ends is None or len(ends) > 1

    def add(self, backup_id: str, frame: int, offset: int, size: int, is_delta: bool = False) -> None:
        """Note that ``size`` raw bytes are used from ``offset`` of ``frame`` on, a frame of its deltas if ``is_delta``."""
        ends = self._ends[is_delta].get(backup_id)
        if ends is None:
            ends = self._learn(backup_id, is_delta)
        self.bytes[backup_id] += size
        names = self._names[is_delta][backup_id]
        if len(ends) == 1:
            self.volumes[backup_id].add(names[0])
            return
        first = bisect.bisect_right(ends, frame)
        last = bisect.bisect_right(ends, last_frame(frame, offset, size, delta.FRAME if is_delta else FRAME))
        self.volumes[backup_id].update(names[first : last + 1])

    def _learn(self, backup_id: str, is_delta: bool) -> t.List[int]:
        """Where the volumes of a backup end, in frames. Raises IntegrityError when it has none."""
        component = self._component_of(backup_id)
        part = component.deltas if is_delta else component
        if part is None:
            raise IntegrityError("backup %s has no deltas of %s, but entries refer to them" % (backup_id, component.name))
        ends = self._ends[is_delta][backup_id] = list(itertools.accumulate(v.frames for v in part.volumes))
        self._names[is_delta][backup_id] = [v.name for v in part.volumes]
        self.bytes.setdefault(backup_id, 0)
        self.volumes.setdefault(backup_id, set())
        return ends
