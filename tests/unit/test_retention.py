# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention: each rule by example, the brakes, and what must hold whatever the backups and the rules are."""

from __future__ import annotations

import dataclasses
import datetime
import re
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _engine.job_options import RETENTION
from _engine.names import BackupId
from _engine.options import check
from _engine.retention import Candidate, decide

UTC = datetime.timezone.utc
MADRID = zoneinfo.ZoneInfo("Europe/Madrid")
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(text, zone=UTC):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zone)


def backup(when, tag="daily", kind="full", outcome="success", references=()):
    when = at(when) if isinstance(when, str) else when
    utc = when.astimezone(UTC).replace(microsecond=0)
    return Candidate(str(BackupId(utc, kind, tag, "0000")), when, kind, tag, outcome, frozenset(references))


def policy(**rules):
    """The rules as a job's description gives them, checked."""
    return check(rules, RETENTION, "retention")


def kept(backups, rules, now=NOW, zone=UTC, unreadable=()):
    return {d.id for d in decide(backups, rules, now, zone, unreadable) if d.keep}


def reasons(backups, wanted, rules, now=NOW, zone=UTC, unreadable=()):
    (decision,) = (d for d in decide(backups, rules, now, zone, unreadable) if d.id == wanted.id)
    return decision.reasons


def days(count, first="2026-11-23T02:00", **more):
    """One backup a day, newest first."""
    return [backup(at(first) - datetime.timedelta(days=n), **more) for n in range(count)]


class TestRules:
    def test_without_rules_all_stay(self):
        backups = days(50)
        assert kept(backups, policy()) == {b.id for b in backups}
        assert "no rule says that it may go" in reasons(backups, backups[-1], policy())

    def test_keep_last(self):
        backups = days(5)
        assert kept(backups, policy(keep_last=3)) == {b.id for b in backups[:3]}
        assert reasons(backups, backups[1], policy(keep_last=3)) == ["last 2/3"]
        assert reasons(backups, backups[4], policy(keep_last=3)) == ["5th newest, keep_last is 3"]

    def test_keep_daily_takes_the_newest_of_each_day_that_has_one(self):
        backups = [backup(w) for w in ("2026-11-23T02:00", "2026-11-20T20:00", "2026-11-20T02:00", "2026-11-01T02:00")]
        rules = policy(keep_daily=2)
        assert kept(backups, rules) == {backups[0].id, backups[1].id}
        assert "daily 2/2: 2026-11-20" in reasons(backups, backups[1], rules)
        assert reasons(backups, backups[2], rules) == ["daily 2026-11-20 is kept by %s" % backups[1].id]
        assert reasons(backups, backups[3], rules) == ["daily 2026-11-01 is older than the newest 2"]

    def test_keep_within_counts_from_now(self):
        backups = [backup(NOW - datetime.timedelta(hours=h)) for h in (1, 24, 25)]
        assert kept(backups, policy(keep_within="24h")) == {b.id for b in backups[:2]}
        assert "within 1d" in reasons(backups, backups[1], policy(keep_within="24h"))
        assert reasons(backups, backups[2], policy(keep_within="24h")) == ["older than 1d"]

    @pytest.mark.parametrize("text, told", [("45m", "45m"), ("36h", "36h"), ("48h", "2d"), ("2w", "14d"), ("90s", "90s")])
    def test_durations_are_told_as_people_write_them(self, text, told):
        backups = days(50)
        assert "older than %s" % told in reasons(backups, backups[-1], policy(keep_within=text))

    def test_rules_add_up(self):
        backups = days(400)
        rules = policy(keep_daily=7, keep_weekly=5, keep_monthly=12, keep_yearly=2)
        by_rule = [{"keep_daily": 7}, {"keep_weekly": 5}, {"keep_monthly": 12}, {"keep_yearly": 2}]
        assert kept(backups, rules) == set().union(*(kept(backups, policy(**rule)) for rule in by_rule))
        assert len(kept(backups, rules)) == 7 + 3 + 11, "two of the weeks, a month and both years are represented already"

    def test_a_backup_that_goes_says_why_for_every_rule(self):
        backups = days(30)
        assert len(reasons(backups, backups[20], policy(keep_last=2, keep_daily=3, keep_within="5d"))) == 3

    def test_nothing_to_decide(self):
        assert decide([], policy(keep_last=1), NOW, UTC) == []

    def test_the_host_s_zone_is_used_without_one(self, monkeypatch):
        import time

        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            backups = [backup("2026-11-21T16:00"), backup("2026-11-21T14:00")]
            assert len(kept(backups, policy(keep_daily=5), zone=None)) == 2
            assert "daily 1/5: 2026-11-22" in reasons(backups, backups[0], policy(keep_daily=5), zone=None)
        finally:
            monkeypatch.undo()
            time.tzset()


