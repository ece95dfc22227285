# SPDX-License-Identifier: GPL-3.0-or-later
"""Back up one job: every source read once, every store written side by side, the manifest last."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import typing as t
from dataclasses import dataclass, field

from .. import VERSION
from ..anomaly import Extent, tables_of
from ..archive.codec import zstd_module
from ..archive.component import ComponentWriter
from ..archive.reader import ComponentReader
from ..archive.references import Parent, References
from ..base_cache import BaseCache
from ..bases import BaseChoice, bases_of, choose_base
from ..catalog import Catalog, Scan
from ..delivery import AnyDelivery, Delivery, Way
from ..errors import (
    ConfigurationError,
    FleetBackupError,
    IntegrityError,
    InterruptedRunError,
    SourceError,
    StoreFullError,
)
from ..hooks import run_hooks
from ..index_cache import IndexCache
from ..interruption import uninterrupted
from ..job import Compression, Config, Encryption, Job
from ..lock import JobLock
from ..manifest import FORMAT, RESTORE_TXT, RUN_LOG, SUMS, Component, Manifest, StoredFile, sums, sums_line
from ..marks import read_marks
from ..names import KINDS, NAME_RULE, SAFETY_TAG, is_name, is_safety, new_backup_id, parse_backup_id
from ..parents import Choice, choose_parent
from ..progress import SILENT, Progress
from ..record import RecordCatalog, keep_manifest
from ..restore_text import restore_text
from ..result import SUCCESS, WARNING, Notice, Result, from_iso, iso, utc_now
from ..runlog import RunLog
from ..sealing import Sealer
from ..sources import Source
from ..sources import load as load_source
from ..state import State
from ..stores import Store
from ..telling import tell
from .completing import Completed, Completing, Place
from .guarding import suspicions, usual
from .place import open_store, trusted_hosts

if t.TYPE_CHECKING:
    from ..signing import SigningKey


@dataclass
class ComponentSummary:
    """``reason`` tells why a component of an increment is full."""

    name: str
    source: str
    kind: str
    entries: int
    bytes: int
    stored: int
    facts: t.Dict[str, t.Any] = field(default_factory=dict)
    reason: str = ""


@dataclass
class Copy:
    """What became of the backup on one store."""

    store: str
    driver: str
    outcome: str
    confirms: str
    error: t.Optional[t.Dict[str, str]] = None
    #: How this run knew of earlier backups there: from the ``store``, or, where it may only write, from this host's ``record``.
    known_by: str = "store"
    #: Bytes sent, seconds from the first to the last, objects that had to be sent again.
    bytes: int = 0
    seconds: float = 0
    retries: int = 0


@dataclass
class BackupResult(Result):
    """``id`` is None when nothing was taken: a dry run, a failure, or a backup that is new enough (``newer``).

    ``kind`` is what the backup is; ``reason`` tells why that is not what was asked for.
    """

    id: t.Optional[str] = None
    kind: str = "full"
    reason: str = ""
    tag: str = ""
    newer: t.Optional[str] = None
    entries: int = 0
    bytes: int = 0
    stored: int = 0
    components: t.List[ComponentSummary] = field(default_factory=list)
    copies: t.List[Copy] = field(default_factory=list)
    #: Copies of earlier backups that this run made up for.
    completed: t.List[Completed] = field(default_factory=list)
    log: t.Optional[str] = None


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
        progress.close()
        result.end()
        if not dry_run and result.newer is None:
            state.write_status(job.name, result.to_dict())
            if tag != SAFETY_TAG:
                tell(config, [job], result)
        for notice in state.notices:
            result.warn(notice.code, notice.message)
    return result


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
        self._stores = [open_store(s) for s in map(config.store, job.stores)]
        self._drivers = {s.name: config.store(s.name).driver for s in self._stores}
        trusted = trusted_hosts(config)
        self._blind = {s.name for s in self._stores if config.store(s.name).write_only}
        confirmed = state.read_status(job.name)["confirmed"] if self._blind else {}
        self._catalogs = {
            s.name: RecordCatalog(config.state_dir, s, self._folder, confirmed.get(s.name, ()))
            if s.name in self._blind
            else Catalog(s, self._folder, trusted=trusted)
            for s in self._stores
        }
        # What this run writes, the next one cannot read back, or perhaps not.
        self._keeps_copies = bool(self._blind) or job.encryption is not None
        self._signing_key = self._open_signing_key() if config.sign and not result.dry_run else None
        self._scans: t.Dict[str, Scan] = {}
        self._references: t.List[References] = []
        self._indexes = IndexCache(config.state_dir, job.name)
        self._bases = BaseCache(config.state_dir, job.name, job.delta_cache)
        self._sources = [self._source(s.driver, s.name, s.options) for s in job.sources]
        self._failures: t.Dict[str, FleetBackupError] = {}
        self._log: t.Optional[RunLog] = None

    def plan(self, unless_newer_than: t.Optional[int]) -> None:
        """Say what a backup would read, and whether every store can be reached."""
        result = self._result
        self._previous()
        result.newer = self._newer(unless_newer_than)
        if result.newer is None:
            self._choose_parent()
            for source, settings in zip(self._sources, self._job.sources):
                self._progress.phase("look at %s" % source.name)
                plan = source.plan()
                result.components.append(
                    ComponentSummary(source.name, settings.driver, result.kind, plan.entries, plan.bytes, 0, plan.details)
                )
            result.changed = True
        for store in self._stores:
            error = self._failures.get(store.name)
            result.copies.append(self._copy(store, error))
            if error:
                result.fail(error)
        self._sum_up()

    def take(self, unless_newer_than: t.Optional[int]) -> None:
        """Take the backup."""
        result = self._result
        previous = self._previous()
        result.newer = self._newer(unless_newer_than)
        if result.newer is not None:
            return
        self._complete_copies()
        choice = self._choose_parent()
        backup_id, clock_behind = new_backup_id(utc_now(), result.kind, result.tag, self._newest_known())
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
        stores = [s for s in self._stores if s.name not in self._failures]
        folder = "%s/%s" % (self._folder, backup_id)
        if not stores or (len(stores) == 1 and stores[0].local_path() is not None and stores[0].name not in self._blind):
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
            raise next(iter(self._failures.values()))
        self._check_space(delivery)
        self._hooks("before", backup_id)
        components = []
        for source, settings in zip(self._sources, self._job.sources):
            components.append(self._read(source, settings.driver, backup_id, parent, delivery))
        self._judge(delivery)
        self._commit(backup_id, previous, delivery, components)
        self._ending.enter_context(uninterrupted())
        result.id, result.changed = backup_id, True
        self._sum_up()
        initially = set(self._failures)
        self._failures.update(delivery.failures)
        for store in self._stores:
            way = None if store.name in initially else delivery.way(store)
            result.copies.append(self._copy(store, self._failures.get(store.name), way))
        for name, error in self._failures.items():
            for problem in delivery.clean_up([s for s in self._stores if s.name == name]):
                result.warn("left-behind", "what this run had stored could not be removed: %s" % problem)
            result.fail(type(error)("store %s has no copy of this backup: %s" % (name, error)))
        self._state.confirm(self._job.name, backup_id, [s.name for s in delivery.stores])
        self._state.miss(self._job.name, backup_id, self._failures)
        self._indexes.keep(self._parents_to_come(backup_id) | {c.base for c in components if c.base is not None and c.is_delta})

    def _complete_copies(self) -> None:
        """Bring stores what earlier runs could not; so they have what an increment builds upon."""
        places = [
            Place(s, self._catalogs[s.name], self._scans[s.name], s.name in self._blind)
            for s in self._stores
            if s.name not in self._failures
        ]
        warn = functools.partial(self._result.warn, "copy-missing")
        sees_all = len(places) == len(self._stores)
        completing = Completing(self._state, self._job.name, places, sees_all, warn, self._progress)
        for done in completing.run():
            self._result.completed.append(done)
            if done.store in self._blind:
                self._record(done.id, self._catalogs[done.source].manifest_bytes(done.id))

    def _record(self, backup_id: str, manifest: bytes) -> None:
        """Keep a manifest for the runs to come, which cannot read it on the store."""
        try:
            keep_manifest(self._config.state_dir, self._folder, backup_id, manifest)
        except (OSError, FleetBackupError) as error:
            self._result.warn("state", "a manifest cannot be kept on this host, so the next backup will be full: %s" % error)

    def _choose_parent(self) -> Choice:
        """Settle the kind of this run."""
        result, job = self._result, self._job
        usable = [s.name for s in self._stores if s.name not in self._failures]
        if not usable:
            return Choice(result.kind)
        choice = choose_parent(
            result.kind,
            [self._catalogs[name] for name in usable],
            [self._scans[name] for name in usable],
            utc_now(),
            full_every=job.full_every,
            max_increments=job.max_increments,
        )
        choice = self._usable(choice)
        result.kind, result.reason = choice.kind, choice.reason
        if choice.unexpected:
            result.warn("no-parent", "a full backup was taken instead of an increment: %s" % choice.reason)
        return choice

    def _usable(self, choice: Choice) -> Choice:
        """The same, unless encryption forbids to build upon that parent."""
        parent = choice.parent
        if parent is None:
            return choice
        if parent.encryption != _described(self._job.encryption):
            return Choice("full", reason="the encryption has changed since %s" % parent.id)
        trees = [c for c in parent.components if c.shape == "tree"]
        readable = any(s.name not in self._failures and s.name not in self._blind for s in self._stores)
        if self._job.encryption is not None or not readable:
            if all(self._indexes.has(parent.id, c) for c in trees):
                return choice
            which = "cannot read the encrypted one" if readable else "may not read the one on the store"
            reason = "this host has no copy of the index of %s, and %s" % (parent.id, which)
            return Choice("full", reason=reason, unexpected=True)
        return choice

    def _parents_to_come(self, backup_id: str) -> t.Set[str]:
        """What the next increments may be compared with: this backup, and the newest full one."""
        complete = {i for scan in self._scans.values() for i in scan.complete if not is_safety(i)}
        fulls = sorted(i for i in {backup_id, *complete} if i.split("-")[1] == "full")
        return {backup_id, *fulls[-1:]}

    def _parent(self, parent: t.Optional[Manifest], name: str, driver: str, delivery: AnyDelivery) -> t.Optional[Parent]:
        """What the component ``name`` can build upon in the parent."""
        component = parent.component(name) if parent is not None else None
        if parent is None or component is None or component.source != driver or component.shape != "tree":
            return None
        catalog = self._catalog(delivery)

        def component_of(backup_id: str) -> Component:
            older = catalog.manifest(backup_id).component(name)
            if older is None:
                raise IntegrityError(
                    "backup %s has no component %s, but entries of %s refer to it" % (backup_id, name, parent.id)
                )
            return older

        if isinstance(catalog, RecordCatalog) and not self._indexes.has(parent.id, component):
            return None  # the store that could be read was dropped meanwhile
        if self._job.encryption is not None or isinstance(catalog, RecordCatalog):
            return Parent(
                parent.id, self._result.kind, lambda: self._indexes.lines(parent.id, component), component_of
            )  # fmt: skip
        return Parent(parent.id, self._result.kind, ComponentReader(catalog, parent.id, component).lines, component_of)

    def _base(self, parent: t.Optional[Manifest], source: Source, driver: str, delivery: AnyDelivery) -> BaseChoice:
        """What the delta of a stream can build upon."""
        algorithm = self._compression().algorithm
        if parent is None or source.shape != "stream":
            return BaseChoice()
        if not self._job.delta_cache:
            return BaseChoice(reason="delta_cache is 0")
        if algorithm != "zstd":
            return BaseChoice(reason="only zstd can compress what has changed alone, not %s" % algorithm)
        catalog = self._catalog(delivery)
        sealed = self._job.encryption is not None or isinstance(catalog, RecordCatalog)
        choice = choose_base(self._result.kind, parent, source.name, driver, catalog, self._bases, sealed=sealed)
        if choice.unexpected:
            self._result.warn("no-base", "source %s was stored in full: %s" % (source.name, choice.reason))
        if choice.base is not None:
            self._say("source %s: builds upon %s" % (source.name, choice.base.backup_id))
        else:
            self._say("source %s: in full: %s" % (source.name, choice.reason))
        return choice

    def _catalog(self, delivery: AnyDelivery) -> Catalog:
        """Where to read what earlier backups say: on a store that may be read, if there is one."""
        names = [store.name for store in delivery.stores]
        return self._catalogs[next((name for name in names if name not in self._blind), names[0])]

    def _sealer(self, component: str, backup_id: str, delivery: AnyDelivery) -> Sealer:
        keep_base = None
        far = all(store.local_path() is None for store in delivery.stores)
        if self._job.delta_cache and (far or self._keeps_copies):
            keep_base = functools.partial(self._bases.copy, backup_id, component, self._say)
        keep_index = functools.partial(self._indexes.copy, backup_id, component) if self._keeps_copies else None
        return Sealer(delivery, self._job.encryption, keep_index, keep_base)

    def _read(
        self, source: Source, driver: str, backup_id: str, parent: t.Optional[Manifest], delivery: AnyDelivery
    ) -> Component:
        self._progress.phase("back up %s" % source.name, self._expected(source.name))
        self._say("source %s (%s): begins" % (source.name, driver))
        choice = self._base(parent, source, driver, delivery)
        writer = ComponentWriter(
            source.name, driver, backup_id, self._job.format, self._compression(), self._sealer(source.name, backup_id, delivery),
            self._parent(parent, source.name, driver, delivery), choice.base, self._job.volume_size,
        )  # fmt: skip
        try:
            reading = source.backup(writer, self._progress.advance)
            if reading.failure:
                raise SourceError("source %s: %s" % (source.name, reading.failure))
            warnings = {notice.code: notice.count for notice in reading.notices}
            component = writer.finish(reading.facts, warnings)
        except OSError as error:
            # Sources tell what they cannot read; this is the disk below what they keep for a while.
            writer.abort()
            what = "%s: %s" % (error.filename, error.strerror) if error.filename else str(error)
            raise SourceError("source %s: %s" % (source.name, what)) from None
        except BaseException:
            writer.abort()
            raise
        if writer.references is not None:
            self._references.append(writer.references)
        if writer.base_trouble is not None:
            self._result.warn(
                "base-unreadable", "source %s: more was stored than need be: %s" % (source.name, writer.base_trouble)
            )
        for notice in reading.notices:
            self._result.warnings.append(notice)
            self._result.outcome = WARNING
            self._say("source %s: %s: %s" % (source.name, notice.code, notice.message))
        self._say(
            "source %s: %d entries, %d bytes, %d stored" % (source.name, component.entries, component.bytes, component.stored)
        )  # fmt: skip
        self._result.components.append(
            ComponentSummary(
                component.name,
                driver,
                component.kind,
                component.entries,
                component.bytes,
                component.stored,
                reading.facts,
                choice.reason,
            )
        )
        return component

    def _judge(self, delivery: AnyDelivery) -> None:
        """Tell what is suspicious, compared with the earlier backups on the first store."""
        result, guard = self._result, self._job.guard
        if not guard["enabled"] or result.tag == SAFETY_TAG or not delivery.stores:
            return
        catalog = self._catalog(delivery)
        try:
            earlier = usual(catalog, self._scans[catalog.store.name])
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
        bases = bases_of(components, self._catalog(delivery))
        objects = [delivery.put(RESTORE_TXT, restore_text(host, job.name, backup_id, components, bases))]
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
            encryption=_described(job.encryption),
            previous=previous,
            references=self._referenced(delivery),
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
        if self._blind:
            self._record(backup_id, data)

    def _referenced(self, delivery: AnyDelivery) -> t.List[t.Dict[str, t.Any]]:
        """``references`` of the manifest, oldest first."""
        catalog = self._catalog(delivery)
        return [
            {
                "id": backup_id,
                "sha256": catalog.manifest_sha256(backup_id),
                "volumes": sorted({v for r in self._references for v in r.volumes.get(backup_id, ())}),
                "bytes": sum(r.bytes.get(backup_id, 0) for r in self._references),
            }
            for backup_id in sorted({i for r in self._references for i in r.bytes})
        ]

    def _failed(self, backup_id: str, delivery: AnyDelivery, error: BaseException) -> None:
        """Take back what was stored, leave a note of the failure, run the hooks for it. Raises nothing."""
        self._say("failed: %s" % error)
        self._indexes.forget(backup_id)
        for problem in delivery.clean_up():
            self._result.warn("left-behind", "what this run had stored could not be removed: %s" % problem)
        if isinstance(error, (FleetBackupError, InterruptedRunError)):
            self._note_failure(backup_id, error)
        self._hooks_after_failure(backup_id)

    def _note_failure(self, backup_id: str, error: t.Union[FleetBackupError, InterruptedRunError]) -> None:
        result = self._result
        note = {
            "format": FORMAT, "id": backup_id, "host": self._config.host, "job": self._job.name, "kind": result.kind,
            "tag": result.tag, "started": result.started, "finished": iso(utc_now()),
            "error": {"code": error.code} if self._job.encryption else {"code": error.code, "message": str(error)},
        }  # fmt: skip
        data = json.dumps(note, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"
        for store in self._stores:
            try:
                Delivery([store], self._folder).put_key("%s/%s.failed.json" % (self._folder, backup_id), data)
            except FleetBackupError as problem:
                self._say("store %s: the failure could not be noted there: %s" % (store.name, problem))

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

    def _source(self, driver: str, name: str, options: t.Dict[str, t.Any]) -> Source:
        source = load_source(driver)(name, options)
        own = [store.local_path() for store in self._stores]
        source.leave_out = [path for path in [*own, self._config.state_dir] if path]
        source.spool = self._config.state_dir
        return source

    def _compression(self) -> Compression:
        wanted = self._job.compression
        if wanted.algorithm != "zstd" or zstd_module() is not None:
            return wanted
        if not any(w.code == "no-zstd" for w in self._result.warnings):
            self._result.warn(
                "no-zstd",
                "backports.zstd is not installed, so gzip was used instead of zstd; install it, or choose gzip in the job",
            )
        return Compression("gzip", 6)

    def _previous(self) -> t.Optional[t.Dict[str, str]]:
        """The newest complete backup, as ``previous`` of the manifest. Stores that cannot be read are set aside."""
        newest: t.Optional[str] = None
        found = None
        for store in self._stores:
            try:
                scan = self._scans[store.name] = self._catalogs[store.name].scan()
                if scan.complete and (newest is None or scan.complete[-1] > newest):
                    digest = self._catalogs[store.name].manifest_sha256(scan.complete[-1])
                    newest = scan.complete[-1]
                    found = {"id": newest, "sha256": digest}
            except IntegrityError as error:
                self._result.warn("previous-damaged", "the backup before this one is damaged: %s" % error)
            except FleetBackupError as error:
                self._failures[store.name] = error
        return found

    def _expected(self, component: str) -> t.Optional[int]:
        """About how many bytes a source has: as many as last time. For the progress only."""
        for name, scan in self._scans.items():
            try:
                last = self._catalogs[name].manifest(scan.complete[-1]).component(component) if scan.complete else None
            except FleetBackupError:
                continue
            if last is not None:
                return last.bytes
        return None

    def _newest_known(self) -> t.Optional[str]:
        """The newest id that any store, or the host's own state, knows of; also of runs that failed."""
        ids = [self._state.newest_id(self._job.name)]
        for scan in self._scans.values():
            ids += [*scan.complete[-1:], *scan.failed[-1:], *scan.unfinished[-1:], *sorted(scan.damaged)[-1:]]
        known = [i for i in ids if i and parse_backup_id(i)]
        return max(known, default=None)

    def _newer(self, seconds: t.Optional[int]) -> t.Optional[str]:
        """The backup that is younger than ``seconds`` and complete on every store, if there is one."""
        if seconds is None or self._failures:
            return None
        newest = {self._newest_good(self._catalogs[name], scan) for name, scan in self._scans.items()}
        if len(newest) != 1:
            return None
        (backup_id,) = newest
        if backup_id is None:
            return None
        manifest = self._catalogs[self._stores[0].name].manifest(backup_id)
        age = (utc_now() - from_iso(manifest.finished)).total_seconds()
        return backup_id if age < seconds else None

    def _newest_good(self, catalog: Catalog, scan: Scan) -> t.Optional[str]:
        """The newest backup that somebody is safer for; None when that one is damaged."""
        marks = read_marks(catalog, scan)
        with contextlib.suppress(IntegrityError):
            for backup_id in reversed(scan.complete):
                if not is_safety(backup_id) and not marks.suspicious(catalog.manifest(backup_id)):
                    return backup_id
        return None

    def _check_space(self, delivery: AnyDelivery) -> None:
        """Drop a store that has less room than the last backup took there."""
        for store in list(delivery.stores):
            if store.name in self._blind:
                continue
            try:
                complete = self._scans[store.name].complete
                free = store.free_space()
                if not complete or free is None:
                    continue
                needed = self._catalogs[store.name].manifest(complete[-1]).stored_bytes
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
        known_by = "record" if store.name in self._blind else "store"
        return Copy(store.name, self._drivers[store.name], outcome, store.confirms, described, known_by, **took)

    def _sum_up(self) -> None:
        result = self._result
        result.entries = sum(c.entries for c in result.components)
        result.bytes = sum(c.bytes for c in result.components)
        result.stored = sum(c.stored for c in result.components)

    def _say(self, text: str) -> None:
        self._progress.message(text)
        if self._log is not None:
            self._log.line(text)


def _described(encryption: t.Optional[Encryption]) -> t.Optional[t.Dict[str, t.Any]]:
    """``encryption`` of the manifest."""
    if encryption is None:
        return None
    return {"format": "age-encryption.org/v1", "recipients": list(encryption.recipients)}


def _warning(notice: Notice, numbers_only: bool) -> t.Dict[str, t.Any]:
    told = {} if numbers_only else {"message": notice.message, "paths": notice.paths}
    return {"code": notice.code, "component": notice.component, "count": notice.count, **told}
