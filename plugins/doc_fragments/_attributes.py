# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module says about itself."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/fleet.backup.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - fleet.backup.all
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run indicates no change.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix, windows
    details: On Windows the controller needs the collection C(ansible.windows), 1.11.0 or newer, and the task cannot be asynchronous.
requirements:
  - Python 3.9 or newer on the host
"""
