# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the installed command and its libraries lie on a host with POSIX (operations/install.py puts them there)."""

from __future__ import annotations

import os
import sys

from .system import is_superuser


def library_folder() -> str:
    """The folder of the command: the system's for root, the user's own for anybody else."""
    if is_superuser():
        return "/usr/local/lib/fleet-backup"
    return os.path.join(os.path.expanduser("~"), ".local", "lib", "fleet-backup")


def private_libraries(library: str) -> str:
    """The folder of the libraries for exactly this interpreter, below that of the command."""
    return os.path.join(library, "python", sys.implementation.cache_tag or "python")