class TestCalendar:
    def slots(self, moments, rule, zone):
        """The names of the periods that the moments (any order) fall in, newest first, no two the same."""
        backups = [backup(m) for m in moments]
        text = [r for d in decide(backups, policy(**{rule: 1000}), NOW.replace(year=2100), zone) for r in d.reasons]
        return [m.group(1) for m in (re.fullmatch(r"\w+ \d+/1000: (.*)", r) for r in text) if m]

    def test_days_are_those_of_the_zone(self):
        moments = [at("2026-11-22T23:30"), at("2026-11-23T00:30")]
        assert self.slots(moments, "keep_daily", UTC) == ["2026-11-23", "2026-11-22"]
        assert self.slots(moments, "keep_daily", MADRID) == ["2026-11-23"]
        assert self.slots(moments, "keep_daily", NEW_YORK) == ["2026-11-22"]

    def test_the_hour_that_comes_twice_is_two_hours(self):
        moments = [at("2026-10-25T00:30"), at("2026-10-25T01:30")]
        assert self.slots(moments, "keep_hourly", MADRID) == ["2026-10-25 02:00 +0100", "2026-10-25 02:00 +0200"]

    def test_the_hour_that_is_skipped(self):
        moments = [at("2026-03-29T00:30"), at("2026-03-29T01:30")]
        assert self.slots(moments, "keep_hourly", MADRID) == ["2026-03-29 03:00 +0200", "2026-03-29 01:00 +0100"]

    def test_a_day_of_25_hours_is_one_day(self):
        moments = [at("2026-10-24T22:00") + datetime.timedelta(hours=h) for h in range(25)]
        assert self.slots(moments, "keep_daily", MADRID) == ["2026-10-25"]
        assert len(self.slots(moments, "keep_hourly", MADRID)) == 25

    def test_a_leap_day(self):
        moments = [at("2028-02-28T12:00"), at("2028-02-29T12:00"), at("2028-03-01T12:00")]
        assert self.slots(moments, "keep_daily", UTC) == ["2028-03-01", "2028-02-29", "2028-02-28"]
        assert self.slots(moments, "keep_monthly", UTC) == ["2028-03", "2028-02"]

    def test_week_53_goes_on_in_the_new_year(self):
        # ISO 8601: 2026 has 53 weeks; Friday 2027-01-01 is in the last of them.
        moments = [at("2026-12-27T12:00"), at("2026-12-28T12:00"), at("2027-01-03T12:00"), at("2027-01-04T12:00")]
        assert self.slots(moments, "keep_weekly", UTC) == ["2027-W01", "2026-W53", "2026-W52"]

    def test_the_end_of_a_year_is_that_of_the_zone(self):
        moments = [at("2026-12-31T22:30"), at("2026-12-31T23:30")]
        assert self.slots(moments, "keep_yearly", MADRID) == ["2027", "2026"]
        assert self.slots(moments, "keep_monthly", MADRID) == ["2027-01", "2026-12"]
        assert self.slots(moments, "keep_yearly", UTC) == ["2026"]


