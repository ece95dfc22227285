# SPDX-License-Identifier: GPL-3.0-or-later
"""What Task Scheduler is told, against the schema that Microsoft has published, and read back as the times that were meant."""

from __future__ import annotations

import datetime
import re
import typing as t
from pathlib import Path

import pytest
import xmlschema

from _engine.errors import ConfigurationError
from _engine.options import check
from _engine.schedules import Planned
from _engine.schedules.calendar import Calendar
from _engine.schedules.options import SCHEDULE, WEEKDAYS
from _engine.schedules.planned import calendar_of, check_schedules
from _engine.schedules.task_scheduler import task_xml

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "fixtures" / "task_scheduler.xsd")
PYTHON = "C:\\Program Files\\Python312\\python.exe"
SCRIPT = "C:\\Program Files\\fleet-backup\\fleet-backup.py"
_MONTHS = [datetime.date(2024, n, 1).strftime("%B") for n in range(1, 13)]


def planned(schedule: t.Dict[str, t.Any], splay: int = 0, job: str = "shop") -> Planned:
    described = check({**schedule}, SCHEDULE, "")
    problems: t.List[str] = []
    check_schedules([described], "schedules", problems)
    assert problems == []
    calendar = calendar_of(described, splay)
    words = (PYTHON, "-I", SCRIPT, "--config", "C:\\ProgramData\\fleet-backup\\config", "--quiet", "schedule", "run", job, "x")
    return Planned(job, "x", "back up %s <&>" % job, calendar, None, words)


def parsed(one: Planned, account: t.Optional[str] = None) -> t.Dict[str, t.Any]:
    """The task, which must be valid."""
    text = re.sub(r"^<\?xml[^>]*>", "", task_xml(one, account))
    SCHEMA.validate(text)
    return t.cast(t.Dict[str, t.Any], SCHEMA.to_dict(text))


FORMS: t.List[t.Dict[str, t.Any]] = [
    {"at": "02:00"},
    {"at": "2:05", "weekday": "monday"},
    {"at": "23:59", "weekday": "monday,wednesday,sunday"},
    {"at": "03:00", "day": 1},
    {"at": "03:00", "day": 31},
    {"every": "1m"},
    {"every": "5m"},
    {"every": "15m"},
    {"every": "1h"},
    {"every": "6h"},
    {"every": "24h"},
    {"cron": "30 2 1,15 * *"},
    {"cron": "30 7-20 * * *"},
    {"cron": "*/10 8-12 * * 1-5"},
    {"cron": "0 4 1 1,7 *"},
    {"cron": "0 4 * 1-3 *"},
    {"cron": "0 4 * 2 0"},
    {"cron": "0 4 13 * 5"},
    {"cron": "0 4 13 6 5"},
    {"cron": "@hourly"},
    {"cron": "@yearly"},
    {"cron": "@weekly"},
]


@pytest.mark.parametrize("splay", (0, 7))
@pytest.mark.parametrize("form", FORMS, ids=lambda form: " ".join(map(str, form.values())))
def test_every_form_is_valid_and_means_what_was_said(form, splay):
    if splay and "cron" in form:
        splay = 0
    one = planned(form, splay)
    begin, days = datetime.datetime(2026, 1, 1), 3 if "every" in form else 370
    assert due(parsed(one), begin, days) == expected(one.calendar, begin, days)


def test_it_runs_as_system_catches_up_and_does_not_overlap():
    task = parsed(planned({"at": "02:00"}))
    assert task["Principals"]["Principal"] == {"@id": "Author", "UserId": "S-1-5-18", "RunLevel": "HighestAvailable"}
    settings = task["Settings"]
    assert (settings["StartWhenAvailable"], settings["MultipleInstancesPolicy"]) == (True, "IgnoreNew")
    assert not settings["DisallowStartIfOnBatteries"] and not settings["StopIfGoingOnBatteries"]
    # A long backup is not ended after three days.
    assert str(settings["ExecutionTimeLimit"]) == "PT0S"
    assert task["RegistrationInfo"]["Description"] == "back up shop <&>"


