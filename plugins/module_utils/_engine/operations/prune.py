# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the backups that the retention rules do not keep; say of each why it stays or goes."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t
from dataclasses import dataclass, field

from ..anomaly import SUSPICIOUS
from ..catalog import Catalog, Scan
from ..errors import (
    ConfirmationNeededError,
    FleetBackupError,
    InterruptedRunError,
    StoreRefusedError,
)
from ..interruption import checkpoint, uninterrupted
from ..job import Config, Job
from ..lock import JobLock
from ..manifest import Manifest
from ..marks import read_marks
from ..options import Amount
from ..progress import SILENT, Progress
from ..result import Result, utc_now
from ..retention import decide
from ..side_by_side import side_by_side
from ..state import State
from ..telling import tell
from .orphans import Orphan, find_orphans, outdated_failures, was_cut_off
from .place import open_catalog
from .unwanted import candidate, timezone


@dataclass
class Verdict:
    """One backup on one store. ``bytes``: what it takes there, None when that is not known; ``deleted``: it is gone.

    ``used_by``: the newer backups that need it. None of those stays when it goes.
    """

    id: str
    keep: bool
    reasons: t.List[str]
    bytes: t.Optional[int] = None
    used_by: t.List[str] = field(default_factory=list)
    deleted: bool = False


@dataclass
class StorePruning:
    """What became of one store. ``freed`` counts bytes; in a dry run those that would be freed.

    ``verdicts``: newest first. ``damaged``: why each damaged backup is none; they are never removed. ``leftovers``: data of runs
    that began over a week ago and never finished. ``cut_off``: bytes of manifests, marks and the like that were cut off over
    a week ago, removed with ``orphans``. ``forgotten``: old records of failed runs removed.
    ``finished``: backups whose removal an earlier prune had begun.
    """

    store: str
    verdicts: t.List[Verdict] = field(default_factory=list)
    freed: int = 0
    damaged: t.Dict[str, str] = field(default_factory=dict)
    leftovers: t.List[Orphan] = field(default_factory=list)
    cut_off: int = 0
    forgotten: int = 0
    finished: t.List[str] = field(default_factory=list)
    error: t.Optional[t.Dict[str, str]] = None


@dataclass
class PruneResult(Result):
    """``deleted``: ids removed from at least one store (in a dry run: those that would be)."""

    stores: t.List[StorePruning] = field(default_factory=list)
    deleted: t.List[str] = field(default_factory=list)
    freed: int = 0


def prune(
    config: Config,
    job: Job,
    *,
    dry_run: bool = False,
    store: t.Optional[str] = None,
    orphans: bool = False,
    max_delete: t.Optional[Amount] = None,
    now: t.Optional[datetime.datetime] = None,
    progress: Progress = SILENT,
) -> PruneResult:
    """Apply the retention rules of ``job`` to all its stores, or to ``store`` alone; each store is decided on its own.

    ``orphans``: also remove what is left over of runs that were killed over a week ago. ``max_delete``: instead of the job's.
    A dry run decides and deletes nothing. A store that cannot be reached does not keep the others from being pruned.
    """
    result = PruneResult("prune", config.host, job.name, dry_run=dry_run)
    result.begin()
    state = State(config.state_dir)
    try:
        names = [store] if store else list(job.stores)
        for name in [n for n in names if config.store(n).write_only]:
            result.warn("write-only", "store %s was not pruned: this host may only write to it; prune it from elsewhere" % name)
            names.remove(name)
        catalogs = [open_catalog(config, job.name, name) for name in names]
        with contextlib.nullcontext() if dry_run else JobLock(config.state_dir, job.name, job.lock_timeout):
            for catalog in catalogs:
                own = config.store(catalog.store.name).retention
                ruled = job if own is None else dataclasses.replace(job, retention=own)
                limit = max_delete or ruled.retention.get("max_delete")
                _prune_store(catalog, ruled, now or utc_now(), limit, orphans, result, progress)
    except (FleetBackupError, InterruptedRunError) as error:
        result.fail(error)
    with uninterrupted():
        progress.close()
        result.deleted = sorted({v.id for s in result.stores for v in s.verdicts if v.deleted or (dry_run and not v.keep)})
        result.freed = sum(s.freed for s in result.stores)
        result.changed = bool(result.deleted) or any(_changed(s, orphans and dry_run) for s in result.stores)
        result.end()
        if not dry_run:
            state.write_status(job.name, result.to_dict())
            tell(config, [job], result)
        for notice in state.notices:
            result.warn(notice.code, notice.message)
    return result


