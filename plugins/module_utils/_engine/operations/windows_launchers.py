# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts the installed command on Windows: a Python script for Task Scheduler, a batch file for people.

The script names the version that is to run. It is read whole before anything runs, so it can be replaced at any time; links,
which would need a privilege, are not used.
"""

from __future__ import annotations

import os
import typing as t

SCRIPT = "fleet-backup.py"

_SCRIPT = """\
# Written by fleet.backup; changes are lost.
import os
import runpy
import sys

os.environ["FLEET_BACKUP_PROGRAM"] = os.path.abspath(__file__)
os.environ.setdefault("FLEET_BACKUP_CONFIG", {config!r})
sys.argv[0] = {command!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# The arguments are not looked at by cmd.exe again, and the exit code is Python's.
_BATCH = """\
@"{python}" -I "{script}" %*
"""


def launchers(library: str, program: str, config: str, command: str, python: str) -> t.Dict[str, str]:
    """The texts of the launchers, by their paths. ``command``: the file that is to run; ``program``: the batch file."""
    script = os.path.join(library, SCRIPT)
    doubled = {"python": python.replace("%", "%%"), "script": script.replace("%", "%%")}
    return {script: _SCRIPT.format(config=config, command=command), program: _BATCH.format(**doubled)}


def folders() -> t.Tuple[str, str]:
    """Where programs and where their data go: also a 32-bit Python is to use those of the system."""
    programs = os.environ.get("PROGRAMW6432") or os.environ.get("PROGRAMFILES", "C:\\Program Files")
    return os.path.join(programs, "fleet-backup"), os.path.join(os.environ.get("PROGRAMDATA", "C:\\ProgramData"), "fleet-backup")
