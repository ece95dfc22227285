# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's schedules, as written, turned into what a scheduler is to do: when, at which minute for this host, and what to run."""

from __future__ import annotations

import hashlib
import re
import typing as t

from . import Planned
from .calendar import Calendar, at, every, from_cron
from .options import WEEKDAYS

if t.TYPE_CHECKING:
    from ..job import Config, Job

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\Z")


def check_schedules(schedules: t.Sequence[t.Dict[str, t.Any]], place: str, problems: t.List[str]) -> None:
    """Find what one option alone cannot show, and give each schedule its name and tag."""
    names: t.Dict[str, int] = {}
    for number, schedule in enumerate(schedules):
        where = "%s[%d]" % (place, number)
        try:
            calendar_of(schedule, 0)
        except ValueError as error:
            problems.append("%s.%s" % (where, error))
        schedule["tag"] = schedule["tag"] or _usual_tag(schedule)
        schedule["name"] = name = usual_name(schedule)
        if name in names:
            problems.append("%s: has the name %s, as %s[%d] has; give it a name of its own" % (where, name, place, names[name]))
        names.setdefault(name, number)


def usual_name(schedule: t.Mapping[str, t.Any]) -> str:
    """The name that a schedule has, or gets when nobody gave it one. It may be as people wrote it."""
    operation = schedule.get("operation") or "run"
    return str(schedule.get("name") or (operation if operation != "run" else schedule.get("tag") or _usual_tag(schedule)))


def calendar_of(schedule: t.Mapping[str, t.Any], splay: int) -> Calendar:
    """When a schedule is due, ``splay`` minutes late. Raises ValueError: the option and what is wrong with it."""
    ways = [key for key in ("at", "every", "cron") if schedule[key] is not None]
    if len(ways) != 1:
        raise ValueError("at: give exactly one of at, every and cron%s" % (", not " + " and ".join(ways) if ways else ""))
    (way,) = ways
    for key in ("weekday", "day"):
        if schedule[key] is not None and way != "at":
            raise ValueError("%s: goes with at, not with %s" % (key, way))
    if way == "cron":
        if schedule["splay"]:
            raise ValueError("splay: goes with at and every, not with cron")
        return _told("cron", from_cron, schedule["cron"])
    if way == "every":
        if schedule["every"] % 60:
            raise ValueError("every: must be whole minutes")
        return _told("every", every, schedule["every"] // 60, splay)
    if schedule["weekday"] is not None and schedule["day"] is not None:
        raise ValueError("day: give weekday or day, not both; cron can say more")
    found = _TIME.match(schedule["at"])
    if not found:
        raise ValueError("at: %r is no time of day, such as 02:30" % schedule["at"])
    weekdays = [name.strip().lower() for name in (schedule["weekday"] or "").split(",") if name.strip()]
    for name in weekdays:
        if name not in WEEKDAYS:
            raise ValueError("weekday: %r is none of %s" % (name, ", ".join(WEEKDAYS)))
    return at((int(found.group(1)), int(found.group(2))), splay, weekdays, schedule["day"])


def planned(config: Config, job: Job, command: t.Sequence[str]) -> t.List[Planned]:
    """What a scheduler is to have of ``job``: its schedules that are in force. ``command``: how the command is called here."""
    found = []
    for schedule in job.schedules:
        if not schedule["enabled"]:
            continue
        name = schedule["name"]
        calendar = calendar_of(schedule, stagger(config.host, job.name, name, schedule["splay"]))
        words = (*command, "schedule", "run", job.name, name)
        title, credentials = _title(job, schedule), _credentials(config, job)
        found.append(Planned(job.name, name, title, calendar, schedule["timezone"], words, credentials))
    return found


def stagger(host: str, job: str, name: str, seconds: int) -> int:
    """Minutes that this host waits: always the same for it, spread evenly over the fleet."""
    minutes = seconds // 60
    if not minutes:
        return 0
    digest = hashlib.sha256(("%s/%s/%s" % (host, job, name)).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") % (minutes + 1)


def _credentials(config: Config, job: Job) -> t.FrozenSet[str]:
    from ..credentials import named_in

    stores = [config.store(name).options for name in job.stores]
    notifiers = [config.notifier(name).options for name in job.notify]
    return frozenset(named_in([job.sources, job.encryption, stores, notifiers]))


def _usual_tag(schedule: t.Mapping[str, t.Any]) -> str:
    if schedule.get("at") is None:
        return "scheduled"
    return "monthly" if schedule.get("day") is not None else "weekly" if schedule.get("weekday") is not None else "daily"


def _title(job: Job, schedule: t.Mapping[str, t.Any]) -> str:
    what = {"run": "back up", "verify": "verify the backups of", "prune": "prune the backups of", "copy": "copy the backups of"}[
        schedule["operation"]
    ]
    return "%s %s (%s)" % (what, job.name, schedule["name"])


def _told(option: str, make: t.Callable[..., Calendar], *arguments: t.Any) -> Calendar:
    try:
        return make(*arguments)
    except ValueError as error:
        raise ValueError("%s: %s" % (option, error)) from None
