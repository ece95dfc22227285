# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding one backup by its id, in whatever job and on whatever store it is."""

from __future__ import annotations

import datetime
import typing as t

from ..catalog import Catalog
from ..errors import FleetBackupError, IntegrityError, NotFoundError
from ..job import Config
from ..keyring import Keyring
from ..manifest import Component, Manifest
from ..result import Result
from .place import open_catalog
from .tenants import stored_jobs


class Found(t.NamedTuple):
    """A backup, where it can be read from, and the names of all stores that have it."""

    catalog: Catalog
    manifest: Manifest
    copies: t.List[str]


def places_of(
    config: t.Optional[Config], job: t.Optional[str], store: t.Optional[str], keyring: t.Optional[Keyring]
) -> t.List[Catalog]:
    """Where the backups of all jobs (or of ``job``) lie on all of their stores (or on ``store``). Raises NotFoundError."""
    if config is None:
        raise NotFoundError("neither a configuration nor a folder says where to look")
    jobs = stored_jobs(config, [job] if job else None)
    return [open_catalog(config, j.name, name, keyring) for j in jobs for name in ([store] if store else j.stores)]


def find_backup(
    places: t.Sequence[Catalog], wanted: str, result: Result, at: t.Optional[datetime.datetime] = None
) -> Found:  # fmt: skip
    """The backup that ``wanted`` means: an id, the beginning of one, or ``latest``; it must be the same one in all places.

    With ``at``, ``latest`` is the newest that had finished by then.

    ``result`` is warned of stores that could not be asked or have it damaged, when another has it. Raises NotFoundError,
    IntegrityError, the stores' errors.
    """
    found = _find(places, wanted, result, at)
    damage: t.Optional[IntegrityError] = None
    for place, backup_id in found:
        try:
            manifest = place.manifest(backup_id)
        except IntegrityError as error:
            damage = error
            continue
        if damage is not None:
            result.warn("damaged", str(damage))
        return Found(place, manifest, [p.store.name for p, _backup_id in found])
    raise damage or NotFoundError("there is no such backup")


def chosen_components(manifest: Manifest, name: t.Optional[str]) -> t.List[Component]:
    """The component of this name; all without a name. Raises NotFoundError, which names those that there are."""
    chosen = [component for component in manifest.components if name in (None, component.name)]
    if name is not None and not chosen:
        names = ", ".join(component.name for component in manifest.components)
        raise NotFoundError("backup %s has no component %r; its components are: %s" % (manifest.id, name, names))
    return chosen


def _find(
    places: t.Sequence[Catalog], wanted: str, result: Result, at: t.Optional[datetime.datetime]
) -> t.List[t.Tuple[Catalog, str]]:  # fmt: skip
    """The places that have the wanted backup. Raises NotFoundError, the stores' errors."""
    found: t.List[t.Tuple[Catalog, str]] = []
    problems: t.List[t.Tuple[Catalog, FleetBackupError]] = []
    for place in places:
        try:
            found.append((place, place.choose(wanted, at)))
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
        raise NotFoundError("there is a latest backup of each job and tenant; name which, or one of: %s" % ", ".join(names))
    elif len(names) > 1:
        raise NotFoundError("%s is the beginning of several backups: %s" % (wanted, ", ".join(names)))
    for place, problem in problems:
        if place.folder in folders and not isinstance(problem, NotFoundError):
            result.warn("store", str(problem))
    return found
