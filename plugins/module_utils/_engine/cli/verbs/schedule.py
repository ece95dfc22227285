# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the schedules of this host's jobs into force, show them, take them away, or try one.

apply             make the scheduler's entries those of the configuration
list              show each schedule, whether it is in force, and when it is due next
remove            take all entries of fleet-backup away
test JOB NAME     have the scheduler run one now, and wait for its end
run JOB NAME      carry one out: what the scheduler calls
catch-up          carry out what was missed while the host was off: what cron calls
killed JOB.NAME   tell that a run was killed: what systemd calls
"""

from __future__ import annotations

import os
import sys
import typing as t

from ...errors import ConfigurationError
from ...operations.schedule import (
    ScheduleResult,
    apply_schedules,
    catch_up,
    list_schedules,
    run_schedule,
    tell_killed,
    test_schedule,
)
from ...operations.several import Several, sum_up
from ...result import Result
from ...system import IS_WINDOWS
from ..output import Cell, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_ARGUMENTS = {"apply": 0, "list": 0, "remove": 0, "test": 2, "run": 2, "catch-up": 0, "killed": 1}
_COLOURS = {"active": "green", "missing": "red", "changed": "yellow", "foreign": "yellow"}

#: What the launcher of an installed command says it is called by.
PROGRAM = "FLEET_BACKUP_PROGRAM"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="WHAT", choices=_ARGUMENTS, help=", ".join(_ARGUMENTS))
    parser.add_argument("names", metavar="NAME", nargs="*", help="with test and run, the names of a job and of its schedule")
    parser.add_argument("--scheduler", metavar="NAME", help="use this scheduler instead of the one that is configured")
    parser.add_argument("--dry-run", action="store_true", help="with apply and remove, only say what would change")


def run(session: Session) -> Result:
    arguments = session.arguments
    what, names = arguments.what, arguments.names
    if len(names) != _ARGUMENTS[what]:
        raise ConfigurationError("schedule %s: takes %d names; see fleet-backup schedule --help" % (what, _ARGUMENTS[what]))
    config = session.config
    if what == "run":
        return run_schedule(config, names[0], names[1], session.progress)
    if what == "killed":
        return tell_killed(config, names[0])
    if what == "catch-up":
        several = Several("schedule")
        several.begin()
        several.results = catch_up(config, session.progress)
        sum_up(several, [r.job or "" for r in several.results], None)
        several.end()
        return several
    command = own_command(session.config_path)
    if what == "test":
        return test_schedule(config, command, *names)
    if what == "list":
        return list_schedules(config, command, arguments.scheduler)
    return apply_schedules(
        config, command, remove=what == "remove", scheduler=arguments.scheduler, dry_run=arguments.dry_run
    )  # fmt: skip


def own_command(config_path: str) -> t.List[str]:
    """How this command is called by somebody who knows neither our folder nor our environment."""
    path = os.environ.get(PROGRAM) or os.path.abspath(sys.argv[0])
    runs_itself = not IS_WINDOWS and (PROGRAM in os.environ or os.access(path, os.X_OK))
    words = [path] if runs_itself else [sys.executable, "-I", path]
    return [*words, "--config", os.path.abspath(config_path), "--quiet"]


def subject(result: Result) -> t.Optional[str]:
    if not isinstance(result, ScheduleResult):
        from . import copy, prune, run, verify

        module: t.Any = {"backup": run, "verify": verify, "prune": prune, "copy": copy}.get(result.operation)
        return t.cast(t.Optional[str], module.subject(result)) if module else None
    return "schedules" if result.changed else None


def show(result: Result, console: Console) -> None:
    if not isinstance(result, ScheduleResult):
        return
    rows = [
        (row.job, row.name, row.when, Cell(row.state, _COLOURS.get(row.state, "")), row.next[0] if row.next else "",
         row.started or "", row.outcome or "")
        for row in result.schedules
    ]  # fmt: skip
    if rows:
        headers = ("JOB", "SCHEDULE", "WHEN", "STATE", "NEXT", "LAST RUN", "OUTCOME")
        console.lines(table(headers, rows, colours=console.colours))
    for key in sorted({*result.before, *result.after}):
        if result.before.get(key) != result.after.get(key) and result.error is None and (result.before or result.after):
            verb = "added" if key not in result.before else "removed" if key not in result.after else "changed"
            console.line("%s %s%s" % (key, "would be " if result.dry_run else "was ", verb))
