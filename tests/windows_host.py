# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of this machine that plays a Windows host (tests/windows/README.md)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from playing import Ansible

PARTS = Path(__file__).parent / "windows"


class WindowsHost:
    """``run`` carries the command out under the rules; ``ansible`` plays tasks on the host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs, self.data, self.tasks = folder / "Program Files", folder / "ProgramData", folder / "tasks"
        for path in (self.programs, self.data, self.tasks):
            path.mkdir()
        self.description = folder / "host.json"
        environment = {"PROGRAMFILES": str(self.programs), "PROGRAMDATA": str(self.data)}
        told = {
            "environment": environment,
            "programs": str(PARTS / "programs"),
            "tasks": str(self.tasks),
            "access": str(folder / "access"),
            "rules": str(PARTS / "rules.py"),
            "launcher": "py.exe",
        }
        self.description.write_text(json.dumps(told))
        path = str(PARTS / "programs") + os.pathsep + os.environ["PATH"]
        own = {"FLEET_BACKUP_WINDOWS": str(self.description), "PYTHONIOENCODING": "cp1252", "PATH": path}
        self.environment = {**os.environ, **environment, **own}

    def run(self, program: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a built command; what it writes is in the encoding of an old console, cp1252."""
        command = [sys.executable, str(PARTS / "rules.py"), str(program), *words]
        return subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def remove_python(self) -> None:
        told = json.loads(self.description.read_text())
        self.description.write_text(json.dumps({**told, "launcher": None}))

    @property
    def access(self) -> t.List[t.List[str]]:
        """Who was let in where: the words that icacls was given."""
        return [json.loads(line) for line in (self.folder / "access").read_text().splitlines()]

    def ansible(self, folder: Path) -> Ansible:
        """A controller that knows the host as its localhost."""
        ansible = Ansible(folder)
        collections = folder / "ansible_collections"
        for name, part in (("ansible/windows", "ansible_windows"), ("tests/host", "host")):
            (collections / name).parent.mkdir()
            (collections / name).symlink_to(PARTS / part)
        return ansible
