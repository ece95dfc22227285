# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the schedules of this host into force."""

from __future__ import annotations

import os

from ..job_files import load_config
from ..operations.install import default_places
from ..operations.schedule import ScheduleResult, apply_schedules
from . import Diff, Params

KEY = "schedule"


def run(params: Params, check_mode: bool) -> ScheduleResult:
    places = default_places()
    path = params["config"] or places.config
    if check_mode and not os.path.exists(path):
        # What would put the job files there was only planned too.
        present = params["state"] == "present"
        return ScheduleResult("schedule", changed=present, dry_run=True, scheduler=params["scheduler"] or "")
    return apply_schedules(
        load_config(path),
        [*(params["command"] or places.command), "--config", path, "--quiet"],
        remove=params["state"] == "absent",
        scheduler=params["scheduler"],
        dry_run=check_mode,
    )


def difference(result: ScheduleResult) -> Diff:
    return [
        {
            "before": result.before.get(key, ""),
            "after": result.after.get(key, ""),
            "before_header": key,
            "after_header": key,
        }
        for key in sorted({*result.before, *result.after})
        if result.before.get(key) != result.after.get(key)
    ]