class TestTags:
    def test_a_tag_s_rules_govern_that_tag_alone(self):
        daily, manual = days(5), days(5, "2026-11-23T08:00", tag="manual")
        rules = policy(keep_last=2, tags=[{"name": "manual", "keep_last": 3}])
        assert kept(daily + manual, rules) == {b.id for b in daily[:2] + manual[:3]}
        assert "tag manual: last 1/3" in reasons(daily + manual, manual[0], rules)
        assert reasons(daily + manual, manual[4], rules) == ["tag manual: 5th newest, keep_last is 3"]

    def test_a_tag_with_rules_takes_no_slot_of_the_others(self):
        daily, manual = days(5), days(5, "2026-11-23T08:00", tag="manual")
        rules = policy(keep_daily=2, tags=[{"name": "manual", "keep_last": 1}])
        assert kept(daily + manual, rules) == {b.id for b in daily[:2] + manual[:1]}

    def test_a_tag_without_a_rule_in_it_is_kept_whole(self):
        daily, yearly = days(5), days(3, "2020-01-01T00:00", tag="audit")
        assert kept(daily + yearly, policy(keep_last=1, tags=[{"name": "audit"}])) == {b.id for b in daily[:1] + yearly}

    def test_only_tag_rules_leave_the_others_alone(self):
        daily, manual = days(5), days(5, "2026-11-23T08:00", tag="manual")
        rules = policy(tags=[{"name": "manual", "keep_last": 1}])
        assert kept(daily + manual, rules) == {b.id for b in daily + manual[:1]}

    def test_what_a_restore_overwrote_stays_and_takes_no_slot(self):
        daily, saved = days(5), days(3, "2026-11-23T08:00", tag="pre-restore")
        assert kept(daily + saved, policy(keep_last=2)) == {b.id for b in daily[:2] + saved}

    def test_what_a_restore_overwrote_goes_by_its_own_rules(self):
        daily, saved = days(5), days(3, "2026-11-20T08:00", tag="pre-restore")
        rules = policy(keep_last=2, tags=[{"name": "pre-restore", "keep_last": 1}])
        assert kept(daily + saved, rules) == {b.id for b in daily[:2] + saved[:1]}


class TestBrakes:
    def test_after_a_year_of_failures_the_last_good_one_is_still_there(self):
        backups = days(3, "2025-11-01T02:00")
        assert kept(backups, policy(keep_within="30d")) == {backups[0].id}

    def test_the_newest_without_warnings_too(self):
        backups = days(5, outcome="warning") + days(2, "2026-11-10T02:00")
        assert kept(backups, policy(keep_last=1)) == {backups[0].id, backups[5].id}
        assert "newest backup without warnings" in reasons(backups, backups[5], policy(keep_last=1))

    def test_the_newest_full_one_too(self):
        full = days(2, "2026-11-10T02:00")
        later = days(5, kind="incremental")
        assert kept(later + full, policy(keep_last=1)) == {later[0].id, full[0].id}

    def test_what_a_restore_overwrote_does_not_stand_in_for_a_backup(self):
        saved, daily = days(2, tag="pre-restore"), days(4, "2026-11-10T02:00")
        rules = policy(keep_within="1h", tags=[{"name": "pre-restore", "keep_within": "1h"}], min_keep=2)
        assert kept(daily + saved, rules) == {saved[0].id, daily[0].id, daily[1].id}

    def test_the_newest_stays_also_with_warnings_behind_what_a_restore_overwrote(self):
        newest = backup("2026-11-22T02:00", kind="incremental", outcome="warning")
        backups = [backup("2026-11-23T02:00", tag="pre-restore"), newest, *days(3, "2026-11-10T02:00")]
        assert reasons(backups, newest, policy(keep_within="1h")) == ["newest complete backup"]

    def test_now_is_not_the_future(self):
        backups = [backup(NOW), *days(3)]
        assert kept(backups, policy(keep_last=1)) == {backups[0].id}
        assert "last 1/1" in reasons(backups, backups[0], policy(keep_last=1))

    def test_min_keep(self):
        backups = days(5, "2025-01-01T02:00")
        assert kept(backups, policy(keep_within="1d", min_keep=3)) == {b.id for b in backups[:3]}
        assert "min_keep 3" in reasons(backups, backups[2], policy(keep_within="1d", min_keep=3))

    def test_the_future_is_kept_and_takes_no_slot(self):
        future = days(3, "2031-01-01T02:00")
        backups = days(5)
        assert kept(future + backups, policy(keep_last=2)) == {b.id for b in future + backups[:2]}
        assert reasons(future + backups, future[0], policy(keep_last=2)) == ["made in the future: is the clock right?"]

    def test_what_a_kept_one_needs_is_kept_through_any_number_of_others(self):
        old = days(4, "2026-01-04T02:00")
        middle = backup("2026-06-01T02:00", kind="incremental", references=[old[2].id])
        newest = backup("2026-11-01T02:00", kind="incremental", references=[middle.id, "20200101T000000Z-full-daily-0000"])
        backups = [newest, middle, *old]
        assert kept(backups, policy(keep_last=1)) == {newest.id, middle.id, old[2].id, old[0].id}
        assert reasons(backups, old[2], policy(keep_last=1)) == ["needed by %s" % middle.id]

    def test_the_unreadable_and_what_they_may_need_are_kept(self):
        backups = days(5)
        lost_full, lost_increment = "20261121T120000Z-full-daily-9999", "20261120T120000Z-incremental-daily-9999"
        rules = policy(keep_last=1)
        assert kept(backups, rules, unreadable=[lost_full]) == {backups[0].id, lost_full}
        assert kept(backups, rules, unreadable=[lost_increment]) == {backups[0].id, backups[4].id, backups[3].id, lost_increment}
        assert "may be needed by %s" % lost_increment in reasons(backups, backups[4], rules, unreadable=[lost_increment])[0]

    def test_references_in_a_circle_come_to_an_end(self):
        one, two = backup("2026-11-01T02:00"), backup("2026-11-02T02:00")
        one = backup("2026-11-01T02:00", references=[two.id])
        two = backup("2026-11-02T02:00", references=[one.id])
        assert kept([one, two], policy(keep_last=1)) == {one.id, two.id}


