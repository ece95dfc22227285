# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a backup, or a part of one: checked first, staged, swapped in, and undone when anything fails."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import typing as t
from dataclasses import dataclass, field

from ..catalog import Catalog
from ..errors import (
    ConfigurationError,
    ConfirmationNeededError,
    FleetBackupError,
    InterruptedRunError,
    NotFoundError,
    RestoreError,
)
from ..hooks import run_hooks
from ..interruption import checkpoint, uninterrupted
from ..job import Config, Job, SourceConfig
from ..job_options import HOOK_POINTS
from ..keyring import Keyring
from ..lock import JobLock
from ..names import SAFETY_TAG, parse_backup_id
from ..progress import SILENT, Progress
from ..result import FAILURE, WARNING, Result, utc_now
from ..runlog import RunLog
from ..sources import RestorePlan, RestoreTarget, Restoring, Undoable
from ..sources import load as load_source
from ..state import State
from ..telling import tell
from .another_host import check_host, insist_on_own_places, place_roots
from .choosing import Choice, choose_backup
from .folders import Folders
from .overriding import overridden
from .place import bare_catalog, open_catalog, open_source


@dataclass
class RestoreRequest:
    """What is to be restored, and how.

    ``backup``: ``latest``, an id or the beginning of one; with ``at``, the newest that had finished by then. ``components``: all
    when empty. ``include``: patterns as in C(.gitignore) of the entries wanted. ``to``: a folder instead of the original place.
    ``store``: instead of the first of the job's that has the backup intact. ``from_dir``: a plain folder with backups
    instead of any store; then neither configuration nor job are needed. ``from_host``: the host whose backups of that job are
    meant, instead of this one's. ``delete``, ``set_ids``, ``devices``, ``move``: see sources.RestoreTarget. ``confirm``: whether
    existing data may be overwritten, or a function that asks somebody: it gets the result so far, with what would be done in
    ``components``. ``safety_backup``: back up first what is there now. ``options``: of the sources' drivers, for this restore
    instead of the job's. ``keyring``: what opens an encrypted backup.
    """

    backup: str = "latest"
    at: t.Optional[datetime.datetime] = None
    components: t.Tuple[str, ...] = ()
    include: t.Tuple[str, ...] = ()
    to: t.Optional[str] = None
    store: t.Optional[str] = None
    from_dir: t.Optional[str] = None
    from_host: t.Optional[str] = None
    move: t.Dict[str, str] = field(default_factory=dict)
    delete: bool = False
    set_ids: bool = False
    devices: bool = False
    dry_run: bool = False
    confirm: t.Union[bool, t.Callable[[RestoreResult], bool]] = False
    safety_backup: bool = True
    options: t.Dict[str, t.Any] = field(default_factory=dict)
    keyring: Keyring = field(default_factory=Keyring, repr=False)


@dataclass
class ComponentRestore:
    """What became, or would become, of one component. ``bytes`` are logical and of the whole component."""

    name: str
    source: str
    entries: int
    bytes: int
    plan: RestorePlan = field(default_factory=RestorePlan)


@dataclass
class RestoreResult(Result):
    """``id``: the backup that was chosen, read from ``store``. ``safety_backup``: the id of what was there before.

    ``undone``: the restore failed after it had begun to change things, and all is as it was before.
    """

    id: t.Optional[str] = None
    store: t.Optional[str] = None
    to: t.Optional[str] = None
    safety_backup: t.Optional[str] = None
    undone: bool = False
    components: t.List[ComponentRestore] = field(default_factory=list)
    log: t.Optional[str] = None

    @property
    def overwrites(self) -> int:
        """How many existing things are overwritten or removed."""
        return sum(c.plan.overwrite_count + c.plan.remove_count for c in self.components)


