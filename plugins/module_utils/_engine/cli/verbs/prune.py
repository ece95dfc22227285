# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the backups of a job, or of all jobs, that the retention rules do not keep; say of each why it stays or goes."""

from __future__ import annotations

import typing as t

from ...errors import ConfigurationError
from ...operations.prune import PruneResult, StorePruning, Verdict, prune
from ...operations.several import for_each
from ...operations.tenants import each_tenant, find_job, stored_jobs
from ...options import Amount, amount
from ...result import Result
from ..output import Cell, plural, size, span, table

if t.TYPE_CHECKING:
    import argparse

    from ...job import Job
    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job (default: all jobs)")
    parser.add_argument("--store", metavar="NAME", help="prune this store only")
    parser.add_argument("--orphans", action="store_true", help="also remove what runs left that were killed over a week ago")
    parser.add_argument(
        "--max-delete", metavar="AMOUNT", help="let at most so many backups go, such as 20 or 50%% of those there"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed, and why the rest stays")


def run(session: Session) -> Result:
    arguments = session.arguments
    limit = _amount(arguments.max_delete)

    def carry_out(job: Job) -> PruneResult:
        return prune(
            session.config,
            job,
            dry_run=arguments.dry_run,
            store=arguments.store,
            orphans=arguments.orphans,
            max_delete=limit,
            progress=session.progress,
        )

    if arguments.job:
        return each_tenant(session.config, find_job(session.config, arguments.job), "prune", carry_out)
    return for_each("prune", stored_jobs(session.config, None), carry_out)


def _amount(text: t.Optional[str]) -> t.Optional[Amount]:
    try:
        return amount(text) if text is not None else None
    except ValueError as error:
        raise ConfigurationError("--max-delete: %s" % error) from None


def subject(result: PruneResult) -> t.Optional[str]:
    orphans = [orphan.id for pruning in result.stores for orphan in pruning.leftovers if orphan.deleted]
    return ", ".join([*result.deleted, *sorted(set(orphans))])


def show(result: PruneResult, console: Console) -> None:
    for pruning in result.stores:
        console.line(_headline(result, pruning))
        rows = [
            (
                v.id,
                "keep" if v.keep else Cell("remove" if result.dry_run or not v.deleted else "removed", "yellow"),
                size(v.bytes) if v.bytes is not None else "",
                ", ".join(v.reasons) + _users(v),
            )
            for v in pruning.verdicts
        ]
        if rows:
            console.lines(table(("ID", "VERDICT", "SIZE", "WHY"), rows, ("SIZE",), console.colours))
        for orphan in pruning.leftovers:
            told = "removed" if orphan.deleted else "left over"
            console.line("%s, never finished: %s, %s, %s old" % (told, orphan.id, size(orphan.bytes), span(orphan.age)))
        if pruning.cut_off:
            told = "left over" if result.dry_run else "removed"
            console.line("%s, cut off beside the backups: %s of manifests, marks and the like" % (told, size(pruning.cut_off)))


def _users(verdict: Verdict) -> str:
    """With a backup that goes, all go that build upon it."""
    return "; with it %s" % ", ".join(verdict.used_by) if verdict.used_by and not verdict.keep else ""


def _headline(result: PruneResult, pruning: StorePruning) -> str:
    gone = sum(1 for v in pruning.verdicts if (not v.keep if result.dry_run else v.deleted))
    verb = "would remove" if result.dry_run else "removed"
    told = (result.job, pruning.store, verb, gone, plural(len(pruning.verdicts), "backup"), size(pruning.freed))
    return "%s on %s: %s %d of %s, freeing %s" % told
