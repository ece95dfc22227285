# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a backup of a job."""

from __future__ import annotations

import typing as t

from ..operations.backup_result import BackupResult
from ..operations.several import parts
from ..operations.tenants import backup_each
from ..result import Result
from . import Diff, Params
from .given import chosen_job, seconds_of

KEY = "backup"


def run(params: Params, check_mode: bool) -> Result:
    config, job = chosen_job(params)
    return backup_each(
        config,
        [job],
        kind=params["kind"],
        tag=params["tag"],
        unless_newer_than=seconds_of(params, "unless_newer_than"),
        dry_run=check_mode,
    )


def difference(result: Result) -> Diff:
    """Of a job of tenants one for each."""
    if isinstance(result, BackupResult):
        return _diff_of(result)
    return [_diff_of(part) for part in parts(result) if isinstance(part, BackupResult)]


def _diff_of(result: BackupResult) -> t.Dict[str, str]:
    """Nothing before; afterwards what is in the new backup."""
    if not result.changed:
        return {"before": "", "after": ""}
    lines = ["%s (%s): %d entries, %d bytes" % (c.name, c.source, c.entries, c.bytes) for c in result.components]
    lines += ["to store %s (%s): %s" % (copy.store, copy.driver, copy.outcome) for copy in result.copies]
    return {"before": "", "after": "\n".join([*lines, ""]), "after_header": result.id or "a new backup of %s" % result.job}
