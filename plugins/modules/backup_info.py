#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: List the backups of a job, look at one, compare two, or find files in all of them
version_added: 0.1.0
description:
  - Without O(backup), lists the backups of a job, or of every job in O(config), with the runs that failed and what is damaged.
  - With O(backup), shows one backup, with its components and what was true of the sources when they were read.
  - With O(backup) and O(compare_with), tells what differs between two backups. With O(find), which backups hold what.
  - Reads the stores alone, so it also works for backups that another host or an earlier installation took.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._job
  - fleet.backup._keys
attributes:
  check_mode:
    support: full
    details: It changes nothing in any mode.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  backup:
    description:
      - The backup to look at, an id, the beginning of an id that is unique, or V(latest).
    type: str
  at:
    description:
      - With O(backup=latest), the newest backup that had finished by then. A time such as V(2026-11-22T14:30:00Z) or
        V(2026-11-22), or an age such as V(2h).
    type: str
  compare_with:
    description:
      - An older backup of the same job, from which O(backup) differs in what is then returned.
    type: str
  find:
    description:
      - A pattern, as in C(.gitignore), of the files, tables and so on to look for in all backups. What is below a folder that
        matches is not listed.
    type: str
  store:
    description:
      - The name of the one store to ask. Default is every store of the job.
    type: str
  entries:
    description:
      - With O(backup), also return every entry (every file and folder, say). There may be very many.
    type: bool
    default: false
  component:
    description:
      - With O(entries), O(compare_with) or O(find), the name of the one component whose entries are meant. Default is all.
    type: str
  headers:
    description:
      - With O(backup), also return the age headers of all that reading it needs. They are no secret; who has an identity
        opens them elsewhere, so that this host gets the file keys of that backup alone, as M(fleet.backup.restore) does it.
    type: bool
    default: false
  all_hosts:
    description:
      - List the backups of all hosts that have any on the stores of O(config) or O(job), and not of this host alone.
    type: bool
    default: false
  details:
    description:
      - List with all details, however many manifests have to be read for that. Without it, what is not known yet is read when
        that is up to 500 manifests; of more backups only what their names tell is returned.
    type: bool
    default: false
  from_dir:
    description:
      - A plain folder with backups, such as a copy of a store, to look into with O(backup) or O(find). O(config) or O(job) are
        then not needed.
    type: path
seealso:
  - module: fleet.backup.backup
  - module: fleet.backup.verify
"""

EXAMPLES = r"""
- name: Look at the backups of a host
  fleet.backup.backup_info:
    config: /etc/fleet-backup
  register: found

- name: Insist on a backup of every job from the last day
  ansible.builtin.assert:
    that: item.age is not none and item.age < 86400
    fail_msg: "{{ item.job }} has no backup from the last day"
  loop: "{{ found.info.jobs }}"
  loop_control:
    label: "{{ item.job }}"

- name: Show how many rows each tenant of a job has
  ansible.builtin.debug:
    msg: "{{ item.tenant }}: {{ item.rows }} rows, {{ item.bytes }} bytes, last backup {{ item.newest }}"
  loop: "{{ found.info.jobs | selectattr('tenant') }}"
  loop_control:
    label: "{{ item.job }}"

- name: Find the configuration files in the newest backup
  fleet.backup.backup_info:
    config: /etc/fleet-backup
    name: marketplace
    backup: latest
    entries: true
    component: config
  register: newest

- name: See which files have changed since last night
  fleet.backup.backup_info:
    config: /etc/fleet-backup
    name: marketplace
    backup: latest
    compare_with: 20261121T020000Z

- name: Find out which backups have a file that is gone
  fleet.backup.backup_info:
    config: /etc/fleet-backup
    find: vehicle-0042-*.jpg
