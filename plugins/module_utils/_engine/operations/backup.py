# SPDX-License-Identifier: GPL-3.0-or-later
"""Back up one job: every source read once, every store written side by side, the manifest last."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import typing as t

from .. import VERSION
from ..anomaly import Extent, tables_of
from ..delivery import AnyDelivery, Delivery, Way
from ..errors import (
    ConfigurationError,
    FleetBackupError,
    InterruptedRunError,
    StoreFullError,
)
from ..hooks import run_hooks
from ..interruption import stop, uninterrupted
from ..job import Config, Job
from ..lock import JobLock
from ..manifest import RESTORE_TXT, RUN_LOG, SUMS, Component, Manifest, StoredFile, sums, sums_line
from ..names import KINDS, NAME_RULE, SAFETY_TAG, as_text, is_name, new_backup_id
from ..progress import SILENT, Progress
from ..restore_text import restore_text
from ..result import FAILURE, SUCCESS, WARNING, Notice, iso, utc_now
from ..runlog import RunLog
from ..sealing import Sealer
from ..state import State
from ..stores import Store
from .backup_result import BackupResult, Copy
from .components import Components
from .earlier import Earlier
from .failure_note import note_failure
from .guarding import suspicions, usual
from .place import open_store
from .upon import described

if t.TYPE_CHECKING:
    from ..signing import SigningKey


def backup(
    config: Config,
    job: Job,
    *,
    kind: str = "full",
    tag: str = "manual",
    unless_newer_than: t.Optional[int] = None,
    dry_run: bool = False,
    lock_held: bool = False,
    progress: Progress = SILENT,
) -> BackupResult:
    """Take one backup of ``job`` and return what became of it.

    With ``unless_newer_than`` (seconds) nothing is done when every store has a complete backup that young. A dry run reaches
    sources and stores and says what would be read, but reads and writes nothing. ``lock_held``: the caller has the job's lock.
    """
    result = BackupResult("backup", config.host, job.name, kind=kind, tag=tag, dry_run=dry_run)
    result.begin()
    state = State(config.state_dir)
    with contextlib.ExitStack() as ending:
        try:
            _check_request(kind, tag)
            run = _Run(config, job, result, state, progress, ending)
            if dry_run:
                run.plan(unless_newer_than)
            else:
                with contextlib.nullcontext() if lock_held else JobLock(config.state_dir, job.name, job.lock_timeout):
                    run.take(unless_newer_than)
        except (FleetBackupError, InterruptedRunError) as error:
            ending.enter_context(uninterrupted())
            result.fail(error)
        if result.id is not None and result.outcome != FAILURE and job.retention["after_backup"] and not lock_held:
            _prune(config, job, result, progress)
        progress.close()
        result.end()
        if not dry_run and result.newer is None:
            state.write_status(job.name, result.to_dict())
            if tag != SAFETY_TAG and job.notify:
                from ..telling import tell

                tell(config, [job], result)
        for notice in state.notices:
            result.warn(notice.code, notice.message)
    return result


def _prune(config: Config, job: Job, result: BackupResult, progress: Progress) -> None:
    """Apply the retention rules now that the new backup stands. What keeps them from it is a warning."""
    from .prune import prune

    stores = tuple(name for name in job.stores if not config.store(name).write_only)
    pruned = prune(config, dataclasses.replace(job, stores=stores), progress=progress)
    result.pruned = pruned.deleted
    if pruned.error is not None:
        result.warn("not-pruned", "the backup stands, but it could not be pruned after it: %s" % pruned.error["message"])
        if pruned.error["code"] == InterruptedRunError.code:
            stop(InterruptedRunError(pruned.error["message"]))  # for the jobs that would follow


def _check_request(kind: str, tag: str) -> None:
    if kind not in KINDS:
        raise ConfigurationError("kind: %r is none of %s" % (kind, ", ".join(KINDS)))
    if not is_name(tag):
        raise ConfigurationError("tag: %r is no valid tag: %s" % (tag, NAME_RULE))


class _Run:
    """One run of a job, from the choice of its id to the last manifest.

    From the point of no return on, ``ending`` holds what lets no signal cut the last steps short.
    """

    def __init__(
        self, config: Config, job: Job, result: BackupResult, state: State, progress: Progress, ending: contextlib.ExitStack
    ) -> None:
        self._ending = ending
        self._config = config
        self._job = job
        self._result = result
        self._state = state
        self._progress = progress
        self._folder = "%s/%s" % (config.host, job.name)
        stores = [open_store(s) for s in map(config.store, job.stores)]
        self._drivers = {s.name: config.store(s.name).driver for s in stores}
        self._earlier = Earlier(config, job, result, state, stores, progress)
        self._components = Components(config, job, result, self._earlier, progress, self._say)
        self._signing_key = self._open_signing_key() if config.sign and not result.dry_run else None
        self._log: t.Optional[RunLog] = None

    def plan(self, unless_newer_than: t.Optional[int]) -> None:
        """Say what a backup would read, and whether every store can be reached."""
        result = self._result
        self._earlier.previous()
        result.newer = self._earlier.newer(unless_newer_than)
        if result.newer is None:
            self._components.plan()
            result.changed = True
        for store in self._earlier.stores:
            error = self._earlier.failures.get(store.name)
            result.copies.append(self._copy(store, error))
            if error:
                result.fail(error)
        self._sum_up()

    def take(self, unless_newer_than: t.Optional[int]) -> None:
        """Take the backup."""
        result = self._result
        previous = self._earlier.previous()
        result.newer = self._earlier.newer(unless_newer_than)
        if result.newer is not None:
            return
        self._earlier.note_killed(self._say)
        self._earlier.complete_copies()
        choice = self._components.choose_parent()
        backup_id, clock_behind = new_backup_id(utc_now(), result.kind, result.tag, self._earlier.newest_known())
        if clock_behind:
            result.warn("clock", "the clock is behind the newest backup; the id was made to follow that one: %s" % backup_id)
        self._state.take_id(self._job.name, backup_id)
        self._log = RunLog(self._config.state_dir, self._job.name, backup_id)
        result.log = self._log.path
        self._say("backup %s of job %s on host %s, fleet.backup %s" % (backup_id, self._job.name, self._config.host, VERSION))
        if choice.parent is not None:
            self._say("builds upon %s" % choice.parent.id)
        elif choice.reason:
            self._say("a full backup: %s" % choice.reason)
        delivery = self._delivery(backup_id)
        try:
            self._take(backup_id, previous, choice.parent, delivery)
        except BaseException as error:
            self._ending.enter_context(uninterrupted())
            self._failed(backup_id, delivery, error)
            raise
        finally:
            self._log.close()
        try:
            self._hooks("after", backup_id, result.outcome)
        except FleetBackupError as error:
            # The backup itself stands.
            result.warn("hook", str(error))
        if result.outcome not in (SUCCESS, WARNING):
            self._hooks_after_failure(backup_id)

    def _delivery(self, backup_id: str) -> AnyDelivery:
        stores = [s for s in self._earlier.stores if s.name not in self._earlier.failures]
        folder = "%s/%s" % (self._folder, backup_id)
        if not stores or (len(stores) == 1 and stores[0].local_path() is not None and stores[0].name not in self._earlier.blind):
            # Nothing to wait for: the detour over a spool would only cost time.
            return Delivery(stores, folder)
        from ..lanes import LaneDelivery, Manner

        chosen = {s.name: self._config.store(s.name) for s in stores}
        manners = {name: Manner(c.retries, c.stall_timeout, c.wait, c.write_only) for name, c in chosen.items()}
        spool = os.path.join(self._config.state_dir, "spool")
        return LaneDelivery(stores, folder, spool, manners, self._job.spool_size, self._say)

    def _take(
        self, backup_id: str, previous: t.Optional[t.Dict[str, str]], parent: t.Optional[Manifest], delivery: AnyDelivery
    ) -> None:
        result = self._result
        if not delivery.stores:
            raise next(iter(self._earlier.failures.values()))
        self._check_space(delivery)
        self._hooks("before", backup_id)
        components = self._components.read(backup_id, parent, delivery)
        self._judge(delivery)
        self._commit(backup_id, previous, delivery, components)
        self._ending.enter_context(uninterrupted())
        result.id, result.changed = backup_id, True
        self._sum_up()
        initially = set(self._earlier.failures)
        self._earlier.failures.update(delivery.failures)
        for store in self._earlier.stores:
            way = None if store.name in initially else delivery.way(store)
            result.copies.append(self._copy(store, self._earlier.failures.get(store.name), way))
        for name, error in self._earlier.failures.items():
            for problem in delivery.clean_up([s for s in self._earlier.stores if s.name == name]):
                result.warn("left-behind", "what this run had stored could not be removed: %s" % problem)
            result.fail(type(error)("store %s has no copy of this backup: %s" % (name, error)))
        self._state.confirm(self._job.name, backup_id, [s.name for s in delivery.stores])
        self._state.miss(self._job.name, backup_id, self._earlier.failures)
        self._components.keep(backup_id)

    def _judge(self, delivery: AnyDelivery) -> None:
        """Tell what is suspicious, compared with the earlier backups on the first store."""
        result, guard = self._result, self._job.guard
        if not guard["enabled"] or result.tag == SAFETY_TAG or not delivery.stores:
            return
        catalog = self._earlier.catalog(delivery)
        try:
            earlier = usual(catalog, self._earlier.scans[catalog.store.name])
        except FleetBackupError as error:
            result.warn("not-judged", "whether this backup is suspicious is not known: %s" % error)
            return
        for component in result.components:
            now = Extent(component.entries, component.bytes, tables_of(component.facts))
            for notice in suspicions(component.name, component.source, now, earlier, guard):
                self._result.warnings.append(notice)
                self._result.outcome = WARNING
                self._say("source %s: %s: %s" % (component.name, notice.code, notice.message))

    def _commit(
        self, backup_id: str, previous: t.Optional[t.Dict[str, str]], delivery: AnyDelivery, components: t.List[Component]
    ) -> None:
        self._progress.phase("commit")
        result, job, host = self._result, self._job, self._config.host
        bases = self._components.bases(components, delivery)
        objects = [delivery.put(RESTORE_TXT, restore_text(host, job.name, backup_id, components, bases, self._components.used))]
        for name, error in delivery.failures.items():
            self._say("store %s: dropped: %s" % (name, error))
        self._say("everything is stored; the manifest follows")
        objects.append(Sealer(delivery, job.encryption).put(RUN_LOG, self._log.data() if self._log else b""))
        listed: t.List[StoredFile] = [o for c in components for o in c.objects()] + objects
        objects.append(delivery.put(SUMS, sums(listed)))
        manifest = Manifest(
            engine=VERSION,
            id=backup_id,
            host=host,
            job=job.name,
            kind=result.kind,
            tag=result.tag,
            started=result.started,
            finished=iso(utc_now()),
            timezone=job.timezone,
            outcome=result.outcome,
            encryption=described(job.encryption),
            previous=previous,
            references=self._components.references(delivery),
            stores=[{"name": s.name, "driver": self._drivers[s.name], "confirms": s.confirms} for s in delivery.stores],
            warnings=[_warning(notice, job.encryption is not None) for notice in result.warnings],
            components=components,
            objects=objects,
        )
        data = manifest.to_bytes()
        key = "%s/%s.json" % (self._folder, backup_id)
        delivery.put_key(key + ".sha256", sums_line(hashlib.sha256(data).hexdigest(), backup_id + ".json"))
        if self._signing_key is not None:
            from ..signing import sign

            delivery.put_key(key + ".sig", sign(data, self._signing_key))
        delivery.put_key(key, data)
        delivery.finish()
        if self._earlier.blind:
            self._earlier.record(backup_id, data)

    def _failed(self, backup_id: str, delivery: AnyDelivery, error: BaseException) -> None:
        """Take back what was stored, leave a note of the failure, run the hooks for it. Raises nothing."""
        self._say("failed: %s" % error)
        self._components.forget(backup_id)
        for problem in delivery.clean_up():
            self._result.warn("left-behind", "what this run had stored could not be removed: %s" % problem)
        if isinstance(error, (FleetBackupError, InterruptedRunError)):
            stores, started = self._earlier.stores, self._result.started
            note_failure(self._config.host, self._job, backup_id, started, stores, error.code, str(error), self._say)
        self._hooks_after_failure(backup_id)

    def _hooks_after_failure(self, backup_id: str) -> None:
        try:
            self._hooks("on_failure", backup_id, "failure")
        except FleetBackupError as error:
            self._result.warnings.append(Notice("hook", str(error)))

    def _hooks(self, point: str, backup_id: str, outcome: str = "") -> None:
        environment = {
            "FLEET_BACKUP_HOST": self._config.host,
            "FLEET_BACKUP_JOB": self._job.name,
            "FLEET_BACKUP_ID": backup_id,
            "FLEET_BACKUP_KIND": self._result.kind,
            "FLEET_BACKUP_TAG": self._result.tag,
            "FLEET_BACKUP_OUTCOME": outcome,
        }
        run_hooks(self._job, point, environment, self._say)

    def _open_signing_key(self) -> SigningKey:
        from ..signing import host_key

        return host_key(self._config.state_dir, self._config.signing_key)

    def _check_space(self, delivery: AnyDelivery) -> None:
        """Drop a store that has less room than the last backup took there."""
        for store in list(delivery.stores):
            if store.name in self._earlier.blind:
                continue
            try:
                complete = self._earlier.scans[store.name].complete
                free = store.free_space()
                if not complete or free is None:
                    continue
                needed = self._earlier.catalogs[store.name].manifest(complete[-1]).stored_bytes
            except FleetBackupError as error:
                self._say("store %s: how much room is needed is not known: %s" % (store.name, error))
                continue
            if free < needed:
                delivery.drop(
                    store,
                    StoreFullError(
                        "store %s: %d bytes are free, the last backup took %d; make room or prune" % (store.name, free, needed)
                    ),
                )

    def _copy(self, store: Store, error: t.Optional[FleetBackupError], way: t.Optional[Way] = None) -> Copy:
        described = {"code": error.code, "message": str(error)} if error else None
        outcome = "failure" if error else "success"
        took = dataclasses.asdict(way or Way())
        known_by = "record" if store.name in self._earlier.blind else "store"
        link = None if error or not self._result.id else self._link(store, self._result.id)
        return Copy(store.name, self._drivers[store.name], outcome, store.confirms, described, known_by, **took, link=link)

    def _link(self, store: Store, backup_id: str) -> t.Optional[str]:
        try:
            return store.url(self._earlier.catalogs[store.name].manifest_key(backup_id))
        except FleetBackupError as error:
            self._say("store %s: where people find the backup is not known: %s" % (store.name, error))
            return None

    def _sum_up(self) -> None:
        result = self._result
        result.entries = sum(c.entries for c in result.components)
        result.bytes = sum(c.bytes for c in result.components)
        result.stored = sum(c.stored for c in result.components)

    def _say(self, text: str) -> None:
        self._progress.message(text)
        if self._log is not None:
            self._log.line(text)


def _warning(notice: Notice, numbers_only: bool) -> t.Dict[str, t.Any]:
    told = {} if numbers_only else {"message": as_text(notice.message), "paths": notice.paths}
    return {"code": notice.code, "component": notice.component, "count": notice.count, **told}
