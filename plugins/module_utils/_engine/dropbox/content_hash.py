# SPDX-License-Identifier: GPL-3.0-or-later
"""Dropbox's own checksum (https://www.dropbox.com/developers/reference/content-hash)."""

from __future__ import annotations

import hashlib
import typing as t

_BLOCK = 4 << 20


class ContentHash:
    """The SHA-256 of the SHA-256 of each block of 4 MiB."""

    def __init__(self, data: t.Union[bytes, memoryview] = b"") -> None:
        self._blocks = hashlib.sha256()
        self._block = hashlib.sha256()
        self._left = _BLOCK
        self.update(data)

    def update(self, data: t.Union[bytes, memoryview]) -> None:
        rest = memoryview(data)
        while rest:
            if not self._left:
                self._blocks.update(self._block.digest())
                self._block, self._left = hashlib.sha256(), _BLOCK
            part, rest = rest[: self._left], rest[self._left :]
            self._block.update(part)
            self._left -= len(part)

    def hexdigest(self) -> str:
        """Of all that it was told so far."""
        blocks = self._blocks.copy()
        if self._left < _BLOCK:
            blocks.update(self._block.digest())
        return blocks.hexdigest()