def _changed(pruning: StorePruning, planned: bool) -> bool:
    """Whether a store lost, or is planned to lose, something besides backups."""
    return bool(pruning.forgotten or pruning.finished or pruning.cut_off or any(planned or o.deleted for o in pruning.leftovers))


def _prune_store(
    catalog: Catalog,
    job: Job,
    now: datetime.datetime,
    limit: t.Optional[Amount],
    orphans: bool,
    result: PruneResult,
    progress: Progress,
) -> None:
    pruning = StorePruning(catalog.store.name)
    result.stores.append(pruning)
    progress.phase("prune %s" % catalog.store.name)
    try:
        scan = catalog.scan()
        pruning.leftovers = find_orphans(catalog, scan, now)
        pruning.finished = [i for i in scan.deleted if i not in scan.complete]
        manifests = _decide(catalog, scan, job, now, pruning, result)
        for backup_id, why in pruning.damaged.items():
            result.warn("damaged", "store %s: %s is damaged and was left alone: %s" % (pruning.store, backup_id, why))
        if orphans:
            pruning.cut_off = catalog.store.leftover_bytes(catalog.folder, was_cut_off(now))
        excess = _excess(pruning, limit)
        if result.dry_run:
            pruning.freed = sum(v.bytes or 0 for v in pruning.verdicts if not v.keep)
            if orphans:
                pruning.freed += sum(o.bytes for o in pruning.leftovers) + pruning.cut_off
            if excess:
                result.warn("max-delete", excess)
            return
        _finish(catalog, scan, pruning, progress)
        if orphans:
            _remove_orphans(catalog, pruning, now, progress)
        if excess:
            raise ConfirmationNeededError(excess)
        _delete(catalog, manifests, pruning, result, progress)
        for backup_id in outdated_failures(scan, min((v.id for v in pruning.verdicts if v.keep), default=None), now):
            catalog.store.delete(catalog.failed_key(backup_id))
            pruning.forgotten += 1
    except FleetBackupError as error:
        pruning.error = {"code": error.code, "message": str(error)}
        result.fail(error)


def _excess(pruning: StorePruning, limit: t.Optional[Amount]) -> str:
    """Why this run may not remove what the rules do not keep; nothing when it may."""
    going = sum(1 for verdict in pruning.verdicts if not verdict.keep)
    if limit is None or going <= limit.of(len(pruning.verdicts)):
        return ""
    return (
        "store %s: %d of %d backups would be removed, more than max_delete (%s) allows at once, so none is; look at the rules, "
        "the clock and the reasons (--dry-run), and allow it with --max-delete %d if it is meant"
        % (pruning.store, going, len(pruning.verdicts), limit.text, going)
    )


