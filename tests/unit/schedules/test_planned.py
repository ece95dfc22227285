# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write about schedules, checked; each host at a moment of its own."""

from __future__ import annotations

import collections

import jobs
import pytest

from _engine.errors import ConfigurationError
from _engine.job import parse_config
from _engine.schedules.planned import planned, stagger

COMMAND = ("/usr/local/bin/fleet-backup", "--config", "/etc/fleet-backup")


def config(tmp_path, *schedules, **more):
    return parse_config({**jobs.describe(tmp_path, jobs.files(tmp_path), schedules=list(schedules)), **more})


def test_names_and_tags_follow_from_when(tmp_path):
    described = config(
        tmp_path,
        {"at": "02:00"}, {"at": "02:30", "weekday": "sunday"}, {"at": "03:00", "day": 1}, {"every": "6h"},
        {"operation": "prune", "at": "04:00"}, {"operation": "verify", "cron": "0 5 * * 6", "sample": "5%"},
        {"name": "extra", "tag": "nightly", "at": "1:05", "kind": "incremental"},
    )  # fmt: skip
    found = planned(described, described.jobs[0], COMMAND)
    assert [(p.name, p.calendar.crontab()) for p in found] == [
        ("daily", "0 2 * * *"), ("weekly", "30 2 * * 0"), ("monthly", "0 3 1 * *"), ("scheduled", "0 */6 * * *"),
        ("prune", "0 4 * * *"), ("verify", "0 5 * * 6"), ("extra", "5 1 * * *"),
    ]  # fmt: skip
    assert [s["tag"] for s in described.jobs[0].schedules][:4] == ["daily", "weekly", "monthly", "scheduled"]
    assert found[0].command == (*COMMAND, "schedule", "run", "app", "daily")


@pytest.mark.parametrize(
    ("schedules", "problem"),
    [
        ([{}], "jobs[0].schedules[0].at: give exactly one of at, every and cron"),
        ([{"at": "02:00", "every": "6h"}], "schedules[0].at: give exactly one"),
        ([{"at": "25:00"}], "schedules[0].at: '25:00' is no time of day"),
        ([{"at": "02:00", "weekday": "sunday, funday"}], "schedules[0].weekday: 'funday' is none of"),
        ([{"at": "02:00", "weekday": "sunday", "day": 1}], "schedules[0].day"),
        ([{"at": "02:00", "day": 32}], "schedules[0].day"),
        ([{"every": "5h"}], "schedules[0].every: must be minutes"),
        ([{"every": "90s"}], "schedules[0].every: must be whole minutes"),
        ([{"every": "6h", "day": 1}], "schedules[0].day: goes with at"),
        ([{"cron": "61 * * * *"}], "schedules[0].cron: '61' is no minute"),
        ([{"cron": "0 0 31 2 *"}], "schedules[0].cron: '0 0 31 2 *' never comes"),
        ([{"cron": "0 0 * * *", "splay": "1h"}], "schedules[0].splay"),
        ([{"at": "02:00"}, {"at": "03:00"}], "schedules[1]: has the name daily"),
        ([{"at": "02:00", "timezone": "Mars/Base"}], "schedules[0].timezone"),
    ],
)
def test_wrong_schedules_name_their_place(tmp_path, schedules, problem):
    with pytest.raises(ConfigurationError) as raised:
        config(tmp_path, *schedules)
    assert problem in str(raised.value)


def test_a_fleet_is_spread_evenly_and_a_host_keeps_its_moment():
    minutes = collections.Counter(stagger("web%d.example.org" % n, "app", "daily", 3600) for n in range(6100))
    assert set(minutes) == set(range(61))
    assert max(minutes.values()) < 160
    assert stagger("web1", "app", "daily", 3600) == stagger("web1", "app", "daily", 3600)
    assert stagger("web1", "app", "daily", 0) == 0


def test_disabled_ones_are_not_planned(tmp_path):
    described = config(tmp_path, {"at": "02:00", "enabled": False}, {"every": "1h"})
    assert [p.name for p in planned(described, described.jobs[0], COMMAND)] == ["scheduled"]
