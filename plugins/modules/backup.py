#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Take a backup of a job
version_added: 0.1.0
description:
  - Reads every source of a job once and writes the backup to every store of the job, the manifest last.
  - The data goes from the host straight to the stores. It never passes through the controller.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
attributes:
  check_mode:
    support: full
    details: Reaches the sources and the stores and says what a backup would read. Reads no data, writes nothing.
  diff_mode:
    support: full
    details: Shows what is, or would be, in the new backup.
  idempotent:
    support: partial
    details: Every run takes a new backup, unless O(unless_newer_than) says otherwise.
options:
  tag:
    description:
      - Why the backup is taken. A word such as V(manual), V(daily) or V(before-upgrade); retention can have rules for a tag.
    type: str
    default: manual
  kind:
    description:
      - What the backup holds. A V(full) backup needs no other backup to be restored.
      - An V(incremental) backup stores what changed since the last backup, a V(differential) one what changed since the last full
        one; both need the backups that they refer to. Without a usable one the backup is full, and the result says why.
    type: str
    choices: [full, differential, incremental]
    default: full
  unless_newer_than:
    description:
      - Do nothing when every store of the job has a complete backup that is younger than this.
      - A number with its unit, such as V(90s), V(10m), V(6h) or V(2d).
    type: str
seealso:
  - module: fleet.backup.restore
  - module: fleet.backup.verify
"""

EXAMPLES = r"""
- name: Back up an application, unless that was done in the last six hours
  fleet.backup.backup:
    host: web1.example.org
    stores:
      - name: disk
        local:
          path: /var/backups/fleet
    job:
      name: marketplace
      sources:
        - name: database
          sqlite:
            path: /srv/marketplace/vehicle_marketplace.db
        - name: uploads
          files:
            paths: [/srv/marketplace/static/uploads]
            exclude: ["*.tmp"]
      stores: [disk]
    unless_newer_than: 6h

- name: Back up a job that is described on the host
  fleet.backup.backup:
    config: /etc/fleet-backup
    name: marketplace
    tag: before-upgrade
"""

RETURN = r"""
backup:
  description: What was taken, or would be.
  returned: always
  type: dict
  contains:
    results:
      description: Of a job of tenants instead of the rest, all of it for each of them, with its C(job).
      returned: for a job of tenants, without O(tenant)
      type: list
      elements: dict
      sample: [{job: "app@7", outcome: success}, {job: "app@8", outcome: success}]
    id:
      description: The id of the new backup. None when nothing was taken.
      type: str
      sample: 20261122T020000Z-full-daily-3f9a
    newer:
      description: The backup that was new enough, so that none was taken.
      type: str
      sample: 20261122T020000Z-full-daily-3f9a
    outcome:
      description: V(success), V(warning) or V(failure).
      type: str
      sample: success
    host:
      description: The name under which the host's backups are stored.
      type: str
      sample: web1.example.org
    job:
      description: The name of the job.
      type: str
      sample: marketplace
    kind:
      description: The kind of the backup.
      type: str
      sample: full
    tag:
      description: Why it was taken.
      type: str
      sample: manual
    entries:
      description: Number of files, tables and the like.
      type: int
      sample: 214
    bytes:
      description: Bytes read.
      type: int
      sample: 10485760
    stored:
      description: Bytes of the volumes on each store.
      type: int
      sample: 4194304
    components:
      description: What each source left in the backup.
      type: list
      elements: dict
      sample:
        - {name: database, source: sqlite, kind: full, entries: 1, bytes: 65536, stored: 20480, facts: {}}
    copies:
      description: What became of the backup on each store.
      type: list
      elements: dict
      sample:
        - store: disk
          driver: local
          outcome: success
          confirms: read
          error: null
          known_by: store
          bytes: 48210043
          seconds: 3.912
          retries: 0
          link: /srv/backups/web1/marketplace/20261122T020000Z-full-daily-3f9a.json
    pruned:
      description: The ids of older backups that the rules of the job removed afterwards (C(retention.after_backup)).
      type: list
      elements: str
      sample: []
    completed:
      description: Copies of earlier backups, which a store had missed, that this run brought there first.
      type: list
      elements: dict
      sample: []
    warnings:
      description: What a person should know. C(code) is stable.
      type: list
      elements: dict
      sample: []
    log:
      description: The log of the run on the host.
      type: str
      sample: /var/lib/fleet-backup/logs/marketplace/20261122T020000Z-full-daily-3f9a.log
    started:
      description: When it began, in UTC.
      type: str
      sample: "2026-11-22T02:00:00.123Z"
    finished:
      description: When it ended, in UTC.
      type: str
      sample: "2026-11-22T02:00:04.567Z"
    duration:
      description: Seconds it took.
      type: float
      sample: 4.444
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: source, message: "/srv/marketplace/vehicle_marketplace.db: there is no such file"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import backup

ARGUMENTS: t.Dict[str, t.Any] = job_spec(
    tag={"type": "str", "default": "manual"},
    kind={"type": "str", "choices": ["full", "differential", "incremental"], "default": "full"},
    unless_newer_than={"type": "str"},
)


def main() -> None:
    run_module(backup, ARGUMENTS)


if __name__ == "__main__":
    main()
