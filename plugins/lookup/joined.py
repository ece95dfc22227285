# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: joined
short_description: Join the lists of all variables with a common beginning
version_added: 0.1.0
description:
  - Ansible overrides variables, it does not merge them. So a host that is in two groups, each with its C(fleet_backup_jobs),
    would lose the jobs of one of them.
  - This returns the items of every variable that is called as asked, or so and C(__<word>) (C(fleet_backup_jobs__web)), in
    one list, in the order of the variables' names.
  - Two items of the same C(name) are an error.
author:
  - The fleet.backup project (!UNKNOWN)
options:
  _terms:
    description: The beginning of the variables' names.
    type: list
    elements: str
    required: true
  name:
    description: Return only the item of this name.
    type: str
"""

EXAMPLES = r"""
# The loop goes over names, because Ansible prints the item of a loop when a task fails, and a job can hold a secret.
- name: Take a backup of every job
  fleet.backup.backup:
    host: "{{ inventory_hostname }}"
    stores: "{{ query('fleet.backup.joined', 'fleet_backup_stores') }}"
    job: "{{ query('fleet.backup.joined', 'fleet_backup_jobs', name=item) | first }}"
  loop: "{{ query('fleet.backup.joined', 'fleet_backup_jobs') | map(attribute='name') }}"
"""

RETURN = r"""
_raw:
  description: The items.
  type: list
  elements: dict
"""

import re
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def joined(terms: t.Sequence[str], variables: t.Mapping[str, t.Any], templar: t.Any) -> t.List[t.Dict[str, t.Any]]:
    """The items of all variables that ``terms`` mean. Raises AnsibleLookupError."""
    items: t.List[t.Dict[str, t.Any]] = []
    places: t.Dict[t.Any, str] = {}
    for term in terms:
        pattern = re.compile(re.escape(term) + r"(__\w+)?\Z")
        for variable in sorted(name for name in variables if pattern.match(name)):
            value = templar.template(variables[variable])
            if not isinstance(value, list):
                raise AnsibleLookupError("%s: must be a list of dictionaries with a name" % variable)
            for number, item in enumerate(value):
                place = "%s[%d]" % (variable, number)
                if not isinstance(item, dict) or "name" not in item:
                    raise AnsibleLookupError("%s: must be a dictionary with a name" % place)
                name = item["name"]
                if name in places:
                    raise AnsibleLookupError(
                        "%s.name: '%s' is already the name of %s; names must differ" % (place, name, places[name])
                    )
                places[name] = place
                items.append(item)
    return items


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(
        self, terms: t.List[str], variables: t.Optional[t.Dict[str, t.Any]] = None, **kwargs: t.Any
    ) -> t.List[t.Dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        wanted = self.get_option("name")
        found = joined(terms, variables or {}, self._templar)
        return [item for item in found if wanted is None or item["name"] == wanted]
