# SPDX-License-Identifier: GPL-3.0-or-later
"""Show one backup: what its manifest tells, and the entries of its components."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from ..catalog import Catalog
from ..errors import FleetBackupError, IntegrityError, NotFoundError
from ..job import Config
from ..manifest import Manifest
from ..result import FAILURE, Result
from .place import open_catalog

#: An entry of the index, as docs/format.md specifies it.
Entry = t.Dict[str, t.Any]


@dataclass
class ShowResult(Result):
    """``backup``: the manifest's content, with ``bytes`` (logical) and ``stored`` of the whole; None when none was found.

    ``copies``: the stores that have the backup; ``store``: the one it was read from. entries() gives the entries one after
    another; to_dict() holds them all (``entries``) when they were asked for.
    """

    backup: t.Optional[t.Dict[str, t.Any]] = None
    store: t.Optional[str] = None
    copies: t.List[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._catalog: t.Optional[Catalog] = None
        self._manifest: t.Optional[Manifest] = None
        self._component: t.Optional[str] = None
        self.with_entries = False

    def entries(self) -> t.Iterator[t.Tuple[str, Entry]]:
        """Yield ``(component, entry)`` in the order of the index, read from the store as they are asked for.

        Raises IntegrityError and the store's errors; nothing when the backup was not found.
        """
        if self._catalog is None or self._manifest is None:
            return
        from ..archive.reader import open_component

        for component in self._manifest.components:
            if self._component in (None, component.name):
                reader = open_component(self._catalog, self._manifest, component.name)
                try:
                    for entry in reader.entries():
                        yield component.name, entry
                finally:
                    reader.close()

    def to_dict(self) -> t.Dict[str, t.Any]:
        """Plain data. An index that turns out to be damaged makes the result a failure."""
        entries = []
        if self.with_entries and self.outcome != FAILURE:
            try:
                entries = [{"component": component, **entry} for component, entry in self.entries()]
            except FleetBackupError as error:
                self.fail(error)
        data = super().to_dict()
        if self.with_entries:
            data["entries"] = entries
        return data


def show(
    config: t.Optional[Config],
    backup_id: str,
    *,
    job: t.Optional[str] = None,
    store: t.Optional[str] = None,
    catalog: t.Optional[Catalog] = None,
    files: bool = False,
    component: t.Optional[str] = None,
) -> ShowResult:
    """Show a backup of any job of the configuration (or of ``job``), from any of its stores (or from ``store``).

    ``backup_id`` is an id, the beginning of one, or ``latest``. ``catalog``: look there instead (place.bare_catalog). ``files``:
    the entries too, those of ``component`` alone when it is named.
    """
    result = ShowResult("show", config.host if config else None, job)
    result.begin()
    try:
        places = [catalog] if catalog else _places(config, job, store)
        found = _find(places, backup_id, result)
        _fill(result, found, component, files)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _places(config: t.Optional[Config], job: t.Optional[str], store: t.Optional[str]) -> t.List[Catalog]:
    if config is None:
        raise NotFoundError("neither a configuration nor a folder says where to look")
    jobs = [config.job(job)] if job else config.jobs
    return [open_catalog(config, j.name, name) for j in jobs for name in ([store] if store else j.stores)]


def _find(places: t.Sequence[Catalog], wanted: str, result: ShowResult) -> t.List[t.Tuple[Catalog, str]]:
    """The places that have the wanted backup, which must be the same one in all. Raises NotFoundError, the stores' errors."""
    found: t.List[t.Tuple[Catalog, str]] = []
    problems: t.List[t.Tuple[Catalog, FleetBackupError]] = []
    for place in places:
        try:
            found.append((place, place.choose(wanted)))
        except FleetBackupError as error:
            problems.append((place, error))
    if not found:
        # A store that could not be asked may have it: that is worth more than to hear that another one does not.
        errors = sorted((error for _place, error in problems), key=lambda error: isinstance(error, NotFoundError))
        raise errors[0] if errors else NotFoundError("there is no backup %s: no job is configured" % wanted)
    names = sorted({"%s of %s" % (backup_id, place.folder) for place, backup_id in found})
    folders = {place.folder for place, _backup_id in found}
    if wanted == "latest" and len(folders) == 1:
        newest = max(backup_id for _place, backup_id in found)
        found = [(place, backup_id) for place, backup_id in found if backup_id == newest]
    elif wanted == "latest":
        raise NotFoundError("there is a latest backup of each job; name the job, or one of: %s" % ", ".join(names))
    elif len(names) > 1:
        raise NotFoundError("%s is the beginning of several backups: %s" % (wanted, ", ".join(names)))
    for place, problem in problems:
        if place.folder in folders and not isinstance(problem, NotFoundError):
            result.warn("store", str(problem))
    return found


def _fill(result: ShowResult, found: t.Sequence[t.Tuple[Catalog, str]], component: t.Optional[str], files: bool) -> None:
    catalog, manifest = _read(found, result)
    if component is not None and manifest.component(component) is None:
        names = ", ".join(c.name for c in manifest.components)
        raise NotFoundError("backup %s has no component %r; its components are: %s" % (manifest.id, component, names))
    result.host, result.job = manifest.host, manifest.job
    result.backup = {**dataclasses.asdict(manifest), "bytes": manifest.logical_bytes, "stored": manifest.stored_bytes}
    result.store = catalog.store.name
    result.copies = [place.store.name for place, _backup_id in found]
    result._catalog, result._manifest = catalog, manifest
    result._component, result.with_entries = component, files


def _read(found: t.Sequence[t.Tuple[Catalog, str]], result: ShowResult) -> t.Tuple[Catalog, Manifest]:
    """The manifest from the first store that has it undamaged; a damaged one is a warning as long as there is another."""
    damage: t.Optional[IntegrityError] = None
    for place, backup_id in found:
        try:
            manifest = place.manifest(backup_id)
        except IntegrityError as error:
            damage = error
            continue
        if damage is not None:
            result.warn("damaged", str(damage))
        return place, manifest
    raise damage or NotFoundError("there is no such backup")
