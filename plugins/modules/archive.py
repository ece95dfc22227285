#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: archive
short_description: Pack files and folders into one tar or zip
version_added: 0.1.0
description:
  - Packs files and folders into one archive, on all cores and in one pass, and puts it in its place in one step.
  - An archive that holds the same already is left alone, whatever program or compression wrote it. Compared are names, types,
    modes, owners, times to the second and the content. Extended attributes and ACLs are stored in a tar, but not compared.
  - The names in the archive are the absolute paths without the leading slash.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._archive
attributes:
  check_mode:
    support: full
    details: Reads the files and the old archive and says what would be new. Writes nothing.
  diff_mode:
    support: full
    details: Shows the names that are new, changed and gone.
  idempotent:
    support: full
seealso:
  - module: fleet.backup.backup
  - module: fleet.backup.checksum
"""

EXAMPLES = r"""
- name: Pack a folder
  fleet.backup.archive:
    paths: [/srv/app/reports]
    exclude: ["*.tmp"]
    dest: /srv/app/reports.tar.zst

- name: Pack it for people with other systems
  fleet.backup.archive:
    paths: [/srv/app/reports]
    dest: /srv/app/reports.zip
    compression:
      level: 9
"""

RETURN = r"""
archive:
  description: What is in the archive, and what is new in it.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success), V(warning) or V(failure).
      type: str
      sample: success
    dest:
      description: The archive.
      type: str
      sample: /srv/app/reports.zip
    format:
      description: V(tar) or V(zip).
      type: str
      sample: zip
    compression:
      description: V(zstd), V(gzip), V(deflate) or V(none).
      type: str
      sample: deflate
    entries:
      description: Number of files, folders and links in it.
      type: int
      sample: 12
    bytes:
      description: Bytes of the files in it.
      type: int
      sample: 123456
    size:
      description: Bytes of the archive as it is now, or would be, packed.
      type: int
      sample: 34567
    added:
      description: Names that were not in the archive before, at most 1000. C(added_count) is complete.
      type: list
      elements: str
      sample: [srv/app/reports/new.csv]
    updated:
      description: Names that changed, at most 1000. C(updated_count) is complete.
      type: list
      elements: str
      sample: []
    removed:
      description: Names that were in the archive before and are gone, at most 1000. C(removed_count) is complete.
      type: list
      elements: str
      sample: []
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: source, message: "/srv/app/reports: does not exist"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.archive_spec import SPEC
from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import archive

ARGUMENTS: t.Dict[str, t.Any] = {"argument_spec": SPEC}


def main() -> None:
    run_module(archive, ARGUMENTS)


if __name__ == "__main__":
    main()
