#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule
short_description: Put the schedules of a host's jobs into force
version_added: 0.1.0
description:
  - Makes the entries of the host's scheduler (systemd timers, cron, Task Scheduler) those of the job files on the host. Only
    entries of fleet.backup are ever touched; what another scheduler has of them is removed.
  - The command C(fleet-backup) and the job files must be on the host already.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows what the scheduler is told of each schedule, before and after.
  idempotent:
    support: full
options:
  config:
    description:
      - The job file of the host, or a folder of them. Default is the O(fleet.backup.agent#module:config_dir) that the module
        M(fleet.backup.agent) uses by default.
    type: path
  command:
    description:
      - The command C(fleet-backup) on the host, by its absolute path, with the arguments that it needs before its own. Default
        is what the module M(fleet.backup.agent) installs by default.
    type: list
    elements: str
  scheduler:
    description:
      - The scheduler to use. Default is what the job file says.
    type: str
    choices: [auto, systemd, cron, task_scheduler]
  state:
    description:
      - With V(absent), everything of fleet.backup is taken from every scheduler.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: fleet.backup.backup
"""

EXAMPLES = r"""
- name: Put the schedules of all jobs of the host into force
  fleet.backup.schedule:

- name: See what would change
  fleet.backup.schedule:
  check_mode: true
  diff: true

- name: Take them all away
  fleet.backup.schedule:
    state: absent
"""

RETURN = r"""
schedule:
  description: The schedules of the host.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success) or V(failure).
      type: str
      sample: success
    scheduler:
      description: The scheduler that was used.
      type: str
      sample: systemd
    schedules:
      description: Each schedule, when it is due (the five fields of a crontab), and its next times.
      type: list
      elements: dict
      sample:
        - job: marketplace
          name: daily
          title: back up marketplace (daily)
          when: 17 2 * * *
          next: ["2026-11-23T02:17+0100", "2026-11-24T02:17+0100", "2026-11-25T02:17+0100"]
          state: active
          started: "2026-11-22T01:17:00.214Z"
          outcome: success
          origin: jobs.json
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: schedule, message: "this host has no systemd; there is cron"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import schedule

ARGUMENTS: t.Dict[str, t.Any] = {
    "argument_spec": {
        "config": {"type": "path"},
        "command": {"type": "list", "elements": "str"},
        "scheduler": {"type": "str", "choices": ["auto", "systemd", "cron", "task_scheduler"]},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
}


def main() -> None:
    run_module(schedule, ARGUMENTS)


if __name__ == "__main__":
    main()
