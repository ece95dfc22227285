# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of a restore: identities stay here, and the host gets the file keys of one backup (docs/security.md)."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.fleet.backup.plugins.module_utils._engine.errors import ConfigurationError, FleetBackupError
from ansible_collections.fleet.backup.plugins.module_utils._engine.keyring import open_keyring
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules.given import HOST_OPTIONS
from ansible_collections.fleet.backup.plugins.module_utils._engine.operations.unwrap import unwrap_given
from ansible_collections.fleet.backup.plugins.module_utils._engine.result import Result
from ansible_collections.fleet.backup.plugins.plugin_utils.on_host import Answer, HostAction

_OPTION, _VARIABLE = "controller_identities", "FLEET_BACKUP_IDENTITY"

# What says which backup is meant, and where it lies.
_PLACE = ("config", "name", "job", "tenant", *HOST_OPTIONS, "backup", "at", "store", "from_dir")

# Of the host's; then nothing of the environment is used.
_OTHER_KEYS = ("identities", "passphrase", "file_keys")


class ActionModule(HostAction):
    MODULE = "restore"

    def run(self, tmp: t.Any = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Answer:
        answer: Answer = ActionBase.run(self, tmp, task_vars)
        options = dict(self._task.args)
        asynchronous = self._task.async_val and not self._connection.has_native_async
        try:
            identities = self._identities(options)
            failed = self._unwrap(options, identities, task_vars) if identities else None
        except FleetBackupError as error:
            failed = _failure(error)
        answer.update(failed or self.carry_out(self.MODULE, options, task_vars, asynchronous))
        if not asynchronous:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return answer

    def _identities(self, options: Answer) -> t.List[str]:
        """Take the option out of those for the host, and return the files. Raises ConfigurationError."""
        given = options.pop(_OPTION, None) or []
        files = [given] if isinstance(given, str) else list(given)
        if files and options.get("file_keys"):
            raise ConfigurationError("file_keys: are what %s would be used for; give one of them" % _OPTION)
        if not files and not any(options.get(key) for key in _OTHER_KEYS):
            files = list(filter(None, [os.environ.get(_VARIABLE)]))
        return files

    def _unwrap(self, options: Answer, identities: t.List[str], task_vars: t.Optional[Answer]) -> t.Optional[Answer]:
        """Put the file keys of the chosen backup into the options for the host; return what failed instead.

        The backup is then named by its id: while the controller is at work, a newer one may appear.
        """
        place = {key: options[key] for key in _PLACE if options.get(key) is not None}
        place.setdefault("backup", "latest")
        if options.get("from_host"):
            if options.get("config"):
                raise ConfigurationError(
                    "%s: with from_host, give job and stores instead of config; the host's file knows its own backups alone"
                    % _OPTION
                )
            place["host"] = options["from_host"]
        found: Answer = self.carry_out("backup_info", {**place, "headers": True}, task_vars)
        shown = found.get("info") or {}
        if found.get("failed") or not shown.get("backup"):
            return {key: value for key, value in found.items() if key not in ("info", "invocation")}
        options["backup"] = shown["backup"]["id"]
        options.pop("at", None)
        if not shown.get("headers"):
            return None  # not encrypted
        with contextlib.ExitStack() as stack:
            keyring = open_keyring([self._clear(path, stack) for path in identities])
        unwrapped = unwrap_given(shown["headers"], keyring)
        if unwrapped.error is not None:
            return _failed("restore", unwrapped)
        options["file_keys"] = unwrapped.file_keys()
        return None

    def _clear(self, path: str, stack: contextlib.ExitStack) -> str:
        """The path of a file in the clear: itself, or a private copy until ``stack`` ends, if it is encrypted with Vault."""
        from ansible.errors import AnsibleError

        path = self._loader.path_dwim(os.path.expanduser(path))
        try:
            clear: str = self._loader.get_real_file(path)
        except AnsibleError as error:
            raise ConfigurationError("%s: %s" % (_OPTION, error)) from None
        if clear != path:
            stack.callback(self._loader.cleanup_tmp_file, clear)
        return clear


def _failure(error: FleetBackupError) -> Answer:
    result = Result("restore")
    result.fail(error)
    return _failed("restore", result)


def _failed(key: str, result: Result) -> Answer:
    """What the module would return. An UnwrapResult's keys are no part of what it tells."""
    told = {"operation": key, "outcome": result.outcome, "error": result.error}
    return {"failed": True, "msg": (result.error or {}).get("message", ""), "error": result.error, key: told}
