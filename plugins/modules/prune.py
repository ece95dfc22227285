#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: Remove the backups that the retention rules do not keep
version_added: 0.1.0
description:
  - Applies the retention rules of a job to each of its stores, and says of every backup why it stays or goes.
  - A job without rules keeps everything.
  - Damaged backups are reported and never removed.
  - Data that a run left which was killed is reported when it is a week old, and removed only when asked.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
attributes:
  check_mode:
    support: full
    details: Says which backups would go and which rule keeps each of the others. Removes nothing.
  diff_mode:
    support: full
    details: Shows the backups of each store before and after, with the reasons.
  idempotent:
    support: full
options:
  store:
    description:
      - The name of the one store to prune. Default is every store of the job.
    type: str
  orphans:
    description:
      - Also remove what is left of runs that began over a week ago and never finished.
    type: bool
    default: false
  max_delete:
    description:
      - The most that may be removed from each store, a number of backups or a share of all that are there, such as V(50%).
        Default is what the job's retention says.
    type: str
seealso:
  - module: fleet.backup.backup_info
"""

EXAMPLES = r"""
- name: Remove what the rules of every job on the host do not keep
  fleet.backup.prune:
    config: /etc/fleet-backup
    name: "{{ item }}"
  loop: [marketplace, mail]

- name: See what the rules would do
  fleet.backup.prune:
    config: /etc/fleet-backup
    name: marketplace
  check_mode: true
  diff: true
"""

RETURN = r"""
prune:
  description: What was removed, or would be, and why the rest stays.
  returned: always
  type: dict
  contains:
    results:
      description: Of a job of tenants instead of the rest, all of it for each of them, with its C(job).
      returned: for a job of tenants, without O(tenant)
      type: list
      elements: dict
      sample: [{job: "app@7", outcome: success}, {job: "app@8", outcome: success}]
    outcome:
      description: V(success), V(warning) or V(failure).
      type: str
      sample: success
    deleted:
      description: The ids of the backups that were removed from at least one store.
      type: list
      elements: str
      sample: [20261022T020000Z-full-daily-07c1]
    freed:
      description: The bytes that were freed on all stores.
      type: int
      sample: 4194304
    stores:
      description: What became of each store.
      type: list
      elements: dict
      contains:
        store:
          description: The name of the store.
          type: str
          sample: disk
        verdicts:
          description: Every backup, newest first, with the rules that keep it or the reason why it goes.
          type: list
          elements: dict
          sample:
            - id: 20261122T020000Z-full-daily-3f9a
              keep: true
              reasons: ["daily 1/7: 2026-11-22"]
              bytes: 4194304
              used_by: []
              deleted: false
        freed:
          description: The bytes that were freed on this store.
          type: int
          sample: 4194304
        damaged:
          description: Damaged backups, by id, and what is wrong with each.
          type: dict
          sample: {}
        leftovers:
          description: Data of runs that began over a week ago and never finished, with its age in seconds and its size in bytes.
          type: list
          elements: dict
          sample: [{id: 20261001T020000Z-full-daily-07c1, age: 4492800, bytes: 1048576, deleted: false}]
        cut_off:
          description: The bytes of manifests, marks and the like that a kill cut off over a week ago, removed with O(orphans).
          type: int
          sample: 0
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: store-unavailable, message: "store disk: the folder /var/backups/fleet does not exist"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import prune

ARGUMENTS: t.Dict[str, t.Any] = job_spec(
    store={"type": "str"}, orphans={"type": "bool", "default": False}, max_delete={"type": "str"}
)


def main() -> None:
    run_module(prune, ARGUMENTS)


if __name__ == "__main__":
    main()
