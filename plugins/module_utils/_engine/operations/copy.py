# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy backups from store to store, or to a plain folder, verified and without decrypting anything."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t
from dataclasses import dataclass, field

from ..catalog import Catalog, Scan
from ..copying import copy_backup, copy_marks, lacking_marks
from ..errors import ConfigurationError, FleetBackupError, InterruptedRunError, NotFoundError
from ..interruption import checkpoint
from ..job import Config, Job
from ..lock import JobLock
from ..progress import SILENT, Progress
from ..result import FAILURE, SUCCESS, Result
from ..side_by_side import side_by_side
from ..state import State
from ..stores.local import LocalStore
from ..telling import tell
from .place import open_catalog, trusted_hosts
from .tenants import configured_job, each_tenant, insist_on_tenant
from .unwanted import Looked, unwanted


@dataclass
class CopiedBackup:
    """One backup to one store. ``bytes``: of the backup there; ``sent``: of them this time. A dry run sends nothing."""

    id: str
    from_store: str
    to_store: str
    bytes: int
    sent: int = 0
    outcome: str = SUCCESS
    error: t.Optional[t.Dict[str, t.Any]] = None


@dataclass
class LeftOut:
    """A backup that a store lacks and was not copied: the retention rules of that store would not keep it, for these reasons."""

    id: str
    to_store: str
    reasons: t.List[str]


@dataclass
class CopyResult(Result):
    """``copied``: oldest first. What every store had already is not told."""

    copied: t.List[CopiedBackup] = field(default_factory=list)
    left_out: t.List[LeftOut] = field(default_factory=list)
    sent: int = 0


