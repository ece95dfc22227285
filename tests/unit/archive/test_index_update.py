# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import random
import typing as t

import pytest

from _engine.archive.codec import codec
from _engine.archive.entry import state, text_field
from _engine.archive.index import IndexReader, IndexWriter, sort_key
from _engine.archive.index_update import IndexUpdate

PATHS = [b"a", b"a/b", b"a\nb", b"a\\nb", b'a","type":"file', b"a\xff", "\u00e4".encode(), b"b", b"b/c", b"b/d e", b"b.c"]


class Compressed:
    """A codec, and what it compressed: all that was not taken over as it is stored."""

    def __init__(self, algorithm: str) -> None:
        self.codec = codec(algorithm, 1)
        self.frames: t.List[bytes] = []
        self._compress = self.codec.compress
        self.codec.compress = self.compress  # type: ignore[method-assign]

    def compress(self, view: memoryview, last: bool) -> t.Any:
        self.frames.append(bytes(view))
        return self._compress(view, last)


def line(path: bytes, kind: bytes = b"file") -> bytes:
    return state(path, kind, os.stat(__file__)) + b"}"


def reader(lines: t.Iterable[t.Tuple[bytes, bytes]], algorithm: str = "gzip") -> IndexReader:
    output = io.BytesIO()
    writer = IndexWriter({"component": "c"}, codec(algorithm, 1), output)
    for path, text in lines:
        writer.add(path, text + b"\n")
    return opened(writer, output, algorithm)


def opened(writer: IndexWriter, output: io.BytesIO, algorithm: str = "gzip") -> IndexReader:
    place = writer.close()

    def read(offset: int, size: int) -> bytes:
        return output.getvalue()[offset : offset + size]

    return IndexReader("i", read, place, codec(algorithm, 1))


def upon(before: IndexReader) -> IndexUpdate:
    return IndexUpdate({"component": "c"}, codec("gzip", 1), io.BytesIO(), before)


@pytest.mark.parametrize("missing", [None, *PATHS])
@pytest.mark.parametrize("kind", [b"file", b"directory"])
def test_each_path_finds_its_own_line_and_no_other(missing: t.Optional[bytes], kind: bytes) -> None:
    there = sorted((path for path in PATHS if path != missing), key=sort_key)
    update = upon(reader([(path, line(path, kind)) for path in there]))
    for path in sorted(PATHS, key=sort_key):
        assert update.find(path) == (None if path == missing else line(path, kind))
    assert update.find(b"z") is None
    update.abort()


def test_entries_that_nobody_asks_for_are_passed_over() -> None:
    update = upon(reader([(path, line(path)) for path in sorted(PATHS, key=sort_key)]))
    assert update.find(b"0") is None
    assert update.find(b"a\\nb") == line(b"a\\nb")
    assert update.find(b"b/a") is None
    assert update.find(b"b/d e") == line(b"b/d e")
    assert update.find(b"c") is None
    assert update.find(b"d") is None
    update.abort()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("before", "after"), [("zstd", "zstd"), ("gzip", "zstd")])
def test_an_update_is_what_an_index_of_its_entries_is(seed: int, before: str, after: str) -> None:
    rng = random.Random(seed)
    # Lines of some KiB make several frames out of few entries.
    entries = {b"d%03d/%s" % (rng.randrange(60), name): b"1" for name in rng.sample(PATHS * 30, 300)}

    def text(path: bytes) -> bytes:
        return b'{%s,"type":"file","filler":"%s"}' % (text_field(b"path", path), entries[path] * 3000)

    index = reader([(path, text(path)) for path in sorted(entries, key=sort_key)], before)
    old = dict(entries)
    # Changes lie together, so that there are frames without any.
    where = b"d%03d" % rng.randrange(60)
    for path in [path for path in entries if path[:4] == where and rng.random() < 0.7]:
        entries[path] = rng.choice((b"2", b"33", b""))
        if rng.random() < 0.3:
            del entries[path]
    for n in range(rng.choice((0, 1, 200))):
        entries[where + b"/new%d" % n] = b"new"
    compressed, output = Compressed(after), io.BytesIO()
    update = IndexUpdate({"component": "c"}, compressed.codec, output, index)
    for path in sorted(entries, key=sort_key):
        if old.get(path) == entries[path] and rng.random() < 0.8:
            assert update.find(path) == text(path)
            update.keep()
        else:
            update.add(path, text(path) + b"\n")
    result = opened(update, output, after)
    assert list(result.lines()) == [text(path) for path in sorted(entries, key=sort_key)]
    assert update.count == len(entries)
    for path in rng.sample(sorted(entries), 20):
        assert result.find(path) is not None


def test_frames_without_changes_are_taken_over_as_they_are_stored() -> None:
    lines = {b"d/%05d" % n: b'{"path":"d/%05d","type":"file","filler":"%s"}' % (n, b"x" * 1000) for n in range(5000)}
    lines_of_a_frame = (256 << 10) // len(lines[b"d/00000"])
    path, before = b"d/02500", reader(lines.items())
    lines[path] = lines[path].replace(b"x", b"yy")
    compressed, output = Compressed("gzip"), io.BytesIO()
    update = IndexUpdate({"component": "c"}, compressed.codec, output, before)
    for each, text in lines.items():
        update.add(each, text + b"\n")
    result = opened(update, output)
    assert list(result.lines()) == list(lines.values())
    # The first frame has the header, and the table is one too.
    assert len(compressed.frames) == 3
    assert compressed.frames[1].count(b"\n") <= lines_of_a_frame + 1


def test_small_frames_grow_together_and_large_ones_are_not_taken_over_for_ever() -> None:
    paths = [b"%06d" % n for n in range(40_000)]
    index = reader([])
    for part in range(8):
        output = io.BytesIO()
        update = IndexUpdate({"component": "c"}, codec("gzip", 1), output, index)
        # An eighth more each time, spread over all.
        for path in [path for n, path in enumerate(paths) if n % 8 <= part]:
            update.add(path, b'{"path":"%s","type":"file"}\n' % path)
        index = opened(update, output)
    sizes = [len(frame.lines) for frame in index.frames()]
    assert all(64 << 10 < size <= 512 << 10 for size in sizes[:-1])
