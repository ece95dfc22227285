# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: unhealthy
short_description: Name the jobs without a fresh backup
version_added: 0.1.0
description:
  - Takes what a task registered that ran M(fleet.backup.backup_info), alone or in a loop over the names of jobs.
  - A job whose stores could not be asked is named too. Of a job of tenants, C(job@tenant) is named.
author:
  - The fleet.backup project (!UNKNOWN)
options:
  _input:
    description: What the task registered.
    type: dict
    required: true
seealso:
  - plugin: fleet.backup.health
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Fail where a job has no fresh backup
  ansible.builtin.assert:
    that: found | fleet.backup.unhealthy | length == 0
"""

RETURN = r"""
_value:
  description: The names.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.fleet.backup.plugins.filter.summary import results


def unhealthy(registered: t.Mapping[str, t.Any]) -> t.List[str]:
    """See DOCUMENTATION."""
    found = []
    for job, result in results(registered):
        listings = result.get("jobs") or []
        late = [one["job"] for one in listings if one["stale"] or (one["age"] is None and not one["gone"])]
        found += late + ([job] if result.get("error") and job not in late else [])
    return found


class FilterModule:
    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"unhealthy": unhealthy}