@pytest.mark.parametrize(("account", "logon"), (("WEB1\\backup", "S4U"), ("ACME\\backup$", "Password")))
def test_an_account_needs_no_password(account, logon):
    task = parsed(planned({"at": "02:00"}), account)
    principal = task["Principals"]["Principal"]
    assert (principal["UserId"], principal["LogonType"]) == (account, logon)


def test_the_command_line_is_quoted_as_windows_splits_it():
    one = planned({"at": "02:00"})
    words = (PYTHON, "-I", "C:\\a b\\", 'say "hi"', "", "C:\\plain\\", "100%", "tab\there")
    task = SCHEMA.to_dict(
        re.sub(r"^<\?xml[^>]*>", "", task_xml(Planned(one.job, one.name, one.title, one.calendar, None, words)))
    )
    action = task["Actions"]["Exec"][0]
    assert action["Command"] == PYTHON
    assert split(action["Arguments"]) == list(words[1:])


def test_what_needs_too_many_triggers_is_refused():
    with pytest.raises(ConfigurationError, match="48 times a day, not 216"):
        task_xml(planned({"cron": "*/7 * * * *"}))


def due(task, begin, days):
    """The times of a task in ``days`` days, read from its triggers as the documentation of Task Scheduler tells them."""
    triggers = task["Triggers"]["CalendarTrigger"]
    times = set()
    for number in range(-1, days):
        day = begin.date() + datetime.timedelta(days=number)
        for trigger in triggers:
            if not comes(trigger, day):
                continue
            start = datetime.datetime.fromisoformat(str(trigger["StartBoundary"]))
            first = datetime.datetime.combine(day, start.time())
            repetition = trigger.get("Repetition")
            if repetition is None:
                times.add(first)
                continue
            assert str(repetition["Duration"]) == "P1D"
            step = int(re.fullmatch(r"PT(\d+)M", str(repetition["Interval"])).group(1))
            times.update(first + datetime.timedelta(minutes=n) for n in range(0, 24 * 60, step))
    end = begin + datetime.timedelta(days=days)
    return sorted(time for time in times if begin <= time < end)


def comes(trigger, day):
    name, month = WEEKDAYS[day.isoweekday() % 7].capitalize(), _MONTHS[day.month - 1]
    if "ScheduleByDay" in trigger:
        return trigger["ScheduleByDay"]["DaysInterval"] == 1
    if "ScheduleByWeek" in trigger:
        return trigger["ScheduleByWeek"]["WeeksInterval"] == 1 and name in trigger["ScheduleByWeek"]["DaysOfWeek"]
    if "ScheduleByMonth" in trigger:
        schedule = trigger["ScheduleByMonth"]
        return month in schedule["Months"] and str(day.day) in schedule["DaysOfMonth"]["Day"]
    schedule = trigger["ScheduleByMonthDayOfWeek"]
    week = (day.day - 1) // 7 + 1
    is_last = (day + datetime.timedelta(days=7)).month != day.month
    weeks = schedule["Weeks"]["Week"]
    return (
        month in schedule["Months"] and name in schedule["DaysOfWeek"] and (str(week) in weeks or (is_last and "Last" in weeks))
    )


def expected(calendar: Calendar, begin, days):
    found = []
    for number in range(days):
        day = begin.date() + datetime.timedelta(days=number)
        if calendar.counts(day):
            found += [datetime.datetime.combine(day, datetime.time(h, m)) for h in calendar.hours for m in calendar.minutes]
    return found


def split(line):
    """A command line as the C runtime of Windows splits it.

    https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments
    """
    words, word, quoted, begun, n = [], "", False, False, 0
    while n < len(line):
        slashes = len(line[n:]) - len(line[n:].lstrip("\\"))
        if slashes:
            n += slashes
            before_quote = line[n : n + 1] == '"'
            word += "\\" * (slashes // 2 if before_quote else slashes)
            begun = True
            if before_quote and slashes % 2:
                word += '"'
                n += 1
        elif line[n] == '"':
            quoted, begun, n = not quoted, True, n + 1
        elif line[n] in " \t" and not quoted:
            if begun:
                words.append(word)
            word, begun, n = "", False, n + 1
        else:
            word, begun, n = word + line[n], True, n + 1
    return [*words, word] if begun else words
