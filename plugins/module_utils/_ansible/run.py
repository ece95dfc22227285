# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way a module runs: options in, an operation of the engine, its result out."""

from __future__ import annotations

import sys
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._engine.installed import library_folder, private_libraries
from .._engine.modules import Task, carry_out


def run_module(task: Task, spec: t.Dict[str, t.Any]) -> None:
    """Carry out ``task`` with what the module was given, and leave. ``spec`` goes to AnsibleModule."""
    # What the module agent brought for the command counts for modules too, after what the distribution has.
    sys.path.append(private_libraries(library_folder()))
    module = AnsibleModule(supports_check_mode=True, **spec)
    answer = carry_out(task, module.params, module.check_mode, module._diff)[1]
    for message in answer.pop("warnings", ()):
        module.warn(message)
    if answer.pop("failed", False):
        module.fail_json(**answer)
    module.exit_json(**answer)
