# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way a module runs: options in, an operation of the engine, its result out."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._engine.errors import FleetBackupError
from .._engine.result import Result

#: An operation, called with the module's options and whether nothing may be changed.
Operation = t.Callable[[t.Dict[str, t.Any], bool], Result]

#: The state before and after, as Ansible shows it with ``--diff``.
Diff = t.Callable[[t.Any], t.Union[t.Dict[str, str], t.List[t.Dict[str, str]]]]


def run_module(key: str, operation: Operation, *, diff: t.Optional[Diff] = None, **spec: t.Any) -> None:
    """Run ``operation`` and leave the module with its result under ``key``. ``spec`` goes to AnsibleModule.

    The result is nested because Ansible overwrites the neighbours of a ``path`` or ``dest`` at the top.
    """
    module = AnsibleModule(supports_check_mode=True, **spec)
    try:
        outcome = operation(module.params, module.check_mode)
    except FleetBackupError as error:
        outcome = Result(key)
        outcome.fail(error)
        diff = None
    for notice in outcome.warnings:
        module.warn(notice.message)
    answer: t.Dict[str, t.Any] = {"changed": outcome.changed, key: outcome.to_dict()}
    if diff is not None and module._diff:
        answer["diff"] = diff(outcome)
    if outcome.error is not None:
        module.fail_json(msg=outcome.error["message"], error=outcome.error, **answer)
    module.exit_json(**answer)
