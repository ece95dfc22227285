# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of one component: one object, or numbered ones when their size is limited, cut where frames begin."""

from __future__ import annotations

import typing as t

from ..manifest import StoredFile

if t.TYPE_CHECKING:
    from .component import Creator


class VolumeWriter:
    """Takes the stored bytes of a component, in order.

    ``limit``: how large the object of a volume may be; the volumes are then numbered, even if there is only one, since nobody
    knows that when it begins. Without it there is one, without a number.
    """

    def __init__(self, creator: Creator, name: str, ending: str, limit: t.Optional[int]) -> None:
        self._creator = creator
        self._name = name
        self._ending = ending
        self._room = None if limit is None else creator.room(limit)
        self._used = 0
        #: Those that are complete.
        self.stored: t.List[StoredFile] = []
        self._volume = creator.create(self._next_name())

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._volume.write(data)
        self._used += len(data)

    def fit(self, size: int) -> bool:
        """Make sure that ``size`` more bytes come to lie in one volume; return whether a new one was begun for them."""
        if self._room is None or not self._used or self._used + size <= self._room:
            return False
        self.stored.append(self._volume.commit())
        self._volume = self._creator.create(self._next_name())
        self._used = 0
        return True

    def close(self) -> None:
        """End the last volume."""
        self.stored.append(self._volume.commit())

    def _next_name(self) -> str:
        number = "" if self._room is None else ".%04d" % (len(self.stored) + 1)
        return self._name + number + self._ending
