# SPDX-License-Identifier: GPL-3.0-or-later
"""List the backups of jobs on all their stores, and what else lies there."""

from __future__ import annotations

import datetime
import json
import typing as t
from dataclasses import dataclass, field

from ..anomaly import SUSPICIOUS
from ..catalog import KEPT_FAILURES, Catalog, Scan
from ..errors import FleetBackupError, IntegrityError, NotFoundError
from ..job import Config, Job
from ..manifest import Manifest
from ..marks import Marks, read_marks
from ..names import is_safety
from ..result import Result, from_iso, utc_now
from .place import open_catalog
from .tenants import stored_jobs

# A record of a failure is small; a store must not fill the memory with one.
_LARGEST_RECORD = 1 << 20

# Seconds by which the clocks of the host that took a backup and of the one that lists it may differ.
_CLOCK_SKEW = 3600


_REMOVED = "its removal was interrupted; prune finishes that"


@dataclass
class BackupRow:
    """One backup. ``age`` in seconds since it finished; ``entries``, ``bytes`` (logical) and ``stored`` of all components.

    ``stores``: those that have it whole as far as a listing can tell; ``missing``: those of the job that do not. ``suspicious``:
    it may be of what was lost, and nobody has accepted it.
    """

    id: str
    started: str
    finished: str
    age: int
    kind: str
    tag: str
    outcome: str
    entries: int
    bytes: int
    stored: int
    components: t.List[str]
    suspicious: bool = False
    pinned: bool = False
    stores: t.List[str] = field(default_factory=list)
    missing: t.List[str] = field(default_factory=list)


@dataclass
class FailedRow:
    """A run that failed, with its error as far as the store has it. Only the newest KEPT_FAILURES of a store are told."""

    id: str
    stores: t.List[str]
    error: t.Optional[t.Dict[str, t.Any]] = None


@dataclass
class BadRow:
    """Something on one store that is no backup: damaged (``why``), or data without a manifest (``why``, where it is known)."""

    id: str
    store: str
    why: str = ""


@dataclass
class StoreRow:
    """One store of a job: its newest complete backup, and the age of that in seconds."""

    store: str
    backups: int = 0
    newest: t.Optional[str] = None
    age: t.Optional[int] = None
    stale: bool = False
    error: t.Optional[t.Dict[str, str]] = None


@dataclass
class JobListing:
    """One job. ``backups`` newest first. ``stale``: no store that could be asked has a backup younger than ``max_age``.

    ``newest`` (of a store too) leaves out what restores saved of the state that they replaced, and what is suspicious: nobody is
    safer for it.
    """

    job: str
    max_age: t.Optional[int]
    newest: t.Optional[str] = None
    age: t.Optional[int] = None
    stale: bool = False
    stores: t.List[StoreRow] = field(default_factory=list)
    backups: t.List[BackupRow] = field(default_factory=list)
    failed: t.List[FailedRow] = field(default_factory=list)
    unfinished: t.List[BadRow] = field(default_factory=list)
    damaged: t.List[BadRow] = field(default_factory=list)


@dataclass
class ListResult(Result):
    jobs: t.List[JobListing] = field(default_factory=list)


def list_backups(
    config: Config,
    job_names: t.Optional[t.Sequence[str]] = None,
    store: t.Optional[str] = None,
    *,
    now: t.Optional[datetime.datetime] = None,
) -> ListResult:
    """List the backups of the named jobs (all by default) on their stores, or on ``store`` alone.

    What is damaged or stale is a warning; a store that cannot be read is a failure, after the others were listed.
    """
    result = ListResult("list", config.host)
    result.begin()
    try:
        jobs = stored_jobs(config, job_names)
        if len(jobs) == 1:
            result.job = jobs[0].name
        for job in jobs:
            names = [store] if store else list(job.stores)
            catalogs = [open_catalog(config, job.name, name) for name in names]
            result.jobs.append(_list_job(job, catalogs, now or utc_now(), result))
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _list_job(job: Job, catalogs: t.Sequence[Catalog], now: datetime.datetime, result: ListResult) -> JobListing:
    listing = JobListing(job.name, job.max_age)
    rows: t.Dict[str, BackupRow] = {}
    failed: t.Dict[str, FailedRow] = {}
    for catalog in catalogs:
        name = catalog.store.name
        store_row = StoreRow(name)
        listing.stores.append(store_row)
        try:
            scan = catalog.scan()
            marks = read_marks(catalog, scan)
            whole = _rows(catalog, scan, marks, rows, now)
            _failures(catalog, scan, failed)
        except FleetBackupError as error:
            store_row.error = {"code": error.code, "message": str(error)}
            result.fail(error)
            continue
        for problem in marks.problems:
            result.warn("mark", problem)
        listing.unfinished += [BadRow(i, name) for i in scan.unfinished]
        listing.unfinished += [BadRow(i, name, _REMOVED) for i in scan.deleted if i not in scan.complete]
        listing.damaged += [BadRow(i, name, why) for i, why in sorted(scan.damaged.items())]
        store_row.backups = len(whole)
        store_row.newest, store_row.age = _newest(rows[i] for i in whole)
        store_row.stale = _stale(store_row.age, job.max_age)
    asked = [s for s in listing.stores if s.error is None]
    for row in rows.values():
        row.missing = [s.store for s in asked if s.store not in row.stores]
    listing.backups = sorted(rows.values(), key=lambda row: row.id, reverse=True)
    listing.failed = sorted(failed.values(), key=lambda row: row.id, reverse=True)
    listing.newest, listing.age = _newest(listing.backups)
    listing.stale = bool(asked) and all(s.stale for s in asked)
    _warn(listing, result)
    return listing


