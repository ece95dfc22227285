# SPDX-License-Identifier: GPL-3.0-or-later
"""Install or remove the command and the job file of this host."""

from __future__ import annotations

import hashlib
import os
import sys
import typing as t

from ..operations.install import InstallResult, Places, default_places, install, uninstall
from . import Diff, Params
from .given import HOST_OPTIONS

KEY = "agent"


def run(params: Params, check_mode: bool) -> InstallResult:
    usual = default_places()
    places = Places(
        params["library_dir"] or usual.library,
        params["program"] or usual.program,
        params["config_dir"] or usual.config,
        usual.facts,
        usual.logrotate,
    )
    if params["state"] == "absent":
        return uninstall(places, dry_run=check_mode)
    return install(
        {name: params[name] for name in (*HOST_OPTIONS, "jobs")},
        params["sha256"],
        places,
        command=params["command"] or _running(params["sha256"]),
        wheels=params["wheels"],
        interpreter=params["interpreter"],
        as_credentials=params["secrets"] == "systemd",
        dry_run=check_mode,
    )


def _running(sha256: str) -> t.Optional[str]:
    """The path of the command that runs, if it is the very one that is asked for: so it is on Windows."""
    path = os.path.abspath(sys.argv[0])
    try:
        with open(path, "rb") as file:
            return path if path.endswith(".pyz") and hashlib.sha256(file.read()).hexdigest() == sha256 else None
    except OSError:
        return None


def difference(result: InstallResult) -> Diff:
    return [
        {
            "before": result.before.get(path, ""),
            "after": result.after.get(path, ""),
            "before_header": path,
            "after_header": path,
        }
        for path in result.before
    ]
