#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
short_description: Send a test message, or tell of jobs without a fresh backup
version_added: 0.1.0
description:
  - Backups, restores and the other operations tell by themselves how they ended, through the notifiers that a job names. This
    module sends what no operation tells.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
attributes:
  check_mode:
    support: full
    details: Says which jobs are stale, and tells nobody.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run tells again.
options:
  config:
    description:
      - The job file of the host, or a folder of them. Without it, O(job) and O(host), it is the
        O(fleet.backup.agent#module:config_dir) that the module M(fleet.backup.agent) uses by default.
    type: path
  what:
    description:
      - What to tell. V(test) sends a test message through every notifier. V(stale) tells, of each job whose newest backup is
        older than its O(job.max_age), the notifiers of that job.
    type: str
    choices: [test, stale]
    default: test
  names:
    description:
      - The names of the notifiers to use. Default is all.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: See that mail arrives
  fleet.backup.notify:
    names: [ops]

- name: See that mail arrives, before anything is rolled out
  fleet.backup.notify:
    host: web1.example.org
    notifiers:
      - name: ops
        mail:
          to: [ops@example.org]
          preset: gmail
          username: backups@example.org
          password: "{{ vault_mail_password }}"

- name: Tell of jobs without a fresh backup
  fleet.backup.notify:
    what: stale
"""

RETURN = r"""
notify:
  description: What was told, and to whom.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success) or V(failure).
      type: str
      sample: success
    stale:
      description: The jobs without a fresh backup.
      type: list
      elements: str
      sample: []
    told:
      description: Each notifier that was used.
      type: list
      elements: dict
      sample: [{notifier: ops, driver: mail, event: test, job: null, outcome: success, error: ""}]
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: notification, message: "notifier ops: smtp.example.org: 535 5.7.8 authentication failed"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import notify

ARGUMENTS: t.Dict[str, t.Any] = {
    **job_spec(
        what={"type": "str", "choices": ["test", "stale"], "default": "test"},
        names={"type": "list", "elements": "str", "default": []},
    ),
    # Without any it is what the host has.
    "required_one_of": [],
}


def main() -> None:
    run_module(notify, ARGUMENTS)


if __name__ == "__main__":
    main()
