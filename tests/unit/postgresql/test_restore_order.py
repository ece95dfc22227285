# SPDX-License-Identifier: GPL-3.0-or-later
"""Which index of a database that is being filled can be made when."""

from __future__ import annotations

from _engine.postgresql.items import Item
from _engine.postgresql.loading import Schedule


def index(name, table):
    return Item(b"INDEX", name, b"public", b"me", b"CREATE INDEX %s ON public.%s USING btree (a);\n" % (name, table))


def key(name, table):
    return Item(
        b"CONSTRAINT", name, b"public", b"me", b"ALTER TABLE ONLY public.%s ADD CONSTRAINT %s PRIMARY KEY (a);\n" % (table, name)
    )


def test_an_index_waits_for_the_rows_of_its_table_and_that_of_partitions_for_all():
    large, small = (b"public", b"large"), (b"public", b"small")
    items = [key(b"of_large", b"large"), index(b"of_partitions", b"parent"), index(b"of_small", b"small")]
    schedule = Schedule(items, [large, small])
    schedule.loaded(small)
    assert schedule.take() is items[2]
    schedule.loaded(large)
    assert schedule.take() is items[0]
    assert schedule.take() is items[1]
    assert schedule.take() is None


def test_of_one_table_indexes_are_made_side_by_side_and_keys_alone():
    items = [index(b"one", b"t"), index(b"two", b"t"), key(b"key", b"t"), index(b"other", b"u")]
    schedule = Schedule(items, [])
    assert [schedule.take() for _ in range(3)] == [items[0], items[1], items[3]]
    schedule.done(items[0])
    schedule.done(items[1])
    assert schedule.take() is items[2]
    assert schedule.take() is None


def test_nobody_waits_for_rows_that_do_not_come():
    schedule = Schedule([index(b"one", b"t")], [(b"public", b"t")])
    schedule.stop()
    assert schedule.take() is None
