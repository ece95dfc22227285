# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a schedule. What they mean is in planned.py, which a job without schedules does not need."""

from __future__ import annotations

from ..names import KINDS
from ..options import Option

#: As people write them, and in the order of crontab(5).
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

SCHEDULE = (
    Option("name", "name", "The name of the schedule. Default: the tag of a run, else the operation."),
    Option(
        "operation", "str", "What is done: V(run) takes a backup; the others work on those that are there.",
        choices=("run", "verify", "prune", "copy"), default="run",
    ),
    Option("at", "str", "The time of day, in 24 hours.", example="02:30"),
    Option(
        "weekday",
        "str",
        "With O(at), the days of the week, separated by commas: %s. Without it, or O(day), every day." % ", ".join(WEEKDAYS),
        example="monday,thursday",
    ),
    Option(
        "day", "int", "With O(at), the day of the month. Months without that day are left out.", minimum=1, maximum=31
    ),
    Option("every", "duration", "Every so often, from midnight on: V(15m), V(1h), V(6h).", example="6h"),
    Option("cron", "str", "The five fields of crontab(5), for all that the others cannot say.", example="30 2 1,15 * *"),
    Option(
        "timezone", "str", "The time zone that it is meant in (IANA). Only systemd knows others than the host's.",
        example="Europe/Madrid",
    ),
    Option(
        "splay",
        "duration",
        "Start within this time after that, each host at a moment of its own that stays the same, so that a fleet does not hit a"
        " store at once. Not with O(cron).",
        default="0s",
    ),
    Option("tag", "name", "The tag of the backup. Default: with O(at), C(daily), C(weekly) or C(monthly); else C(scheduled)."),
    Option("kind", "str", "The kind of the backup.", choices=KINDS, default="full"),
    Option("level", "str", "How thoroughly backups are verified.", choices=("quick", "hashes", "data"), default="hashes"),
    Option("sample", "percent", "Verify this share each time, so that successive runs go through all of it.", example="5%"),
    Option("enabled", "bool", "Whether it is in force.", default=True),
)  # fmt: skip
