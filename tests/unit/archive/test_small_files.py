# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files take a shorter way into a tar: what stands there must be the same as if they had taken the long one."""

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path

import pytest

from _engine.archive import entry, tar
from _engine.archive.codec import Codec
from _engine.archive.frames import FrameWriter
from _engine.archive.index import IndexWriter

MOMENT = 1_700_000_000_123_456_789
MOMENTS = (0, 999_999_999, (1 << 33) * 10**9, -1_500_000_000)
NAMES = (
    b"plain.txt",
    b"a/" * 60 + b"far down",
    b"x" * 100,
    b"x" * 101,
    b"folder/" + b"y" * 150,
    b"z" * 90 + b"/" + b"y" * 100,
    "naïve.txt".encode(),
    b'quo"te',
    b"new\nline",
    b"not \xff utf-8",
)
SIZES = (0, 1, 511, 512, 513, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 700_000, 700_000, 700_000, 700_000, 700_000)


class File(t.NamedTuple):
    path: bytes
    fd: int
    st: os.stat_result


class Output:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self.data += data


@pytest.fixture
def opened(tmp_path: Path) -> t.Iterator[t.Callable[[bytes, int, int], File]]:
    with contextlib.ExitStack() as stack:

        def make(path: bytes, size: int, moment: int) -> File:
            place = tmp_path / str(len(list(tmp_path.iterdir())))
            place.write_bytes(os.urandom(size))
            os.utime(place, ns=(moment, moment))
            file = stack.enter_context(place.open("r+b", buffering=0))
            return File(path, file.fileno(), os.fstat(file.fileno()))

        yield make


def archived(files: t.Sequence[File]) -> t.Tuple[bytes, bytes, t.List[t.Tuple[t.Optional[str], bytes]]]:
    """The tar, the index, and what was said of each file."""
    volume, index = Output(), Output()
    frames, lines = FrameWriter(Codec(), volume), IndexWriter({}, Codec(), index)
    archive = tar.TarWriter(frames, lines, "20260101T000000Z-abcdef")
    said = []
    for path, fd, st in files:
        os.lseek(fd, 0, os.SEEK_SET)
        said.append(archive.file(path, fd, st, {}))
    archive.close()
    frames.close()
    lines.close()
    assert archive.bytes == sum(file.st.st_size for file in files)
    return bytes(volume.data), bytes(index.data), said


def both_ways(files: t.Sequence[File], monkeypatch: pytest.MonkeyPatch) -> t.List[t.Optional[str]]:
    """Archive the files the short way and the long way, compare, and return the notices."""
    monkeypatch.setattr(entry, "_YOUNG", 10**12)  # however long it takes between the two
    short = archived(files)
    monkeypatch.setattr(tar, "SMALL", 0)
    assert archived(files) == short
    return [notice for notice, _content in short[2]]


def test_both_ways_are_the_same(
    opened: t.Callable[[bytes, int, int], File], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    files = [opened(name, 1000, MOMENT) for name in NAMES]
    files += [opened(b"size-%d" % size, size, MOMENT) for size in SIZES]
    files += [opened(b"moment", 10, moment) for moment in MOMENTS]
    assert both_ways(files, monkeypatch) == [None] * len(files)


def test_files_that_change_while_they_are_read_are_noted_as_ever(
    opened: t.Callable[[bytes, int, int], File], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [opened(name, 1000, MOMENT) for name in (b"grown", b"shrunk", b"touched", b"left alone")]
    grown, shrunk, touched, _same = (file.fd for file in files)
    os.truncate(grown, 1001)
    os.truncate(shrunk, 999)
    os.utime(touched, ns=(MOMENT, MOMENT + 1))
    assert both_ways(files, monkeypatch) == ["file-changed", "file-changed", "file-changed", None]
