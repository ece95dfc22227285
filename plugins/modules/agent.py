#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent
short_description: Put the command fleet-backup and its job file on a host
version_added: 0.1.0
description:
  - The controller builds the command, which is one file, from this collection. A host that has this version already is not sent
    it again. The version before is kept.
  - The job file C(jobs.json) is replaced as a whole. What people change on the host itself lies in C(conf.d/local.json) beside
    it, which is never touched.
  - Libraries that the jobs need, and the host has not, are fetched by the controller and unpacked into a private folder for
    exactly the host's interpreter, when asked.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._host
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows every file that is written, secrets hidden.
  idempotent:
    support: full
options:
  libraries:
    description:
      - What to do about libraries that are missing. With V(private) the controller fetches them for the host's interpreter. With
        V(report) they are only told.
    type: str
    choices: [private, report]
    default: report
  wheel_dir:
    description:
      - A folder on the controller with wheels for the hosts' interpreters, for a controller without a way to a package index.
        Libraries then come from it alone. C(pip download) on another machine fills it.
      - Default is to fetch them; what was fetched is kept for a day for other hosts, and used for longer when none can be.
    type: path
  secrets:
    description:
      - Where secrets go that stand in the options themselves. With V(job_file) into the job file, which only its owner can read.
        With V(systemd) each becomes a credential, encrypted for this very host, in C(/etc/credstore.encrypted), and the job file
        names it. Needs root and systemd 250 or newer. The module M(fleet.backup.schedule) has systemd hand them to the jobs.
    type: str
    choices: [job_file, systemd]
    default: job_file
  state:
    description:
      - With V(absent), schedules, command, job files and state are removed. Backups stay.
    type: str
    choices: [present, absent]
    default: present
  library_dir:
    description:
      - Where the command and its libraries are kept. Default is C(/usr/local/lib/fleet-backup) for root, else
        C(~/.local/lib/fleet-backup); on Windows C(%ProgramFiles%\fleet-backup).
    type: path
  program:
    description:
      - The command that is called. Default is C(/usr/local/bin/fleet-backup) for root, else C(~/.local/bin/fleet-backup); on
        Windows C(fleet-backup.cmd) in O(library_dir).
    type: path
  config_dir:
    description:
      - The folder of job files. Default is C(/etc/fleet-backup) for root, else C(~/.config/fleet-backup); on
        Windows C(%ProgramData%\fleet-backup\config).
    type: path
  interpreter:
    description:
      - The Python that runs the command, by its absolute path. Default is the one that Ansible uses on the host.
    type: path
  sha256:
    description:
      - Filled in by the controller, the SHA-256 of the command.
    type: str
  command:
    description:
      - Filled in by the controller, where it has put the command on the host.
    type: path
  wheels:
    description:
      - Filled in by the controller, where it has put libraries on the host.
    type: list
    elements: path
    default: []
seealso:
  - module: fleet.backup.schedule
"""

EXAMPLES = r"""
- name: Put the command and the jobs of the inventory on the host
  fleet.backup.agent:
    host: "{{ inventory_hostname }}"
    stores: "{{ query('fleet.backup.joined', 'fleet_backup_stores') }}"
    jobs: "{{ query('fleet.backup.joined', 'fleet_backup_jobs') }}"
    libraries: private

- name: Take everything away but the backups
  fleet.backup.agent:
    state: absent
"""

RETURN = r"""
agent:
  description: What was installed.
  returned: always
  type: dict
  contains:
    version:
      description: The version and the beginning of its SHA-256.
      type: str
      sample: 0.1.0-1290a8ed
    program:
      description: The command on the host.
      type: str
      sample: /usr/local/bin/fleet-backup
    missing:
      description: Libraries that the jobs need and the host has not.
      type: list
      elements: dict
      sample: [{module: boto3, distribution: boto3, package: python3-boto3}]
    python:
      description: The interpreter of the host.
      type: dict
      sample: {tag: cpython-311, version: "3.11", platform: linux-x86_64, libc: glibc-2.36}
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: configuration, message: "jobs[0].stores[0]: there is no store 'disk'"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.host_spec import SPEC
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import agent

ARGUMENTS: t.Dict[str, t.Any] = {
    "argument_spec": {
        **SPEC,
        "libraries": {"type": "str", "choices": ["private", "report"], "default": "report"},
        "wheel_dir": {"type": "path"},
        "secrets": {"type": "str", "choices": ["job_file", "systemd"], "default": "job_file", "no_log": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "library_dir": {"type": "path"},
        "program": {"type": "path"},
        "config_dir": {"type": "path"},
        "interpreter": {"type": "path"},
        "sha256": {"type": "str"},
        "command": {"type": "path"},
        "wheels": {"type": "list", "elements": "path", "default": []},
    },
    "required_if": [("state", "present", ("host", "sha256"))],
}


def main() -> None:
    run_module(agent, ARGUMENTS)


if __name__ == "__main__":
    main()
