# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import subprocess
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _engine.archive.codec import codec
from _engine.archive.entry import json_text, text_field
from _engine.archive.index import IndexReader, IndexWriter, Root, entry_path, sort_key
from _engine.errors import IntegrityError

NAMES = st.binary(min_size=1, max_size=12).filter(lambda b: b"/" not in b and b"\0" not in b)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)


class Reading:
    """Reads ranges of an index and counts their bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.count = 0

    def __call__(self, offset: int, size: int) -> bytes:
        self.count += size
        return self._data[offset : offset + size]


def write(paths: t.Iterable[bytes], algorithm: str = "gzip", filler: int = 0) -> t.Tuple[bytes, t.List[int]]:
    output = io.BytesIO()
    writer = IndexWriter({"component": "c", "roots": []}, codec(algorithm, 1), output)
    for path in paths:
        writer.add(path, b'{%s,"type":"file","filler":"%s"}\n' % (text_field(b"path", path), b"x" * filler))
    place = writer.close()
    return output.getvalue(), place


@settings(max_examples=60, deadline=None)
@given(st.sets(PATHS, max_size=40), st.data())
def test_entries_are_found_and_read_from_anywhere(paths: t.Set[bytes], data: st.DataObject) -> None:
    ordered = sorted(paths, key=sort_key)
    # Lines of 100 KiB make many frames out of few entries.
    stored, place = write(ordered, filler=100_000)
    reader = IndexReader("i", Reading(stored), place, codec("gzip", 1))
    assert [entry_path(e) for e in reader.entries()] == ordered
    start = data.draw(PATHS)
    assert [entry_path(e) for e in reader.entries(start)] == [p for p in ordered if sort_key(p) >= sort_key(start)]
    found = reader.find(start)
    assert (found is not None) == (start in paths)
    for path in ordered:
        entry = reader.find(path)
        assert entry is not None and entry_path(entry) == path


def test_one_entry_of_many_is_found_by_reading_little() -> None:
    stored, place = write((b"dir/%06d" % n for n in range(100_000)), filler=100)
    read = Reading(stored)
    assert IndexReader("i", read, place, codec("gzip", 1)).find(b"dir/077777")
    assert read.count < len(stored) / 10


def test_stock_tools_show_the_whole_index() -> None:
    stored, _place = write([b"a", b"b"], "zstd")
    text = subprocess.run(["zstd", "-dc"], input=stored, stdout=subprocess.PIPE, check=True).stdout
    kinds = [next(iter(json.loads(line))) for line in text.splitlines()]
    assert kinds == ["index", "path", "path", "table"]


@settings(max_examples=300)
@given(st.binary(max_size=30))
def test_text_is_what_json_would_write(data: bytes) -> None:
    text = json_text(data)
    try:
        expected = json.dumps(data.decode("utf-8"), ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        assert text is None
        assert entry_path(json.loads(b"{%s}" % text_field(b"path", data))) == data
    else:
        assert text == expected


@pytest.mark.parametrize("algorithm", ["zstd", "gzip"])
def test_a_damaged_index_is_named(algorithm: str) -> None:
    stored, place = write([b"a"], algorithm)
    damaged = stored[:20] + b"\xff" * 8 + stored[28:]
    with pytest.raises(IntegrityError, match="thatindex"):
        list(IndexReader("thatindex", Reading(damaged), place, codec(algorithm, 1)).entries())


def test_roots_that_are_no_text_come_back() -> None:
    root = Root(b"/srv/\xff", b"srv/\xff")
    from _engine.archive.component import root_field

    output = io.BytesIO()
    writer = IndexWriter({"component": "c", "roots": [root_field(root)]}, codec("none"), output)
    place = writer.close()
    assert IndexReader("i", Reading(output.getvalue()), place, codec("none")).roots() == [root]
