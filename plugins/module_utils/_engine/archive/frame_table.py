# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame table of a component as it lies on a store (docs/format.md, Components)."""

from __future__ import annotations

import array
import json
import typing as t

from ..errors import IntegrityError
from ..manifest import is_delta
from .anchors import LONGEST, SHORTEST
from .frames import FRAME

# The run of a frame that needs no base.
_NONE = (-1, -1, -1)


class FrameTable:
    """The frames of a component: where each lies and what it holds, kept compactly."""

    def __init__(self, name: str, data: bytes) -> None:
        try:
            value = json.loads(data)
            self.compression: str = value["compression"]
            self.volumes: t.List[str] = [v["name"] for v in value["volumes"]]
            self._rows = array.array("Q", [n for v in value["volumes"] for row in v["frames"] for n in row[:3]])
            self._runs = array.array("q")
            self._ends = []
            count = 0
            for volume in value["volumes"]:
                count += len(volume["frames"])
                self._ends.append(count)
            if any(map(is_delta, self.volumes)):
                self._runs.extend(n for v in value["volumes"] for row in v["frames"] for n in _run(row[3]))
        except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            raise IntegrityError("%s: is not a frame table: %s" % (name, error), [name]) from None
        if len(self._rows) != 3 * count or any(raw > FRAME for raw in self._rows[2::3]):
            raise IntegrityError("%s: is not a frame table: a frame is larger than any may be" % name, [name])
        if self._runs and not self._runs_are_sound(count):
            raise IntegrityError("%s: is not a frame table: a frame cannot have such a base" % name, [name])

    def __len__(self) -> int:
        return len(self._rows) // 3

    def row(self, frame: int) -> t.Tuple[str, int, int, int]:
        """``(volume, offset, stored, raw)`` of a frame."""
        number = next(n for n, end in enumerate(self._ends) if frame < end)
        offset, stored, raw = self._rows[3 * frame : 3 * frame + 3]
        return self.volumes[number], offset, stored, raw

    @property
    def is_delta(self) -> bool:
        """Whether frames may need those of a base."""
        return len(self._runs) > 0

    def base_run(self, frame: int) -> t.Optional[t.Tuple[int, int]]:
        """``(start, size)`` of the raw bytes of the base that a frame needs; None when it stands for itself."""
        if not self._runs or self._runs[3 * frame] < 0:
            return None
        return self._runs[3 * frame], self._runs[3 * frame + 1]

    def base(self, frame: int) -> int:
        """The number, among the bases, of that which base_run() tells a run of."""
        return self._runs[3 * frame + 2]

    def _runs_are_sound(self, count: int) -> bool:
        runs = zip(self._runs[::3], self._runs[1::3], self._runs[2::3])
        return len(self._runs) == 3 * count and all(
            run == _NONE or (run[0] >= 0 and SHORTEST <= run[1] <= LONGEST and run[2] >= 0) for run in runs
        )


def _run(value: t.Optional[t.Sequence[int]]) -> t.Sequence[int]:
    """Start, size and number of the base, which is the first unless it is told."""
    if value is None:
        return _NONE
    return value if len(value) == 3 else (*value, 0)
