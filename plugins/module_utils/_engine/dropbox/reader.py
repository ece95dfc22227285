# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of a Dropbox being read."""

from __future__ import annotations

import typing as t

from ..errors import StoreUnavailableError
from .client import Content, DropboxClient
from .errors import connection_errors

_PIECE = 1 << 20


class DropboxReader:
    """Never ends early without an error. ``content``: None for no bytes at all."""

    def __init__(self, client: DropboxClient, content: t.Optional[Content], place: str) -> None:
        self._client = client
        self._response = None if content is None else content.response
        self._left = 0 if content is None else content.size
        self._place = place

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        count = min(size, self._left)
        if not count or self._response is None:
            return b""
        try:
            data = bytes(self._response.raw.read(count))
        except connection_errors() as error:
            raise self._client.errors.translated(error, self._place) from error
        if not data:
            raise StoreUnavailableError("store %s: %s: the answer ended early" % (self._client.store, self._place))
        self._left -= len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._left = 0
        if self._response is not None:
            self._response.close()
            self._response = None
