# SPDX-License-Identifier: GPL-3.0-or-later
"""Find files across backups: which backups hold what matches a pattern, the newest first.

PATTERN is one of .gitignore: *.jpg anywhere, /srv/app/config.py in one place, uploads/ a folder. Only indexes are read.
"""

from __future__ import annotations

import typing as t

from ...operations.find import FindResult, find
from ...result import Result, from_iso
from ..entries import entry_line
from ..output import local_time, safe
from ..places import add_place_arguments, given_place

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", help="what to look for")
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job (default: all jobs)")
    parser.add_argument("--component", metavar="NAME", help="look in this component only")
    add_place_arguments(parser, job=False)


def run(session: Session) -> Result:
    arguments = session.arguments
    return find(pattern=arguments.pattern, component=arguments.component, **given_place(session))


def subject(result: FindResult) -> t.Optional[str]:
    return ""


def show(result: FindResult, console: Console) -> None:
    if result.lists:
        console.lines(_lines(result))


def _lines(result: FindResult) -> t.Iterator[str]:
    backup = None
    for row in result.rows():
        if row["backup"] != backup:
            if backup is not None:
                yield ""
            backup = row["backup"]
            yield safe("%s of %s, finished %s" % (backup, row["job"], local_time(from_iso(row["finished"]))))
        yield "  " + entry_line(row["component"], row)