def restore(
    config: t.Optional[Config], job_name: t.Optional[str], request: RestoreRequest, *, progress: Progress = SILENT
) -> RestoreResult:  # fmt: skip
    """Carry out ``request`` and return what became of it. A dry run checks the backup and lists what would be done.

    Nothing is touched before everything is checked and staged; after that, whatever fails, all is put back.
    """
    result = RestoreResult("restore", config.host if config else None, job_name, dry_run=request.dry_run, to=request.to)
    result.begin()
    known = config is not None and job_name is not None
    state = State(config.state_dir) if config is not None and known else None
    job = _configured(config, job_name)
    with contextlib.ExitStack() as ending:
        try:
            with contextlib.ExitStack() as stack:
                if config is not None and job_name is not None and not request.dry_run:
                    stack.enter_context(JobLock(config.state_dir, job_name, job.lock_timeout if job else 0))
                _Run(config, job_name, job, request, result, progress, ending).carry_out()
        except (FleetBackupError, InterruptedRunError) as error:
            ending.enter_context(uninterrupted())
            result.fail(error)
        except OSError as error:
            ending.enter_context(uninterrupted())
            result.fail(RestoreError("%s: %s" % (error.filename or "the restore failed", error.strerror or error)))
        progress.close()
        result.end()
        if state is not None and job_name is not None and not request.dry_run:
            state.write_status(job_name, result.to_dict())
            if config is not None and job is not None:
                tell(config, [job], result)
            for notice in state.notices:
                result.warn(notice.code, notice.message)
    return result


def restore_each(
    config: t.Optional[Config], job_name: t.Optional[str], request: RestoreRequest, *, progress: Progress = SILENT
) -> Result:  # fmt: skip
    """Carry out ``request`` for a job; for a job of tenants for each whom the stores know. Raises the stores' errors."""
    from .tenants import each_tenant, insist_on_tenant

    job = _configured(config, job_name)
    if config is None or job is None or request.from_dir is not None:
        return restore(config, job_name, request, progress=progress)
    if request.backup != "latest":
        insist_on_tenant(job, "backup %s" % request.backup)
    if request.to is not None:
        insist_on_tenant(job, "what a folder (to) gets")
    if request.from_host is not None:
        insist_on_tenant(job, "what another host has backed up")
    return each_tenant(config, job, "restore", lambda one: restore(config, one.name, request, progress=progress))


def _configured(config: t.Optional[Config], name: t.Optional[str]) -> t.Optional[Job]:
    from .tenants import configured_job

    return configured_job(config, name)


