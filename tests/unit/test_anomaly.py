# SPDX-License-Identifier: GPL-3.0-or-later
"""What is suspicious about a backup, by example and whatever the sizes are."""

from __future__ import annotations

import statistics
import types
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _engine.anomaly import HISTORY, Extent, Guard, extent, history, judge, tables_of

GUARD = Guard(0.75, 100)
EXTENTS = st.builds(Extent, st.integers(0, 10**6), st.integers(0, 10**12))


def of(count: int) -> Extent:
    return Extent(count, count * 10)


class TestSize:
    @pytest.mark.parametrize("now, suspicious", [(100, False), (25, False), (24, True), (0, True), (1000, False)])
    def test_a_quarter_of_the_usual_size_is_the_limit(self, now, suspicious):
        assert bool(judge(of(now), [of(100)] * 3, GUARD)) is suspicious

    def test_entries_and_bytes_count_each(self):
        (found,) = judge(Extent(100, 10), [Extent(100, 1000)], GUARD)
        assert found == "10 bytes, 1000 before, usually 1000"
        (found,) = judge(Extent(2, 1000), [Extent(100, 1000)], GUARD)
        assert found == "2 entries, 100 before, usually 100"

    def test_the_first_backup_is_not_judged(self):
        assert judge(of(0), [], GUARD) == []

    def test_one_large_backup_does_not_make_the_next_suspicious(self):
        assert judge(of(100), [of(10000), of(100), of(100)], GUARD) == []

    def test_what_became_empty_is_suspicious_whatever_may_shrink(self):
        assert judge(of(0), [of(1), of(0), of(0)], Guard(1.0, 100)) != []
        assert judge(of(0), [of(0), of(1)], Guard(1.0, 100)) == []

    @given(EXTENTS, st.lists(EXTENTS, min_size=1, max_size=7), st.floats(0, 1), st.integers(2, 1000))
    def test_what_is_larger_is_never_more_suspicious(self, now, before, shrink, factor):
        larger = Extent(now.entries * factor + 1, now.bytes * factor + 1)
        guard = Guard(shrink, 100)
        assert len(judge(larger, before, guard)) <= len(judge(now, before, guard))

    @given(EXTENTS, st.lists(EXTENTS, min_size=1, max_size=7), st.floats(0, 1))
    def test_what_is_as_usual_or_may_shrink_so_far_is_not(self, now, before, shrink):
        usual = [statistics.median([getattr(e, name) for e in before]) for name in ("entries", "bytes")]
        if now.entries >= max(usual[0], 1) and now.bytes >= max(usual[1], 1):
            assert judge(now, before, Guard(shrink, 100)) == []

    @given(EXTENTS, st.lists(EXTENTS, min_size=1, max_size=7), st.floats(0, 1), st.floats(0, 1))
    def test_a_larger_share_that_may_be_lost_never_finds_more(self, now, before, one, other):
        few, many = judge(now, before, Guard(max(one, other), 100)), judge(now, before, Guard(min(one, other), 100))
        assert len(few) <= len(many)

    @given(EXTENTS, st.floats(0, 1))
    def test_compared_with_itself_nothing_is_suspicious(self, now, shrink):
        assert judge(now, [now], Guard(shrink, 100)) == []


class TestTables:
    def judged(self, now, before, rows=100):
        return judge(Extent(1, 10, now), [Extent(1, 10, before)], Guard(0.75, rows))

    def test_a_table_that_is_gone(self):
        assert self.judged({"users": 5}, {"users": 5, "cars": 0}) == ["1 of 2 tables are gone: cars"]

    def test_a_table_that_is_empty(self):
        before = {"users": 100, "sessions": 99}
        assert self.judged({"users": 0, "sessions": 0}, before) == ["tables that had rows are empty: users (100 before)"]
        assert self.judged({"users": 0, "sessions": 0}, before, rows=101) == []
        assert self.judged({"users": 1, "sessions": 0}, before) == []

    def test_new_tables_and_more_rows_are_fine(self):
        assert self.judged({"users": 500, "cars": 1}, {"users": 5}) == []

    def test_what_is_not_known_is_not_judged(self):
        assert self.judged(None, {"users": 5}) == self.judged({}, None) == []

    def test_many_are_not_all_named(self):
        (found,) = self.judged({}, {"t%d" % n: 1 for n in range(9)})
        assert found.endswith("t0, t1, t2, t3, t4 and 4 more")

    @pytest.mark.parametrize("facts", [{}, {"tables": None}, {"tables": ["a"]}, {"tables": {"a": "many"}}])
    def test_facts_of_other_sources_tell_no_tables(self, facts):
        assert tables_of(facts) is None


def backup(number: int, *, suspicious: bool = False, tag: str = "daily", source: str = "files", facts: t.Any = None):
    """As much of a manifest as matters."""
    component = types.SimpleNamespace(source=source, entries=number, bytes=number, facts=facts or {})
    return types.SimpleNamespace(
        id="202611%02dT020000Z-full-%s-0000" % (number, tag),
        warnings=[{"code": "suspicious"}] if suspicious else [{"code": "file-changed"}],
        component=lambda name: component if name == "app" else None,
    )


class TestHistory:
    def test_the_last_seven(self):
        backups = [backup(n) for n in range(20, 0, -1)]
        rest = iter(backups)
        assert history(rest, ()) == backups[:HISTORY]
        assert next(rest) is backups[HISTORY], "no more manifests are read than are needed"

    def test_what_is_suspicious_or_was_saved_by_a_restore_tells_nothing(self):
        good, bad, saved = backup(1), backup(2, suspicious=True), backup(3, tag="pre-restore")
        assert history([saved, bad, good], ()) == [good]

    def test_what_was_accepted_is_a_new_beginning(self):
        old, accepted, new = backup(1), backup(2, suspicious=True), backup(3)
        assert history([new, accepted, old], {accepted.id}) == [new, accepted]

    def test_the_extent_of_a_component(self):
        assert extent(backup(5, facts={"tables": {"a": 1}}), "app", "files") == Extent(5, 5, {"a": 1})
        assert extent(backup(5), "other", "files") is None
        assert extent(backup(5), "app", "sqlite") is None
        assert extent(backup(5, facts=types.SimpleNamespace(name="sealed")), "app", "files") == Extent(5, 5, None)
