# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept, pin and unpin a backup."""

from __future__ import annotations

from ..operations.marking import MarkResult, mark_backup
from . import Params
from .given import chosen_job

KEY = "mark"


_VERBS = {"accepted": "accept", "pinned": "pin", "unpinned": "unpin"}


def run(params: Params, check_mode: bool) -> MarkResult:
    config, job = chosen_job(params)
    verb = _VERBS[params["state"]]
    return mark_backup(config, verb, params["backup"], job=job.name, note=params["note"], dry_run=check_mode)
