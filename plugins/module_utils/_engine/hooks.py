# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's programs around a backup or a restore.

Before-hooks guard what follows: the first that fails stops it. After-hooks and failure hooks put things back (start a service
again): all of them run, whatever the others did, and every failure is told.
"""

from __future__ import annotations

import typing as t

from .errors import HookError, MissingDependencyError
from .job import Hook, Job

_GUARDS = ("before", "before_restore")
_LOGGED_LINES = 50


def run_hooks(job: Job, point: str, environment: t.Mapping[str, str], log: t.Callable[[str], None]) -> None:
    """Run the hooks of ``point`` (one of job.HOOK_POINTS), one after another.

    ``environment`` is added to theirs: ``FLEET_BACKUP_HOST``, ``_JOB``, ``_ID``, ``_KIND``, ``_TAG``, ``_OUTCOME``, as far
    as they are known then; ``FLEET_BACKUP_POINT`` is set here. ``log`` is told each command's name, its end and its output.
    Raises HookError: for each failed hook its program, exit code and last error lines.
    """
    failures = []
    for hook in job.hooks[point]:
        failure = _run(hook, point, environment, log)
        if failure:
            failures.append(failure)
            if point in _GUARDS:
                break
    if failures:
        raise HookError("\n".join(failures))


def _run(hook: Hook, point: str, environment: t.Mapping[str, str], log: t.Callable[[str], None]) -> t.Optional[str]:
    """Run one hook; return what to tell of its failure, or None."""
    from .process import last_lines, run

    try:
        finished = run(hook.command, env={**environment, "FLEET_BACKUP_POINT": point}, timeout=hook.timeout)
    except MissingDependencyError as error:
        failure = "hook %s: %s" % (point, error)
        log(failure)
        return failure
    for name, output in (("output", finished.stdout), ("error output", finished.stderr)):
        for line in last_lines(output, _LOGGED_LINES):
            log("hook %s: %s: %s: %s" % (point, finished.program, name, line))
    if finished.succeeded:
        log("hook %s: %s succeeded" % (point, finished.program))
        return None
    failure = "hook %s: %s" % (point, finished.describe())
    if finished.timed_out:
        failure += " (after %d s; its timeout option allows more)" % hook.timeout
    log(failure)
    return failure
