# SPDX-License-Identifier: GPL-3.0-or-later
"""The earlier backups of a job as a run sees them: on its stores, or, where the host may only write, in what it has recorded."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ..catalog import Catalog, Scan
from ..delivery import AnyDelivery
from ..errors import FleetBackupError, IntegrityError
from ..job import Config, Job
from ..marks import read_marks
from ..names import is_safety, parse_backup_id
from ..progress import Progress
from ..record import RecordCatalog, keep_manifest
from ..result import from_iso, utc_now
from ..state import State
from ..stores import Store
from .backup_result import BackupResult
from .failure_note import note_killed
from .place import trusted_hosts


class Earlier:
    """What is known of each store once previous() has looked. ``failures``: those that could not be looked at."""

    def __init__(
        self, config: Config, job: Job, result: BackupResult, state: State, stores: t.Sequence[Store], progress: Progress
    ) -> None:  # fmt: skip
        self._config = config
        self._job = job
        self._result = result
        self._state = state
        self._progress = progress
        self._folder = "%s/%s" % (config.host, job.name)
        self.stores = list(stores)
        #: Those that may be written to only.
        self.blind = {s.name for s in stores if config.store(s.name).write_only}
        trusted = trusted_hosts(config)
        confirmed = state.read_status(job.name)["confirmed"] if self.blind else {}
        self.catalogs = {
            s.name: RecordCatalog(config.state_dir, s, self._folder, confirmed.get(s.name, ()))
            if s.name in self.blind
            else Catalog(s, self._folder, trusted=trusted)
            for s in stores
        }
        self.scans: t.Dict[str, Scan] = {}
        self.failures: t.Dict[str, FleetBackupError] = {}

    def previous(self) -> t.Optional[t.Dict[str, str]]:
        """The newest complete backup, as ``previous`` of the manifest. Stores that cannot be read are set aside."""
        newest: t.Optional[str] = None
        found = None
        for store in self.stores:
            try:
                scan = self.scans[store.name] = self.catalogs[store.name].scan()
                if scan.complete and (newest is None or scan.complete[-1] > newest):
                    digest = self.catalogs[store.name].manifest_sha256(scan.complete[-1])
                    newest = scan.complete[-1]
                    found = {"id": newest, "sha256": digest}
            except IntegrityError as error:
                self._result.warn("previous-damaged", "the backup before this one is damaged: %s" % error)
            except FleetBackupError as error:
                self.failures[store.name] = error
        return found

    def note_killed(self, say: t.Callable[[str], None]) -> None:
        """Record it where the run before this one was killed."""
        looked = [(self.catalogs[name], scan) for name, scan in self.scans.items() if name not in self.blind]
        note_killed(self._config.host, self._job, looked, self._state, say)

    def complete_copies(self) -> None:
        """Bring stores what earlier runs could not; so they have what an increment builds upon."""
        if not any(self._state.missing(self._job.name).values()):
            return
        from .completing import Completing, Place

        places = [
            Place(s, self.catalogs[s.name], self.scans[s.name], s.name in self.blind)
            for s in self.stores
            if s.name not in self.failures
        ]
        warn = functools.partial(self._result.warn, "copy-missing")
        sees_all = len(places) == len(self.stores)
        completing = Completing(self._config, self._job, self._state, places, sees_all, warn, self._progress)
        for done in completing.run():
            self._result.completed.append(done)
            if done.store in self.blind:
                self.record(done.id, self.catalogs[done.source].manifest_bytes(done.id))

    def record(self, backup_id: str, manifest: bytes) -> None:
        """Keep a manifest for the runs to come, which cannot read it on the store."""
        try:
            keep_manifest(self._config.state_dir, self._folder, backup_id, manifest)
        except (OSError, FleetBackupError) as error:
            self._result.warn("state", "a manifest cannot be kept on this host, so the next backup will be full: %s" % error)

    def catalog(self, delivery: AnyDelivery) -> Catalog:
        """Where to read what earlier backups say: on a store that may be read, if there is one."""
        names = [store.name for store in delivery.stores]
        return self.catalogs[next((name for name in names if name not in self.blind), names[0])]

    def expected(self, component: str) -> t.Optional[int]:
        """About how many bytes a source has: as many as last time. For the progress only."""
        for name, scan in self.scans.items():
            try:
                last = self.catalogs[name].manifest(scan.complete[-1]).component(component) if scan.complete else None
            except FleetBackupError:
                continue
            if last is not None:
                return last.bytes
        return None

    def newest_known(self) -> t.Optional[str]:
        """The newest id that any store, or the host's own state, knows of; also of runs that failed."""
        ids = [self._state.newest_id(self._job.name)]
        for scan in self.scans.values():
            ids += [*scan.complete[-1:], *scan.failed[-1:], *scan.unfinished[-1:], *sorted(scan.damaged)[-1:]]
        known = [i for i in ids if i and parse_backup_id(i)]
        return max(known, default=None)

    def newer(self, seconds: t.Optional[int]) -> t.Optional[str]:
        """The backup that is younger than ``seconds`` and complete on every store, if there is one."""
        if seconds is None or self.failures:
            return None
        newest = {self._newest_good(self.catalogs[name], scan) for name, scan in self.scans.items()}
        if len(newest) != 1:
            return None
        (backup_id,) = newest
        if backup_id is None:
            return None
        manifest = self.catalogs[self.stores[0].name].manifest(backup_id)
        # One that finished in the future was made when the clock was wrong, and must not stand in for others until then.
        age = abs((utc_now() - from_iso(manifest.finished)).total_seconds())
        return backup_id if age < seconds else None

    def _newest_good(self, catalog: Catalog, scan: Scan) -> t.Optional[str]:
        """The newest backup that somebody is safer for; None when that one is damaged."""
        marks = read_marks(catalog, scan)
        with contextlib.suppress(IntegrityError):
            for backup_id in reversed(scan.complete):
                if not is_safety(backup_id) and not marks.suspicious(catalog.manifest(backup_id)):
                    return backup_id
        return None
