# SPDX-License-Identifier: GPL-3.0-or-later
"""Show one backup: what its manifest tells, and the entries of its components."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from ..archive.reader import open_component
from ..catalog import Catalog
from ..errors import FleetBackupError, IntegrityError, NotFoundError
from ..job import Config
from ..keyring import Keyring
from ..manifest import Component, Manifest, StoredFile
from .place import open_catalog
from .streamed import StreamedResult

#: An entry of the index, as docs/format.md specifies it.
Entry = t.Dict[str, t.Any]


@dataclass
class ShowResult(StreamedResult):
    """``backup``: the manifest's content, with ``bytes`` (logical) and ``stored`` of the whole; None when none was found.

    ``copies``: the stores that have the backup; ``store``: the one it was read from. It lists the entries when they were asked
    for, each with its ``component``.
    """

    backup: t.Optional[t.Dict[str, t.Any]] = None
    store: t.Optional[str] = None
    copies: t.List[str] = field(default_factory=list)


def show(
    config: t.Optional[Config],
    backup_id: str,
    *,
    job: t.Optional[str] = None,
    store: t.Optional[str] = None,
    catalog: t.Optional[Catalog] = None,
    files: bool = False,
    component: t.Optional[str] = None,
    keyring: t.Optional[Keyring] = None,
) -> ShowResult:
    """Show a backup of any job of the configuration (or of ``job``), from any of its stores (or from ``store``).

    ``backup_id`` is an id, the beginning of one, or ``latest``. ``catalog``: look there instead (place.bare_catalog). ``files``:
    the entries too, those of ``component`` alone when it is named. ``keyring``: what opens the entries and facts of an encrypted
    backup; without it, those facts are left out.
    """
    result = ShowResult("show", config.host if config else None, job)
    result.begin()
    try:
        places = [catalog] if catalog else _places(config, job, store, keyring)
        found = _find(places, backup_id, result)
        _fill(result, found, component, files)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _places(
    config: t.Optional[Config], job: t.Optional[str], store: t.Optional[str], keyring: t.Optional[Keyring]
) -> t.List[Catalog]:
    if config is None:
        raise NotFoundError("neither a configuration nor a folder says where to look")
    jobs = [config.job(job)] if job else config.jobs
    return [open_catalog(config, j.name, name, keyring) for j in jobs for name in ([store] if store else j.stores)]


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
    for shown, stored in zip(result.backup["components"], manifest.components):
        shown["facts"] = _facts(catalog, manifest, stored)
    result.copies = [place.store.name for place, _backup_id in found]
    if files:
        result.list_rows(lambda: _entries(catalog, manifest, component))


def _facts(catalog: Catalog, manifest: Manifest, component: Component) -> t.Optional[t.Dict[str, t.Any]]:
    """The facts of a component; None when they are encrypted and there is no key."""
    if not isinstance(component.facts, StoredFile):
        return component.facts
    return open_component(catalog, manifest, component.name).facts if catalog.keyring else None


def _entries(catalog: Catalog, manifest: Manifest, wanted: t.Optional[str]) -> t.Iterator[Entry]:
    for component in manifest.components:
        if wanted in (None, component.name):
            for entry in open_component(catalog, manifest, component.name).entries():
                yield {"component": component.name, **entry}


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
