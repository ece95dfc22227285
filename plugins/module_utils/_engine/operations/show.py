# SPDX-License-Identifier: GPL-3.0-or-later
"""Show one backup: what its manifest tells, and the entries of its components."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from dataclasses import dataclass, field

from ..archive.reader import open_component
from ..catalog import Catalog
from ..errors import FleetBackupError
from ..job import Config
from ..keyring import Keyring
from ..manifest import Component, Manifest, StoredFile
from ..unsealing import headers_of
from .finding import Found, chosen_components, find_backup, places_of
from .streamed import Row, StreamedResult


@dataclass
class ShowResult(StreamedResult):
    """``backup``: the manifest's content, with ``bytes`` (logical) and ``stored`` of the whole; None when none was found.

    ``copies``: the stores that have the backup; ``store``: the one it was read from. It lists the entries when they were asked
    for, each with its ``component``. ``headers``: when asked for, the age headers of all that reading it needs (unwrap.py).
    """

    backup: t.Optional[t.Dict[str, t.Any]] = None
    store: t.Optional[str] = None
    copies: t.List[str] = field(default_factory=list)
    headers: t.Dict[str, str] = field(default_factory=dict)


def show(
    config: t.Optional[Config],
    backup_id: str,
    *,
    at: t.Optional[datetime.datetime] = None,
    job: t.Optional[str] = None,
    store: t.Optional[str] = None,
    catalog: t.Optional[Catalog] = None,
    files: bool = False,
    component: t.Optional[str] = None,
    headers: bool = False,
    keyring: t.Optional[Keyring] = None,
) -> ShowResult:
    """Show a backup of any job of the configuration (or of ``job``), from any of its stores (or from ``store``).

    ``backup_id`` is an id, the beginning of one, or ``latest``; with ``at``, the newest that had finished by then. ``catalog``:
    look there instead (place.bare_catalog). ``files``: the entries too, those of ``component`` alone when it is named.
    ``headers``: those of an encrypted one too. ``keyring``: what opens the entries and facts of an encrypted backup; without it,
    those facts are left out.
    """
    result = ShowResult("show", config.host if config else None, job)
    result.begin()
    try:
        places = [catalog] if catalog else places_of(config, job, store, keyring)
        found = find_backup(places, backup_id, result, at)
        _fill(result, found, component, files)
        if headers:
            result.headers = headers_of(found.catalog, found.manifest)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _fill(result: ShowResult, found: Found, component: t.Optional[str], files: bool) -> None:
    catalog, manifest = found.catalog, found.manifest
    components = chosen_components(manifest, component)
    result.host, result.job = manifest.host, manifest.job
    result.backup = {**dataclasses.asdict(manifest), "bytes": manifest.logical_bytes, "stored": manifest.stored_bytes}
    result.store, result.copies = catalog.store.name, found.copies
    for shown, stored in zip(result.backup["components"], manifest.components):
        shown["facts"] = _facts(catalog, manifest, stored)
    if files:
        result.list_rows(lambda: _entries(catalog, manifest, components))


def _facts(catalog: Catalog, manifest: Manifest, component: Component) -> t.Optional[t.Dict[str, t.Any]]:
    """The facts of a component; None when they are encrypted and there is no key."""
    if not isinstance(component.facts, StoredFile):
        return component.facts
    return open_component(catalog, manifest, component.name).facts if catalog.keyring.has_keys else None


def _entries(catalog: Catalog, manifest: Manifest, components: t.Sequence[Component]) -> t.Iterator[Row]:
    """The entries as docs/format.md specifies them."""
    for component in components:
        for entry in open_component(catalog, manifest, component.name).entries():
            yield {"component": component.name, **entry}
