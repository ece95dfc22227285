# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs accept, pin and unpin have in common."""

from __future__ import annotations

import typing as t

from ..operations.marking import MarkResult, mark_backup

if t.TYPE_CHECKING:
    import argparse

    from .console import Console
    from .session import Session


def add_mark_arguments(parser: argparse.ArgumentParser, note: bool = True) -> None:
    parser.add_argument("id", metavar="ID", help="the id of a backup, the beginning of one, or latest")
    parser.add_argument("--job", metavar="JOB", help="look at this job only")
    if note:
        parser.add_argument("--note", metavar="TEXT", default="", help="why; anybody who may read the store can read it")


def carry_out(session: Session, verb: str) -> MarkResult:
    arguments = session.arguments
    return mark_backup(session.config, verb, arguments.id, job=arguments.job, note=getattr(arguments, "note", ""))


def subject(result: MarkResult) -> t.Optional[str]:
    return result.id or ""


def show(result: MarkResult, console: Console) -> None:
    if result.id is None or not result.stores:
        return
    stores = ", ".join(result.stores)
    if not result.changed:
        console.line("%s was %s on %s already" % (result.id, result.mark if result.marked else "not " + result.mark, stores))
    else:
        console.line("%s is %s on %s" % (result.id, result.mark if result.marked else "no longer " + result.mark, stores))
