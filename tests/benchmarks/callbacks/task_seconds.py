# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the seconds of each task of a play, one line each, to the file that TASK_SECONDS_FILE names."""

from __future__ import annotations

import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_seconds
type: aggregate
short_description: Seconds of each task
description: For the benchmarks.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_seconds"

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._began = time.perf_counter()

    def v2_runner_on_ok(self, result):
        with open(os.environ["TASK_SECONDS_FILE"], "a") as file:
            file.write("%.6f\n" % (time.perf_counter() - self._began))
