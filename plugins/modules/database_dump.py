#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database_dump
short_description: Copy a database consistently into one file
version_added: 0.1.0
description:
  - Copies a database while applications use it, checks the copy and puts it in its place in one step.
  - A copy that is the same as the one that is there changes nothing.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._dump
attributes:
  check_mode:
    support: full
    details: Looks at the database and at where the copy would go. It does not read the data, so it always expects a change.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - A database that nobody wrote to gives the same copy, which changes nothing.
      - Dumps of PostgreSQL hold a secret word, which is the same each time only where the folder of the state exists,
        as on hosts that take backups.
seealso:
  - module: fleet.backup.backup
"""

EXAMPLES = r"""
- name: Copy a database that is in use
  fleet.backup.database_dump:
    sqlite:
      path: /srv/marketplace/vehicle_marketplace.db
    dest: /srv/exports/marketplace.sqlite.zst
  register: copy

- name: Export a database of a PostgreSQL server as SQL that psql restores
  fleet.backup.database_dump:
    postgresql:
      databases: [shop]
      globals: false
      run_as: postgres
    dest: /srv/exports/shop.sql.zst

- name: Export what belongs to one tenant
  fleet.backup.database_dump:
    rows:
      postgresql:
        database: shop
        run_as: postgres
      tenant: "7"
      tables:
        - name: orders
          where: tenant_id = :tenant
    dest: /srv/exports/tenant-7.jsonl

- name: Show how many rows each table has
  ansible.builtin.debug:
    var: copy.dump.facts.tables
"""

RETURN = r"""
dump:
  description: What was copied.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success), V(warning) or V(failure).
      type: str
      sample: success
    dest:
      description: The copy.
      type: str
      sample: /srv/exports/marketplace.sqlite.zst
    source:
      description: The kind of database.
      type: str
      sample: sqlite
    compression:
      description: V(zstd), V(gzip) or V(none).
      type: str
      sample: zstd
    bytes:
      description: Bytes of the copy, before it is compressed.
      type: int
      sample: 94208
    size:
      description: Bytes of the file.
      type: int
      sample: 33764
    sha256:
      description: SHA-256 of the copy, before it is compressed. None in check mode.
      type: str
      sample: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    facts:
      description: What was true of the database, such as the rows of each table and the result of the integrity check.
      type: dict
      sample: {tables: {users: 52, vehicles: 200}, integrity_check: ok, journal_mode: wal}
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: source, message: "/srv/marketplace/vehicle_marketplace.db: there is no such file"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.dump_spec import SPEC
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import database_dump
from ansible_collections.fleet.backup.plugins.module_utils._engine.operations.database_dump import DRIVERS

ARGUMENTS: t.Dict[str, t.Any] = {
    "argument_spec": SPEC,
    "required_one_of": [tuple(DRIVERS)],
    "mutually_exclusive": [tuple(DRIVERS)],
}


def main() -> None:
    run_module(database_dump, ARGUMENTS)


if __name__ == "__main__":
    main()
