# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: health
short_description: Tell people how old the newest backup of each job is
version_added: 0.1.0
description:
  - Takes what a task registered that ran M(fleet.backup.backup_info), alone or in a loop over the names of jobs.
  - Returns a line for each job, or for each tenant of a job of tenants.
author:
  - The fleet.backup project (!UNKNOWN)
options:
  _input:
    description: What the task registered.
    type: dict
    required: true
seealso:
  - plugin: fleet.backup.unhealthy
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show how the jobs are
  ansible.builtin.debug:
    msg: "{{ found | fleet.backup.health }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.fleet.backup.plugins.filter.summary import results
from ansible_collections.fleet.backup.plugins.module_utils._engine.cli.output import span


def health(registered: t.Mapping[str, t.Any]) -> t.List[str]:
    """See DOCUMENTATION."""
    told = []
    for job, result in results(registered):
        for listing in result.get("jobs") or []:
            told.append("%s: %s" % (listing["job"], _health(listing)))
        if result.get("error"):
            told.append("%s: UNKNOWN: %s" % (job, result["error"]["message"]))
    return told


def _health(listing: t.Mapping[str, t.Any]) -> str:
    if listing["gone"]:
        return "gone, its tenant was not there any more at the last backup"
    if listing["age"] is None:
        return "NO BACKUP"
    return "%s, the newest backup (%s) is %s old" % (
        "STALE" if listing["stale"] else "healthy",
        listing["newest"],
        span(listing["age"]),
    )


class FilterModule:
    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"health": health}
