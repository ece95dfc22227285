# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that backups would work: the configuration, the host, every source and every store.

Each store is written to and left as it was.
"""

from __future__ import annotations

import typing as t

from ...operations.check import CheckResult, Finding, check
from ...result import Result
from ..output import Cell, number, size, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_COLOURS = {"success": "green", "warning": "yellow", "failure": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job (default: all jobs)")


def run(session: Session) -> Result:
    job = session.arguments.job
    return check(session.config, [job] if job else None, progress=session.progress)


def subject(result: CheckResult) -> t.Optional[str]:
    return None


def show(result: CheckResult, console: Console) -> None:
    rows = [(f.what, f.name, f.job or "", Cell(f.outcome, _COLOURS.get(f.outcome, "")), _details(f)) for f in result.findings]
    if rows:
        console.lines(table(("WHAT", "NAME", "JOB", "OUTCOME", "DETAILS"), rows, colours=console.colours))


def _details(finding: Finding) -> str:
    parts = []
    if finding.entries is not None:
        parts.append("%s entries" % number(finding.entries))
    if finding.bytes is not None:
        parts.append(size(finding.bytes) + (" free" if finding.what in ("store", "state") else ""))
    if finding.message:
        parts.append(finding.message)
    return ", ".join(parts)