TAGS = ("daily", "weekly", "manual", "pre-restore")
COUNTS = st.one_of(st.none(), st.integers(1, 6))
OPTIONS = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")


@st.composite
def policies(draw):
    def keeps():
        rules = {name: count for name in OPTIONS if (count := draw(COUNTS)) is not None}
        if draw(st.booleans()):
            rules["keep_within"] = draw(st.sampled_from(["1h", "3d", "2w", "400d"]))
        return rules

    tags = draw(st.lists(st.sampled_from(TAGS), unique=True, max_size=2))
    return {**keeps(), "min_keep": draw(st.integers(1, 4)), "tags": [{"name": tag, **keeps()} for tag in tags]}


@st.composite
def histories(draw):
    """Backups of which some use older ones, at moments that meet often: same hour, day, week; some in the future."""
    minutes = draw(st.lists(st.integers(-3000, 900000), unique=True, max_size=25))
    backups = []
    for minute in sorted(minutes, reverse=True):
        kind = draw(st.sampled_from(["full", "full", "incremental"]))
        references = draw(st.lists(st.sampled_from(backups), max_size=2)) if backups and kind != "full" else []
        backups.append(
            backup(
                NOW - datetime.timedelta(minutes=minute),
                draw(st.sampled_from(TAGS)),
                kind,
                draw(st.sampled_from(["success", "success", "warning"])),
                [b.id for b in references],
            )
        )
    return backups


ZONES = st.sampled_from([UTC, MADRID, NEW_YORK, zoneinfo.ZoneInfo("Asia/Kathmandu"), zoneinfo.ZoneInfo("Pacific/Apia")])


