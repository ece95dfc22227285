# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of an upload. Written by tools/generate.py from the engine's option declarations; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  src:
    description:
      - The file to send.
    type: path
    required: true
  store:
    description:
      - The store that it goes to.
    type: dict
    required: true
    suboptions:
      local:
        description:
          - 'A folder of this host: a disk, or anything that is mounted.'
        type: dict
        required: true
        suboptions:
          path:
            description:
              - The folder. Backups lie below it, by host and job. It is made when it is missing; its parent must exist, so
                that a disk that is not mounted is noticed.
              - For example V(/var/backups/fleet).
            type: path
            required: true
          read_back:
            description:
              - Read back from the disk what was written, past the system's cache, and compare it, before a backup counts.
                It takes as long as reading the backup once.
            type: bool
            default: false
  key:
    description:
      - 'Its name on the store, with C(/) between folders. Default: the name of the file.'
      - For example V(exports/2026/shop.sql.zst).
    type: str
  replace:
    description:
      - Replace another file that has this name. Without it that is an error.
    type: bool
    default: false
"""
