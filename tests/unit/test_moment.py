# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments as people write them."""

from __future__ import annotations

import datetime
import time

import pytest

from _engine.errors import ConfigurationError
from _engine.moment import parse_moment

NOW = datetime.datetime(2026, 11, 22, 12, 0, 0, tzinfo=datetime.timezone.utc)


def utc(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("now", None, "2026-11-22T12:00:00"),
        ("2h", None, "2026-11-22T10:00:00"),
        ("3d", None, "2026-11-19T12:00:00"),
        ("90m ago", None, "2026-11-22T10:30:00"),
        ("2026-11-21", "UTC", "2026-11-21T23:59:59.999999"),
        ("20261121", "UTC", "2026-11-21T23:59:59.999999"),
        ("2026-11-21", "Europe/Madrid", "2026-11-21T22:59:59.999999"),
        ("2026-11-21", "America/New_York", "2026-11-22T04:59:59.999999"),
        ("yesterday", "UTC", "2026-11-21T23:59:59.999999"),
        ("today", "UTC", "2026-11-22T23:59:59.999999"),
        # It is already the 23rd in Auckland.
        ("yesterday", "Pacific/Auckland", "2026-11-22T10:59:59.999999"),
        ("2026-11-21T14:30", "UTC", "2026-11-21T14:30:59.999999"),
        ("2026-11-21 14:30", "Europe/Madrid", "2026-11-21T13:30:59.999999"),
        ("2026-11-21T14:30:05", "UTC", "2026-11-21T14:30:05.999999"),
        ("2026-11-21T14:30:05.250Z", None, "2026-11-21T14:30:05.250999"),
        ("2026-11-21T14:30:05.1234567Z", None, "2026-11-21T14:30:05.123456"),
        ("20261121T143005Z", None, "2026-11-21T14:30:05.999999"),
        ("2026-11-21T14:30+01:00", "UTC", "2026-11-21T13:30:59.999999"),
        ("2026-11-21 14:30 -0530", None, "2026-11-21T20:00:59.999999"),
        ("2026-11-21t14:30z", None, "2026-11-21T14:30:59.999999"),
        # The day on which the clocks went back has 25 hours, and the day before it ends in summer time.
        ("2026-10-24", "Europe/Madrid", "2026-10-24T21:59:59.999999"),
        ("2026-10-25", "Europe/Madrid", "2026-10-25T22:59:59.999999"),
        # 02:30 came twice: the later one.
        ("2026-10-25T02:30", "Europe/Madrid", "2026-10-25T01:30:59.999999"),
    ],
)
def test_moments(text, zone, moment):
    assert parse_moment(text, zone, NOW) == utc(moment)


def test_an_hour_that_comes_twice_is_the_first_while_the_second_is_still_to_come():
    now = utc("2026-10-25T00:45:00")
    assert parse_moment("2026-10-25T02:30", "Europe/Madrid", now) == utc("2026-10-25T00:30:59.999999")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-13-01",
        "2026-02-30",
        "2026-11-21T25:00",
        "2026-11-21T14:30+99:00",
        "2026-1121",
        "12:30",
        "5",
        "5y",
        "-3d",
        "99999999999999d",
        "2026-11-21T14:30 Europe/Madrid",
        "0000-01-01",
    ],
)
def test_what_is_no_moment_is_told_with_examples(text):
    with pytest.raises(ConfigurationError, match="yesterday"):
        parse_moment(text, "UTC", NOW)


@pytest.mark.parametrize("text", ["2026-11-23", "2062-01-01T00:00Z", "2026-11-22T12:01Z"])
def test_the_future_is_refused(text):
    with pytest.raises(ConfigurationError, match="in the future"):
        parse_moment(text, "UTC", NOW)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the host's zone cannot be set for a test here")
@pytest.mark.parametrize(
    ("zone", "moment"), [("Europe/Madrid", "2026-07-01T10:00:59.999999"), ("UTC", "2026-07-01T12:00:59.999999")]
)
def test_without_a_zone_it_is_the_hosts(monkeypatch, zone, moment):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert parse_moment("2026-07-01T12:00", None, NOW) == utc(moment)
    finally:
        monkeypatch.undo()
        time.tzset()
