#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: copy_backup
short_description: Copy backups to the stores that lack them, or to a folder
version_added: 0.1.0
description:
  - Copies backups from store to store as they are, compared with their hashes on the way. Nothing is decrypted, so no key is
    needed.
  - Older backups that hold data of a copied one are copied too.
  - A copy that was interrupted goes on where it was when it is begun again.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
attributes:
  check_mode:
    support: full
    details: Says which backups would be copied where.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  backups:
    description:
      - The backups to copy, each an id, the beginning of an id that is unique, or V(latest). Default is the latest.
    type: list
    elements: str
    default: []
  all:
    description:
      - Copy every backup that a store lacks.
    type: bool
    default: false
  from_store:
    description:
      - The name of the store to read. Default is, for each backup, the first store of the job that has it whole.
    type: str
  to_stores:
    description:
      - The names of the stores that get copies. Default is every store of the job.
    type: list
    elements: str
    default: []
  to_dir:
    description:
      - A folder of the host that gets the copies instead, such as an external disk. It is laid out like a store.
    type: path
seealso:
  - module: fleet.backup.verify
"""

EXAMPLES = r"""
- name: Complete every store of the job
  fleet.backup.copy_backup:
    config: /etc/fleet-backup
    name: marketplace
    all: true

- name: Copy the latest backup to an external disk
  fleet.backup.copy_backup:
    config: /etc/fleet-backup
    name: marketplace
    to_dir: /media/disk/backups
"""

RETURN = r"""
copy_backup:
  description: What was copied, or would be.
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
      description: V(success) or V(failure).
      type: str
      sample: success
    copied:
      description: The backups that a store lacked, oldest first.
      type: list
      elements: dict
      sample:
        - id: 20261122T020000Z-full-daily-3f9a
          from_store: disk
          to_store: offsite
          bytes: 4194304
          sent: 4194304
          outcome: success
          error: null
    left_out:
      description: The backups that a store lacks and that its retention rules would not keep, with O(all); they were not copied.
      type: list
      elements: dict
      sample:
        - id: 20261101T020000Z-full-daily-77c1
          to_store: offsite
          reasons: ["daily 2026-11-01 is older than the newest 7"]
    sent:
      description: The bytes that were sent.
      type: int
      sample: 4194304
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: store-unavailable, message: "store offsite: cannot be reached"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import copy_backup

ARGUMENTS: t.Dict[str, t.Any] = job_spec(
    backups={"type": "list", "elements": "str", "default": []},
    all={"type": "bool", "default": False},
    from_store={"type": "str"},
    to_stores={"type": "list", "elements": "str", "default": []},
    to_dir={"type": "path"},
)


def main() -> None:
    run_module(copy_backup, ARGUMENTS)


if __name__ == "__main__":
    main()
