# SPDX-License-Identifier: GPL-3.0-or-later
"""Find files across backups: which of them hold what matches a pattern, the newest first."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..archive.index import entry_path
from ..archive.reader import open_component
from ..catalog import Catalog
from ..errors import ConfigurationError, FleetBackupError, IntegrityError, NotFoundError
from ..job import Config
from ..keyring import Keyring
from ..manifest import Manifest
from ..tree.patterns import Patterns
from .finding import places_of
from .streamed import Row, StreamedResult

Backups = t.List[t.Tuple[str, t.List[Catalog]]]


@dataclass
class FindResult(StreamedResult):
    """It lists the matches: ``job``, ``backup``, ``finished``, ``component`` and what the index tells of the entry.

    ``backups``: how many were looked into, ``matches``: how many entries were found; both so far while it is listed.
    """

    LISTED: t.ClassVar[str] = "found"

    pattern: str = ""
    backups: int = 0
    matches: int = 0


def find(
    config: t.Optional[Config],
    pattern: str,
    *,
    job: t.Optional[str] = None,
    store: t.Optional[str] = None,
    component: t.Optional[str] = None,
    catalog: t.Optional[Catalog] = None,
    keyring: t.Optional[Keyring] = None,
) -> FindResult:
    """Look for entries whose archive path matches ``pattern`` (as in .gitignore) in all backups of all jobs (or of ``job``).

    Only indexes are read, each from the first store that has it whole. What is below a folder that matches is not listed.
    When nothing is found, listing ends with NotFoundError.
    """
    result = FindResult("find", config.host if config else None, job, pattern=pattern)
    result.begin()
    try:
        patterns = _patterns(pattern)
        backups = _backups([catalog] if catalog else places_of(config, job, store, keyring))
        if not backups:
            raise NotFoundError("there is no backup to look into")
        result.list_rows(lambda: _search(result, backups, patterns, component))
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _patterns(pattern: str) -> Patterns:
    try:
        return Patterns([pattern])
    except ValueError as error:
        raise ConfigurationError("the pattern is wrong: %s" % error) from None


def _backups(places: t.Sequence[Catalog]) -> Backups:
    """All backups, newest first, each with where it can be read."""
    found: t.Dict[t.Tuple[str, str], t.List[Catalog]] = {}
    for place in places:
        for backup_id in place.scan().complete:
            found.setdefault((backup_id, place.folder), []).append(place)
    return [(backup_id, found[backup_id, folder]) for backup_id, folder in sorted(found, reverse=True)]


def _search(result: FindResult, backups: Backups, patterns: Patterns, component: t.Optional[str]) -> t.Iterator[Row]:
    result.backups = result.matches = 0
    for backup_id, catalogs in backups:
        result.backups += 1
        for row in _rows_of(result, backup_id, catalogs, patterns, component):
            result.matches += 1
            yield row
    if not result.matches:
        raise NotFoundError("%s: nothing matches it in %d backups" % (result.pattern, result.backups))


def _rows_of(
    result: FindResult, backup_id: str, catalogs: t.Sequence[Catalog], patterns: Patterns, component: t.Optional[str]
) -> t.Iterator[Row]:
    """The matches in one backup; from the next store when one turns out to be damaged."""
    told = 0
    for catalog in catalogs:
        try:
            for number, row in enumerate(_matches(catalog, catalog.manifest(backup_id), patterns, component)):
                if number >= told:
                    told += 1
                    yield row
            return
        except IntegrityError as error:
            result.warn("damaged", "store %s: %s" % (catalog.store.name, error))


def _matches(catalog: Catalog, manifest: Manifest, patterns: Patterns, wanted: t.Optional[str]) -> t.Iterator[Row]:
    about = {"job": manifest.job, "backup": manifest.id, "finished": manifest.finished}
    for component in manifest.components:
        if wanted not in (None, component.name):
            continue
        for entry in open_component(catalog, manifest, component.name).entries():
            if patterns.match(entry_path(entry), entry["type"] == "directory"):
                yield {**about, "component": component.name, **entry}