def _decide(
    catalog: Catalog, scan: Scan, job: Job, now: datetime.datetime, pruning: StorePruning, result: PruneResult
) -> t.Dict[str, Manifest]:
    """Fill in the verdicts and what is damaged; return the manifests of the others.

    What is kept must be there to be worth keeping: as long as a kept backup turns out to lack data, it counts as damaged, and
    the decision is made again without it.
    """
    manifests, pruning.damaged = catalog.manifests(scan.complete)
    pruning.damaged.update(scan.damaged)
    marks = read_marks(catalog, scan)
    for problem in marks.problems:
        result.warn("mark", problem)
    doubtful = [i for i, m in manifests.items() if marks.suspicious(m)]
    if doubtful:
        result.warn(
            SUSPICIOUS,
            "store %s: %s may be of what was lost; nothing older goes until somebody has looked: fleet-backup accept %s"
            % (pruning.store, ", ".join(doubtful), doubtful[-1]),
            count=len(doubtful),
        )
    checked: t.Set[str] = set()
    while True:
        candidates = [candidate(m, marks) for m in manifests.values()]
        decisions = decide(candidates, job.retention, now, timezone(job), pruning.damaged)
        kept = {d.id for d in decisions if d.keep and d.id in manifests}
        lacking = {}
        if len(kept) < len(manifests):
            ids = sorted(kept - checked)
            looked = side_by_side([(catalog.store, functools.partial(catalog.lacking, i)) for i in ids])
            lacking = {i: names for i, names in zip(ids, looked) if names}
        if not lacking:
            break
        checked |= kept
        for backup_id, names in lacking.items():
            del manifests[backup_id]
            pruning.damaged[backup_id] = "%d of its objects are missing or cut off, such as %s" % (len(names), names[0])
    used_by: t.Dict[str, t.List[str]] = {}
    for manifest in manifests.values():
        for reference in manifest.references:
            used_by.setdefault(reference["id"], []).append(manifest.id)
    pruning.verdicts = [
        Verdict(
            d.id, d.keep, d.reasons, manifests[d.id].stored_bytes if d.id in manifests else None, sorted(used_by.get(d.id, []))
        )
        for d in decisions
    ]
    return manifests


def _delete(
    catalog: Catalog, manifests: t.Dict[str, Manifest], pruning: StorePruning, result: PruneResult, progress: Progress
) -> None:
    """Delete the newest first, so that nothing is deleted before what uses it."""
    needed: t.Set[str] = set()
    for verdict in sorted(pruning.verdicts, key=lambda v: v.id, reverse=True):
        if verdict.keep:
            continue
        uses = {r["id"] for r in manifests[verdict.id].references}
        if verdict.id in needed:
            verdict.keep = True
            verdict.reasons = ["needed by a backup that could not be removed"]
            needed |= uses
            continue
        try:
            with uninterrupted():  # half a deletion would leave data that nothing names
                verdict.bytes = catalog.delete(verdict.id)
                verdict.deleted = True
                pruning.freed += verdict.bytes
        except StoreRefusedError as error:
            # Locked against deletion, or not ours to delete: the others may go, but nothing that this one uses.
            verdict.keep = True
            verdict.reasons = ["the store refused to remove it: %s" % error]
            needed |= uses
            result.warn("not-deleted", "store %s: %s could not be removed: %s" % (pruning.store, verdict.id, error))
            continue
        checkpoint()
        progress.message("store %s: removed %s, %d bytes" % (pruning.store, verdict.id, verdict.bytes))


def _remove_orphans(catalog: Catalog, pruning: StorePruning, now: datetime.datetime, progress: Progress) -> None:
    catalog.store.remove_leftovers(catalog.folder, was_cut_off(now))
    pruning.freed += pruning.cut_off
    for orphan in pruning.leftovers:
        with uninterrupted():
            pruning.freed += catalog.delete_orphan(orphan.id)
            orphan.deleted = True
        checkpoint()
        progress.message("store %s: removed what %s had left, %d bytes" % (pruning.store, orphan.id, orphan.bytes))


def _finish(catalog: Catalog, scan: Scan, pruning: StorePruning, progress: Progress) -> None:
    """Finish removals that were interrupted; forget those that were only begun and are not wanted any more."""
    for backup_id in pruning.finished:
        with uninterrupted():
            pruning.freed += catalog.delete(backup_id)
        progress.message("store %s: finished removing %s" % (pruning.store, backup_id))
    for verdict in pruning.verdicts:
        if verdict.keep and verdict.id in scan.deleted and verdict.id in scan.complete:
            catalog.keep(verdict.id)