def _rows(
    catalog: Catalog, scan: Scan, marks: Marks, rows: t.Dict[str, BackupRow], now: datetime.datetime
) -> t.List[str]:  # fmt: skip
    """Add the store's backups to ``rows``; return their ids, oldest first. Damaged manifests go to ``scan.damaged``."""
    whole = []
    for backup_id in scan.complete:
        try:
            row = rows.get(backup_id) or _row(catalog.manifest(backup_id), marks, now)
        except (IntegrityError, NotFoundError) as error:
            scan.damaged[backup_id] = str(error)
            continue
        row.stores.append(catalog.store.name)
        row.suspicious = row.suspicious and backup_id not in marks.accepted
        row.pinned = row.pinned or backup_id in marks.pinned
        rows[backup_id] = row
        whole.append(backup_id)
    return whole


def _row(manifest: Manifest, marks: Marks, now: datetime.datetime) -> BackupRow:
    return BackupRow(
        id=manifest.id,
        started=manifest.started,
        finished=manifest.finished,
        age=int((now - from_iso(manifest.finished)).total_seconds()),
        kind=manifest.kind,
        tag=manifest.tag,
        outcome=manifest.outcome,
        entries=sum(c.entries for c in manifest.components),
        bytes=manifest.logical_bytes,
        stored=manifest.stored_bytes,
        components=[c.name for c in manifest.components],
        suspicious=marks.suspicious(manifest),
    )


def _failures(catalog: Catalog, scan: Scan, failed: t.Dict[str, FailedRow]) -> None:
    for backup_id in scan.failed[-KEPT_FAILURES:]:
        row = failed.setdefault(backup_id, FailedRow(backup_id, []))
        row.stores.append(catalog.store.name)
        if row.error is None:
            row.error = _failure(catalog, backup_id)


def _failure(catalog: Catalog, backup_id: str) -> t.Optional[t.Dict[str, t.Any]]:
    """The error that a failed run left on the store; None when the record cannot be understood."""
    try:
        file = catalog.store.open(catalog.failed_key(backup_id), 0, _LARGEST_RECORD)
        try:
            error = json.loads(file.read(_LARGEST_RECORD))["error"]
        finally:
            file.close()
        return {"code": str(error["code"]), "message": str(error.get("message", ""))}
    except (NotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _newest(rows: t.Iterable[BackupRow]) -> t.Tuple[t.Optional[str], t.Optional[int]]:
    """Id and age of the newest backup that somebody is safer for."""
    return max(((row.id, row.age) for row in rows if not (is_safety(row.id) or row.suspicious)), default=(None, None))


def _stale(age: t.Optional[int], max_age: t.Optional[int]) -> bool:
    """A backup of the future, made while the clock was wrong, proves nothing."""
    return max_age is not None and (age is None or age > max_age or age < -_CLOCK_SKEW)


def _warn(listing: JobListing, result: ListResult) -> None:
    for bad in listing.damaged:
        result.warn("damaged", "store %s: backup %s of job %s is damaged: %s" % (bad.store, bad.id, listing.job, bad.why))
    for backup in listing.backups:
        if backup.suspicious:
            result.warn(
                SUSPICIOUS,
                "backup %s of job %s may be of what was lost (fleet-backup show %s); if it is right, fleet-backup accept %s"
                % (backup.id, listing.job, backup.id, backup.id),
            )
    for row in listing.stores:
        if row.error is None and row.stale:
            newest = "it has none" if row.newest is None else "its newest is %s" % row.newest
            result.warn("stale", "store %s: job %s has no fresh backup there; %s" % (row.store, listing.job, newest))
