# SPDX-License-Identifier: GPL-3.0-or-later
"""Send test messages, or tell of jobs without a fresh backup."""

from __future__ import annotations

import typing as t

from ..job import parse_config
from ..job_files import load_config
from ..operations.install import default_places
from ..operations.notify import NotifyResult, notify
from . import Params
from .given import HOST_OPTIONS, chosen_names, read_config

KEY = "notify"


def run(params: Params, check_mode: bool) -> NotifyResult:
    jobs: t.List[str] = []
    if params["config"] is None and params["job"] is None and params["host"] is None:
        config = load_config(default_places().config)
    elif params["config"] is None and params["job"] is None:
        config = parse_config({name: params[name] for name in HOST_OPTIONS})
    else:
        config = read_config(params)
        jobs = chosen_names(config, params)
    return notify(config, params["what"], notifiers=params["names"], jobs=jobs, dry_run=check_mode)
