# SPDX-License-Identifier: GPL-3.0-or-later
"""A store whose reads go on where a connection ended. Any driver: it knows nothing of it."""

from __future__ import annotations

import random
import time
import typing as t

from ..errors import FleetBackupError
from . import Readable, Store

# Seconds before an object is opened again: doubled each time, a random part of it taken off.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


T = t.TypeVar("T")


class _SteadyReadable:
    """An object that is opened again at the next byte when reading fails for a reason that may pass.

    ``retries``: how often in a row, without a byte in between.
    """

    def __init__(self, store: Store, key: str, offset: int, size: t.Optional[int], retries: int) -> None:
        self._store = store
        self._key = key
        self._offset = offset
        self._left = size
        self._retries = retries
        self._failures = 0
        self._file: t.Optional[Readable] = None
        self._retried(self._open)

    def read(self, size: int = -1) -> bytes:
        if size >= 0:
            return self._retried(lambda: self._read(size))
        return b"".join(iter(lambda: self.read(1 << 20), b""))

    def readinto(self, buffer: memoryview) -> int:
        return self._retried(lambda: self._readinto(buffer))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> Readable:
        if self._file is None:
            self._file = self._store.open(self._key, self._offset, self._left)
        return self._file

    def _read(self, size: int) -> bytes:
        data = self._open().read(size)
        self._passed(len(data))
        return data

    def _readinto(self, buffer: memoryview) -> int:
        count = self._open().readinto(buffer) or 0
        self._passed(count)
        return count

    def _passed(self, count: int) -> None:
        if count:
            self._failures = 0
        self._offset += count
        if self._left is not None:
            self._left -= count

    def _retried(self, act: t.Callable[[], T]) -> T:
        while True:
            try:
                return act()
            except FleetBackupError as error:
                self.close()
                if not error.retry or self._failures >= self._retries:
                    raise
                pause = min(_PAUSE * 2**self._failures, _LONGEST_PAUSE)
                self._failures += 1
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret


class _Steady:
    """Everything else is as the store has it."""

    def __init__(self, store: Store, retries: int) -> None:
        self._store = store
        self._retries = retries

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._store, name)

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        return _SteadyReadable(self._store, key, offset, size, self._retries)


def steady(store: Store, retries: int) -> Store:
    """``store``, whose reads are tried again ``retries`` times in a row, from where they were, when the store was unavailable."""
    return t.cast(Store, _Steady(store, retries))
