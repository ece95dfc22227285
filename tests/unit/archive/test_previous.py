# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from _engine.archive.entry import state
from _engine.archive.index import sort_key
from _engine.archive.previous import PreviousEntries

PATHS = [b"a", b"a/b", b"a\nb", b"a\\nb", b'a","type":"file', b"a\xff", "\u00e4".encode(), b"b", b"b/c", b"b/d e", b"b.c"]


def line(path: bytes, kind: bytes = b"file") -> bytes:
    return state(path, kind, os.stat(__file__)) + b"}"


@pytest.mark.parametrize("missing", [None, *PATHS])
@pytest.mark.parametrize("kind", [b"file", b"directory"])
def test_each_path_finds_its_own_line_and_no_other(missing, kind) -> None:
    there = sorted((path for path in PATHS if path != missing), key=sort_key)
    entries = PreviousEntries(line(path, kind) for path in there)
    for path in sorted(PATHS, key=sort_key):
        assert entries.find(path) == (None if path == missing else line(path, kind))
    assert entries.find(b"z") is None


def test_entries_that_nobody_asks_for_are_passed_over() -> None:
    entries = PreviousEntries(line(path) for path in sorted(PATHS, key=sort_key))
    assert entries.find(b"0") is None
    assert entries.find(b"a\\nb") == line(b"a\\nb")
    assert entries.find(b"b/a") is None
    assert entries.find(b"b/d e") == line(b"b/d e")
    assert entries.find(b"c") is None
    assert entries.find(b"d") is None
