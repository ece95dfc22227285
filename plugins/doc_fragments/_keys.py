# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What opens encrypted backups."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  identities:
    description:
      - Files on the host with age identities that open encrypted backups. Better than to bring an identity to the host is
        O(file_keys).
    type: list
    elements: path
    default: []
  passphrase:
    description:
      - The passphrase of backups that are encrypted with one.
      - Default is the variable E(FLEET_BACKUP_PASSPHRASE) of the environment that the module runs in, which is the controller's
        for a task that is delegated to it.
    type: str
  file_keys:
    description:
      - The file keys of the objects of one backup, in base64, by C(<backup id>/<name of the object>). Who has the identity
        unwraps them elsewhere, so that the host never sees the identity.
    type: dict
"""
