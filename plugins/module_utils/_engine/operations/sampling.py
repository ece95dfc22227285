# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a share of a job's backups at each run, so that successive runs go through all of it: rounds over what lies on a store.

The state of the job remembers how far a round came. New backups lie at its end, so that it reaches them; what was pruned is
passed over. At level ``hashes`` an object is read whole. At level ``data`` a component is checked whole when it fits into what is
left of the sample; of a larger one as many entries are read, one after another, as fit. That is all that a restore reads; the
archive's own headers between them are covered by the hash of a volume alone, which cannot be had without reading all of it.
"""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass

from ..archive.index import entry_path, stored_place
from ..archive.reader import ComponentReader
from ..catalog import Catalog
from ..errors import IntegrityError
from ..manifest import Component, Manifest, StoredFile, Volume
from ..result import iso, utc_now

#: What a unit is called that is all objects of a backup which belong to no component.
_OBJECTS = ""


class Verification(t.Protocol):
    """One backup that is being verified."""

    manifest: t.Optional[Manifest]

    def check_objects(self, objects: t.Iterable[StoredFile]) -> None:
        """Compare objects with their hashes."""

    def check_component(self, manifest: Manifest, component: Component) -> None:
        """Decode all of a component and compare every entry."""

    def can_open(self, manifest: Manifest) -> bool:
        """Whether the headers of what is encrypted are whole. Raises DecryptionError."""

    def report(self, name: str, problem: str, entry: t.Optional[bytes] = None) -> None:
        """Record damage."""

    def advance(self, count: int) -> None:
        """Count bytes that were read."""


@dataclass
class Coverage:
    """How much of a job's backups on one store was verified. Sizes in bytes as they are stored.

    ``bytes``: of this run, of ``whole`` in all; ``covered``: of the round that began at ``since``; ``complete``: all of it.
    ``last_round``: when the round before began and ended, in which everything was verified that was there; None before that.
    """

    store: str
    job: t.Optional[str]
    level: str
    bytes: int = 0
    whole: int = 0
    covered: int = 0
    since: str = ""
    complete: bool = False
    last_round: t.Optional[t.Dict[str, str]] = None


@dataclass
class _Unit:
    """Something to verify in one go, or from ``path`` on. ``size``: what it takes on the store."""

    verification: Verification
    manifest: Manifest
    name: str
    size: int
    objects: t.Sequence[StoredFile] = ()
    component: t.Optional[Component] = None

    @property
    def backup_id(self) -> str:
        return self.manifest.id


class Round:
    """Goes on with the round over one job's backups on one store.

    ``position`` is what the last run left in the state (empty: none did); when this run is done, what it leaves itself.
    """

    def __init__(self, catalog: Catalog, coverage: Coverage, position: t.Dict[str, t.Any]) -> None:
        self._catalog = catalog
        self._coverage = coverage
        self.position = position if _is_position(position) else {}

    def run(self, verifications: t.Mapping[str, Verification], share: float) -> None:
        """Verify ``share`` of all, at least one unit. ``verifications``: of all backups that have a manifest, oldest first."""
        units = [unit for one in verifications.values() for unit in self._units(one)]
        coverage = self._coverage
        coverage.whole = sum(unit.size for unit in units)
        if self.position.get("complete") or "since" not in self.position:
            last = {"began": self.position["since"], "ended": self.position["ended"]} if self.position.get("complete") else None
            self.position = {"since": iso(utc_now()), "last_round": last}
        first, done = self._resume(units)
        coverage.covered = sum(unit.size for unit in units[:first]) + done
        coverage.since, coverage.last_round = self.position["since"], self.position["last_round"]
        budget = max(1, int(coverage.whole * share))
        for unit in units[first:]:
            if coverage.bytes >= budget:
                return
            if not self._check(unit, budget - coverage.bytes, done):
                return
            done = 0
        coverage.complete = True
        self.position.update(complete=True, ended=iso(utc_now()))

    def _units(self, verification: Verification) -> t.List[_Unit]:
        manifest = verification.manifest
        if manifest is None:
            return []
        if self._coverage.level == "hashes":
            return [_Unit(verification, manifest, o.name, o.size, [o]) for o in manifest.all_objects()]
        units = [_Unit(verification, manifest, _OBJECTS, sum(o.size for o in manifest.objects), manifest.objects)]
        for component in manifest.components:
            size = sum(stored.size for stored in component.objects())
            units.append(_Unit(verification, manifest, component.name, size, component=component))
        return units

    def _resume(self, units: t.Sequence[_Unit]) -> t.Tuple[int, int]:
        """The first unit that is not done, and how much of it is."""
        after = self.position.get("backup"), self.position.get("unit")
        for n, unit in enumerate(units):
            if (unit.backup_id, unit.name) == after:
                return (n, min(self.position["done"], unit.size)) if self.position.get("path") else (n + 1, 0)
        # It was pruned since: what is newer is not done.
        following = [n for n, unit in enumerate(units) if unit.backup_id > (after[0] or "")]
        self.position.pop("path", None)
        return (following[0] if following else len(units)), 0

    def _check(self, unit: _Unit, budget: int, done: int) -> bool:
        """Verify a unit, or as much of it as ``budget`` allows; return whether it is done to its end."""
        path = self.position.get("path")
        start = base64.b64decode(path) if path else b""
        component, finished, checked = unit.component, True, unit.size - done
        if component is None:
            unit.verification.check_objects(unit.objects)
        elif not unit.verification.can_open(unit.manifest):
            unit.verification.check_objects(component.objects())
        elif not start and unit.size <= budget:
            unit.verification.check_component(unit.manifest, component)
        else:
            last, weight = self._check_entries(unit, component, start, budget)
            finished = last is None
            if last is not None:
                start, checked = last, min(weight, unit.size - done)
        self._coverage.bytes += checked
        self._coverage.covered += checked
        self.position.update(backup=unit.backup_id, unit=unit.name, done=done + checked)
        self.position["path"] = None if finished else base64.b64encode(start).decode("ascii")
        return finished

    def _check_entries(
        self, unit: _Unit, component: Component, start: bytes, budget: int
    ) -> t.Tuple[t.Optional[bytes], int]:  # fmt: skip
        """Read entries that follow ``start``; return the last of them (None: there are no more) and what they take as stored."""
        verification = unit.verification
        verification.check_objects([stored for stored in component.objects() if not isinstance(stored, Volume)])
        volumes, raw = component.all_stored, sum(part.raw for part in component.parts)
        weight = unit.size - volumes
        read = 0
        reader = ComponentReader(self._catalog, unit.backup_id, component)
        try:
            for entry in reader.entries(start):
                path = entry_path(entry)
                _is_delta, place = stored_place(entry)
                if path == start or place is None or place[0] != unit.backup_id:
                    continue
                taken = weight + read * volumes // max(raw, 1)
                if read and taken >= budget:
                    return start, taken
                start = path
                try:
                    for data in reader.read(entry):
                        read += len(data)
                        verification.advance(len(data))
                except IntegrityError as error:
                    name = error.objects[0] if error.objects else component.index.name
                    verification.report(name, "holds entries that are not what was backed up", path)
                    read += place[3]
        except IntegrityError as error:
            # Nothing that follows can be found in such an index.
            verification.report(component.index.name, str(error))
        finally:
            reader.close()
        return None, unit.size


def _is_position(value: t.Any) -> bool:
    """Whether it is what a run leaves; a state that was tampered with begins a new round."""
    if not isinstance(value, dict) or not isinstance(value.get("since"), str):
        return False
    texts = [value.get(name) for name in ("backup", "unit", "path", "ended")]
    return all(text is None or isinstance(text, str) for text in texts) and isinstance(value.get("done", 0), int)
