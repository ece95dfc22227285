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
import time
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
            wheels = _wheels([library["distribution"] for library in found["missing"]], found["python"], self._wheel_dir())
            more["wheels"] = [self._send_file(wheel) for wheel in wheels]
        return more

    def _send_file(self, path: str) -> str:
        with open(path, "rb") as file:
            return self.send(os.path.basename(path), file.read())

    def _wheel_dir(self) -> t.Optional[str]:
        folder = self._task.args.get("wheel_dir")
        return self._loader.path_dwim(os.path.expanduser(folder)) if folder else None


def _wheels(distributions: t.Sequence[str], python: t.Dict[str, str], given: t.Optional[str]) -> t.List[str]:
    """Paths of wheels of these and of all that they need, for a host's interpreter.

    They come from the folder ``given`` alone; without one they are fetched, and kept for the hosts like it: for a day, and for
    as long as none can be fetched.
    """
    platform = _platforms(python)
    kept = os.path.join(C.config.get_config_value("DEFAULT_LOCAL_TMP"), "..", "..", "fleet-backup", "wheels")
    folder = os.path.abspath(os.path.join(kept, "%s-%s" % (python["tag"], platform[0])))
    os.makedirs(folder, exist_ok=True)
    source = ["--no-index", "--find-links", given] if given else ["--find-links", folder]
    options = [*source, "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    options += ["--python-version", python["version"], "--implementation", "cp"]
    options += [word for name in platform for word in ("--platform", name)]
    wanted = "\n".join([given or "", *sorted(distributions)])
    answer = _Answer(folder, hashlib.sha256(wanted.encode("utf-8")).hexdigest())
    # Several forks may want the same.
    with tempfile.TemporaryDirectory(dir=folder) as fresh, open(os.path.join(folder, ".lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if answer.is_fresh:
            return answer.paths
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", fresh, *distributions]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            if answer.paths and not given:
                return answer.paths
            raise AnsibleActionFail(
                "the controller cannot fetch %s for Python %s on %s: %s"
                % (", ".join(distributions), python["version"], python["platform"], done.stderr.strip()[-1000:])
            )
        names = sorted(name for name in os.listdir(fresh) if name.endswith(".whl"))
        for name in names:
            os.replace(os.path.join(fresh, name), os.path.join(folder, name))
        answer.keep(names)
    return answer.paths


class _Answer:
    """Which wheels a question was answered with, kept beside them: asking costs a second for each host."""

    _SECONDS = 24 * 3600

    def __init__(self, folder: str, question: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, "%s.answer" % question)

    @property
    def paths(self) -> t.List[str]:
        """The wheels; none when they are not all there."""
        try:
            with open(self._path, encoding="utf-8") as file:
                paths = [os.path.join(self._folder, name) for name in file.read().split()]
        except OSError:
            return []
        return paths if all(os.path.isfile(path) for path in paths) else []

    @property
    def is_fresh(self) -> bool:
        return bool(self.paths) and time.time() - os.stat(self._path).st_mtime < self._SECONDS

    def keep(self, names: t.Sequence[str]) -> None:
        with open(self._path, "w", encoding="utf-8") as file:
            file.write("\n".join(names))


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
