# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies that earlier runs could not bring to a store, made up for from a store that has them."""

from __future__ import annotations

import bisect
import typing as t

from ..catalog import Catalog, Scan
from ..copying import copy_backup
from ..errors import FleetBackupError, NotFoundError
from ..job import Config, Job
from ..progress import Progress
from ..state import State
from ..stores import Store
from .backup_result import Completed
from .unwanted import unwanted

#: How many copies a run makes up for on each store, the newest: it has a backup of its own to take, and others wait for it.
AT_ONCE = 10


class Place(t.NamedTuple):
    """A store that can be reached. ``blind``: it may be written to only; ``catalog`` is then what this host has recorded."""

    store: Store
    catalog: Catalog
    scan: Scan
    blind: bool


class Completing:
    """Completes what the status of a job says is missing. ``warn(message)`` is told what could not be.

    ``sees_all``: all stores of the job are among ``places``; so what none of them has is nowhere.
    """

    def __init__(
        self, config: Config, job: Job, state: State, places: t.Sequence[Place], sees_all: bool,
        warn: t.Callable[[str], None], progress: Progress,
    ) -> None:  # fmt: skip
        self._config = config
        self._described = job
        self._state = state
        self._job = job.name
        self._places = places
        self._warn = warn
        self._progress = progress
        self._sees_all = sees_all

    def run(self) -> t.Iterator[Completed]:
        """Copy what is missing and worth it, the newest AT_ONCE, oldest first; the scans of the stores are kept true."""
        missing = self._state.missing(self._job)
        for place in self._places:
            lacking = self._worth(place, sorted(missing.get(place.store.name, ())))
            if lacking[AT_ONCE:]:
                self._warn(
                    "store %s lacks %d copies more than one run makes up for; the next ones do, or fleet-backup copy --all"
                    % (place.store.name, len(lacking) - AT_ONCE)
                )
            for backup_id in lacking[-AT_ONCE:]:
                try:
                    yield from self._complete(place, backup_id)
                except FleetBackupError as error:
                    store = place.store.name
                    self._warn("store %s still has no copy of %s: %s" % (store, backup_id, error))
                    if place.blind and not error.retry:
                        # What an attempt left there can neither be seen nor removed, so the next one would fail likewise.
                        self._state.give_up(self._job, backup_id, store)
                    break  # what follows may refer to it

    def _worth(self, place: Place, ids: t.List[str]) -> t.List[str]:
        """Without those that the rules of the store would not keep, which are missed no more."""
        if not ids:
            return ids
        others = [(p.catalog, p.scan) for p in self._places if p is not place and not p.blind]
        try:
            needless = unwanted(self._config, self._described, (place.catalog, place.scan), others)
        except FleetBackupError:
            return ids
        for backup_id in needless:
            self._state.give_up(self._job, backup_id, place.store.name)
        return [i for i in ids if i not in needless]

    def _complete(self, place: Place, backup_id: str) -> t.Iterator[Completed]:
        store = place.store.name
        sources = [p for p in self._places if p is not place and not p.blind and backup_id in p.scan.complete]
        if backup_id in place.scan.complete or (not sources and self._sees_all):
            # It is there after all, or was pruned everywhere.
            self._state.give_up(self._job, backup_id, store)
            return
        if not sources:
            raise NotFoundError("no store that can be read now has it")
        source = sources[0].catalog
        manifest = source.manifest(backup_id)
        lacking = [r["id"] for r in manifest.references if r["id"] not in place.scan.complete]
        target = Catalog(place.store, source.folder) if place.blind else place.catalog
        for wanted in [*lacking, backup_id]:
            size = source.manifest(wanted).stored_bytes
            self._progress.phase("copy %s to %s" % (wanted, store), size)
            sent = copy_backup(source, target, wanted, self._progress.advance, look=not place.blind)
            self._state.confirm(self._job, wanted, [store])
            bisect.insort(place.scan.complete, wanted)
            yield Completed(wanted, store, source.store.name, sent)