class TestWhateverTheBackupsAndRules:
    @given(histories(), policies(), ZONES)
    def test_every_backup_is_decided_once_with_a_reason(self, backups, rules, zone):
        decisions = decide(backups, policy(**rules), NOW, zone)
        assert [d.id for d in decisions] == sorted((b.id for b in backups), reverse=True)
        assert all(d.reasons for d in decisions)

    @given(histories(), policies(), ZONES)
    def test_the_reasons_say_what_was_decided(self, backups, rules, zone):
        for decision in decide(backups, policy(**rules), NOW, zone):
            against = [r for r in decision.reasons if re.search(r"keep_last is|is kept by|older than", r)]
            assert against == ([] if decision.keep else decision.reasons)

    @given(histories(), policies(), ZONES)
    def test_the_last_good_backup_stays(self, backups, rules, zone):
        keep = kept(backups, policy(**rules), zone=zone)
        past = [b for b in backups if b.finished <= NOW]
        regular = [b for b in past if b.tag != "pre-restore"]
        groups = [past, regular, [b for b in regular if b.outcome == "success"], [b for b in regular if b.kind == "full"]]
        for group in groups:
            if group:
                assert max(group, key=lambda b: b.finished).id in keep
        assert {b.id for b in backups if b.finished > NOW} <= keep
        assert len([b for b in regular if b.id in keep]) >= min(rules["min_keep"], len(regular))

    @given(histories(), policies(), ZONES)
    def test_nothing_that_is_kept_misses_what_it_needs(self, backups, rules, zone):
        keep = kept(backups, policy(**rules), zone=zone)
        for one in backups:
            if one.id in keep:
                assert one.references <= keep

    @given(histories(), policies(), ZONES)
    def test_deciding_again_after_the_deletion_deletes_nothing_more(self, backups, rules, zone):
        keep = kept(backups, policy(**rules), zone=zone)
        left = [b for b in backups if b.id in keep]
        assert kept(left, policy(**rules), zone=zone) == keep

    @given(histories(), policies(), ZONES, st.data())
    def test_a_larger_rule_keeps_no_less(self, backups, rules, zone, data):
        governed = data.draw(st.sampled_from([rules, *rules["tags"]]))
        numbers = sorted(set(governed) & set(OPTIONS)) + (["min_keep"] if governed is rules else [])
        before = kept(backups, policy(**rules), zone=zone)
        if numbers:
            governed[data.draw(st.sampled_from(numbers))] += data.draw(st.integers(1, 5))
        assert kept(backups, policy(**rules), zone=zone) >= before

    @given(histories(), policies(), ZONES, st.data())
    def test_one_more_rule_keeps_no_less(self, backups, rules, zone, data):
        governed = data.draw(st.sampled_from([rules, *rules["tags"]]))
        missing = sorted(set(OPTIONS) - set(governed))
        has_a_rule = any(name.startswith("keep_") for name in governed)
        before = kept(backups, policy(**rules), zone=zone)
        if missing and has_a_rule:
            governed[data.draw(st.sampled_from(missing))] = data.draw(st.integers(1, 5))
        assert kept(backups, policy(**rules), zone=zone) >= before

    @given(histories(), policies(), ZONES)
    def test_together_the_rules_keep_what_each_keeps_alone(self, backups, rules, zone):
        keeps = {name: rules[name] for name in rules if name.startswith("keep_")}
        rest = {"min_keep": rules["min_keep"], "tags": rules["tags"]}
        alone = [kept(backups, policy(**{name: value}, **rest), zone=zone) for name, value in keeps.items()]
        if alone:
            assert kept(backups, policy(**rules), zone=zone) == set().union(*alone)

    @given(histories(), policies(), ZONES, st.randoms(use_true_random=False))
    def test_the_order_of_listing_does_not_matter(self, backups, rules, zone, random):
        shuffled = list(backups)
        random.shuffle(shuffled)
        assert decide(shuffled, policy(**rules), NOW, zone) == decide(backups, policy(**rules), NOW, zone)

    @settings(max_examples=50)
    @given(histories(), policies(), ZONES, st.data())
    def test_an_unreadable_one_never_makes_more_go(self, backups, rules, zone, data):
        lost = data.draw(st.lists(st.sampled_from(backups), unique=True)) if backups else []
        readable = [b for b in backups if b not in lost]
        keep = kept(readable, policy(**rules), zone=zone, unreadable=[b.id for b in lost])
        assert {b.id for b in lost} <= keep
        for one in lost:
            if one.kind != "full":
                assert {b.id for b in readable if b.id < one.id} <= keep


