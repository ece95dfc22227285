# SPDX-License-Identifier: GPL-3.0-or-later
"""An object of a bucket being read."""

from __future__ import annotations

import typing as t

from ..errors import StoreUnavailableError
from .bucket import Answer, Bucket, library_errors
from .errors import translate


class S3Reader:
    """The body of an answer, of a range that begins at ``offset`` if that is given. It never ends early without an error."""

    def __init__(self, bucket: Bucket, key: str, answer: Answer, offset: t.Optional[int]) -> None:
        self._bucket = bucket
        self._key = key
        self._body = answer["Body"]
        whole = "ContentLength" in answer
        ranged = offset is None or str(answer.get("ContentRange", "")).startswith("bytes %d-" % offset)
        if not whole or not ranged:
            self._body.close()
            raise StoreUnavailableError(
                "store %s: %s: %s"
                % (bucket.store, bucket.url(key), "the server sent another range" if whole else "the answer ended early")
            )
        self._left: int = answer["ContentLength"]

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        if wanted == 0:
            return b""
        try:
            data: bytes = self._body.read(wanted)
        except library_errors() as error:
            raise translate(error, self._bucket.store, self._bucket.url(self._key)) from error
        if not data:
            raise StoreUnavailableError(
                "store %s: %s: the connection ended %d bytes early"
                % (self._bucket.store, self._bucket.url(self._key), self._left)
            )
        self._left -= len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._left:
            # The rest is not read: the connection cannot be used again.
            self._body.close()


class Nothing:
    """A range in which there is nothing."""

    def read(self, size: int = -1) -> bytes:
        return b""

    def readinto(self, buffer: memoryview) -> int:
        return 0

    def close(self) -> None:
        return
