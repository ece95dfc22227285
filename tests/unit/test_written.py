# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads that go on: no further than what the server has, and only where it has what was written."""

from __future__ import annotations

import hashlib
import random
import typing as t

import pytest

from _engine.errors import StoreRefusedError
from _engine.stores import written
from _engine.stores.written import Written

MIB = 1 << 20
DATA = random.Random(1).randbytes(8 * MIB)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> t.List[float]:
    now = [1000.0]
    monkeypatch.setattr(written.time, "monotonic", lambda: now[0])
    return now


def write(upload: Written, data: bytes, piece: int = 300_000) -> None:
    for begin in range(0, len(data), piece):
        upload.update(memoryview(data)[begin : begin + piece])


def holds(data: bytes) -> t.Tuple[t.List[int], t.Callable[[int, int], t.Iterator[bytes]]]:
    """What a server has, and from where on it was asked for it."""
    asked: t.List[int] = []

    def read(offset: int, _size: int) -> t.Iterator[bytes]:
        asked.append(offset)
        return iter([data[offset : offset + 7], data[offset + 7 :]])

    return asked, read


def test_it_goes_on_at_what_the_server_has(clock: t.List[float]) -> None:
    upload = Written("store far", True)
    write(upload, DATA[: 5 * MIB])
    for most in (4 * MIB + 5, 4 * MIB, 10 * MIB, 0):
        _asked, read = holds(DATA[:most])
        offset = upload.go_back(most, read)
        assert max(0, min(most, 5 * MIB) - 2 * MIB) <= offset == upload.position <= most
        write(upload, DATA[offset : 5 * MIB])
    write(upload, DATA[5 * MIB :])
    assert upload.digest() == hashlib.sha256(DATA).digest()


@pytest.mark.parametrize("place", [0, 3 * MIB, 4 * MIB - 1])
def test_what_a_server_lost_is_noticed(clock: t.List[float], place: int) -> None:
    upload = Written("store far", False)
    write(upload, DATA, MIB)
    damaged = bytearray(DATA)
    damaged[place] ^= 1
    with pytest.raises(StoreRefusedError, match="store far: the server holds something else"):
        upload.go_back(4 * MIB, holds(bytes(damaged))[1])
    with pytest.raises(StoreRefusedError):
        upload.go_back(4 * MIB, holds(DATA[: 3 * MIB])[1])
    assert upload.digest() is None


def test_only_the_last_minutes_are_read_again(clock: t.List[float]) -> None:
    upload = Written("store far", False)
    for at in range(8):
        write(upload, DATA[at * MIB : (at + 1) * MIB], MIB)
        clock[0] += 50
    asked, read = holds(DATA)
    assert upload.go_back(7 * MIB, read) == 7 * MIB
    # The eighth was written at 350 s, the fifth at 200 s.
    assert asked == [5 * MIB]
    with pytest.raises(StoreRefusedError, match="has lost"):
        upload.go_back(4 * MIB, read)
