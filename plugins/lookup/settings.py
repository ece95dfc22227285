# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: settings
short_description: What the inventory says about the backups of a host
version_added: 0.1.0
description:
  - Returns the options of this collection's modules that are the same for all jobs of a host, from the variables of the host.
  - C(host) is the inventory's name of the host, or the variable C(fleet_backup_host).
  - C(stores) joins the variables C(fleet_backup_stores) and C(fleet_backup_stores__<word>); C(notifiers) likewise.
  - Every other option has the variable of its name with C(fleet_backup_) before it, such as C(fleet_backup_state_dir).
author:
  - The fleet.backup project (!UNKNOWN)
options:
  _terms:
    description: None are taken.
"""

EXAMPLES = r"""
- name: Work on backups
  hosts: all
  module_defaults:
    group/fleet.backup.all: "{{ lookup('fleet.backup.settings') }}"
  tasks:
    - name: Look at the backups of one job
      fleet.backup.backup_info:
        job: "{{ query('fleet.backup.joined', 'fleet_backup_jobs') | first }}"
"""

RETURN = r"""
_raw:
  description: The options, without those that no variable sets.
  type: list
  elements: dict
"""

import typing as t

from ansible.plugins.lookup import LookupBase
from ansible_collections.fleet.backup.plugins.lookup.joined import joined
from ansible_collections.fleet.backup.plugins.module_utils._engine.modules.given import HOST_OPTIONS

_JOINED = ("stores", "notifiers")


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(
        self, terms: t.List[str], variables: t.Optional[t.Dict[str, t.Any]] = None, **kwargs: t.Any
    ) -> t.List[t.Dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        settings: t.Dict[str, t.Any] = {"host": known.get("inventory_hostname")}
        for option in HOST_OPTIONS:
            variable = "fleet_backup_" + option
            if option in _JOINED:
                settings[option] = joined([variable], known, self._templar)
            elif variable in known:
                settings[option] = self._templar.template(known[variable])
        return [settings]
