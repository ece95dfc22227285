# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that backups would work: the host's own folder, the libraries, every store, every source."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ..archive.codec import zstd_module
from ..errors import ConfigurationError, FleetBackupError, MissingDependencyError
from ..job import Config, Job, SourceConfig
from ..private import open_private, private_folder, write_all
from ..progress import SILENT, Progress
from ..result import FAILURE, SUCCESS, WARNING, Result
from .place import open_source, open_store
from .tenants import find_job


@dataclass
class Finding:
    """One thing that was looked at. ``what``: ``state``, ``library``, ``store`` or ``source``.

    ``bytes``: free on a store or in the state folder, to be read from a source; ``error``: the code of what is wrong.
    """

    what: str
    name: str
    job: t.Optional[str] = None
    outcome: str = SUCCESS
    message: str = ""
    error: t.Optional[str] = None
    bytes: t.Optional[int] = None
    entries: t.Optional[int] = None


@dataclass
class CheckResult(Result):
    findings: t.List[Finding] = field(default_factory=list)


def check(config: Config, job_names: t.Optional[t.Sequence[str]] = None, *, progress: Progress = SILENT) -> CheckResult:
    """Look at everything that the named jobs (all by default) need. Each store is written to and left as it was.

    Every problem is a finding of its own; the result fails with the first.
    """
    result = CheckResult("check", config.host)
    result.begin()
    try:
        jobs = [find_job(config, name) for name in job_names] if job_names else list(config.jobs)
        for finding, look in _everything(config, jobs):
            progress.phase("check %s %s" % (finding.what, finding.name))
            _look(finding, look, result)
    except FleetBackupError as error:
        result.fail(error)
    progress.close()
    result.end()
    return result


_Look = t.Callable[[Finding], None]


def _everything(config: Config, jobs: t.Sequence[Job]) -> t.Iterator[t.Tuple[Finding, _Look]]:
    yield Finding("state", config.state_dir), _state_dir
    if any(job.compression.algorithm == "zstd" for job in jobs):
        yield Finding("library", "zstd"), _zstd
    for name in dict.fromkeys(name for job in jobs for name in job.stores):
        yield Finding("store", name), _store(config, name)
    for job in jobs:
        for source in job.sources:
            yield Finding("source", source.name, job.name), _source(config, job, source)


def _look(finding: Finding, look: _Look, result: CheckResult) -> None:
    result.findings.append(finding)
    try:
        look(finding)
    except FleetBackupError as error:
        finding.outcome, finding.message, finding.error = FAILURE, str(error), error.code
        if result.error is None:
            result.fail(error)
    if finding.outcome == WARNING:
        result.warn(finding.error or finding.what, finding.message, finding.name)


def _state_dir(finding: Finding) -> None:
    path = private_folder(finding.name)
    probe = os.path.join(path, ".check-%s" % os.urandom(4).hex())
    try:
        fd = open_private(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write_all(fd, b"fleet.backup\n")
        finally:
            os.close(fd)
            os.unlink(probe)
    except OSError as error:
        raise ConfigurationError("%s: the state folder cannot be written: %s" % (path, error.strerror)) from None


def _zstd(finding: Finding) -> None:
    library = zstd_module()
    if library is not None:
        finding.message = library.__name__
        return
    finding.outcome, finding.error = WARNING, MissingDependencyError.code
    finding.message = (
        "backports.zstd is not installed: backups are compressed with gzip, which is slower and larger, and backups that were"
        " compressed with zstd cannot be restored on this host"
    )


def _store(config: Config, name: str) -> _Look:
    def look(finding: Finding) -> None:
        store = open_store(config.store(name))
        if config.store(name).write_only and not store.checks_by_putting:
            finding.message = (
                "this host may only write to it, so a trial would stay there; the next backup shows whether it works"
            )
            return
        store.check()
        finding.bytes = store.free_space()
        finding.message = "; ".join(store.remarks())

    return look


def _source(config: Config, job: Job, source: SourceConfig) -> _Look:
    def look(finding: Finding) -> None:
        plan = open_source(config, job, source).plan()
        finding.bytes, finding.entries = plan.bytes, plan.entries

    return look
