# SPDX-License-Identifier: GPL-3.0-or-later
"""List the backups of jobs on all their stores, and what else lies there.

One listing of a job's folder tells which backups there are, when each began, its kind and tag, and what is damaged or was
cut off. What manifests tell besides is read side by side, and once (listing_cache.py).
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import typing as t

from ..anomaly import SUSPICIOUS
from ..catalog import Catalog, hosts, hosts_and_jobs
from ..errors import FleetBackupError
from ..job import Config, Job
from ..listing_cache import ListingCache
from ..marks import PINNED
from ..names import BackupId, decode_tenant, is_safety, parse_backup_id
from ..result import from_iso, iso, utc_now
from ..side_by_side import side_by_side
from ..stores import Store
from .listed import Details, Place
from .listing_result import BackupRow, BadRow, FailedRow, JobListing, ListResult, StoreRow
from .place import open_store, trusted_hosts
from .tenants import expected_tenants, find_job, tenants_stored

#: Up to so many manifests that are not known yet are read without being asked for.
READ_UNASKED = 500

# Seconds by which the clocks of the host that took a backup and of the one that lists it may differ.
_CLOCK_SKEW = 3600

_REMOVED = "its removal was interrupted; prune finishes that"


def list_backups(
    config: Config,
    job_names: t.Optional[t.Sequence[str]] = None,
    store: t.Optional[str] = None,
    *,
    all_hosts: bool = False,
    details: bool = False,
    now: t.Optional[datetime.datetime] = None,
) -> ListResult:
    """List the backups of the named jobs (all by default) on their stores, or on ``store`` alone.

    ``all_hosts``: of every host that has backups on the stores of the configuration, instead of its own. ``details``: read all
    manifests that are not known yet, however many. Without it none is read when they are more than READ_UNASKED, and what
    they would tell is None. What is damaged or stale is a warning; a store that cannot be read is a failure, after the others
    were listed.
    """
    result = ListResult("list", None if all_hosts else config.host)
    result.begin()
    try:
        listing = _Listing(config, result, now or utc_now())
        found = listing.of_all_hosts(job_names, store) if all_hosts else listing.of_this_host(job_names, store)
        if len(found) == 1:
            result.job = found[0].listing.job
        listing.run(found, details)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


class _Job(t.NamedTuple):
    """A job being listed. ``rows`` and ``failed`` by id."""

    listing: JobListing
    cache: ListingCache
    places: t.List[Place]
    rows: t.Dict[str, BackupRow]
    failed: t.Dict[str, FailedRow]


class _Listing:
    def __init__(self, config: Config, result: ListResult, now: datetime.datetime) -> None:
        self._config = config
        self._result = result
        self._now = now
        self._stores: t.Dict[str, Store] = {}
        self._trusted = trusted_hosts(config)
        self._trust = hashlib.sha256("\n".join(config.trusted_hosts).encode("utf-8")).hexdigest() if self._trusted else ""

    def of_this_host(self, names: t.Optional[t.Sequence[str]], store: t.Optional[str]) -> t.List[_Job]:
        """The jobs of this host. Raises NotFoundError, the stores' errors."""
        named = [find_job(self._config, name) for name in names] if names else self._config.jobs
        return [
            self._job(self._config.host, one.name, None if gone else one.max_age, [store] if store else one.stores, gone)
            for job in named
            for one, gone in self._with_tenants(job)
        ]

    def _with_tenants(self, job: Job) -> t.Iterator[t.Tuple[Job, bool]]:
        """A job or its tenants, also those without any backup; and whether each is gone, whose backups are not stale then."""
        expected = expected_tenants(self._config, job)
        stored = tenants_stored(self._config, [job])
        if expected is None:
            yield from ((one, False) for one in stored)
            return
        found = {one.name: one for one in stored if one.name != job.name}
        found.update((name, find_job(self._config, name)) for name in expected if name not in found)
        yield from ((found[name], name not in expected) for name in sorted(found))

    def of_all_hosts(self, names: t.Optional[t.Sequence[str]], store: t.Optional[str]) -> t.List[_Job]:
        """The jobs of all hosts, as the stores know them. A store that cannot be listed is a failure of the result."""
        found: t.Dict[t.Tuple[str, str], t.List[str]] = {}
        for name in [store] if store else [s.name for s in self._config.stores]:
            try:
                # Jobs that are named are not looked for: listing them shows whether they are there.
                there = self._store(name)
                pairs = [(host, job) for host in hosts(there) for job in names] if names else hosts_and_jobs(there)
                for place in pairs:
                    found.setdefault(place, []).append(name)
            except FleetBackupError as error:
                self._result.fail(error)
        return [self._job(host, job, None, stores) for (host, job), stores in sorted(found.items())]

    def run(self, found: t.Sequence[_Job], details: bool) -> None:
        """List ``found``: all stores at once, then what is not known of the first of each job, of the second, ..."""
        side_by_side([(place.store, place.look) for job in found for place in job.places])
        self._result.detailed = details or _count_unknown(found) <= READ_UNASKED
        for number in range(max((len(job.places) for job in found), default=0)):
            level = [(job, job.places[number]) for job in found if number < len(job.places)]
            if self._result.detailed:
                _read(level)
            for job, place in level:
                self._add(job, place)
        for job in found:
            job.cache.save([place.store.name for place in job.places if place.error is None])
            self._sum_up(job)

    def _job(
        self, host: str, name: str, max_age: t.Optional[int], stores: t.Iterable[str], gone: bool = False
    ) -> _Job:  # fmt: skip
        tenant = decode_tenant(name.partition("@")[2]) or None
        cache = ListingCache(self._config.state_dir, host, name, self._trust)
        catalogs = [Catalog(self._store(store), "%s/%s" % (host, name), trusted=self._trusted) for store in stores]
        return _Job(JobListing(host, name, max_age, tenant, gone), cache, [Place(catalog, cache) for catalog in catalogs], {}, {})

    def _store(self, name: str) -> Store:
        if name not in self._stores:
            self._stores[name] = open_store(self._config.store(name))
        return self._stores[name]

    def _add(self, job: _Job, place: Place) -> None:
        """Add what one store has."""
        for backup_id in place.whole:
            details, row = place.details.get(backup_id), job.rows.get(backup_id)
            if row is None:
                row = job.rows[backup_id] = _row(backup_id, details, self._now)
            elif details is not None and not details.suspicious:
                row.suspicious = False
            if details is not None and details.problem:
                self._result.warn("mark", details.problem)
            row.stores.append(place.store.name)
            row.pinned = row.pinned or backup_id in place.scan.marks.get(PINNED, ())
        for backup_id in place.failed:
            failed = job.failed.setdefault(backup_id, FailedRow(backup_id, []))
            failed.stores.append(place.store.name)
            failed.error = failed.error or place.failures.get(backup_id)

    def _sum_up(self, job: _Job) -> None:
        listing = job.listing
        self._result.jobs.append(listing)
        for place in job.places:
            self._result.read += place.read
            row = StoreRow(place.store.name)
            listing.stores.append(row)
            if place.error is not None:
                row.error = {"code": place.error.code, "message": str(place.error)}
                self._result.fail(place.error)
                continue
            scan = place.scan
            listing.unfinished += [BadRow(i, row.store) for i in scan.unfinished]
            listing.unfinished += [BadRow(i, row.store, _REMOVED) for i in scan.deleted if i not in scan.complete]
            listing.damaged += [BadRow(i, row.store, why) for i, why in sorted(scan.damaged.items())]
            row.backups = len(place.whole)
            row.newest, row.age = _newest(job.rows[i] for i in place.whole)
            row.stale = _stale(row.age, listing.max_age)
        asked = [s for s in listing.stores if s.error is None]
        for backup in job.rows.values():
            backup.missing = [s.store for s in asked if s.store not in backup.stores]
        listing.backups = sorted(job.rows.values(), key=lambda row: row.id, reverse=True)
        listing.failed = sorted(job.failed.values(), key=lambda row: row.id, reverse=True)
        listing.newest, listing.age = _newest(listing.backups)
        listing.stale = bool(asked) and all(s.stale for s in asked)
        _measure(job)
        _warn(listing, self._result, self._config.host)


