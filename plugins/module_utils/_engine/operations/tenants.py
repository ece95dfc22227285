# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of many tenants: one backup for each, under the name ``job@tenant``. The sources say who the tenants are."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import FleetBackupError, NotFoundError, SourceError
from ..job import Config, Job
from ..names import decode_tenant, encode_tenant
from ..result import Result
from ..sources import load
from ..stores import load as load_store
from .backup import backup
from .backup_result import BackupResult
from .several import for_each

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
    """The same jobs, those of tenants as the stores know them: also of tenants that are gone. Raises the stores' errors."""
    result: t.List[Job] = []
    for job in jobs:
        if not has_tenants(job):
            result.append(job)
            continue
        names: t.Set[str] = set()
        for store in map(config.store, job.stores):
            folders = load_store(store.driver)(store.name, store.options).list(config.host)[1]
            names.update(name for name in folders if name.startswith(job.name + "@"))
        result += [find_job(config, name) for name in sorted(names)]
    return result


def stored_jobs(config: Config, names: t.Optional[t.Sequence[str]]) -> t.List[Job]:
    """The named jobs (all by default) whose backups may be on the stores. Raises NotFoundError, the stores' errors."""
    return tenants_stored(config, [find_job(config, name) for name in names] if names else config.jobs)


def backup_each(config: Config, jobs: t.Sequence[Job], **options: t.Any) -> Result:
    """Back up jobs, each of its tenants: one result, or one of several. ``options``: those of backup()."""
    failures: t.Dict[str, FleetBackupError] = {}
    todo: t.List[Job] = []
    for job in jobs:
        try:
            todo += tenants_now(config, job)
        except FleetBackupError as error:
            failures[job.name] = error
            todo.append(job)

    def take(job: Job) -> BackupResult:
        if job.name not in failures:
            return backup(config, job, **options)
        result = BackupResult("backup", config.host, job.name, dry_run=options.get("dry_run", False))
        result.begin()
        result.fail(failures[job.name])
        result.end()
        return result

    if len(todo) == 1 and len(jobs) == 1 and todo[0].name == jobs[0].name:
        return take(todo[0])
    return for_each("backup", todo, take)
