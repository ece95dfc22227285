# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks on the inventory of a worked example, with all its places in one folder."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from playing import ROOT, Ansible


class Example:
    """The inventory ``name``; ``variables`` say where its application is. Its backups lie in ``backups``."""

    def __init__(self, folder: Path, name: str, backups: Path, **variables: t.Any) -> None:
        self.backups = backups
        backups.mkdir(exist_ok=True)
        self._ansible = Ansible(folder / "ansible")
        self._inventory = ROOT / "inventories" / name
        self._variables = {
            "%s_backups" % name: str(backups),
            "fleet_backup_state_dir": str(folder / "state"),
            "poll_interval": 1,
            **variables,
        }

    def play(self, name: str, *options: str, **more: t.Any) -> str:
        """Run a playbook that must succeed; what it told."""
        variables = json.dumps({**self._variables, **more})
        # There is no Windows here.
        hosts = ["--limit", "all:!windows"] if (self._inventory / "group_vars" / "windows.yml").exists() else []
        done = self._ansible.playbook(
            "-i", self._inventory, ROOT / "playbooks" / (name + ".yml"), "-e", variables, *hosts, *options
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manifests(self) -> t.List[Path]:
        return sorted(path for path in self.backups.glob("*/*/*.json") if ".failed" not in path.name)
