# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy backups from store to store."""

from __future__ import annotations

from ..operations.copy import copy_each
from ..result import Result
from . import Params
from .given import chosen_job

KEY = "copy_backup"


def run(params: Params, check_mode: bool) -> Result:
    config, job = chosen_job(params)
    return copy_each(
        config,
        job.name,
        params["backups"],
        everything=params["all"],
        from_store=params["from_store"],
        to_stores=params["to_stores"],
        to_dir=params["to_dir"],
        dry_run=check_mode,
    )
