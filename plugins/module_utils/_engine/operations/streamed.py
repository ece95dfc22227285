# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that list so much that it is read while it is told: a million entries need no million objects in memory."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import FleetBackupError
from ..result import FAILURE, Result

Row = t.Dict[str, t.Any]


@dataclass
class StreamedResult(Result):
    """A result with a list under the key ``LISTED``: rows() gives it one after another; to_dict() holds it all."""

    LISTED: t.ClassVar[str] = "entries"

    def __post_init__(self) -> None:
        self._rows: t.Optional[t.Callable[[], t.Iterator[Row]]] = None

    def list_rows(self, rows: t.Callable[[], t.Iterator[Row]]) -> None:
        """Let ``rows()`` yield what is listed, as often as somebody asks."""
        self._rows = rows

    @property
    def lists(self) -> bool:
        """Whether there is a list at all: it was asked for, and what it is of was found."""
        return self._rows is not None and self.outcome != FAILURE

    def rows(self) -> t.Iterator[Row]:
        """Yield the list, plain data, as it is read. Raises what reading raises: FleetBackupError, always the last thing."""
        if self._rows is not None:
            yield from self._rows()

    def rest(self) -> Row:
        """to_dict() without the list."""
        return super().to_dict()

    def to_dict(self) -> Row:
        """Plain data. What turns out to be damaged while it is listed makes the result a failure."""
        listed: t.List[Row] = []
        asked = self._rows is not None
        if self.lists:
            try:
                listed.extend(self.rows())
            except FleetBackupError as error:
                self.fail(error)
        data = self.rest()
        if asked:
            data[self.LISTED] = listed
        return data
