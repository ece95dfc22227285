# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as hosts: systemd as process 1, and the command fleet-backup as ``make agent`` builds it."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "fleet-backup/host:bookworm"
PROGRAM = "/usr/local/bin/fleet-backup"

# What systemd needs; without SYS_ADMIN it would leave out the sandboxing of services without a word.
_OPTIONS = (
    "--cap-add", "SYS_ADMIN", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp",
    "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "-e", "container=docker",
)  # fmt: skip


class Host:
    """A running container. As a context manager it is removed at the end."""

    def __init__(self) -> None:
        self.name = "fleet-backup-test-%s" % uuid.uuid4().hex[:8]
        subprocess.run(["docker", "run", "-d", "--name", self.name, *_OPTIONS, IMAGE], check=True, capture_output=True)
        # "running", or "degraded" by a service that a container cannot have.
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: t.Any) -> None:
        subprocess.run(["docker", "rm", "-f", "-v", self.name], check=False, capture_output=True)

    def run(
        self, *command: str, user: str = "root", check: bool = True, stdin: t.Optional[str] = None
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        done = subprocess.run(
            ["docker", "exec", "-i", "-u", user, self.name, *command], capture_output=True, text=True, input=stdin, check=False
        )
        assert not check or done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
        return done

    def write(self, path: str, text: str, mode: str = "0644", owner: str = "root") -> None:
        folder = path.rpartition("/")[0]
        self.run("install", "-d", "-o", owner, folder)
        self.run("sh", "-c", 'umask 077; cat > "$0" && chmod %s "$0" && chown %s "$0"' % (mode, owner), path, stdin=text)

    @property
    def address(self) -> str:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        done = subprocess.run(["docker", "inspect", "-f", form, self.name], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def let_in(self, public_key: str) -> None:
        """Let the owner of an SSH key in, as root and as the user ops."""
        self.write("/root/.ssh/authorized_keys", public_key, "0600")
        self.write("/home/ops/.ssh/authorized_keys", public_key, "0600", "ops")
        self.run("systemctl", "start", "ssh")

    def install(self) -> None:
        """Put the command there."""
        built = self.name + ".pyz"
        target = Path("/tmp") / built
        subprocess.run([sys.executable, ROOT / "tools" / "build_agent.py", str(target)], check=True, capture_output=True)
        try:
            subprocess.run(["docker", "cp", str(target), "%s:%s" % (self.name, PROGRAM)], check=True, capture_output=True)
        finally:
            target.unlink()

    def configure(self, description: t.Dict[str, t.Any], path: str = "/etc/fleet-backup/jobs.json", owner: str = "root") -> None:
        self.write(path, json.dumps(description), "0600", owner)

    def fleet_backup(self, *words: str, user: str = "root", code: int = 0) -> t.Any:
        """Run the command with ``--json``; it must end with ``code``. Returns its document."""
        done = self.run(PROGRAM, *words, "--json", user=user, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)
