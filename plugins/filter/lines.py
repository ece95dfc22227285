# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: lines
short_description: Tell people what a module of this collection did
version_added: 0.1.0
description:
  - Takes what a task registered that ran a module of this collection, alone or in a loop over the names of jobs.
  - Returns lines of text for people.
author:
  - The fleet.backup project (!UNKNOWN)
options:
  _input:
    description: What the task registered; or a list of what several tasks did.
    type: raw
    required: true
seealso:
  - plugin: fleet.backup.summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the backups
  ansible.builtin.debug:
    msg: "{{ found | fleet.backup.lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.fleet.backup.plugins.filter.summary import Registered, results
from ansible_collections.fleet.backup.plugins.module_utils._engine.cli.output import plural, size, span, table
from ansible_collections.fleet.backup.plugins.module_utils._engine.cli.tenants import (
    by_job,
    headline,
    tables_of_tenant,
    tenant_table,
)

Result = t.Mapping[str, t.Any]


def _backup(job: str, result: Result) -> t.Iterator[str]:
    if result["newer"]:
        yield "%s: nothing to do, %s is new enough" % (job, result["newer"])
        return
    amount = "%s, %s" % (plural(result["entries"], "entry", "entries"), size(result["bytes"]))
    if result["dry_run"]:
        yield "%s: would back up %s" % (job, amount)
        return
    stores = ", ".join(copy["store"] for copy in result["copies"] if copy["outcome"] == "success")
    if result["id"]:
        yield "%s: %s, %s, %s stored on %s" % (job, result["id"], amount, size(result["stored"]), stores)


def _list(job: str, result: Result) -> t.Iterator[str]:
    for group in by_job(result["jobs"]):
        if len(group) > 1:
            yield headline(group)
            yield from tenant_table(group)
            continue
        listing = group[0]
        yield "%s: %s" % (listing["job"], plural(len(listing["backups"]), "backup"))
        rows = [
            (row["id"], span(row["age"]), size(row["bytes"]), size(row["stored"]), row["outcome"] or "", ", ".join(row["stores"]))
            for row in listing["backups"]
        ]
        rows += [(row["id"], "", "", "", "failed", ", ".join(row["stores"])) for row in listing["failed"]]
        rows += [(row["id"], "", "", "", "damaged", row["store"]) for row in listing["damaged"]]
        rows += [(row["id"], "", "", "", "unfinished", row["store"]) for row in listing["unfinished"]]
        yield from table(("ID", "AGE", "SIZE", "STORED", "OUTCOME", "STORES"), rows, ("AGE", "SIZE", "STORED"))
        yield from tables_of_tenant(listing)


def _copy(job: str, result: Result) -> t.Iterator[str]:
    if not result["copied"]:
        yield "%s: every store has what it should" % job
    for copied in result["copied"]:
        if copied["outcome"] == "success":
            verb = "would copy" if result["dry_run"] else "copied"
            names = (copied["id"], copied["from_store"], copied["to_store"], size(copied["bytes"]))
            yield "%s: %s %s from %s to %s, %s" % (job, verb, *names)


def _prune(job: str, result: Result) -> t.Iterator[str]:
    for store in result["stores"]:
        for verdict in store["verdicts"]:
            word = "keep" if verdict["keep"] else "would remove" if result["dry_run"] else "removed"
            yield "%s on %s: %-12s %s: %s" % (job, store["store"], word, verdict["id"], ", ".join(verdict["reasons"]))


def _restore(job: str, result: Result) -> t.Iterator[str]:
    if result["error"]:
        if result["undone"]:
            yield "%s: everything was put back as it was" % job
        return
    verb = "would restore" if result["dry_run"] else "restored"
    yield "%s: %s %s from store %s" % (job, verb, result["id"], result["store"])
    for component in result["components"]:
        plan = component["plan"]
        counts = tuple(plan[key + "_count"] for key in ("create", "overwrite", "remove", "unchanged"))
        yield "  %s: %d new, %d overwritten, %d removed, %d unchanged" % (component["name"], *counts)
        if result["dry_run"]:
            for key in ("overwrite", "remove"):
                yield from ("    %s %s" % (key, path) for path in plan[key][:_SHOWN])
                if plan[key + "_count"] > _SHOWN:
                    yield "    ... and %d more to %s" % (plan[key + "_count"] - _SHOWN, key)
    if result["safety_backup"]:
        yield "  what was there before is in %s" % result["safety_backup"]


def _verify(job: str, result: Result) -> t.Iterator[str]:
    for backup in result["backups"]:
        amount = "%s, %s read" % (plural(backup["objects"], "object"), size(backup["bytes"]))
        verdict = "whole" if backup["ok"] else "DAMAGED"
        yield "%s on %s: %s %s (%s: %s)" % (job, backup["store"], backup["id"], verdict, backup["level"], amount)
        for damage in backup["damaged"]:
            yield "  %s: %s" % (damage["object"], damage["problem"])


def _install(job: str, result: Result) -> t.Iterator[str]:
    if not result["error"]:
        yield "fleet-backup %s: %s" % (result["version"], _became(result, "installed", "would be installed", "as it was"))


def _uninstall(job: str, result: Result) -> t.Iterator[str]:
    if not result["error"]:
        yield "fleet-backup: %s" % _became(result, "removed", "would be removed", "not there")


def _became(result: Result, changed: str, planned: str, unchanged: str) -> str:
    if not result["changed"]:
        return unchanged
    return planned if result["dry_run"] else changed


def _schedule(job: str, result: Result) -> t.Iterator[str]:
    for row in result["schedules"]:
        when = ", next %s" % row["next"][0] if row["next"] else ""
        yield "%s: schedule %s (%s) is %s%s" % (row["job"], row["name"], row["when"], row["state"], when)
    if not result["schedules"] and not result["error"]:
        yield "no schedules"


def _notify(job: str, result: Result) -> t.Iterator[str]:
    for told in result["told"]:
        problem = ": %s" % told["error"] if told["error"] else ""
        yield "%s (%s): %s, %s%s" % (told["notifier"], told["driver"], told["event"], told["outcome"], problem)


#: How many paths of a plan are shown; the result has them all.
_SHOWN = 10

_TELL: t.Dict[str, t.Callable[[str, Result], t.Iterator[str]]] = {
    "backup": _backup,
    "copy": _copy,
    "install": _install,
    "list": _list,
    "notify": _notify,
    "prune": _prune,
    "restore": _restore,
    "schedule": _schedule,
    "uninstall": _uninstall,
    "verify": _verify,
}


def lines(registered: Registered) -> t.List[str]:
    """See DOCUMENTATION."""
    told: t.List[str] = []
    for job, result in results(registered):
        if result.get("operation") in _TELL:
            told += _TELL[result["operation"]](job, result)
        if result.get("error"):
            told.append("%s: FAILED: %s" % (job, result["error"]["message"]))
        told += ["%s: warning: %s" % (job, warning["message"]) for warning in result.get("warnings", [])]
    return told


class FilterModule:
    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"lines": lines}
