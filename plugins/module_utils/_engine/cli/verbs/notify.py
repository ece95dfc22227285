# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a test message, or tell of every job that has no fresh backup.

test    every notifier, or those named, sends a test message
stale   of each job whose newest backup is older than its max_age, the notifiers of that job are told
"""

from __future__ import annotations

import typing as t

from ...operations.notify import WHAT, NotifyResult, notify
from ...result import Result
from ..output import Cell, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="WHAT", choices=WHAT, help="test or stale")
    parser.add_argument("notifiers", metavar="NOTIFIER", nargs="*", help="the names of notifiers (default: all)")
    parser.add_argument("--job", metavar="JOB", action="append", default=[], help="look at this job only (may be repeated)")
    parser.add_argument("--dry-run", action="store_true", help="tell nobody; only say which jobs are stale")


def run(session: Session) -> Result:
    arguments = session.arguments
    return notify(
        session.config, arguments.what, notifiers=arguments.notifiers, jobs=arguments.job, dry_run=arguments.dry_run
    )  # fmt: skip


def subject(result: NotifyResult) -> t.Optional[str]:
    return None


def show(result: NotifyResult, console: Console) -> None:
    for name in result.stale:
        console.line("job %s has no fresh backup" % name)
    rows = [
        (told.notifier, told.driver, told.job or "", Cell(told.outcome, "red" if told.error else "green"), told.error)
        for told in result.told
    ]
    if rows:
        console.lines(table(("NOTIFIER", "DRIVER", "JOB", "OUTCOME", "ERROR"), rows, colours=console.colours))
    elif result.error is None and not result.stale:
        console.line("there is nothing to tell")
