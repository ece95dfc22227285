# SPDX-License-Identifier: GPL-3.0-or-later
"""One result for a verb that was run for several jobs."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from ..errors import FleetBackupError
from ..result import FAILURE, SUCCESS, WARNING, Result


@dataclass
class Several(Result):
    """The results of several jobs, each whole. The outcome is the worst of theirs, the exit code that of the first failure."""

    results: t.List[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.results.append(result)
        self.changed = self.changed or result.changed
        self.dry_run = self.dry_run or result.dry_run
        self.host = self.host or result.host
        if result.outcome == FAILURE and self.outcome != FAILURE:
            self.outcome = FAILURE
            self.error_exit_code = result.exit_code
        elif result.outcome == WARNING and self.outcome == SUCCESS:
            self.outcome = WARNING

    def summarise(self) -> None:
        """Say in ``error`` which jobs failed; to be called after the last add()."""
        failed = [str(r.job) for r in self.results if r.outcome == FAILURE]
        if failed:
            message = "%d of %d jobs failed: %s" % (len(failed), len(self.results), ", ".join(failed))
            self.error = {"code": FleetBackupError.code, "message": message}
        self.end()

    def to_dict(self) -> t.Dict[str, t.Any]:
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("results", "error_exit_code")}
        data["warnings"] = [dataclasses.asdict(w) for w in self.warnings]
        data["results"] = [r.to_dict() for r in self.results]
        return data
