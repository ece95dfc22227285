# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a backup of a job, or of all jobs one after another."""

from __future__ import annotations

import typing as t

from ...errors import ConfigurationError
from ...names import KINDS
from ...operations.backup_result import BackupResult
from ...operations.tenants import backup_each, find_job
from ...result import FAILURE, Result
from ..output import Cell, duration, number, plural, size, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job")
    parser.add_argument("--all", action="store_true", help="run every job of the configuration")
    parser.add_argument("--kind", default=KINDS[0], help="the kind of backup: %s" % " or ".join(KINDS))
    parser.add_argument("--tag", default="manual", help="why it is taken, such as daily (default: manual)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be read, and whether the stores can be reached")


def run(session: Session) -> Result:
    arguments = session.arguments
    if arguments.all == bool(arguments.job):
        there = ", ".join(job.name for job in session.config.jobs) or "none"
        raise ConfigurationError("name one job, or say --all; the jobs are: %s" % there)

    return backup_each(
        session.config,
        [find_job(session.config, arguments.job)] if arguments.job else session.config.jobs,
        kind=arguments.kind,
        tag=arguments.tag,
        dry_run=arguments.dry_run,
        progress=session.progress,
    )


def subject(result: BackupResult) -> t.Optional[str]:
    return result.id or ""


def show(result: BackupResult, console: Console) -> None:
    if result.outcome == FAILURE and not result.copies:
        return
    if result.dry_run:
        console.line("a %s backup of %s would read:" % (result.kind, result.job))
    elif result.id:
        told = (result.id, size(result.bytes), size(result.stored), duration(result.duration))
        console.line("backup %s: %s read, %s stored in %s" % told)
    _show_components(result, console)
    rows = [
        (copy.store, Cell(copy.outcome, "green" if copy.outcome != FAILURE else "red"), copy.link or "") for copy in result.copies
    ]
    console.lines(table(("STORE", "REACHED" if result.dry_run else "COPY", "WHERE"), rows, colours=console.colours))
    if result.pruned:
        console.line("%s removed by the rules of the job" % plural(len(result.pruned), "older backup"))


def _show_components(result: BackupResult, console: Console) -> None:
    if result.dry_run:
        plans = [(c.name, c.source, number(c.entries), size(c.bytes)) for c in result.components]
        console.lines(table(("COMPONENT", "SOURCE", "ENTRIES", "SIZE"), plans, ("ENTRIES", "SIZE"), console.colours))
    elif result.components:
        rows = [(c.name, c.source, number(c.entries), size(c.bytes), size(c.stored)) for c in result.components]
        headers = ("COMPONENT", "SOURCE", "ENTRIES", "SIZE", "STORED")
        console.lines(table(headers, rows, headers[2:], console.colours))
