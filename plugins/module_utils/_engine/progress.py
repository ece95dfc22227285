# SPDX-License-Identifier: GPL-3.0-or-later
"""How operations tell a person how far they are."""

from __future__ import annotations

import typing as t


class Progress:
    """Told what an operation does. This one keeps silent; the command draws a bar."""

    def phase(self, name: str, total: t.Optional[int] = None) -> None:
        """A new phase begins (``backup uploads``, ``verify``...); ``total`` bytes are expected, where that is known."""

    def advance(self, count: int) -> None:
        """``count`` more bytes are done."""

    def message(self, text: str) -> None:
        """A line for the log and for people who asked for details."""

    def close(self) -> None:
        """The operation has ended."""


SILENT = Progress()
