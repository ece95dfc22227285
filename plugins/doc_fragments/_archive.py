# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of an archive. Written by tools/generate.py from the engine's option declarations; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  paths:
    description:
      - The folders and files to read. A link named here is followed; links below are stored as links.
      - For example V(['/srv/app/uploads']).
    type: list
    required: true
    elements: path
  exclude:
    description:
      - Patterns of what to leave out, as in C(.gitignore), relative to each path.
      - For example V(['*.tmp', '__pycache__/']).
    type: list
    elements: str
  include:
    description:
      - Patterns of what to read, as in C(.gitignore). Without any, everything that is not excluded.
    type: list
    elements: str
  dest:
    description:
      - The archive. It takes the place of the one before in one step.
    type: path
    required: true
  format:
    description:
      - 'The format. Default: V(zip) for a name that ends so, else V(tar).'
    type: str
    choices:
      - tar
      - zip
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
