# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting the files of Docker volumes back; volumes that are missing are made as they were.

The containers that use them are held from before the first look at what is there until all is done. While the new state is
swapped in, only this process lets them go on: after a kill at that moment they stay as they are, for they must not work on what
is half old and half new; the next restore sets that right.
"""

from __future__ import annotations

import os
import typing as t

from ..archive.index import entry_path
from ..errors import FleetBackupError, RestoreError, SourceError
from ..interruption import uninterrupted
from ..result import Notice
from ..sources import RestorePlan, RestoreTarget
from ..sources.docker_volume import check_mounted
from ..sources.files import rules_of
from ..tree.restore import TreeRestore, plan_restore
from ..tree.select import Selection
from .daemon import Daemon, Volume
from .hold import LEAVE, Hold

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader
    from ..tree.walk import Rules

_STOP_SECONDS = 30

# Where the files of a volume that is still to be made would lie: only its path is needed, to find that there is nothing.
_NOWHERE = "/var/lib/docker/volumes/%s/_data"


def plan(component: ComponentReader, target: RestoreTarget) -> RestorePlan:
    """What restoring would do. Nothing is made, and no container is touched."""
    if target.to is None:
        with _daemon(target) as daemon:
            places = {}
            for name in _names(component):
                volume = daemon.volume(target.move.get(name, name))
                if volume is not None:
                    check_mounted(volume, RestoreError)
                places[name] = volume.place if volume is not None else _NOWHERE % target.move.get(name, name)
        _move(component, places)
    return plan_restore(component, target, _rules(target))


class VolumesRestoring:
    """See sources.Restoring."""

    sets_times = True

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self.plan = RestorePlan()
        self._component = component
        self._target = target
        self._daemon: t.Optional[Daemon] = None
        self._hold: t.Optional[Hold] = None
        self._tree: t.Optional[TreeRestore] = None
        self._made: t.List[Volume] = []
        self._undone = False

    def stage(self, progress: t.Callable[[int], None]) -> None:
        if self._target.to is None:
            try:
                self._open()
            except SourceError as error:
                raise RestoreError(str(error)) from None
        self._tree = TreeRestore(self._component, self._target, _rules(self._target))
        self.plan = self._tree.plan
        self._tree.stage(progress)

    def commit(self) -> t.List[Notice]:
        if self._hold is not None:
            self._hold.keep()
        return self._tree.commit() if self._tree is not None else []

    def undo(self) -> None:
        self._undone = True
        if self._tree is not None:
            self._tree.undo()

    def conclude(self) -> None:
        if self._tree is not None:
            self._tree.conclude()

    def finish(self) -> None:
        with uninterrupted():
            problems = []
            if self._tree is not None:
                try:
                    self._tree.finish()
                except (FleetBackupError, OSError) as error:
                    problems.append("something that is no longer needed could not be removed: %s" % error)
                self._tree = None
            problems += self._unmake()
            if self._hold is not None:
                problems += self._hold.release()
                self._hold = None
            if self._daemon is not None:
                self._daemon.close()
                self._daemon = None
        if problems:
            raise RestoreError("\n".join(problems))

    def _open(self) -> None:
        daemon = self._daemon = _daemon(self._target)
        facts = self._component.facts.get("volumes") or {}
        volumes = {}
        for name in self._wanted():
            here = self._target.move.get(name, name)
            volumes[name] = daemon.volume(here) or self._make(here, facts.get(name) or {})
        options = self._target.options or {}
        users = daemon.users(volume.name for volume in volumes.values())
        self._hold = Hold(daemon, users, options.get("containers", LEAVE), options.get("stop_timeout", _STOP_SECONDS))
        self._hold.begin()
        for volume in volumes.values():
            check_mounted(volume, RestoreError)
        _move(self._component, {name: volume.place for name, volume in volumes.items()})

    def _wanted(self) -> t.List[str]:
        """The volumes of which anything is to be restored."""
        names = _names(self._component)
        if not self._target.include:
            return names
        chosen = Selection(self._target.include).of((entry_path(entry), entry) for entry in self._component.entries())
        found = {os.fsdecode(item.path.split(b"/")[0]) for item in chosen}
        return [name for name in names if name in found]

    def _make(self, name: str, facts: t.Dict[str, t.Any]) -> Volume:
        if facts.get("withheld"):
            raise RestoreError(
                "the volume %s is missing, and cannot be made here: its driver options %s may hold a secret, so the backup does"
                " not have them; make it by hand first" % (name, ", ".join(facts["withheld"]))
            )
        with uninterrupted():
            volume = t.cast(Daemon, self._daemon).create(
                name, facts.get("driver") or "local", facts.get("options") or {}, facts.get("labels") or {}
            )
            self._made.append(volume)
        return volume

    def _unmake(self) -> t.List[str]:
        problems = []
        if self._undone and self._daemon is not None:
            for volume in self._made:
                try:
                    self._daemon.remove(volume.name)
                except SourceError as error:
                    problems.append(str(error))
        self._made = []
        return problems


def _daemon(target: RestoreTarget) -> Daemon:
    try:
        return Daemon((target.options or {}).get("docker_host"))
    except SourceError as error:
        raise RestoreError(str(error)) from None


def _names(component: ComponentReader) -> t.List[str]:
    return [os.fsdecode(root.name) for root in component.roots]


def _move(component: ComponentReader, places: t.Mapping[str, str]) -> None:
    component.move_roots({os.fsencode(name): os.fsencode(place) for name, place in places.items()})


def _rules(target: RestoreTarget) -> t.Optional[Rules]:
    if not target.options:
        return None
    options = {**target.options, "one_file_system": False}
    return rules_of(RestoreTarget(options=options, leave_out=target.leave_out))