def _count_unknown(found: t.Sequence[_Job]) -> int:
    """How much would have to be read: of each backup what the first store that has it tells."""
    count = 0
    for job in found:
        told: t.Set[str] = set()
        for place in job.places:
            new = {*place.whole, *place.failed} - told
            count += len(new - place.details.keys() - place.failures.keys())
            told |= new
    return count


def _read(level: t.Sequence[t.Tuple[_Job, Place]]) -> None:
    """Read what is not known of one store of each job. What another store told before is not read again."""
    tasks: t.List[t.Tuple[Store, t.Callable[[], None]]] = []
    for job, place in level:
        for backup_id in place.whole:
            row = job.rows.get(backup_id)
            if backup_id not in place.details and (row is None or (row.suspicious and place.accepts(backup_id))):
                tasks.append((place.store, functools.partial(place.read_details, backup_id)))
        for backup_id in place.failed:
            failed = job.failed.get(backup_id)
            if backup_id not in place.failures and (failed is None or failed.error is None):
                tasks.append((place.store, functools.partial(place.read_failure, backup_id)))
    side_by_side(tasks)


def _row(backup_id: str, details: t.Optional[Details], now: datetime.datetime) -> BackupRow:
    parts = t.cast(BackupId, parse_backup_id(backup_id))
    since = parts.started if details is None else from_iso(details.finished)
    row = BackupRow(backup_id, iso(parts.started), int((now - since).total_seconds()), parts.kind, parts.tag)
    if details is not None:
        row.started, row.finished, row.outcome = details.started, details.finished, details.outcome
        row.entries, row.bytes, row.stored = details.entries, details.bytes, details.stored
        row.components, row.suspicious = details.components, details.suspicious
    return row


