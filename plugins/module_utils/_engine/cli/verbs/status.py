# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell how the jobs of this host are, by what the host remembers; no store is asked. What is not healthy is a warning."""

from __future__ import annotations

import typing as t

from ...operations.status import JobStatus, StatusResult, status
from ...result import Result
from ..output import Cell, span, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", metavar="JOB", nargs="*", help="the names of jobs (default: all jobs)")


def run(session: Session) -> Result:
    return status(session.config, session.arguments.jobs)


def subject(result: StatusResult) -> t.Optional[str]:
    return None


def show(result: StatusResult, console: Console) -> None:
    rows = [
        (job.job, _health(job), job.last_backup or "", span(job.age) if job.age is not None else "", job.outcome or "",
         ", ".join(job.stores), job.last_verified or "")
        for job in result.jobs
    ]  # fmt: skip
    if rows:
        headers = ("JOB", "HEALTH", "LAST BACKUP", "AGE", "LAST RUN", "STORES", "VERIFIED")
        console.lines(table(headers, rows, ("AGE",), console.colours))


def _health(job: JobStatus) -> Cell:
    if job.healthy:
        return Cell("healthy", "green")
    return Cell("failing" if job.outcome == "failure" else "stale" if job.age is not None else "never ran", "red")
