# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before a service that was busy, or a connection that ended, is tried once more."""

from __future__ import annotations

import random
import time

#: How often one request is made at most. What fails more often than that is sent again as a whole object, by those who keep it.
ATTEMPTS = 4

_FIRST, _LONGEST = 0.5, 16.0


def pause(failures: int, asked: float = 0.0) -> None:
    """Sleep after so many failures in a row: longer each time, a random part taken off. ``asked``: the seconds that the service
    wants to be left alone, for which it is in any case."""
    time.sleep(max(min(_FIRST * 2 ** (failures - 1), _LONGEST) * random.uniform(0.5, 1), asked))  # noqa: S311 - no secret
