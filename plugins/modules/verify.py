#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Check that stored backups are whole
version_added: 0.1.0
description:
  - Checks backups on every store, and fails when anything is damaged or missing. The damaged objects are named.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
  - fleet.backup._keys
attributes:
  check_mode:
    support: full
    details: It changes nothing in any mode. With O(sample) it remembers how far it came.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  backups:
    description:
      - The backups to check, each an id, the beginning of an id that is unique, or V(latest). Default is all.
    type: list
    elements: str
    default: []
  level:
    description:
      - How thoroughly they are checked.
      - With V(quick), whether every object is there with its size. With V(hashes), whether every object is what was stored.
      - With V(data), also whether everything decodes and every entry is what was backed up. That needs what opens an encrypted
        backup; the other levels do not.
    type: str
    choices: [quick, hashes, data]
    default: data
  sample:
    description:
      - Read this share of all instead of everything, such as V(5%), and another share each time, so that successive runs go
        through all of it. Of the rest presence and sizes are checked.
      - How far it came is kept in O(state_dir) for each store and level. Not with O(backups), O(from_dir) or level V(quick).
    type: str
  store:
    description:
      - The name of the one store to check. Default is every store of the job.
    type: str
  from_dir:
    description:
      - A plain folder with backups, such as a copy of a store, to check. O(config) or O(job) are then not needed.
    type: path
seealso:
  - module: fleet.backup.backup_info
"""

EXAMPLES = r"""
- name: Read back and check the newest backup of a job
  fleet.backup.verify:
    config: /etc/fleet-backup
    name: marketplace
    backups: [latest]

- name: Read a twentieth of all backups each night, another one each time
  fleet.backup.verify:
    config: /etc/fleet-backup
    name: marketplace
    sample: 5%

- name: Look whether anything is missing, of all jobs
  fleet.backup.verify:
    config: /etc/fleet-backup
    level: quick
"""

RETURN = r"""
verify:
  description: What was checked and found.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success), V(warning) or V(failure).
      type: str
      sample: success
    level:
      description: How thoroughly it was checked.
      type: str
      sample: data
    backups:
      description: Each backup on each store.
      type: list
      elements: dict
      contains:
        id:
          description: The id of the backup.
          type: str
          sample: 20261122T020000Z-full-daily-3f9a
        job:
          description: The name of the job.
          type: str
          sample: marketplace
        store:
          description: The name of the store.
          type: str
          sample: disk
        ok:
          description: Whether it is whole, as far as this level tells.
          type: bool
          sample: true
        objects:
          description: How many objects were checked.
          type: int
          sample: 13
        bytes:
          description: How many bytes were read.
          type: int
          sample: 4194304
        damaged:
          description: The damaged objects, each with what is wrong and the entries that it spoils.
          type: list
          elements: dict
          sample: []
        unknown:
          description: What lies there and is no part of the backup.
          type: list
          elements: str
          sample: []
    coverage:
      description: With O(sample), for each store how many bytes were read now, of how many, and since when how many are covered.
      type: list
      elements: dict
      sample:
        - store: disk
          job: marketplace
          level: data
          bytes: 4194304
          whole: 83886080
          covered: 16777216
          since: "2026-11-22T02:00:00.123Z"
          complete: false
          last_round: null
error:
  description: What went wrong. C(code) is stable; C(objects) names what is damaged.
  returned: on failure
  type: dict
  sample: {code: integrity, message: "uploads.tar.zst is not what was stored", objects: [uploads.tar.zst]}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.keys import KEYS_SPEC
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import verify

ARGUMENTS: t.Dict[str, t.Any] = {
    **job_spec(
        backups={"type": "list", "elements": "str", "default": []},
        level={"type": "str", "choices": ["quick", "hashes", "data"], "default": "data"},
        sample={"type": "str"},
        store={"type": "str"},
        from_dir={"type": "path"},
        **KEYS_SPEC,
    ),
    "required_one_of": [("config", "job", "from_dir")],
}


def main() -> None:
    run_module(verify, ARGUMENTS)


if __name__ == "__main__":
    main()