@st.composite
def doubtful_histories(draw):
    """Histories of which some are suspicious and some are pinned."""
    return [
        dataclasses.replace(b, suspicious=draw(st.integers(0, 5)) == 0, pinned=draw(st.integers(0, 5)) == 0)
        for b in draw(histories())
    ]


class TestSuspiciousAndPinned:
    def test_a_suspicious_one_stays_and_takes_no_place(self):
        backups = days(5)
        doubtful = dataclasses.replace(backups[2], suspicious=True)
        backups[2] = doubtful
        assert kept(backups, policy(keep_last=1)) == {b.id for b in (backups[0], *backups[2:])}
        assert reasons(backups, doubtful, policy(keep_last=1)) == ["suspicious, and not accepted"]
        assert reasons(backups, backups[4], policy(keep_last=1)) == ["older than %s, which is suspicious" % doubtful.id]

    def test_the_newest_good_one_is_not_the_suspicious_one(self):
        backups = days(3)
        backups[0] = dataclasses.replace(backups[0], suspicious=True)
        assert "newest complete backup" in reasons(backups, backups[1], policy(keep_last=1))
        assert "last 1/1" in reasons(backups, backups[1], policy(keep_last=1))

    def test_a_pinned_one_stays_with_what_it_needs(self):
        full = backup("2026-11-01T02:00")
        pinned = dataclasses.replace(backup("2026-11-02T02:00", kind="incremental", references=[full.id]), pinned=True)
        backups = [*days(3), pinned, full]
        assert kept(backups, policy(keep_last=1)) == {backups[0].id, pinned.id, full.id}
        assert reasons(backups, pinned, policy(keep_last=1)) == ["pinned"]
        assert reasons(backups, full, policy(keep_last=1)) == ["needed by %s" % pinned.id]

    @given(doubtful_histories(), policies(), ZONES)
    def test_what_is_suspicious_keeps_all_that_is_older(self, backups, rules, zone):
        keep = kept(backups, policy(**rules), zone=zone)
        newest = max((b.id for b in backups if b.suspicious), default="")
        assert {b.id for b in backups if b.id <= newest} <= keep

    @given(doubtful_histories(), policies(), ZONES)
    def test_what_is_pinned_stays_and_so_does_all_that_is_needed(self, backups, rules, zone):
        keep = kept(backups, policy(**rules), zone=zone)
        assert {b.id for b in backups if b.pinned} <= keep
        assert all(b.references <= keep for b in backups if b.id in keep)

    @given(doubtful_histories(), policies(), ZONES)
    def test_the_last_good_one_is_one_that_is_not_suspicious(self, backups, rules, zone):
        keep = kept(backups, policy(**rules), zone=zone)
        good = [b for b in backups if not b.suspicious and b.finished <= NOW and b.tag != "pre-restore"]
        assert len([b for b in good if b.id in keep]) >= min(rules["min_keep"], len(good))

    @given(doubtful_histories(), policies(), ZONES)
    def test_marks_never_make_more_go(self, backups, rules, zone):
        unmarked = [dataclasses.replace(b, suspicious=False, pinned=False) for b in backups]
        pinned = [dataclasses.replace(b, suspicious=False) for b in backups]
        assert kept(unmarked, policy(**rules), zone=zone) <= kept(pinned, policy(**rules), zone=zone)

    @given(doubtful_histories(), policies(), ZONES)
    def test_suspicious_ones_are_as_if_they_were_not_there_for_the_others(self, backups, rules, zone):
        good = [b for b in backups if not b.suspicious]
        assert kept(good, policy(**rules), zone=zone) <= kept(backups, policy(**rules), zone=zone)


@pytest.mark.parametrize(
    "n, text", [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (13, "13th"), (22, "22nd"), (112, "112th")]
)
def test_places_are_told_as_people_do(n, text):
    backups = days(n)
    if n > 1:
        assert reasons(backups, backups[-1], policy(keep_last=1)) == ["%s newest, keep_last is 1" % text]
