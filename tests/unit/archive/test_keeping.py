# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of the index before are taken over as they are."""

from __future__ import annotations

import os

import pytest

from _engine.archive.entry import state
from _engine.archive.keeping import Keeper
from _engine.archive.previous import PreviousEntries

HASH = b',"sha256":"%s"}' % (b"0" * 64)
BYTES = b',"bytes":["20261128T000000Z-full-daily-0001",7,512,5]'


class Lines:
    """An index that only collects."""

    def __init__(self):
        self.kept = []

    def add_line(self, path, line):
        self.kept.append((path, line))


@pytest.fixture
def st(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    return os.stat(tmp_path / "file")


def keep(lines, path, st):
    index, told = Lines(), []
    previous = PreviousEntries(iter(lines))
    kept = Keeper(previous, index, lambda *place: told.append(place)).keep(path, st)
    assert [line for _path, line in index.kept] == ([lines[0]] if kept else [])
    # What is not kept can still be asked for.
    assert kept or previous.peek() == lines[0]
    return told if kept else None


def test_a_plain_line_is_kept_and_its_bytes_are_told(st):
    line = state("srv/é".encode(), b"file", st) + BYTES + HASH
    assert keep([line], "srv/é".encode(), st) == [("20261128T000000Z-full-daily-0001", 7, 512, 5)]


@pytest.mark.parametrize(
    "end",
    [
        HASH,
        BYTES + b',"segments":[[0,5]]' + HASH,
        b',"xattrs":{"user.a":"YQ=="}' + BYTES + HASH,
        BYTES + HASH[:-1] + b',"young":true}',
        BYTES + HASH[:-1] + b',"padded":2}',
    ],
)
def test_a_line_with_anything_else_in_it_is_left_alone(st, end):
    assert keep([state(b"srv/a", b"file", st) + end], b"srv/a", st) is None


def test_another_state_or_path_is_left_alone(st, tmp_path):
    line = state(b"srv/a", b"file", st) + BYTES + HASH
    assert keep([line], b"srv/b", st) is None
    (tmp_path / "file").write_bytes(b"123456")
    assert keep([line], b"srv/a", os.stat(tmp_path / "file")) is None


def test_a_name_that_looks_like_how_another_is_written_is_left_alone(st):
    line = state(b"srv/a\nb", b"file", st) + BYTES + HASH
    assert b"srv/a\\nb" in line
    assert keep([line], b"srv/a\\nb", st) is None