class _Run:
    """One restore, from the choice of the backup to the last hook.

    From the point of no return on, ``ending`` holds what lets no signal cut the last steps short.
    """

    def __init__(
        self, config: t.Optional[Config], job_name: t.Optional[str], job: t.Optional[Job], request: RestoreRequest,
        result: RestoreResult, progress: Progress, ending: contextlib.ExitStack,
    ) -> None:  # fmt: skip
        self._ending = ending
        self._config = config
        self._job_name = job_name
        self._job = job
        self._request = request
        self._result = result
        self._progress = progress
        self._log: t.Optional[RunLog] = None

    def carry_out(self) -> None:
        request = self._request
        if request.to is not None and not os.path.isabs(request.to):
            raise ConfigurationError("to: %r is not absolute; write the whole path of the folder" % request.to)
        self._open_log()
        try:
            partly = bool(request.include)
            choice = choose_backup(
                self._catalogs(), request.backup, request.at, request.components, partly, self._progress, self._warn
            )  # fmt: skip
            try:
                self._restore(choice)
            finally:
                choice.close()
        except (FleetBackupError, InterruptedRunError) as error:
            self._say("failed: %s" % error)
            raise
        finally:
            if self._log is not None:
                self._log.close()

    def _catalogs(self) -> t.List[Catalog]:
        request = self._request
        if request.from_dir is not None:
            return [bare_catalog(request.from_dir, request.keyring)]
        if self._config is None or self._job_name is None:
            raise ConfigurationError("name a job, or a folder that holds a backup (from)")
        config = self._config
        if request.from_host is not None:
            check_host(request.from_host)
            config = dataclasses.replace(config, host=request.from_host)
        names = (
            [request.store] if request.store else list(self._job.stores) if self._job else [s.name for s in self._config.stores]
        )
        if not names:
            raise NotFoundError("there is no job %r, and no store that could hold its backups" % self._job_name)
        return [open_catalog(config, self._job_name, name, request.keyring) for name in names]

    def _restore(self, choice: Choice) -> None:
        result, request = self._result, self._request
        manifest = choice.manifest
        result.id, result.store = manifest.id, choice.catalog.store.name
        result.host, result.job = self._config.host if self._config else manifest.host, self._job_name or manifest.job
        self._say("backup %s of job %s on host %s, from store %s" % (manifest.id, manifest.job, manifest.host, result.store))
        for reader in choice.readers:
            component = reader.component
            result.components.append(ComponentRestore(component.name, component.source, component.entries, component.bytes))
        place_roots(choice.readers, request.move)
        if request.from_host is not None and request.to is None:
            insist_on_own_places(self._job, choice.readers, request.move)
        if request.dry_run or request.confirm is not True:
            self._plan(choice)
        if request.dry_run:
            result.changed = any(c.plan.create_count for c in result.components) or result.overwrites > 0
            return
        self._confirm()
        try:
            self._hooks("before_restore", "")
            self._back_up_first()
            self._write(choice)
        finally:
            self._after_hooks()

    def _plan(self, choice: Choice) -> None:
        for reader, told in zip(choice.readers, self._result.components):
            self._progress.phase("compare %s" % told.name)
            told.plan = load_source(told.source).plan_restore(reader, self._target(told))

    def _confirm(self) -> None:
        result, confirm = self._result, self._request.confirm
        if confirm is True:
            return
        # A function decides also whether there is anything to ask.
        if not (confirm(result) if callable(confirm) else not result.overwrites):
            raise ConfirmationNeededError(
                "restoring %s would overwrite or remove %d existing things and nobody confirmed that; nothing was touched"
                % (result.id, result.overwrites)
            )

    def _write(self, choice: Choice) -> None:
        """Stage all, then commit all. Whatever fails, everything is put back in reverse order."""
        begun: t.List[Restoring] = []
        committing = False
        folders = Folders()
        # Dumps first: the folders that they make are then there when trees are compared with what there is.
        components = sorted(zip(choice.readers, self._result.components), key=lambda c: c[0].component.shape == "tree")
        try:
            for reader, told in components:
                if self._request.to is None and not load_source(told.source).roots_are_paths:
                    continue
                for root in reader.roots:
                    folders.make_for(root, self._request.to)
            for reader, told in components:
                self._progress.phase("restore %s" % told.name, told.bytes)
                restoring = load_source(told.source).restore(reader, self._target(told))
                begun.append(restoring)
                restoring.stage(self._progress.advance)
                told.plan = restoring.plan
                self._say("component %s is staged: %s" % (told.name, _describe(told.plan)))
            self._progress.phase("put in place")
            committing = True
            for restoring in begun:
                for notice in restoring.commit():
                    self._result.warnings.append(notice)
                    self._result.outcome = WARNING
                    self._say("component %s: %s: %s" % (notice.component, notice.code, notice.message))
            self._ending.enter_context(uninterrupted())
        except BaseException as error:
            self._ending.enter_context(uninterrupted())
            self._say("failed, everything is put back: %s" % error)
            try:
                self._put_back(begun, committing, error)
            finally:
                folders.remove()
            raise
        # Of all before anything is tidied up, which may take long: a kill meanwhile must not leave some to be undone.
        for restoring in begun:
            if isinstance(restoring, Undoable):
                self._tidy(restoring.conclude)
        self._finish(begun)
        self._result.changed = any(c.plan.create_count for c in self._result.components) or self._result.overwrites > 0

    def _put_back(self, begun: t.Sequence[Restoring], committing: bool, error: BaseException) -> None:
        problems = []
        for restoring in reversed(begun):
            try:
                restoring.undo()
            except (FleetBackupError, OSError) as problem:
                problems.append(str(problem))
        self._finish(begun)
        if problems:
            raise RestoreError("%s\nand not everything could be put back:\n%s" % (error, "\n".join(problems))) from error
        self._result.undone = committing

    def _finish(self, begun: t.Sequence[Restoring]) -> None:
        # Trees last, and of them the last that was begun first: each gives a folder that several are staged in its times.
        dumps = [restoring for restoring in begun if not restoring.sets_times]
        for restoring in dumps + [restoring for restoring in reversed(begun) if restoring.sets_times]:
            self._tidy(restoring.finish)

    def _tidy(self, do: t.Callable[[], None]) -> None:
        try:
            do()
        except OSError as error:
            self._warn("left-behind", "something that is no longer needed could not be removed: %s" % error)
        except FleetBackupError as error:
            self._warn("left-behind", str(error))

    def _back_up_first(self) -> None:
        """Back up what is there now of what will be overwritten. Raises RestoreError when that fails."""
        if self._config is None or self._job is None or self._request.to is not None or not self._request.safety_backup:
            return
        sources = [present for present in map(self._present, self._restored_sources()) if present is not None]
        if not sources:
            return
        from .backup import backup

        # The job's own hooks may start what before_restore has stopped.
        job = dataclasses.replace(self._job, sources=tuple(sources), hooks={point: () for point in HOOK_POINTS})
        self._say("safety backup of %s" % ", ".join(source.name for source in sources))
        taken = backup(self._config, job, kind="full", tag=SAFETY_TAG, lock_held=True, progress=self._progress)
        checkpoint()
        if taken.error and taken.error["code"] == InterruptedRunError.code:
            raise InterruptedRunError(taken.error["message"])
        if taken.outcome == FAILURE:
            raise RestoreError(
                "the safety backup of what is there now failed, so nothing was touched: %s\nto restore without one, say so"
                " (safety_backup)" % (taken.error or {}).get("message")
            )
        self._result.safety_backup = taken.id

    def _restored_sources(self) -> t.List[SourceConfig]:
        names = {told.name for told in self._result.components}
        return [source for source in self._job.sources if source.name in names] if self._job else []

    def _present(self, source: SourceConfig) -> t.Optional[SourceConfig]:
        """A source as far as there is something to back up; None when nothing is."""
        if self._config is None or self._job is None:
            return None
        options = overridden(source.driver, source.options, self._request.options)
        source = dataclasses.replace(source, options=options or source.options)
        present = open_source(self._config, self._job, source).present()
        return None if present is None else dataclasses.replace(source, options=present)

    def _target(self, told: ComponentRestore) -> RestoreTarget:
        request = self._request
        options: t.Optional[t.Dict[str, t.Any]] = None
        leave_out: t.Tuple[str, ...] = ()
        for source in self._restored_sources():
            if source.name == told.name and source.driver == told.source and self._config is not None and self._job is not None:
                options = source.options
                leave_out = tuple(open_source(self._config, self._job, source).leave_out)
        return RestoreTarget(
            to=request.to,
            include=request.include,
            delete=request.delete,
            set_ids=request.set_ids,
            devices=request.devices,
            move=request.move,
            options=overridden(told.source, options, request.options),
            leave_out=leave_out,
        )

    def _after_hooks(self) -> None:
        import sys

        failed = sys.exc_info()[0] is not None
        try:
            self._hooks("after_restore", FAILURE if failed else self._result.outcome)
        except FleetBackupError as error:
            self._warn("hook", str(error))

    def _hooks(self, point: str, outcome: str) -> None:
        if self._job is None or self._request.to is not None:
            return
        chosen = parse_backup_id(self._result.id or "")
        environment = {
            "FLEET_BACKUP_HOST": self._result.host or "",
            "FLEET_BACKUP_JOB": self._job.name,
            "FLEET_BACKUP_ID": self._result.id or "",
            "FLEET_BACKUP_KIND": chosen.kind if chosen else "",
            "FLEET_BACKUP_TAG": chosen.tag if chosen else "",
            "FLEET_BACKUP_OUTCOME": outcome,
        }
        run_hooks(self._job, point, environment, self._say)

    def _open_log(self) -> None:
        if self._config is None or self._job_name is None or self._request.dry_run:
            return
        run_id = "%s-restore-%s" % (utc_now().strftime("%Y%m%dT%H%M%SZ"), os.urandom(2).hex())
        self._log = RunLog(self._config.state_dir, self._job_name, run_id)
        self._result.log = self._log.path

    def _warn(self, code: str, message: str) -> None:
        self._result.warn(code, message)
        self._say("%s: %s" % (code, message))

    def _say(self, text: str) -> None:
        self._progress.message(text)
        if self._log is not None:
            self._log.line(text)


def _describe(plan: RestorePlan) -> str:
    told = (plan.create_count, plan.overwrite_count, plan.remove_count, plan.unchanged_count)
    return "%d new, %d overwritten, %d removed, %d unchanged" % told
