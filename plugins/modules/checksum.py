#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: checksum
short_description: Compute, write or check checksums of files
version_added: 0.1.0
description:
  - With O(paths) alone, computes the checksums of files.
  - With O(paths) and O(sums), makes a file of sums hold exactly the checksums of these files.
  - With O(sums) alone, checks every file that it lists, and fails when one is damaged or missing.
  - A file of sums has the format of the C(sha256sum) command, which reads ours and whose files are read here.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the change of the file of sums.
  idempotent:
    support: full
options:
  paths:
    description:
      - Files, and folders that stand for every regular file in them. Symbolic links in folders are not followed.
    type: list
    elements: path
    default: []
  sums:
    description:
      - A file of sums, such as C(SHA256SUMS). Relative names in it count from its folder.
    type: path
  algorithm:
    description:
      - The hash function.
    type: str
    choices: [md5, sha1, sha224, sha256, sha384, sha512, blake2b]
    default: sha256
seealso:
  - module: fleet.backup.verify
"""

EXAMPLES = r"""
- name: Write SHA256SUMS for a folder
  fleet.backup.checksum:
    paths: [/srv/downloads]
    sums: /srv/downloads/SHA256SUMS

- name: Check the files of a folder
  fleet.backup.checksum:
    sums: /srv/downloads/SHA256SUMS

- name: Compare two files
  fleet.backup.checksum:
    paths: [/etc/hosts, /etc/hosts.orig]
    algorithm: sha512
  register: hosts
  failed_when: hosts.checksum.files[0].digest != hosts.checksum.files[1].digest
"""

RETURN = r"""
checksum:
  description: What was computed or checked.
  returned: always
  type: dict
  contains:
    outcome:
      description: V(success) or V(failure).
      type: str
      sample: success
    algorithm:
      description: The hash function.
      type: str
      sample: sha256
    files:
      description: Every file that was read, in order.
      type: list
      elements: dict
      contains:
        path:
          description: The path. Bytes that are not UTF-8, and control characters, are escaped with a backslash.
          type: str
          sample: /srv/downloads/release.tar.gz
        size:
          description: Size in bytes.
          type: int
          sample: 12
        digest:
          description: The checksum, hexadecimal.
          type: str
          sample: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    bytes:
      description: The bytes of all files.
      type: int
      sample: 12
    damaged:
      description: Files whose checksum is another than O(sums) says.
      type: list
      elements: str
      sample: []
    missing:
      description: Files that O(sums) lists and that do not exist.
      type: list
      elements: str
      sample: []
error:
  description: What went wrong. C(code) is stable; C(objects) names the damaged and the missing files.
  returned: on failure
  type: dict
  sample: {code: integrity, message: /srv/a is missing, objects: [/srv/a]}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import checksum
from ansible_collections.fleet.backup.plugins.module_utils._engine.operations.checksum import ALGORITHMS

ARGUMENTS: t.Dict[str, t.Any] = {
    "argument_spec": {
        "paths": {"type": "list", "elements": "path", "default": []},
        "sums": {"type": "path"},
        "algorithm": {"type": "str", "choices": list(ALGORITHMS), "default": "sha256"},
    },
}


def main() -> None:
    run_module(checksum, ARGUMENTS)


if __name__ == "__main__":
    main()
