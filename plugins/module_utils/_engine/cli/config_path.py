# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the job files are."""

from __future__ import annotations

import os
import typing as t

VARIABLE = "FLEET_BACKUP_CONFIG"


def default_config() -> str:
    """Where they are when nothing else is said."""
    from ..system import IS_WINDOWS  # the help does not need it

    if IS_WINDOWS:
        return os.path.join(os.environ.get("PROGRAMDATA", "C:\\ProgramData"), "fleet-backup", "config")
    return "/etc/fleet-backup/"


def config_path(option: t.Optional[str]) -> str:
    """The path that the option names, else the environment, else the default."""
    return option or os.environ.get(VARIABLE) or default_config()


def is_there(option: t.Optional[str]) -> bool:
    """False when none was named and there is none where they are by default."""
    return bool(option or os.environ.get(VARIABLE)) or os.path.exists(default_config())
