# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what differs between two backups of a job: + was added, - is gone, M has changed, and in what. Only indexes are read."""

from __future__ import annotations

import typing as t

from ...archive.index import entry_path
from ...names import printable
from ...operations.diff import DiffResult, diff
from ...result import Result
from ..output import number
from ..places import add_place_arguments, given_place

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_SIGNS = {"added": "+", "removed": "-", "changed": "M"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="ID", help="the older backup: its id, or the beginning of it")
    parser.add_argument("after", metavar="ID", help="the newer backup: its id, the beginning of it, or latest")
    parser.add_argument("--component", metavar="NAME", help="only this component")
    add_place_arguments(parser)


def run(session: Session) -> Result:
    arguments = session.arguments
    return diff(before=arguments.before, after=arguments.after, component=arguments.component, **given_place(session))


def subject(result: DiffResult) -> t.Optional[str]:
    return ", ".join(i for i in (result.before, result.after) if i)


def show(result: DiffResult, console: Console) -> None:
    if not result.lists:
        return
    console.lines(_line(row) for row in result.rows())
    counts = (number(result.added), number(result.removed), number(result.changed_entries))
    console.line("%s added, %s removed, %s changed" % counts)


def _line(row: t.Dict[str, t.Any]) -> str:
    what = "  (%s)" % ", ".join(row["what"]) if "what" in row else ""
    return "%s %s  %s%s" % (_SIGNS[row["change"]], row["component"], printable(entry_path(row)), what)
