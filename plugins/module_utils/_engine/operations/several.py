# SPDX-License-Identifier: GPL-3.0-or-later
"""One result for a verb that was run for several jobs."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from .. import interruption
from ..errors import ConfigurationError, FleetBackupError, InterruptedRunError
from ..job import Job
from ..result import FAILURE, SUCCESS, WARNING, Result


@dataclass
class Several(Result):
    """The results of several jobs, each whole. The outcome is the worst of theirs, the error that of the first failure."""

    results: t.List[Result] = field(default_factory=list)

    def to_dict(self) -> t.Dict[str, t.Any]:
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("results", "error_exit_code")}
        own["warnings"] = [dataclasses.asdict(notice) for notice in self.warnings]
        return {**own, "results": [result.to_dict() for result in self.results]}


def parts(result: Result) -> t.Sequence[Result]:
    """The results of each job; a result that is not of several is its own only part."""
    return result.results if isinstance(result, Several) else [result]


def for_each(operation: str, jobs: t.Sequence[Job], carry_out: t.Callable[[Job], Result]) -> Several:
    """Carry out an operation for one job after another. A failure does not keep the others from their turn; a signal does.

    Raises ConfigurationError when there is no job: that all of none succeeded is no success.
    """
    if not jobs:
        raise ConfigurationError("there is no job in this configuration")
    several = Several(operation)
    several.begin()
    stopped: t.Optional[InterruptedRunError] = None
    for job in jobs:
        try:
            interruption.checkpoint()  # the one before may have been done before it could be stopped
            result = carry_out(job)
        except InterruptedRunError as error:
            stopped = error
            break
        several.results.append(result)
        if _was_interrupted(result):
            break
    sum_up(several, [job.name for job in jobs], stopped)
    several.end()
    return several


def sum_up(several: Several, jobs: t.Sequence[str], stopped: t.Optional[InterruptedRunError]) -> None:
    results = several.results
    several.host = next((r.host for r in results), None)
    several.changed = any(r.changed for r in results)
    several.dry_run = any(r.dry_run for r in results)
    failed = [r for r in results if r.outcome == FAILURE]
    if not failed and stopped is None:
        several.outcome = WARNING if any(r.outcome == WARNING for r in results) else SUCCESS
        return
    lines = []
    if failed:
        lines.append("%d of %d jobs failed: %s" % (len(failed), len(jobs), ", ".join(str(r.job) for r in failed)))
    if len(results) < len(jobs):
        lines.append("these were not done: %s" % ", ".join(jobs[len(results) :]))
    # An interruption is always the last, and says more than an earlier failure does.
    telling = stopped or next(filter(_was_interrupted, failed), failed[0] if failed else None)
    if isinstance(telling, Result):
        code, several.error_exit_code = telling.error["code"] if telling.error else FleetBackupError.code, telling.exit_code
    else:
        code, several.error_exit_code = InterruptedRunError.code, InterruptedRunError.exit_code
    several.outcome, several.error = FAILURE, {"code": code, "message": "; ".join(lines)}


def _was_interrupted(result: Result) -> bool:
    return result.error is not None and result.error["code"] == InterruptedRunError.code
