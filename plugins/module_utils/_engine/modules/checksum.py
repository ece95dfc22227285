# SPDX-License-Identifier: GPL-3.0-or-later
"""Hash files, and write or check lists of sums."""

from __future__ import annotations

from ..operations.checksum import ChecksumResult, checksum
from . import Diff, Params

KEY = "checksum"


def run(params: Params, check_mode: bool) -> ChecksumResult:
    return checksum(params["paths"], algorithm=params["algorithm"], sums=params["sums"], dry_run=check_mode)


def difference(result: ChecksumResult) -> Diff:
    name = result.sums or ""
    return {"before": result.before, "after": result.after, "before_header": name, "after_header": name}
