# SPDX-License-Identifier: GPL-3.0-or-later
"""Write files into one archive."""

from __future__ import annotations

from ..operations.archive import ArchiveResult, archive
from . import Diff, Params

KEY = "archive"


def run(params: Params, check_mode: bool) -> ArchiveResult:
    return archive(params, dry_run=check_mode)


def difference(result: ArchiveResult) -> Diff:
    before = [(name, "before") for name in result.updated] + [(name, "") for name in result.removed]
    after = [(name, "now") for name in result.updated] + [(name, "") for name in result.added]
    return {
        "before": "".join(["%s  %s\n" % line for line in sorted(before)]),
        "after": "".join(["%s  %s\n" % line for line in sorted(after)]),
        "before_header": result.dest,
        "after_header": result.dest,
    }
