# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's modules do, one file a module: for the modules themselves, and for hosts that cannot run them.

Windows cannot run Ansible's Python modules. There the command carries out the same file (``fleet-backup module``), with options
that were checked by the same argument spec.
"""

from __future__ import annotations

import typing as t

from ..errors import FleetBackupError
from ..result import Result

Params = t.Dict[str, t.Any]

#: The state before and after, as Ansible shows it with ``--diff``.
Diff = t.Union[t.Dict[str, str], t.List[t.Dict[str, str]]]


class Task(t.Protocol):
    """What a module's file has. It may also have ``difference(result) -> Diff``."""

    #: What the result is called in what the module returns.
    KEY: str

    def run(self, params: Params, check_mode: bool) -> Result:
        """Carry it out; change nothing in check mode. Raises FleetBackupError for what no operation was begun for."""


def carry_out(task: Task, params: Params, check_mode: bool, diff: bool) -> t.Tuple[Result, Params]:
    """Run a module's file; return the result of the operation and what the module returns.

    The result is nested because Ansible overwrites the neighbours of a ``path`` or ``dest`` at the top.
    """
    difference = getattr(task, "difference", None) if diff else None
    try:
        outcome = task.run(params, check_mode)
    except FleetBackupError as error:
        outcome = Result(task.KEY)
        outcome.fail(error)
        difference = None
    answer: Params = {"changed": outcome.changed, task.KEY: outcome.to_dict()}
    if outcome.warnings:
        answer["warnings"] = [notice.message for notice in outcome.warnings]
    if difference is not None:
        answer["diff"] = difference(outcome)
    if outcome.error is not None:
        answer.update(failed=True, msg=outcome.error["message"], error=outcome.error)
    return outcome, answer