def _measure(job: _Job) -> None:
    """Sum up how much a job backs up, by its newest backup, and what its backups take."""
    listing = job.listing
    listing.stored = sum(row.stored or 0 for row in listing.backups)
    newest = job.rows.get(listing.newest or "")
    details = next((p.details[newest.id] for p in job.places if newest is not None and newest.id in p.details), None)
    if details is not None:
        listing.bytes, listing.tables = details.bytes, details.tables
        listing.rows = None if details.tables is None else sum(table["rows"] for table in details.tables.values())


def _newest(rows: t.Iterable[BackupRow]) -> t.Tuple[t.Optional[str], t.Optional[int]]:
    """Id and age of the newest backup that somebody is safer for."""
    return max(((row.id, row.age) for row in rows if not (is_safety(row.id) or row.suspicious)), default=(None, None))


def _stale(age: t.Optional[int], max_age: t.Optional[int]) -> bool:
    """A backup of the future, made while the clock was wrong, proves nothing."""
    return max_age is not None and (age is None or age > max_age or age < -_CLOCK_SKEW)


def _warn(listing: JobListing, result: ListResult, own_host: str) -> None:
    about = "job %s" % listing.job if listing.host == own_host else "job %s of %s" % (listing.job, listing.host)
    for bad in listing.damaged:
        result.warn("damaged", "store %s: backup %s of %s is damaged: %s" % (bad.store, bad.id, about, bad.why))
    for backup in listing.backups:
        if backup.suspicious:
            result.warn(
                SUSPICIOUS,
                "backup %s of %s may be of what was lost (fleet-backup show %s); if it is right, fleet-backup accept %s"
                % (backup.id, about, backup.id, backup.id),
            )
    for row in listing.stores:
        if row.error is None and row.stale:
            newest = "it has none" if row.newest is None else "its newest is %s" % row.newest
            result.warn("stale", "store %s: %s has no fresh backup there; %s" % (row.store, about, newest))
