# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _engine.archive.codec import codec
from _engine.errors import IntegrityError

KINDS = ["zstd", "gzip", "deflate", "none"]


def _compressed(name: str, data: bytes, last: bool = True) -> bytes:
    return b"".join(codec(name, 3 if name != "none" else 0).compress(memoryview(data), last))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(KINDS), st.binary(max_size=300), st.integers(1, 400), st.booleans())
def test_what_goes_in_comes_out(name: str, seed: bytes, times: int, last: bool) -> None:
    data = seed * times
    assert bytes(codec(name).decompress(_compressed(name, data, last), len(data))) == data


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [1 << 16, (1 << 17) + 1, 4 << 20])
def test_what_does_not_compress_is_stored_and_hardly_grows(name: str, size: int) -> None:
    data = os.urandom(size)
    stored = _compressed(name, data)
    assert len(stored) <= size + size // 1000 + 64
    assert bytes(codec(name).decompress(stored, size)) == data


@pytest.mark.parametrize(("name", "tool"), [("zstd", "zstd"), ("gzip", "gzip")])
def test_stock_tools_read_a_sequence_of_frames(name: str, tool: str) -> None:
    parts = [b"text " * 100_000, os.urandom(1 << 20), b"", b"end"]
    stored = b"".join(_compressed(name, part) for part in parts)
    assert subprocess.run([tool, "-dc"], input=stored, stdout=subprocess.PIPE, check=True).stdout == b"".join(parts)


@pytest.mark.parametrize("name", KINDS)
def test_a_frame_that_holds_more_or_less_than_it_should_is_refused(name: str) -> None:
    stored = _compressed(name, b"a" * 1000)
    for size in (0, 999, 1001):
        with pytest.raises(IntegrityError):
            codec(name).decompress(stored, size)


@pytest.mark.parametrize("name", ["zstd", "gzip", "deflate"])
def test_a_bomb_is_refused_before_it_is_unpacked(name: str) -> None:
    bomb = _compressed(name, bytes(200 << 20))
    with pytest.raises(IntegrityError):
        codec(name).decompress(bomb, 1000)


@pytest.mark.parametrize("name", ["zstd", "gzip", "deflate"])
def test_junk_after_a_frame_is_refused(name: str) -> None:
    data = b"b" * 1000
    with pytest.raises(IntegrityError):
        codec(name).decompress(_compressed(name, data) + b"junk", len(data))
