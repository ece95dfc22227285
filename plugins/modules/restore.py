#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Bring back a backup, or a part of one
version_added: 0.1.0
description:
  - Checks the backup, stages everything beside its place and then swaps it in. When anything fails, all is put back as it was.
  - What is there now is backed up first, with the tag V(pre-restore).
  - A database that is in use is restored through the database itself, so that the application needs no stop.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
  - fleet.backup._keys
attributes:
  check_mode:
    support: full
    details: Verifies the backup and lists what would be overwritten, made and removed. Writes nothing.
  diff_mode:
    support: full
    details: Shows what is, or would be, overwritten, made and removed.
  idempotent:
    support: partial
    details: What is already as in the backup is left alone, but restoring over it again takes another safety backup.
options:
  backup:
    description:
      - The backup to restore, an id, the beginning of an id that is unique, or V(latest).
    type: str
    default: latest
  at:
    description:
      - The newest backup that had finished by then. A time such as V(2026-11-22T14:30:00Z) or V(2026-11-22), or an age such
        as V(2h).
    type: str
  components:
    description:
      - The names of the components to restore. Default is all.
    type: list
    elements: str
    default: []
  include:
    description:
      - Patterns, as in C(.gitignore), of the files to restore. Default is all.
    type: list
    elements: str
    default: []
  to:
    description:
      - A folder to restore into, instead of the original place.
    type: path
  controller_identities:
    description:
      - Files on the controller with age identities that open the backup, in the clear or encrypted with Ansible Vault. They stay
        on the controller. It opens the headers of that one backup, which the host tells it, and passes the host nothing but
        the file keys of that backup.
      - Default is the file that the variable E(FLEET_BACKUP_IDENTITY) names in the controller's environment, if it names one and
        none of O(identities), O(passphrase) and O(file_keys) is given.
    type: list
    elements: str
    default: []
  store:
    description:
      - The name of the store to restore from. Default is the first of the job's that has the backup intact.
    type: str
  from_dir:
    description:
      - A plain folder with backups, such as a copy of a store, to restore from. O(config) or O(job) are then not needed.
    type: path
  from_host:
    description:
      - Another host, by its name on the stores, whose backup of this job is restored onto this one, such as the production's onto
        the testing host. The stores of this host must have it. What was here before is backed up first under the name of this
        host.
      - The job of this host says what is its own, such as the file or the server of a database. What the backup would put
        anywhere else is refused; O(move) says where it goes.
    type: str
  move:
    description:
      - Other places for what is restored, by the place where it was backed up. For trees of files a path, which takes what was
        below it along; for Docker volumes the name of a volume. For databases, O(options) may have C(restore_as).
    type: dict
    default: {}
  delete:
    description:
      - Also remove what is there now and is not in the backup, as far as the job would have backed it up.
    type: bool
    default: false
  set_ids:
    description:
      - Restore set-user-ID and set-group-ID bits. Without it they are left out, because whoever can write to a store could
        otherwise gain the rights of others.
    type: bool
    default: false
  devices:
    description:
      - Restore device nodes.
    type: bool
    default: false
  confirm:
    description:
      - Must be V(true) when anything that exists would be overwritten or removed.
    type: bool
    default: false
  safety_backup:
    description:
      - Back up first what is there now.
    type: bool
    default: true
  options:
    description:
      - Options of the source that hold for this restore instead of those of the job, such as another C(host) of a database
        server, or C(rename). A secret is named by its C(_file), C(_env) or C(_credential).
    type: dict
    default: {}
seealso:
  - module: fleet.backup.backup
  - module: fleet.backup.backup_info
"""

EXAMPLES = r"""
- name: See what a restore would overwrite
  fleet.backup.restore:
    config: /etc/fleet-backup
    name: marketplace
  check_mode: true
  diff: true

- name: Bring back the state of last night
  fleet.backup.restore:
    config: /etc/fleet-backup
    name: marketplace
    at: "2026-11-22T06:00:00Z"
    confirm: true

- name: Look at the pictures of one vehicle without touching anything
  fleet.backup.restore:
    config: /etc/fleet-backup
    name: marketplace
    components: [uploads]
    include: ["vehicle-0042-*"]
    to: /tmp/look

- name: Restore an encrypted backup onto a host that never sees the identity
  fleet.backup.restore:
    config: /etc/fleet-backup
    name: marketplace
    controller_identities: [~/keys/backup-identity.txt]
    confirm: true

- name: Bring the data of production onto a testing host, where it lies elsewhere
  fleet.backup.restore:
    config: /etc/fleet-backup
    name: marketplace
    from_host: marketplace.example.org
    move: {/srv/marketplace: /srv/testing}
    confirm: true

- name: Look at the shop of last week in a database beside the one that is in use
  fleet.backup.restore:
    config: /etc/fleet-backup
    name: shop
    at: 7d
    options:
      restore_as: ["shop=shop_last_week"]
"""

RETURN = r"""
restore:
  description: What was restored, or would be.
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
    id:
      description: The backup that was chosen.
      type: str
      sample: 20261122T020000Z-full-daily-3f9a
    store:
      description: The store that it was read from.
      type: str
      sample: disk
    to:
      description: The folder that it was restored into. None for the original place.
      type: str
      sample: /tmp/look
    safety_backup:
      description: The id of the backup of what was there before.
      type: str
      sample: 20261122T143000Z-full-pre-restore-91b2
    undone:
      description: Whether the restore failed after it had begun to change things, and all is as it was before.
      type: bool
      sample: false
    components:
      description: What became, or would become, of each component.
      type: list
      elements: dict
      contains:
        name:
          description: The name of the component.
          type: str
          sample: uploads
        source:
          description: The driver of its source.
          type: str
          sample: files
        entries:
          description: The entries of the whole component.
          type: int
          sample: 212
        bytes:
          description: The bytes of the whole component.
          type: int
          sample: 9437184
        plan:
          description:
            - C(overwrite), C(create) and C(remove) name at most 1000 paths each. C(overwrite_count), C(create_count),
              C(remove_count) and C(unchanged_count) are complete.
          type: dict
          sample: {overwrite: [], create: [/tmp/look/vehicle-0042-0.jpg], remove: [], overwrite_count: 0, create_count: 1,
                   remove_count: 0, unchanged_count: 0}
    log:
      description: The log of the run on the host.
      type: str
      sample: /var/lib/fleet-backup/logs/marketplace/20261122T143000Z-restore-91b2.log
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: confirmation-needed, message: "restoring it would overwrite 3 existing things"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.keys import KEYS_SPEC
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import restore

ARGUMENTS: t.Dict[str, t.Any] = {
    **job_spec(
        backup={"type": "str", "default": "latest"},
        at={"type": "str"},
        components={"type": "list", "elements": "str", "default": []},
        include={"type": "list", "elements": "str", "default": []},
        to={"type": "path"},
        controller_identities={"type": "list", "elements": "str", "default": []},
        store={"type": "str"},
        from_dir={"type": "path"},
        from_host={"type": "str"},
        move={"type": "dict", "default": {}},
        delete={"type": "bool", "default": False},
        set_ids={"type": "bool", "default": False},
        devices={"type": "bool", "default": False},
        confirm={"type": "bool", "default": False},
        safety_backup={"type": "bool", "default": True},
        options={"type": "dict", "default": {}},
        **KEYS_SPEC,
    ),
    "required_one_of": [("config", "job", "from_dir")],
}


def main() -> None:
    run_module(restore, ARGUMENTS)


if __name__ == "__main__":
    main()
