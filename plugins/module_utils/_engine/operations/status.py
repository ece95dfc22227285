# SPDX-License-Identifier: GPL-3.0-or-later
"""How this host's jobs are, by what the host itself remembers: quick, and without a look at any store."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from .. import VERSION
from ..errors import FleetBackupError
from ..job import Config, Job
from ..result import FAILURE, Result, from_iso, utc_now
from ..state import State
from .tenants import find_job, has_tenants


@dataclass
class JobStatus:
    """One job. ``healthy``: its last run did not fail and its last backup is not older than ``max_age``; ``age`` in seconds."""

    job: str
    healthy: bool = False
    stale: bool = False
    last_backup: t.Optional[str] = None
    finished: t.Optional[str] = None
    age: t.Optional[int] = None
    max_age: t.Optional[int] = None
    outcome: t.Optional[str] = None
    error: t.Optional[t.Dict[str, t.Any]] = None
    consecutive_failures: int = 0
    stores: t.List[str] = field(default_factory=list)
    missing: t.List[str] = field(default_factory=list)
    last_verified: t.Optional[str] = None


@dataclass
class StatusResult(Result):
    engine: str = VERSION
    healthy: bool = True
    jobs: t.List[JobStatus] = field(default_factory=list)


def status(config: Config, job_names: t.Sequence[str] = ()) -> StatusResult:
    """The status of the named jobs (all by default). A job that is not healthy is a warning."""
    result = StatusResult("status", config.host)
    result.begin()
    state = State(config.state_dir)
    try:
        named = [find_job(config, name) for name in job_names] or config.jobs
        for job in [one for base in named for one in _with_tenants(base, state)]:
            found = _status(job, state)
            result.jobs.append(found)
            if not found.healthy:
                result.healthy = False
                result.warn("unhealthy", "job %s: %s" % (job.name, _why(found)))
    except FleetBackupError as error:
        result.fail(error)
    for notice in state.notices:
        result.warn(notice.code, notice.message)
    result.end()
    return result


def _with_tenants(job: Job, state: State) -> t.List[Job]:
    """A job, or its tenants; both when the tenants could not be found the last time, or never were."""
    names = state.tenants(job.name) if has_tenants(job) else None
    if names is None:
        return [job]
    tenants = [dataclasses.replace(job, name=name) for name in names]
    return [job, *tenants] if "backup" in state.read_status(job.name)["operations"] else tenants


def _status(job: Job, state: State) -> JobStatus:
    operations = state.read_status(job.name)["operations"]
    backups, verified = operations.get("backup", {}), operations.get("verify", {})
    found = JobStatus(job.name, max_age=job.max_age, consecutive_failures=backups.get("consecutive_failures", 0))
    last, success = backups.get("last_run"), backups.get("last_success")
    if last:
        found.outcome, found.error = last["outcome"], last.get("error")
    if success:
        found.last_backup, found.finished = success.get("id"), success["finished"]
        found.age = max(0, int((utc_now() - from_iso(success["finished"])).total_seconds()))
        for copy in success.get("copies", ()):
            (found.stores if copy["outcome"] != FAILURE else found.missing).append(copy["store"])
    if verified.get("last_success"):
        found.last_verified = verified["last_success"]["finished"]
    found.stale = job.max_age is not None and (found.age is None or found.age > job.max_age)
    found.healthy = found.age is not None and not found.stale and found.outcome != FAILURE
    return found


def _why(found: JobStatus) -> str:
    if found.outcome == FAILURE:
        message = found.error["message"] if found.error else "no error is known"
        return "its last backup failed (%d in a row): %s" % (found.consecutive_failures, message)
    if found.age is None:
        return "it has never been backed up from this host"
    return "its last backup is %d hours old" % (found.age // 3600)
