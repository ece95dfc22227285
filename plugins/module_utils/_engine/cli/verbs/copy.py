# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy backups of a job to the stores that lack them, or to a plain folder such as an external disk.

Bytes are compared with their hashes on the way. Nothing is decrypted, so no key is needed. Older backups that hold data of a
copied one are copied too. A copy that was interrupted goes on where it was when it is begun again.
"""

from __future__ import annotations

import os
import typing as t
from collections import Counter

from ...operations.copy import CopyResult, copy_each
from ...result import Result
from ..output import Cell, size, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="the name of a job")
    parser.add_argument("backups", metavar="ID", nargs="*", help="ids, beginnings of ids, or latest (default: latest)")
    parser.add_argument("--all", action="store_true", help="copy every backup that a store lacks and would keep")
    parser.add_argument("--from", dest="from_store", metavar="STORE", help="read this store only")
    parser.add_argument(
        "--to", dest="to_stores", metavar="STORE", action="append", default=[], help="copy to this store (repeatable)"
    )
    parser.add_argument("--to-dir", metavar="DIR", help="copy to a plain folder instead, which is laid out like a store")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be copied")


def run(session: Session) -> Result:
    arguments = session.arguments
    return copy_each(
        session.config,
        arguments.job,
        arguments.backups,
        everything=arguments.all,
        from_store=arguments.from_store,
        to_stores=arguments.to_stores,
        to_dir=os.path.abspath(arguments.to_dir) if arguments.to_dir else None,
        dry_run=arguments.dry_run,
        progress=session.progress,
    )


def subject(result: CopyResult) -> t.Optional[str]:
    return ", ".join("%s to %s" % (copied.id, copied.to_store) for copied in result.copied)


def show(result: CopyResult, console: Console) -> None:
    rows = [
        (copied.id, copied.from_store, copied.to_store, size(copied.bytes), size(copied.sent), Cell(*_outcome(copied.outcome)))
        for copied in result.copied
    ]
    if rows:
        headers = ("BACKUP", "FROM", "TO", "SIZE", "SENT", "OUTCOME")
        console.lines(table(headers, rows, headers[3:5], console.colours))
    elif result.error is None:
        console.line("every store has what it should")
    for store, count in Counter(left.to_store for left in result.left_out).items():
        console.line("%s: %d more would not be kept there by its retention rules, and were left out" % (store, count))


def _outcome(outcome: str) -> t.Tuple[str, str]:
    return outcome, "green" if outcome == "success" else "red"
