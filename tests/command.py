# SPDX-License-Identifier: GPL-3.0-or-later
"""The built command for tests, run as a real process against a real configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(ROOT / "plugins" / "plugin_utils"))

from agent import write_agent  # noqa: E402

from _engine.bytecode import with_bytecode  # noqa: E402


class Command:
    """``fleet-backup`` with the configuration of a folder. ``config`` is the description; save() writes it."""

    def __init__(self, program, folder):
        self.program = str(program)
        self.folder = folder
        self.path = folder / "jobs.json"
        self.state = folder / "state"
        self.store = folder / "store"
        self.config = {
            "host": "web1",
            "state_dir": str(self.state),
            "stores": [{"name": "disk", "local": {"path": str(self.store)}}],
            "jobs": [],
        }

    def add_job(self, name, *sources, **options):
        self.config["jobs"].append({"name": name, "sources": list(sources), "stores": ["disk"], **options})
        self.save()

    def save(self):
        self.path.write_text(json.dumps(self.config), encoding="utf-8")

    def argv(self, *words):
        return [sys.executable, self.program, *words]

    def environment(self, **more):
        return {**os.environ, "FLEET_BACKUP_CONFIG": str(self.path), "NO_COLOR": "1", **more}

    def __call__(self, *words, exit=0, stdin=subprocess.DEVNULL, env=None, **options):
        """Run it; the exit code must be ``exit`` (None: whatever it is)."""
        ended = subprocess.run(
            self.argv(*words),
            check=False,
            stdin=stdin,
            capture_output="stdout" not in options,
            text=True,
            env=self.environment(**(env or {})),
            **options,
        )
        assert exit is None or ended.returncode == exit, (words, ended.returncode, ended.stdout, ended.stderr)
        return ended

    def json(self, *words, exit=0):
        """Run it with --json and return the one document."""
        return json.loads(self(*words, "--json", exit=exit).stdout)

    def backups(self, job):
        """The ids of the complete backups of a job, from the store itself."""
        folder = self.store / "web1" / job
        return sorted(p.name[:-5] for p in folder.glob("*.json") if "." not in p.name[:-5]) if folder.is_dir() else []


def build(target):
    """The command as hosts have it (operations/install.py): with bytecode."""
    write_agent(str(target))
    target.write_bytes(with_bytecode(target.read_bytes(), str(target)))
    return target
