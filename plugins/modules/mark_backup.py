#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mark_backup
short_description: Accept a suspicious backup, or pin one
version_added: 0.1.0
description:
  - Says of a backup that it is as it should be although something in it shrank or is gone, or that it must stay.
  - The mark is put on every store that has the backup, and signed if the host signs.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
attributes:
  check_mode:
    support: full
    details: Says whether the mark would be put or removed. Writes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  backup:
    description:
      - The backup to mark, an id, the beginning of an id that is unique, or V(latest).
    type: str
    required: true
  state:
    description:
      - With V(accepted), a suspicious backup counts again, and older ones may go by the retention rules.
      - With V(pinned), no rule removes it. V(unpinned) takes that back.
    type: str
    required: true
    choices: [accepted, pinned, unpinned]
  note:
    description:
      - Why. Anybody who may read the store can read it.
    type: str
    default: ""
seealso:
  - module: fleet.backup.prune
  - module: fleet.backup.backup_info
"""

EXAMPLES = r"""
- name: Keep the backup from before the migration
  fleet.backup.mark_backup:
    config: /etc/fleet-backup
    name: marketplace
    backup: 20261122T020000Z-full-daily-3f9a
    state: pinned
    note: before the migration

- name: Say that the archive was moved away on purpose
  fleet.backup.mark_backup:
    config: /etc/fleet-backup
    name: marketplace
    backup: latest
    state: accepted
"""

RETURN = r"""
mark:
  description: What was marked.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success), V(warning) or V(failure).
      type: str
      sample: success
    id:
      description: The id of the backup.
      type: str
      sample: 20261122T020000Z-full-daily-3f9a
    mark:
      description: V(accepted) or V(pinned).
      type: str
      sample: pinned
    marked:
      description: Whether the mark is, or would be, there now.
      type: bool
      sample: true
    stores:
      description: The stores that have the backup.
      type: list
      elements: str
      sample: [disk]
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: not-found, message: "there is no backup 2026"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import mark_backup

ARGUMENTS: t.Dict[str, t.Any] = job_spec(
    backup={"type": "str", "required": True},
    state={"type": "str", "required": True, "choices": ["accepted", "pinned", "unpinned"]},
    note={"type": "str", "default": ""},
)


def main() -> None:
    run_module(mark_backup, ARGUMENTS)


if __name__ == "__main__":
    main()
