# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of many tenants: one backup for each, under the name ``job@tenant``. The sources say who the tenants are.

Who they were when a backup was last taken is in the host's state (State.tenants()): that is how a tenant is missed who has no
backup, and how one is told from it who is gone.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ConfigurationError, FleetBackupError, NotFoundError, SourceError
from ..job import Config, Job
from ..names import decode_tenant, encode_tenant
from ..result import Result
from ..sources import load
from ..state import State
from ..stores import load as load_store
from .backup import backup
from .backup_result import BackupResult
from .several import Several, for_each, sum_up

#: What file systems allow for a name, less what fleet.backup itself appends.
_LONGEST = 200


def has_tenants(job: Job) -> bool:
    """Whether a job is one of tenants, and not yet of one of them."""
    return any(load(source.driver).of_tenants(source.options) for source in job.sources)


def tenant_job(job: Job, tenant: str) -> Job:
    """The job for one tenant."""
    sources = tuple(
        dataclasses.replace(source, options=load(source.driver).for_tenant(source.options, tenant)) for source in job.sources
    )
    return dataclasses.replace(job, name="%s@%s" % (job.name, encode_tenant(tenant)), sources=sources)


def find_job(config: Config, name: str) -> Job:
    """The job called ``name``, also that of a tenant. Raises NotFoundError."""
    base, at, tenant = name.partition("@")
    job = config.job(base)
    if not at:
        return job
    if not has_tenants(job) or not tenant:
        raise NotFoundError("job %s has no tenants, so there is no %s" % (base, name))
    return tenant_job(job, decode_tenant(tenant))


def configured_job(config: t.Optional[Config], name: t.Optional[str]) -> t.Optional[Job]:
    """The job called ``name``, if it is (still) configured: its backups outlive it."""
    if config is None or name is None:
        return None
    try:
        return find_job(config, name)
    except NotFoundError:
        return None


def tenants_now(config: Config, job: Job) -> t.List[Job]:
    """The jobs of all tenants that the sources list; of a job without tenants itself. Raises SourceError and the like."""
    if not has_tenants(job):
        return [job]
    tenants: t.Set[str] = set()
    for source in job.sources:
        driver = load(source.driver)
        if driver.of_tenants(source.options):
            opened = driver(source.name, source.options)
            opened.spool = config.state_dir
            tenants.update(opened.tenants())
    if not tenants:
        raise SourceError("job %s: its query for the tenants found none, so there is nothing to back up" % job.name)
    jobs = [tenant_job(job, tenant) for tenant in sorted(tenants)]
    for one in jobs:
        if len(one.name) > _LONGEST:
            raise SourceError("job %s: the name of a tenant is too long for the name of a folder: %s" % (job.name, one.name))
    return jobs


def tenants_stored(config: Config, jobs: t.Iterable[Job]) -> t.List[Job]:
    """The same jobs, those of tenants as the stores know them: also of tenants that are gone.

    A job none of whose tenants has a backup stands for itself. A store that cannot be asked is left to whoever asks it for the
    backups; its error is raised when no other knows of a tenant.
    """
    result: t.List[Job] = []
    for job in jobs:
        names = _stored(config, job) if has_tenants(job) else set()
        result += [_of_tenant(job, name) for name in sorted(names)] or [job]
    return result


def _stored(config: Config, job: Job) -> t.Set[str]:
    names: t.Set[str] = set()
    problem: t.Optional[FleetBackupError] = None
    for store in map(config.store, job.stores):
        try:
            folders = load_store(store.driver)(store.name, store.options).list(config.host)[1]
        except FleetBackupError as error:
            problem = problem or error
            continue
        names.update(name for name in folders if name.startswith(job.name + "@"))
    if problem is not None and not names:
        raise problem
    return names


def expected_tenants(config: Config, job: Job) -> t.Optional[t.List[str]]:
    """The names of the jobs of the tenants that there were when a backup was last taken; None when this host does not know."""
    return State(config.state_dir).tenants(job.name) if has_tenants(job) else None


def _of_tenant(job: Job, name: str) -> Job:
    return tenant_job(job, decode_tenant(name.partition("@")[2]))


def stored_jobs(config: Config, names: t.Optional[t.Sequence[str]]) -> t.List[Job]:
    """The named jobs (all by default) whose backups may be on the stores. Raises NotFoundError, the stores' errors."""
    return tenants_stored(config, [find_job(config, name) for name in names] if names else config.jobs)


def each_tenant(config: Config, job: Job, operation: str, carry_out: t.Callable[[Job], Result]) -> Result:
    """Carry out an operation for a job; of a job of tenants for each whom the stores know. Raises the stores' errors."""
    jobs = tenants_stored(config, [job])
    if jobs == [job]:
        return carry_out(job)
    several = for_each(operation, jobs, carry_out)
    several.job = job.name
    return several


def insist_on_tenant(job: t.Optional[Job], what: str) -> None:
    """Refuse ``what`` for a job of tenants as a whole. Raises ConfigurationError."""
    if job is not None and has_tenants(job):
        raise ConfigurationError("%s: is of one tenant of job %s only; name the tenant (%s@TENANT)" % (what, job.name, job.name))


def backup_each(config: Config, jobs: t.Sequence[Job], **options: t.Any) -> Result:
    """Back up jobs, each of its tenants: one result, or one of several. ``options``: those of backup()."""
    state, dry_run = State(config.state_dir), options.get("dry_run", False)
    failures: t.Dict[str, FleetBackupError] = {}
    todo: t.List[Job] = []
    for job in jobs:
        try:
            found = tenants_now(config, job)
        except FleetBackupError as error:
            failures[job.name] = error
            found = [job]
        else:
            if found != [job] and not dry_run:
                state.keep_tenants(job.name, [one.name for one in found])
        todo += found

    def take(job: Job) -> BackupResult:
        if job.name in failures:
            return _not_begun(config, job, failures[job.name], dry_run)
        return backup(config, job, **options)

    if todo == list(jobs) and len(jobs) == 1:
        return take(todo[0])
    several = for_each("backup", todo, take)
    several.job = jobs[0].name if len(jobs) == 1 else None
    for job in jobs:
        tenants = [one.name for one in todo if one.name.startswith(job.name + "@")]
        if tenants and not dry_run and job.notify:
            _tell_once(config, job, tenants, several)
    for notice in state.notices:
        several.warn(notice.code, notice.message)
    return several


def _tell_once(config: Config, job: Job, tenants: t.Sequence[str], several: Several) -> None:
    from ..telling import tell_once

    whole = Several("backup", config.host, job.name)
    whole.begin()
    whole.results = [part for part in several.results if part.job in tenants]
    sum_up(whole, tenants, None)
    whole.end()
    whole.started, whole.duration = several.started, several.duration
    tell_once(config, job, whole)
    several.warnings += whole.warnings


def _not_begun(config: Config, job: Job, error: FleetBackupError, dry_run: bool) -> BackupResult:
    """A run that failed before it knew of whom; remembered and told like any other."""
    result = BackupResult("backup", config.host, job.name, dry_run=dry_run)
    result.begin()
    result.fail(error)
    result.end()
    if not dry_run:
        from ..telling import tell

        State(config.state_dir).write_status(job.name, result.to_dict())
        tell(config, [job], result)
    return result
