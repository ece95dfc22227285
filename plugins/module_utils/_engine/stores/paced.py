# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that is written to and read from no faster than somebody allows. Any driver: it knows nothing of it."""

from __future__ import annotations

import threading
import time
import typing as t

from . import Readable, Store, Upload

# Bytes are let through in pieces that take about so many seconds, of at least so many bytes.
_STEP = 0.1
_SMALLEST = 4096


class _Pace:
    """Shared by all that goes to and comes from one store."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free = 0.0
        #: How much is let through at a time.
        self.piece = max(int(rate * _STEP), _SMALLEST)

    def wait(self, size: int) -> None:
        """Return when ``size`` bytes may go."""
        with self._lock:
            now = time.monotonic()
            begin = max(self._free, now)
            self._free = begin + size / self._rate
        if begin > now:
            time.sleep(begin - now)


class _PacedUpload(Upload):
    def __init__(self, upload: Upload, pace: _Pace) -> None:
        self._upload = upload
        self._pace = pace
        self.commit = upload.commit  # type: ignore[method-assign]
        self.abort = upload.abort  # type: ignore[method-assign]
        self.resume = upload.resume  # type: ignore[method-assign]

    @property
    def resumes(self) -> bool:
        return self._upload.resumes

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        rest = memoryview(data)
        while rest:
            piece, rest = rest[: self._pace.piece], rest[self._pace.piece :]
            self._pace.wait(len(piece))
            self._upload.write(piece)


class _PacedReadable:
    def __init__(self, file: Readable, pace: _Pace) -> None:
        self._file = file
        self._pace = pace
        self.close = file.close

    def read(self, size: int = -1) -> bytes:
        parts: t.List[bytes] = []
        while size:
            part = self._file.read(self._pace.piece if size < 0 else min(size, self._pace.piece))
            if not part:
                break
            self._pace.wait(len(part))
            parts.append(part)
            if size > 0:
                size -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: memoryview) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._pace.piece])
        self._pace.wait(count or 0)
        return count


class _Paced:
    """Everything else is as the store has it."""

    def __init__(self, store: Store, rate: int) -> None:
        self._store = store
        self._pace = _Pace(rate)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._store, name)

    def put(self, key: str) -> Upload:
        return _PacedUpload(self._store.put(key), self._pace)

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        return _PacedReadable(self._store.open(key, offset, size), self._pace)


def paced(store: Store, rate: int) -> Store:
    """``store``, with at most ``rate`` bytes a second written to and read from it, all uploads and reads together."""
    return t.cast(Store, _Paced(store, rate))
