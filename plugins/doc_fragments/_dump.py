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
  firestore:
    description:
      - A Firestore database, as lines of JSON.
    type: dict
    suboptions:
      project:
        description:
          - The id of the Google Cloud project.
          - For example V(cocheras-app).
        type: str
        required: true
      database:
        description:
          - The database of the project.
        type: str
        default: (default)
      collections:
        description:
          - 'The collections at the root to read, each with all that is below it. Default: all.'
          - For example V(['clientes', 'pagos']).
        type: list
        elements: str
      service_account:
        description:
          - 'The key of a service account (JSON, as the console gives it). Default: the credentials of the environment, or
            those of the machine.'
        type: str
      service_account_file:
        description:
          - The same, read from this file.
        type: path
      service_account_env:
        description:
          - The same, read from this environment variable.
        type: str
      service_account_credential:
        description:
          - The same, read from this credential of the systemd unit that runs the job.
        type: str
      emulator_host:
        description:
          - 'Address of a Firestore emulator, which needs no credentials. Default: as C(FIRESTORE_EMULATOR_HOST) says.'
          - For example V(127.0.0.1:8080).
        type: str
      timeout:
        description:
          - How long one answer of Firestore may take.
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
