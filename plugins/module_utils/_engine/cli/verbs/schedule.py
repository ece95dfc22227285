# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the schedules of this host's jobs into force, show them, take them away, or try one.

apply             make the scheduler's entries those of the configuration
list              show each schedule, whether it is in force, when it is due next, and which file it stands in
set JOB [NAME]    set when something is done: in conf.d/local.json, which no deployment touches, instead of what was deployed
unset JOB NAME    take back what was set: what was deployed is in force again, or nothing
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
    ScheduleRow,
    apply_schedules,
    catch_up,
    list_schedules,
    run_schedule,
    tell_killed,
    test_schedule,
)
from ...operations.settings import SettingResult, set_schedule, unset_schedule
from ...operations.several import Several, sum_up
from ...result import Result
from ...schedules.options import SCHEDULE
from ...system import IS_WINDOWS
from ..option_arguments import add_option_arguments, given_options, refuse
from ..output import Cell, table
from ..setting import show_setting

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

# How many names each takes, at least and at most.
_NAMES = {
    "apply": (0, 0), "list": (0, 0), "set": (1, 2), "unset": (2, 2), "remove": (0, 0), "test": (2, 2), "run": (2, 2),
    "catch-up": (0, 0), "killed": (1, 1),
}  # fmt: skip
_CHANGING = ("apply", "remove", "set", "unset")
_OPTIONS = tuple(option for option in SCHEDULE if option.name != "name")
_COLOURS = {"active": "green", "missing": "red", "changed": "yellow", "foreign": "yellow"}

#: What the launcher of an installed command says it is called by.
PROGRAM = "FLEET_BACKUP_PROGRAM"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="WHAT", choices=_NAMES, help=", ".join(_NAMES))
    parser.add_argument("names", metavar="NAME", nargs="*", help="the names of a job and of its schedule")
    parser.add_argument("--scheduler", metavar="NAME", help="use this scheduler instead of the one that is configured")
    parser.add_argument("--dry-run", action="store_true", help="with %s, only say what would change" % ", ".join(_CHANGING))
    add_option_arguments(parser, "options of set (what is not given stays as it is)", _OPTIONS)


def run(session: Session) -> Result:
    arguments = session.arguments
    what, names = arguments.what, arguments.names
    least, most = _NAMES[what]
    if not least <= len(names) <= most:
        takes = str(most) if least == most else "%d or %d" % (least, most)
        raise ConfigurationError("schedule %s: takes %s names; see fleet-backup schedule --help" % (what, takes))
    if what != "set":
        refuse(arguments, _OPTIONS, what)
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
    if what == "set":
        given = given_options(arguments, _OPTIONS)
        name = names[1] if len(names) > 1 else None
        return set_schedule(session.config_path, command, names[0], name, given, dry_run=arguments.dry_run)
    if what == "unset":
        return unset_schedule(session.config_path, command, *names, dry_run=arguments.dry_run)
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
    if isinstance(result, SettingResult):
        return "schedule %s" % result.name if result.changed else None
    if not isinstance(result, ScheduleResult):
        from . import copy, prune, run, verify

        module: t.Any = {"backup": run, "verify": verify, "prune": prune, "copy": copy}.get(result.operation)
        return t.cast(t.Optional[str], module.subject(result)) if module else None
    return "schedules" if result.changed else None


def show(result: Result, console: Console) -> None:
    if isinstance(result, SettingResult):
        show_setting(result, "schedule", console)
        _show_rows(result.schedules, console)
        return
    if not isinstance(result, ScheduleResult):
        return
    _show_rows(result.schedules, console)
    for key in sorted({*result.before, *result.after}):
        if result.before.get(key) != result.after.get(key) and result.error is None and (result.before or result.after):
            verb = "added" if key not in result.before else "removed" if key not in result.after else "changed"
            console.line("%s %s%s" % (key, "would be " if result.dry_run else "was ", verb))


def _show_rows(schedules: t.Sequence[ScheduleRow], console: Console) -> None:
    rows = [
        (row.job, row.name, row.when, Cell(row.state, _COLOURS.get(row.state, "")), row.next[0] if row.next else "",
         row.started or "", row.outcome or "", row.origin)
        for row in schedules
    ]  # fmt: skip
    if rows:
        headers = ("JOB", "SCHEDULE", "WHEN", "STATE", "NEXT", "LAST RUN", "OUTCOME", "SET IN")
        console.lines(table(headers, rows, colours=console.colours))
