# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
import threading
import typing as t

import pytest

from _engine.archive.codec import Buffers, Codec, codec
from _engine.archive.frames import FRAME, FrameWriter
from _engine.errors import StoreFullError


class Full:
    """A store that has room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.data = bytearray()

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        if len(self.data) + len(data) > self.room:
            raise StoreFullError("full")
        self.data += data


def test_frames_are_cut_where_they_are_full_and_where_asked() -> None:
    output = Full(1 << 30)
    frames = FrameWriter(codec("zstd", 1), output)
    frames.write(b"x" * (FRAME + 10))
    assert (frames.frame, frames.offset()) == (1, 10)
    frames.cut()
    frames.cut()
    frames.write(b"y")
    frames.close()
    assert [row[2] for row in frames.table] == [FRAME, 10, 1]
    assert frames.raw == FRAME + 11
    raw = b"".join(codec("zstd").decompress(bytes(output.data[o : o + s]), r) for o, s, r in frames.table)
    assert raw == b"x" * (FRAME + 10) + b"y"


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has a niceness of its own")
def test_compressing_gives_way_to_all_else_in_the_process() -> None:
    niceness: t.List[int] = []

    def encode(_frame: int, view: memoryview, _last: bool) -> Buffers:
        niceness.append(os.nice(0))
        return [view]

    before = os.nice(0)
    frames = FrameWriter(codec("none"), Full(1 << 30), encode=encode)
    frames.write(b"x")
    frames.close()
    assert niceness[0] > before or before == 19
    assert os.nice(0) == before


def test_literals_stand_between_frames_and_know_their_offset() -> None:
    output = Full(1 << 30)
    frames = FrameWriter(codec("none"), output)
    seen: t.List[int] = []

    def literal(offset: int) -> t.List[bytes]:
        seen.append(offset)
        return [b"<>"]

    for text in (b"one", b"three"):
        frames.literal(literal)
        frames.write(text)
        frames.end_slice(True)
    frames.literal(literal)
    frames.close()
    assert bytes(output.data) == b"<>one<>three<>"
    assert seen == [0, 5, 12]
    assert frames.table == [[2, 3, 3], [7, 5, 5]]


def test_a_store_that_is_full_stops_the_reader_without_a_hang() -> None:
    frames = FrameWriter(codec("none"), Full(3 * FRAME))
    with pytest.raises(StoreFullError):
        for _ in range(100):
            frames.write(b"z" * FRAME)
        frames.close()
    frames.abort()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("store", "compress"))]


def test_a_worker_that_fails_stops_the_reader() -> None:
    class Broken(Codec):
        def compress(self, view: memoryview, last: bool) -> Buffers:
            raise MemoryError("no room")

    frames = FrameWriter(Broken(), Full(1 << 30))
    with pytest.raises(MemoryError):
        for _ in range(100):
            frames.write(b"z" * FRAME)
        frames.close()
    frames.abort()


def test_trouble_with_the_output_is_no_trouble_with_the_file_being_read() -> None:
    class Broken:
        def write(self, data: t.Union[bytes, memoryview]) -> None:
            raise OSError("disk")

    frames = FrameWriter(codec("none"), Broken())
    frames.write(b"data")
    with pytest.raises(Exception, match="archive cannot be written") as caught:
        frames.close()
    assert not isinstance(caught.value, OSError)
