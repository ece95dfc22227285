# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of the module agent: build the command, fetch libraries, send what the host has not."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fleet.backup.plugins.plugin_utils.agent import agent_bytes
from ansible_collections.fleet.backup.plugins.plugin_utils.on_host import Answer, HostAction


class ActionModule(HostAction):
    MODULE = "agent"

    _supports_async = False
    TRANSFERS_FILES = True

    def run(self, tmp: t.Any = None, task_vars: t.Optional[Answer] = None) -> Answer:
        result: Answer = ActionBase.run(self, tmp, task_vars)
        try:
            result.update(self._deploy(task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _deploy(self, task_vars: t.Optional[Answer]) -> Answer:
        arguments = dict(self._task.args)
        for own in ("sha256", "command", "wheels"):
            if own in arguments:
                raise AnsibleActionFail("%s is filled in by the controller; leave it out" % own)
        if arguments.get("state", "present") == "absent":
            return self.carry_out(self.MODULE, arguments, task_vars)
        command = agent_bytes()
        arguments["sha256"] = hashlib.sha256(command).hexdigest()
        first = self.carry_out(self.MODULE, arguments, task_vars)
        more = {} if first.get("failed") or self._task.check_mode else self._what_it_lacks(first["agent"], command)
        if not more:
            return first
        second = self.carry_out(self.MODULE, {**arguments, **more}, task_vars)
        return {**second, "changed": bool(first.get("changed") or second.get("changed"))}

    def _what_it_lacks(self, found: Answer, command: bytes) -> Answer:
        """Send it, and return the arguments that tell where it is."""
        more: Answer = {}
        if found["needs_command"]:
            more["command"] = self.send("fleet-backup.pyz", command)
        if found["missing"] and self._task.args.get("libraries", "report") == "private":
            wheels = _wheels([library["distribution"] for library in found["missing"]], found["python"])
            more["wheels"] = [self._send_file(wheel) for wheel in wheels]
        return more

    def _send_file(self, path: str) -> str:
        with open(path, "rb") as file:
            return self.send(os.path.basename(path), file.read())


def _wheels(distributions: t.Sequence[str], python: t.Dict[str, str]) -> t.List[str]:
    """Paths of wheels of these and of all that they need, for a host's interpreter. They are kept for the next host like it."""
    platform = _platforms(python)
    kept = os.path.join(C.config.get_config_value("DEFAULT_LOCAL_TMP"), "..", "..", "fleet-backup", "wheels")
    folder = os.path.abspath(os.path.join(kept, "%s-%s" % (python["tag"], platform[0])))
    os.makedirs(folder, exist_ok=True)
    options = ["--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    options += ["--python-version", python["version"], "--implementation", "cp"]
    options += [word for name in platform for word in ("--platform", name)]
    with tempfile.TemporaryDirectory(dir=folder) as fresh, open(os.path.join(folder, ".lock"), "wb") as lock:
        # Several forks may want the same.
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "pip", "download", *options, "--find-links", folder, "--dest", fresh, *distributions]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AnsibleActionFail(
                "the controller cannot fetch %s for Python %s on %s: %s"
                % (", ".join(distributions), python["version"], python["platform"], done.stderr.strip()[-1000:])
            )
        names = sorted(name for name in os.listdir(fresh) if name.endswith(".whl"))
        for name in names:
            os.replace(os.path.join(fresh, name), os.path.join(folder, name))
    return [os.path.join(folder, name) for name in names]


def _platforms(python: t.Dict[str, str]) -> t.List[str]:
    """The platform tags (PEP 600, PEP 656) that run on a host, the newest first."""
    if python["platform"].startswith("win"):
        return [python["platform"].replace("-", "_")]
    machine = python["platform"].rpartition("-")[2]
    found = re.match(r"glibc-2\.(\d+)", python["libc"])
    if not found:
        return ["musllinux_1_2_%s" % machine, "musllinux_1_1_%s" % machine]
    newest = min(int(found.group(1)), 40)
    return ["manylinux_2_%d_%s" % (minor, machine) for minor in range(newest, 16, -1)] + ["manylinux2014_%s" % machine]
