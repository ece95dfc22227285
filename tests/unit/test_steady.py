# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading goes on where a connection ended, and says when it cannot."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

import pytest

from _engine.errors import NotFoundError, StoreUnavailableError
from _engine.stores import Readable
from _engine.stores.local import LocalStore
from _engine.stores.steady import steady

DATA = random.Random(3).randbytes(300_000)


class Cuts(LocalStore):
    """A folder; what is opened ends in an error after ``after`` bytes, the first ``times`` times."""

    def __init__(self, path: Path, after: int, times: int) -> None:
        super().__init__("far", {"path": str(path)})
        self.after, self.left = after, times
        self.opened: t.List[int] = []

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        self.opened.append(offset)
        self.left -= 1
        if self.left >= 0 and not self.after:
            raise StoreUnavailableError("store far: nobody answers")
        file = super().open(key, offset, size)
        return file if self.left < 0 else t.cast(Readable, _Cut(file, self.after))


class _Cut:
    def __init__(self, file: Readable, after: int) -> None:
        self._file, self._left = file, after

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            raise StoreUnavailableError("store far: the connection was cut")
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_engine.stores.steady._PAUSE", 0.0)


def cutting(folder: Path, after: int, times: int) -> Cuts:
    (folder / "web1").mkdir()
    (folder / "web1" / "object").write_bytes(DATA)
    return Cuts(folder, after, times)


@pytest.mark.parametrize(("offset", "size"), [(0, None), (7, None), (1000, 200_000), (5, 0), (0, 1 << 30), (len(DATA), None)])
def test_it_goes_on_from_where_it_was(tmp_path: Path, offset: int, size: t.Optional[int]) -> None:
    expected = DATA[offset:] if size is None else DATA[offset : offset + size]
    # More cuts than it may try in a row: each of them let something through.
    file = steady(cutting(tmp_path, 20_000, 12), 2).open("web1/object", offset, size)
    buffer = bytearray(len(expected))
    view = memoryview(buffer)
    while view:
        if len(view) % 2:
            count = file.readinto(view[:30_000])
        else:
            data = file.read(min(30_000, len(view)))
            count = len(data)
            view[:count] = data
        assert count, "it ended early"
        view = view[count:]
    assert buffer == expected and file.read(10) == b""
    file.close()


def test_all_that_is_left(tmp_path: Path) -> None:
    file = steady(cutting(tmp_path, 50_000, 3), 1).open("web1/object")
    assert file.read(10) + file.read() == DATA


def test_it_gives_up(tmp_path: Path) -> None:
    store = cutting(tmp_path, 0, 4)
    with pytest.raises(StoreUnavailableError, match="nobody answers"):
        steady(store, 2).open("web1/object")
    assert store.opened == [0, 0, 0]
    assert steady(store, 2).open("web1/object").read() == DATA


def test_what_no_retry_helps_is_not_tried_again(tmp_path: Path) -> None:
    store = cutting(tmp_path, 10, 0)
    with pytest.raises(NotFoundError):
        steady(store, 5).open("web1/nothing")
    assert store.opened == [0]
