# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
short_description: Sum up what a module of this collection did, job by job
version_added: 0.1.0
description:
  - Takes what a task registered that ran a module of this collection, alone or in a loop over the names of jobs.
  - Returns the few values of each job that a later step or a notification needs; of a job of tenants those of each tenant.
    Nothing secret is among them.
author:
  - The fleet.backup project (!UNKNOWN)
options:
  _input:
    description: What the task registered; or a list of what several tasks did.
    type: raw
    required: true
seealso:
  - plugin: fleet.backup.lines
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Leave a summary
  ansible.builtin.set_stats:
    data:
      fleet_backup: "{{ {inventory_hostname: taken | fleet.backup.summary} }}"
"""

RETURN = r"""
_value:
  description:
    - For each job its C(outcome), whether anything was C(changed), the C(error) if there was one, and C(id), C(bytes), C(stored)
      and the like. What is of no job has the name of its operation, such as C(install) or C(schedule).
  type: dict
"""

import typing as t

#: What a task registered, or several tasks.
Registered = t.Union[t.Mapping[str, t.Any], t.Sequence[t.Mapping[str, t.Any]]]

_KEPT = (
    "outcome", "changed", "error", "id", "bytes", "stored", "deleted", "freed", "newest", "age", "stale", "rows",
    "safety_backup", "version",
)  # fmt: skip


def results(registered: Registered) -> t.Iterator[t.Tuple[str, t.Mapping[str, t.Any]]]:
    """Yield ``(job, result)`` of each run of a module; one that ended before it had a result is a failure with its message.

    Of a job of tenants there is one for each of them. What is of no job has the name of its operation; what was skipped is none.
    """
    if not isinstance(registered, t.Mapping):
        for one in registered:
            yield from results(one)
        return
    for run in registered.get("results", [registered]):
        if not run or run.get("skipped"):
            continue
        found = [value for value in run.values() if isinstance(value, dict) and "operation" in value]
        job = run.get("item") or (found[0].get("job") or found[0]["operation"] if found else "")
        if found and found[0].get("results"):
            yield from ((one["job"] or job, one) for one in found[0]["results"])
        elif found:
            yield job, found[0]
        else:
            yield job, {"outcome": "failure", "error": {"code": "error", "message": run.get("msg", "")}}


def summary(registered: Registered) -> t.Dict[str, t.Dict[str, t.Any]]:
    """See DOCUMENTATION."""
    found = {}
    for job, result in results(registered):
        listed = result.get("jobs") or [{}]
        for listing in listed:
            values = {**listing, **result}
            name = listing["job"] if len(listed) > 1 else job
            found[name] = {key: values[key] for key in _KEPT if values.get(key) not in (None, "")}
    return found


class FilterModule:
    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"summary": summary}
