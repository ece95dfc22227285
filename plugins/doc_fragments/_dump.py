# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of a dump. Written by tools/generate.py from the engine's option declarations; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  sqlite:
    description:
      - An SQLite database.
    type: dict
    required: true
    suboptions:
      path:
        description:
          - The database file.
          - For example V(/srv/marketplace/vehicle_marketplace.db).
        type: path
        required: true
      integrity_check:
        description:
          - How thoroughly the copy is checked. V(full) also compares every index with its table; V(quick) does not, which
            is much faster for databases with many large indexes.
        type: str
        default: full
        choices:
          - full
          - quick
      on_corrupt:
        description:
          - What to do when the check finds damage. V(failure) keeps no backup, so that a damaged database never pushes out
            good backups; V(warning) keeps what there is, for the day when there is nothing better.
        type: str
        default: failure
        choices:
          - failure
          - warning
      foreign_key_check:
        description:
          - Look for rows that refer to rows that do not exist, and warn of them. Turn it off for an application that never
            cared.
        type: bool
        default: true
      timeout:
        description:
          - How long to wait for a lock that another process holds.
        type: str
        default: 60s
  dest:
    description:
      - The copy. It takes the place of the one before in one step.
    type: path
    required: true
  compression:
    description:
      - 'How it is compressed. Default: as its name ends.'
    type: dict
    suboptions:
      algorithm:
        description:
          - 'How data is compressed. Default: V(zstd), and V(gzip) (deflate) in a zip.'
        type: str
        choices:
          - zstd
          - gzip
          - none
      level:
        description:
          - 'The level: 1 to 19 for V(zstd) (default 3), 0 to 9 for V(gzip) (default 6).'
        type: int
"""
