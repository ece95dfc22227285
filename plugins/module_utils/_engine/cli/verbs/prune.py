# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the backups of a job, or of all jobs, that the retention rules do not keep; say of each why it stays or goes."""

from __future__ import annotations

import typing as t

from ...operations.prune import PruneResult, StorePruning, prune
from ...result import Result
from ..output import Cell, plural, size, table
from ..several import for_each

if t.TYPE_CHECKING:
    import argparse

    from ...job import Job
    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job (default: all jobs)")
    parser.add_argument("--store", metavar="NAME", help="prune this store only")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed, and why the rest stays")


def run(session: Session) -> Result:
    arguments = session.arguments

    def carry_out(job: Job) -> PruneResult:
        return prune(session.config, job, dry_run=arguments.dry_run, store=arguments.store, progress=session.progress)

    if arguments.job:
        return carry_out(session.config.job(arguments.job))
    return for_each("prune", session.config.jobs, carry_out)


def subject(result: PruneResult) -> t.Optional[str]:
    return ", ".join(result.deleted)


def show(result: PruneResult, console: Console) -> None:
    for pruning in result.stores:
        console.line(_headline(result, pruning))
        rows = [
            (
                v.id,
                "keep" if v.keep else Cell("remove" if result.dry_run or not v.deleted else "removed", "yellow"),
                size(v.bytes) if v.bytes is not None else "",
                ", ".join(v.reasons),
            )
            for v in pruning.verdicts
        ]
        if rows:
            console.lines(table(("ID", "VERDICT", "SIZE", "WHY"), rows, ("SIZE",), console.colours))
        for backup_id in pruning.leftovers:
            console.line("left over, never finished: %s" % backup_id)


def _headline(result: PruneResult, pruning: StorePruning) -> str:
    gone = sum(1 for v in pruning.verdicts if (not v.keep if result.dry_run else v.deleted))
    verb = "would remove" if result.dry_run else "removed"
    told = (result.job, pruning.store, verb, gone, plural(len(pruning.verdicts), "backup"), size(pruning.freed))
    return "%s on %s: %s %d of %s, freeing %s" % told