def copy(
    config: Config,
    job_name: str,
    backups: t.Sequence[str] = (),
    *,
    everything: bool = False,
    from_store: t.Optional[str] = None,
    to_stores: t.Sequence[str] = (),
    to_dir: t.Optional[str] = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> CopyResult:
    """Copy backups of a job to stores that lack them, with all older ones that hold their data.

    ``backups``: ids, beginnings of ids, or ``latest`` (the default); ``everything``: each one that is whole somewhere
    and that the rules of the store would keep, so that what was pruned there does not come back.
    ``from_store``: read only this one (default: for each backup the first store that has it whole). ``to_stores``: those that
    get copies (default: all stores of the job); ``to_dir``: a plain folder gets them instead. One that fails does not keep the
    others from being copied.
    """
    result = CopyResult("copy", config.host, job_name, dry_run=dry_run)
    result.begin()
    job = configured_job(config, job_name)
    try:
        if everything and backups:
            raise ConfigurationError("all: copies every backup; name none")
        sources, targets = _places(config, job, job_name, from_store, to_stores, to_dir)
        with contextlib.nullcontext() if dry_run else JobLock(config.state_dir, job_name, job.lock_timeout if job else 0):
            copying = _Copying(sources, targets, result, progress)
            if everything and job is not None:
                copying.leave_out = functools.partial(unwanted, config, job)
            copying.run(list(backups) or ["latest"], everything)
    except (FleetBackupError, InterruptedRunError) as error:
        result.fail(error)
    progress.close()
    result.sent = sum(copied.sent for copied in result.copied)
    result.end()
    if not dry_run and job is not None:
        State(config.state_dir).write_status(job_name, {**result.to_dict(), "copied": []})
        tell(config, [job], result)
    return result


def copy_each(config: Config, job_name: str, backups: t.Sequence[str] = (), **options: t.Any) -> Result:
    """Copy backups of a job; of a job of tenants those of each tenant. ``options``: copy()'s. Raises the stores' errors."""
    job = configured_job(config, job_name)
    if job is None:
        return copy(config, job_name, backups, **options)
    if set(backups) - {"latest"}:
        insist_on_tenant(job, "backup %s" % ", ".join(backups))
    return each_tenant(config, job, "copy", lambda one: copy(config, one.name, backups, **options))


def _places(
    config: Config, job: t.Optional[Job], name: str, from_store: t.Optional[str], to_stores: t.Sequence[str],
    to_dir: t.Optional[str],
) -> t.Tuple[t.List[Catalog], t.List[Catalog]]:  # fmt: skip
    own = list(job.stores) if job else [store.name for store in config.stores]
    opened = functools.lru_cache(None)(functools.partial(open_catalog, config, name))
    sources = [opened(store) for store in ([from_store] if from_store else own)]
    if to_dir is not None:
        if to_stores:
            raise ConfigurationError("to_dir: give a folder or stores, not both")
        if not os.path.isabs(to_dir):
            raise ConfigurationError("to_dir: %s is not absolute; write the whole path" % to_dir)
        folder = LocalStore("folder", {"path": os.path.normpath(to_dir)})
        return sources, [Catalog(folder, "%s/%s" % (config.host, name), trusted=trusted_hosts(config))]
    targets = [opened(store) for store in (to_stores or own) if store != from_store]
    if not targets:
        raise ConfigurationError("to_stores: there is no other store to copy to; name one, or a folder")
    return sources, targets


class _Copying:
    def __init__(
        self, sources: t.Sequence[Catalog], targets: t.Sequence[Catalog], result: CopyResult, progress: Progress
    ) -> None:  # fmt: skip
        self._sources = sources
        self._targets = targets
        self._result = result
        self._progress = progress
        self._scans: t.Dict[str, Scan] = {}
        #: Which backups are not worth a copy on a store, and why.
        self.leave_out: t.Callable[[Looked, t.Sequence[Looked]], t.Dict[str, t.List[str]]] = lambda _place, _others: {}
        #: By store, what is whole there, as far as that was looked at.
        self._whole: t.Dict[t.Tuple[str, str], bool] = {}

    def run(self, wanted: t.Sequence[str], everything: bool) -> None:
        usable = [catalog for catalog in self._sources if self._scan(catalog)]
        if not usable:
            raise NotFoundError("no store that holds backups can be read")
        ids = self._ids(usable, wanted, everything)
        for target in self._targets:
            scan = self._scan(target)
            if scan is None:
                continue
            others = [(catalog, self._scans[catalog.store.name]) for catalog in usable if catalog.store.name != target.store.name]
            left_out = self.leave_out((target, scan), others)
            self._result.left_out += [LeftOut(i, target.store.name, left_out[i]) for i in ids if i in left_out]
            worth = [i for i in ids if i not in left_out]
            self._look(target, worth)
            # The target's own manifests first: of what it has they were just read.
            for backup_id in self._with_references([target, *usable], worth):
                checkpoint()
                self._bring(usable, target, backup_id)

    def _scan(self, catalog: Catalog) -> t.Optional[Scan]:
        name = catalog.store.name
        if name not in self._scans:
            try:
                self._scans[name] = catalog.scan()
            except FleetBackupError as error:
                # A store that was never written to may not be there at all; a copy makes it.
                if not isinstance(error, NotFoundError):
                    self._result.fail(type(error)("store %s: %s" % (name, error)))
                    return None
                self._scans[name] = Scan()
        return self._scans[name]

    def _ids(self, usable: t.Sequence[Catalog], wanted: t.Sequence[str], everything: bool) -> t.List[str]:
        if everything:
            return sorted({backup_id for catalog in usable for backup_id in self._scans[catalog.store.name].complete})
        found: t.Set[str] = set()
        for one in wanted:
            chosen, errors = set(), []
            for catalog in usable:
                try:
                    chosen.add(catalog.choose(one))
                except NotFoundError as error:
                    errors.append(error)
            if not chosen:
                raise errors[0]
            found.add(max(chosen))
        return sorted(found)

    def _with_references(self, catalogs: t.Sequence[Catalog], ids: t.Sequence[str]) -> t.List[str]:
        """The ids and all that they need, the oldest first."""
        all_ids: t.Set[str] = set()
        for backup_id in ids:
            all_ids.add(backup_id)
            for catalog in catalogs:
                if backup_id in self._scans[catalog.store.name].complete:
                    with contextlib.suppress(FleetBackupError):  # told when it is copied
                        all_ids.update(reference["id"] for reference in catalog.manifest(backup_id).references)
                        break
        return sorted(all_ids)

    def _bring(self, usable: t.Sequence[Catalog], target: Catalog, backup_id: str) -> None:
        if self._is_whole(target, backup_id):
            self._bring_marks(usable, target, backup_id)
            return
        copied = CopiedBackup(backup_id, "", target.store.name, 0)
        self._result.copied.append(copied)
        error: t.Optional[FleetBackupError] = None
        for source in usable:
            if source.store.name == target.store.name or not self._is_whole(source, backup_id):
                continue
            copied.from_store = source.store.name
            try:
                copied.bytes = source.manifest(backup_id).stored_bytes
                self._progress.phase("copy %s to %s" % (backup_id, target.store.name), copied.bytes)
                if not self._result.dry_run:
                    copied.sent = copy_backup(source, target, backup_id, self._progress.advance)
                self._whole[target.store.name, backup_id] = self._result.changed = True
                return
            except FleetBackupError as problem:
                error = problem
        error = error or NotFoundError("backup %s is whole on no store that could be read" % backup_id)
        copied.outcome, copied.error = FAILURE, {"code": error.code, "message": str(error)}
        self._result.fail(error)

    def _bring_marks(self, usable: t.Sequence[Catalog], target: Catalog, backup_id: str) -> None:
        beside = self._scans[target.store.name].beside
        for source in usable:
            scan = self._scans[source.store.name]
            if source is target or backup_id not in scan.complete:
                continue
            if lacking_marks(backup_id, scan.beside, beside) and not self._result.dry_run:
                copy_marks(source, target, backup_id)
            return

    def _look(self, catalog: Catalog, ids: t.Sequence[str]) -> None:
        """Find out side by side what is whole there."""
        side_by_side([(catalog.store, functools.partial(self._is_whole, catalog, i)) for i in ids])

    def _is_whole(self, catalog: Catalog, backup_id: str) -> bool:
        """Whether a store has a manifest and every object in its size."""
        place = (catalog.store.name, backup_id)
        if place not in self._whole:
            scan = self._scan(catalog)
            try:
                self._whole[place] = scan is not None and backup_id in scan.complete and not catalog.lacking(backup_id)
            except FleetBackupError:
                self._whole[place] = False
        return self._whole[place]
