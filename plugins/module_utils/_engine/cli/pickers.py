# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing a job or a backup from what there is. They raise choose.Left when the person does not want to."""

from __future__ import annotations

import typing as t

from ..errors import NotFoundError
from ..names import decode_tenant
from ..result import from_iso
from .choose import pick
from .output import local_time, safe, size, span, table

if t.TYPE_CHECKING:
    from ..operations.listing_result import BackupRow
    from .session import Session

#: How many backups are offered at once, the newest; older ones are restored with --backup or --at.
OFFERED = 50


def pick_job(session: Session, all_jobs: bool = False) -> str:
    """The name of a job; with ``all_jobs`` an empty text may be chosen, which stands for all. Raises NotFoundError."""
    names = [job.name for job in session.config.jobs]
    if not names:
        raise NotFoundError("%s: there is no job in this configuration" % session.config_path)
    items = ["all jobs", *names] if all_jobs else names
    chosen = pick(session.console, "Which job?", items, 0 if all_jobs or len(items) == 1 else None)
    return "" if all_jobs and chosen == 0 else items[chosen]


def pick_tenant(session: Session, name: str) -> str:
    """The name of the job of one tenant, of a job that has them; of another its own. Raises NotFoundError, the stores' errors."""
    from ..operations.tenants import find_job, has_tenants, tenants_stored

    job = find_job(session.config, name)
    if not has_tenants(job):
        return name
    tenants = {one.name: decode_tenant(one.name.partition("@")[2]) for one in tenants_stored(session.config, [job]) if one != job}
    if not tenants:
        raise NotFoundError("there is no backup of any tenant of job %s yet" % name)
    names = sorted(tenants, key=lambda one: tenants[one])
    return names[pick(session.console, "Which tenant?", [safe(tenants[one]) for one in names])]


def pick_backup(session: Session, job: str, store: t.Optional[str] = None) -> BackupRow:
    """A backup of a job, of the newest ones. Raises NotFoundError when there is none, or why none could be found."""
    from ..operations.listing import list_backups

    result = list_backups(session.config, [job], store)
    rows = [row for listing in result.jobs for row in listing.backups]
    if not rows:
        raise NotFoundError(result.error["message"] if result.error else "there is no backup of job %s yet" % job)
    if result.error:
        session.console.tell("not all stores could be asked: %s" % result.error["message"])
    lines = [
        (
            local_time(from_iso(row.finished or row.started)),
            "%s ago" % span(row.age),
            size(row.bytes),
            row.tag,
            row.outcome or "",
            row.id,
        )
        for row in rows[:OFFERED]
    ]
    title = "Which backup? Newest first%s" % (", %d older ones are not shown" % (len(rows) - OFFERED) if rows[OFFERED:] else "")
    headers = ("WHEN", "AGE", "SIZE", "TAG", "OUTCOME", "ID")
    return rows[pick(session.console, title, table(headers, lines, ("AGE", "SIZE"))[1:], 0)]