"""

RETURN = r"""
info:
  description: What was found.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success), V(warning) (something is stale or damaged) or V(failure).
      type: str
      sample: success
    detailed:
      description: Without O(backup), whether every backup is told with what its manifest says (O(details)).
      type: bool
      sample: true
    read:
      description: Without O(backup), how many manifests, and records of failed runs, were read for it this time.
      type: int
      sample: 1
    jobs:
      description: Without O(backup), the jobs.
      type: list
      elements: dict
      contains:
        host:
          description: The name of the host.
          type: str
          sample: web1
        job:
          description: The name of the job; of a job of tenants C(job@tenant), an item for each of them.
          type: str
          sample: marketplace
        tenant:
          description: Of a job of tenants, whose backups these are.
          type: str
          sample: "7"
        gone:
          description: Whether the host did not find this tenant any more when it last took backups.
          type: bool
          sample: false
        rows:
          description: The rows in its newest backup. Null for what has no rows, and for an encrypted backup.
          type: int
          sample: 1204
        bytes:
          description: The size of what its newest backup holds.
          type: int
          sample: 10485760
        stored:
          description: The bytes that all of its backups take.
          type: int
          sample: 4194304
        tables:
          description: Of rows, the C(rows) and C(bytes) of each table in its newest backup.
          type: dict
          sample: {public.orders: {rows: 1204, bytes: 215040}}
        newest:
          description: The id of its newest backup.
          type: str
          sample: 20261122T020000Z-full-daily-3f9a
        age:
          description: Seconds since that was finished.
          type: int
          sample: 3600
        stale:
          description: Whether no store has a backup that is younger than the job's C(max_age).
          type: bool
          sample: false
        stores:
          description: The stores, each with its newest backup and its error, if it could not be read.
          type: list
          elements: dict
          sample: [{store: disk, backups: 1, newest: 20261122T020000Z-full-daily-3f9a, age: 3600, stale: false, error: null}]
        backups:
          description:
            - The backups, newest first, with the stores that have each and those that lack it. Where C(detailed) is false, what
              stands in manifests is null, and C(age) counts from the start.
          type: list
          elements: dict
          sample:
            - id: 20261122T020000Z-full-daily-3f9a
              started: "2026-11-22T02:00:00.123Z"
              finished: "2026-11-22T02:00:04.567Z"
              age: 3600
              kind: full
              tag: daily
              outcome: success
              entries: 214
              bytes: 10485760
              stored: 4194304
              components: [database, uploads, config]
              suspicious: false
              pinned: false
              stores: [disk]
              missing: []
        failed:
          description: Runs that failed, with their errors.
          type: list
          elements: dict
          sample: []
        unfinished:
          description: Data without a manifest, of a run that is under way or was killed.
          type: list
          elements: dict
          sample: []
        damaged:
          description: Damaged backups and what is wrong with each.
          type: list
          elements: dict
          sample: []
    backup:
      description: With O(backup), the content of its manifest.
      type: dict
      sample: {id: 20261122T020000Z-full-daily-3f9a, kind: full, tag: daily, outcome: success}
    copies:
      description: With O(backup), the stores that have it.
      type: list
      elements: str
      sample: [disk]
    entries:
      description: With O(entries), the entries, each with the name of its component.
      type: list
      elements: dict
      sample: [{component: config, path: srv/marketplace/app.py, type: file, mode: "0644", size: 220}]
    headers:
      description: With O(headers), the headers, in base64, by C(<backup id>/<name of the object>). Empty for a clear backup.
      type: dict
      sample: {}
    differences:
      description:
        - With O(compare_with), what was C(added), C(removed) or C(changed) since that backup (C(change)), and of what has changed
          in which ways (C(what)), with the entry C(before) and C(after).
      type: list
      elements: dict
      sample: [{component: config, path: srv/marketplace/app.py, change: changed, what: [content, time]}]
    found:
      description: With O(find), the entries that match, each with the backup and component that hold it, newest backup first.
      type: list
      elements: dict
      sample: [{job: marketplace, backup: 20261122T020000Z-full-daily-3f9a, component: uploads, path: srv/vehicle-0042-0.jpg}]
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: not-found, message: "there is no backup 2026"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.configuration import JOB_RULES, job_spec
from ansible_collections.fleet.backup.plugins.module_utils._ansible.keys import KEYS_SPEC
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import backup_info

ARGUMENTS: t.Dict[str, t.Any] = {
    **job_spec(
        backup={"type": "str"},
        at={"type": "str"},
        compare_with={"type": "str"},
        find={"type": "str"},
        store={"type": "str"},
        entries={"type": "bool", "default": False},
        component={"type": "str"},
        headers={"type": "bool", "default": False},
        all_hosts={"type": "bool", "default": False},
        details={"type": "bool", "default": False},
        from_dir={"type": "path"},
        **KEYS_SPEC,
    ),
    "required_one_of": [("config", "job", "from_dir")],
    "mutually_exclusive": [*JOB_RULES["mutually_exclusive"], ("find", "backup"), ("at", "compare_with")],
    "required_by": {**JOB_RULES["required_by"], "compare_with": ("backup",), "at": ("backup",)},
}


def main() -> None:
    run_module(backup_info, ARGUMENTS)


if __name__ == "__main__":
    main()
