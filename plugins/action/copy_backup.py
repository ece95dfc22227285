# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module copy_backup, on hosts of both kinds."""

from __future__ import annotations

from ansible_collections.fleet.backup.plugins.plugin_utils.on_host import HostAction


class ActionModule(HostAction):
    MODULE = "copy_backup"
