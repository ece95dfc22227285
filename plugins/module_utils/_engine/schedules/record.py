# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host remembers of its scheduled runs: ``<state_dir>/schedules.json``, so that what was missed or killed is noticed.

Version 1::

    {"version": 1, "runs": {"<job>.<schedule>": {"since": "...", "started": "..." or null, "ended": "..." or null,
                                                 "outcome": "..." or null}}}

``since``: when the schedule was put into force, or last ran before it was changed. A file that is damaged is begun anew.
"""

from __future__ import annotations

import json
import os
import typing as t

from ..lock import JobLock
from ..private import private_folder
from ..replacement import Replacement
from ..result import iso, utc_now

VERSION = 1

# Another process changes the file only for the moment of one write.
_LOCK_SECONDS = 10

Run = t.Dict[str, t.Optional[str]]


class Record:
    """See the module. Raises ConfigurationError, LockedError or StoreFullError when it cannot be written."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._path = os.path.join(state_dir, "schedules.json")

    def runs(self) -> t.Dict[str, Run]:
        try:
            with open(self._path, "rb") as file:
                value = json.loads(file.read())
            runs = value["runs"] if value["version"] == VERSION else {}
            return {key: _completed(run) for key, run in runs.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def enact(self, keys: t.Sequence[str]) -> None:
        """These schedules, and no others, are in force."""
        now = iso(utc_now())
        self._change(lambda runs: {key: runs.get(key) or _completed({"since": now}) for key in keys})

    def begin(self, key: str) -> Run:
        """A run begins; returns what is known of the one before."""
        before: t.List[Run] = []

        def change(runs: t.Dict[str, Run]) -> t.Dict[str, Run]:
            before.append(runs.get(key) or _completed({}))
            now = iso(utc_now())
            runs[key] = {"since": before[0]["since"] or now, "started": now, "ended": None, "outcome": None}
            return runs

        self._change(change)
        return before[0]

    def end(self, key: str, outcome: str) -> None:
        """The run has ended."""

        def change(runs: t.Dict[str, Run]) -> t.Dict[str, Run]:
            runs[key] = {**(runs.get(key) or _completed({})), "ended": iso(utc_now()), "outcome": outcome}
            return runs

        self._change(change)

    def _change(self, change: t.Callable[[t.Dict[str, Run]], t.Dict[str, Run]]) -> None:
        # A job's name holds no dot, so this is no job's own lock.
        with JobLock(self._state_dir, "schedules.record", _LOCK_SECONDS):
            runs = change(self.runs())
            private_folder(self._state_dir)
            with Replacement(self._path, 0o600) as new:
                new.write(json.dumps({"version": VERSION, "runs": runs}, indent=2).encode("ascii") + b"\n")
                new.commit()


def _completed(run: t.Mapping[str, t.Any]) -> Run:
    return {key: run.get(key) for key in ("since", "started", "ended", "outcome")}
