#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) The fleet.backup project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: upload
short_description: Send one file to a store
version_added: 0.1.0
description:
  - Sends a file of the host to any store, streaming, and has the store confirm it.
  - A file that is there already and is the same is left alone, so that a second run changes nothing.
author:
  - The fleet.backup project (!UNKNOWN)
extends_documentation_fragment:
  - fleet.backup._attributes
  - fleet.backup._upload
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: fleet.backup.archive
  - module: fleet.backup.database_dump
"""

EXAMPLES = r"""
- name: Keep an export on another disk
  fleet.backup.upload:
    src: /srv/exports/marketplace.sqlite.zst
    key: exports/marketplace.sqlite.zst
    store:
      local: {path: /mnt/archive}
"""

RETURN = r"""
upload:
  description: What was sent.
  returned: always
  type: dict
  contains:
    key:
      description: Its name on the store.
      type: str
      sample: exports/marketplace.sqlite.zst
    size:
      description: Its bytes.
      type: int
      sample: 4194304
    sha256:
      description: Its SHA-256.
      type: str
      sample: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    confirms:
      description: How the store confirmed it, V(read), V(checksum), V(sync) or V(size).
      type: str
      sample: sync
error:
  description: What went wrong. C(code) is stable.
  returned: on failure
  type: dict
  sample: {code: store-refused, message: "store store: exports/x is there already and is another file; replace: true replaces it"}
"""

import typing as t

from ansible_collections.fleet.backup.plugins.module_utils._ansible.run import run_module
from ansible_collections.fleet.backup.plugins.module_utils._ansible.upload_spec import SPEC
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules import upload

ARGUMENTS: t.Dict[str, t.Any] = {"argument_spec": SPEC}


def main() -> None:
    run_module(upload, ARGUMENTS)


if __name__ == "__main__":
    main()
