# SPDX-License-Identifier: GPL-3.0-or-later
"""When schedules are due; what systemd makes of it is asked of systemd itself."""

from __future__ import annotations

import datetime
import random
import re
import shutil
import subprocess
import zoneinfo

import pytest

from _engine.schedules.calendar import Calendar, at, every, from_cron
from _engine.schedules.systemd import on_calendar

START = datetime.datetime(2026, 11, 22, 13, 30, tzinfo=zoneinfo.ZoneInfo("UTC"))


def following(calendar: Calendar, count: int, moment: datetime.datetime = START):
    found = []
    for _ in range(count):
        moment = calendar.after(moment)
        found.append(moment.strftime("%a %Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", ["Mon 2026-11-23 02:30", "Tue 2026-11-24 02:30"]),
        ("*/20 13 * * *", ["Sun 2026-11-22 13:40", "Mon 2026-11-23 13:00"]),
        ("0 4 1 * *", ["Tue 2026-12-01 04:00", "Fri 2027-01-01 04:00"]),
        ("0 4 31 * *", ["Thu 2026-12-31 04:00", "Sun 2027-01-31 04:00", "Wed 2027-03-31 04:00"]),
        ("0 0 29 2 *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("15 1 * * mon-fri", ["Mon 2026-11-23 01:15", "Tue 2026-11-24 01:15"]),
        ("0 6 1 * 0", ["Sun 2026-11-29 06:00", "Tue 2026-12-01 06:00", "Sun 2026-12-06 06:00"]),
        ("0 6 * dec sun,7", ["Sun 2026-12-06 06:00", "Sun 2026-12-13 06:00"]),
        ("@weekly", ["Sun 2026-11-29 00:00", "Sun 2026-12-06 00:00"]),
        ("30 13 22 11 *", ["Mon 2027-11-22 13:30"]),
    ],
)
def test_cron_fields(text, expected):
    assert following(from_cron(text), len(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "* 24 * * *", "x * * * *", "*/0 * * * *", "5-1 * * * *", "0 0 31 2 *", "1,,2 * * * *"]
)
def test_what_is_no_cron_expression_is_refused(text):
    with pytest.raises(ValueError, match="."):
        from_cron(text)


def test_before_is_the_last_that_was_due():
    calendar = from_cron("30 2 * * 1")
    assert calendar.before(START) == datetime.datetime(2026, 11, 16, 2, 30, tzinfo=START.tzinfo)
    exactly = datetime.datetime(2026, 11, 16, 2, 30, tzinfo=START.tzinfo)
    assert calendar.before(exactly) == exactly


@pytest.mark.parametrize(
    ("calendar", "crontab"),
    [
        (at((2, 0), 0, [], None), "0 2 * * *"),
        (at((23, 30), 90, ["saturday"], None), "0 1 * * 0"),
        (at((23, 30), 90, [], 5), "59 23 5 * *"),
        (at((2, 30), 15, ["sunday", "wednesday"], None), "45 2 * * 0,3"),
        (every(360, 0), "0 */6 * * *"),
        (every(360, 100), "40 1-23/6 * * *"),
        (every(15, 7), "7-59/15 * * * *"),
        (every(1440, 61), "1 1 * * *"),
        (every(1, 0), "* * * * *"),
    ],
)
def test_other_ways_to_say_it(calendar, crontab):
    assert calendar.crontab() == crontab
    assert from_cron(crontab) == calendar


@pytest.mark.parametrize("minutes", [0, 7, 45, 90, 300, 1500, 2880])
def test_a_period_that_no_day_is_made_of_is_refused(minutes):
    with pytest.raises(ValueError, match="must be minutes that an hour is made of"):
        every(minutes, 0)


def random_fields(rng: random.Random) -> str:
    def field(low: int, high: int) -> str:
        kind = rng.randrange(4)
        if kind == 0:
            return "*"
        if kind == 1:
            return str(rng.randint(low, high))
        if kind == 2:
            return "*/%d" % rng.randint(2, max(2, high // 2))
        return ",".join(str(n) for n in sorted(rng.sample(range(low, high + 1), 3)))

    return " ".join((field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)))


def test_crontab_says_what_was_parsed():
    rng = random.Random(1)
    for _ in range(300):
        text = random_fields(rng)
        calendar = from_cron(text)
        assert from_cron(calendar.crontab()) == calendar, text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize("seed", range(12))
def test_systemd_is_due_at_the_same_times(seed):
    calendar = from_cron(random_fields(random.Random(seed)))
    expected = following(calendar, 4)
    told = []
    for text in on_calendar(calendar, "UTC"):
        done = subprocess.run(
            ["systemd-analyze", "calendar", "--iterations=4", "--base-time=2026-11-22 13:30:00 UTC", text],
            capture_output=True, text=True, check=True, env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        told += re.findall(r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): (\w{3} \d{4}-\d\d-\d\d \d\d:\d\d):00 UTC", done.stdout)
    assert sorted(set(told), key=lambda line: line[4:])[:4] == expected
