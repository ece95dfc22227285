# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on hosts of both kinds: as they are where Python modules run; on Windows by the command.

Windows hosts run no Python modules. There the controller checks the options, puts them into a file in the task's own temporary
folder, has ansible.windows run ``fleet-backup module`` with the host's Python, and removes the folder. A host that has this
very version of the command (the role agent) is not sent it again.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import ntpath
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.fleet.backup.plugins.module_utils._engine import VERSION
from ansible_collections.fleet.backup.plugins.plugin_utils.agent import agent_bytes

Answer = t.Dict[str, t.Any]

#: Where the command is on a Windows host, as operations/install.py puts it there.
LIBRARY = "%ProgramFiles%\\fleet-backup"
_COMMAND = "fleet-backup.pyz"

# The launcher, which an installation of Python for all users brings along, finds the newest Python 3.
_PYTHON = ["py.exe", "-3"]


class HostAction(NormalAction):  # type: ignore[misc]
    """The action of the module ``MODULE``."""

    MODULE = ""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: t.Any = None, task_vars: t.Optional[Answer] = None) -> Answer:
        if not self._on_windows:
            return t.cast(Answer, super().run(tmp, task_vars))
        answer: Answer = ActionBase.run(self, tmp, task_vars)
        try:
            answer.update(self.carry_out(self.MODULE, dict(self._task.args), task_vars, bool(self._task.async_val)))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return answer

    @property
    def _on_windows(self) -> bool:
        return bool(getattr(self._connection._shell, "_IS_WINDOWS", False))

    def carry_out(self, name: str, arguments: Answer, task_vars: t.Optional[Answer], wrap_async: bool = False) -> Answer:
        """Run a module of this collection on the host, whatever that is; return what it returns. Temporary files stay."""
        if self._on_windows:
            return self._by_command(name, arguments, task_vars or {}, wrap_async)
        return t.cast(
            Answer,
            self._execute_module(
                "fleet.backup.%s" % name, module_args=arguments, task_vars=task_vars, wrap_async=wrap_async
            ),
        )  # fmt: skip

    def _by_command(self, name: str, arguments: Answer, task_vars: Answer, wrap_async: bool) -> Answer:
        if wrap_async:
            raise AnsibleActionFail("on Windows hosts fleet.backup.%s cannot run asynchronously; leave async out there" % name)
        parameters, secrets = _checked(name, arguments)
        words = ["--json", "module", name, "--parameters", self.send("parameters.json", json.dumps(parameters, default=str))]
        words += ["--check"] * bool(self._task.check_mode) + ["--diff"] * bool(self._task.diff)
        python, command = self._python(task_vars), agent_bytes()
        ran: Answer = {"skipped": True}
        # What removes the command must not run from where it is removed.
        if not (name == "agent" and parameters["state"] == "absent"):
            version = "%s-%s" % (VERSION, hashlib.sha256(command).hexdigest()[:8])
            there = "versions\\%s\\%s" % (version, _COMMAND)
            argv = [*python, "-I", there, *words]
            ran = self._win_command({"argv": argv, "chdir": LIBRARY, "removes": "%s\\%s" % (LIBRARY, there)}, task_vars)
        if ran.get("skipped"):
            ran = self._win_command({"argv": [*python, "-I", self.send(_COMMAND, command), *words]}, task_vars)
        return t.cast(Answer, remove_values(_answer(ran, python), secrets))

    def _win_command(self, arguments: Answer, task_vars: Answer) -> Answer:
        # In check mode it would do nothing; the command is told to change nothing.
        check_mode, self._task.check_mode = self._task.check_mode, False
        try:
            return t.cast(
                Answer,
                self._execute_module("ansible.windows.win_command", module_args=arguments, task_vars=task_vars),
            )
        finally:
            self._task.check_mode = check_mode

    def send(self, name: str, data: t.Union[str, bytes]) -> str:
        """Put a file into the task's temporary folder, which others than its user and administrators cannot read."""
        shell = self._connection._shell
        if not shell.tmpdir:
            self._make_tmp_path()
        path = str(self._transfer_data(shell.join_path(shell.tmpdir, name), data))
        self._fixup_perms2((shell.tmpdir, path))
        return path

    def _python(self, task_vars: Answer) -> t.List[str]:
        told = str(self._templar.template(task_vars.get("ansible_python_interpreter") or ""))
        # What the whole inventory is told (auto, /usr/bin/python3) is not meant for Windows.
        return [told] if ntpath.splitdrive(told)[0] else _PYTHON


def _checked(name: str, arguments: Answer) -> t.Tuple[Answer, t.Set[str]]:
    """All options of a module, checked as it would check them, and the secrets among them. Raises AnsibleActionFail."""
    module = importlib.import_module("ansible_collections.fleet.backup.plugins.modules.%s" % name)
    rules = dict(module.ARGUMENTS)
    result = ArgumentSpecValidator(_paths_as_given(rules.pop("argument_spec")), **rules).validate(arguments)
    if result.error_messages:
        raise AnsibleActionFail("; ".join(result.error_messages))
    return result.validated_parameters, result._no_log_values


def _paths_as_given(spec: Answer) -> Answer:
    """The same options, but that a path of the host is not expanded with what holds on the controller."""
    told = {}
    for name, option in spec.items():
        told[name] = {key: "str" if value == "path" and key in ("type", "elements") else value for key, value in option.items()}
        if "options" in option:
            told[name]["options"] = _paths_as_given(option["options"])
    return told


def _answer(ran: Answer, python: t.Sequence[str]) -> Answer:
    """What the module returned, out of what win_command did."""
    try:
        answer = json.loads(ran.get("stdout") or "")
    except ValueError:
        why = [str(ran.get(key) or "").strip() for key in ("msg", "stderr", "stdout")]
        return {
            "failed": True,
            "msg": "%s cannot run fleet-backup on the host: %s; it needs Python 3.9 or newer, installed for all users, or named"
            " by ansible_python_interpreter" % (" ".join(python), ": ".join(filter(None, why))),
        }
    if "operation" in answer:
        # It did not come so far as to run the module.
        return {"failed": True, "msg": answer["error"]["message"], "error": answer["error"]}
    return t.cast(Answer, answer)
