# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions of the menu about schedules. Their answers are a command line; what is wrong with them that command says."""

from __future__ import annotations

import typing as t

from ..job_files import LOCAL
from ..names import KINDS
from ..schedules.options import WEEKDAYS
from .choose import ask, needed, pick, pick_some
from .pickers import pick_job

if t.TYPE_CHECKING:
    from .session import Session

_OPERATIONS = {
    "run": "take a backup", "verify": "verify backups", "prune": "remove what is not kept", "copy": "complete every store",
}  # fmt: skip


def schedule_command(session: Session) -> t.List[str]:
    """Ask which schedule is meant and what is to become of it. Raises choose.Left, NotFoundError."""
    console = session.console
    job = session.config.job(pick_job(session))
    names = [schedule["name"] for schedule in job.schedules]
    chosen = pick(console, "Which schedule?", ["a new one", *names], None if names else 0)
    if chosen == 0:
        return ["schedule", "set", job.name, *_new(session)]
    schedule = job.schedules[chosen - 1]
    name = schedule["name"]
    actions = {
        "change when it runs": ["set", job.name, name],
        "switch it off" if schedule["enabled"] else "switch it on": [
            "set", job.name, name, "--no-enabled" if schedule["enabled"] else "--enabled",
        ],
        "run it now, and wait for its end": ["test", job.name, name],
    }  # fmt: skip
    if session.config.origins.schedules.get("%s.%s" % (job.name, name), "").startswith(LOCAL):
        actions["take back what was set on this host"] = ["unset", job.name, name]
    texts = list(actions)
    picked = pick(console, "What about %s?" % name, texts)
    return ["schedule", *actions[texts[picked]], *(_when(session) if picked == 0 else [])]


def _new(session: Session) -> t.List[str]:
    console = session.console
    operations = list(_OPERATIONS)
    operation = operations[pick(console, "What shall be done?", list(_OPERATIONS.values()), 0)]
    words = ["--operation", operation]
    if operation == "run":
        words += ["--kind", KINDS[pick(console, "Which kind of backup?", KINDS, 0)]]
    words += _when(session)
    name = ask(console, "A name for the schedule (Enter for the usual one): ")
    return [*([name] if name else []), *words]


def _when(session: Session) -> t.List[str]:
    console = session.console
    ways = (
        "every day",
        "on days of the week",
        "on a day of the month",
        "every so many minutes or hours",
        "as a line of a crontab",
    )
    way = pick(console, "When?", ways, 0)
    if way == 3:
        return ["--every", needed(console, "How often, such as 30m or 6h: ")]
    if way == 4:
        return ["--cron", needed(console, "The five fields of a crontab, such as 30 2 1,15 * *: ")]
    words = []
    if way == 1:
        days = (*WEEKDAYS[1:], WEEKDAYS[0])
        words = ["--weekday", ",".join(days[n] for n in pick_some(console, "Which days?", days))]
    elif way == 2:
        words = ["--day", needed(console, "Which day, 1 to 31: ")]
    return ["--at", needed(console, "At which time, such as 02:30: "), *words]
