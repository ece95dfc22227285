# SPDX-License-Identifier: GPL-3.0-or-later
"""List the backups of a job, or of all jobs, newest first; and what else lies on the stores.

Of a job of several tenants, a line for each of them: how much each has, and when it was last backed up.
"""

from __future__ import annotations

import typing as t

from ...operations.listing import list_backups
from ...operations.listing_result import JobListing, ListResult
from ...result import Result, from_iso
from ..output import Cell, duration, local_time, plural, size, span, table
from ..tenants import by_job, headline, tables_of_tenant, tenant_table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_HEADERS = ("ID", "FINISHED", "AGE", "SIZE", "STORED", "OUTCOME", "STORES")
_COLOURS = {"success": "green", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job (default: all jobs)")
    parser.add_argument("--store", metavar="NAME", help="look at this store only")
    parser.add_argument("--all-hosts", action="store_true", help="of all hosts that have backups on the stores")
    parser.add_argument("--details", action="store_true", help="read every manifest that is not known yet, however many")


def run(session: Session) -> Result:
    arguments = session.arguments
    jobs = [arguments.job] if arguments.job else None
    return list_backups(session.config, jobs, arguments.store, all_hosts=arguments.all_hosts, details=arguments.details)


def subject(result: ListResult) -> t.Optional[str]:
    return None


def show(result: ListResult, console: Console) -> None:
    listings = {(listing.host, listing.job): listing for listing in result.jobs}
    for n, group in enumerate(by_job(list(map(vars, result.jobs)))):
        if n:
            console.line()
        about = group[0]["host"] + ", " if result.host is None else ""
        if len(group) > 1:
            console.line(about + headline(group))
            console.lines(tenant_table(group, console.colours))
        else:
            _show_job(about, listings[group[0]["host"], group[0]["job"]], console)
    if not result.detailed:
        console.line()
        console.line(
            "There are many backups whose manifests were never read here: they are told by their names. --details reads them."
        )


def _show_job(about: str, listing: JobListing, console: Console) -> None:
    console.line(about + _headline(listing))
    rows = sorted(_rows(listing), key=lambda row: row[0], reverse=True)
    if rows:
        console.lines(table(_HEADERS, rows, ("AGE", "SIZE", "STORED"), console.colours))
    tables = tables_of_tenant(vars(listing), console.colours)
    if tables:
        console.line()
        console.lines(tables)


def _headline(listing: JobListing) -> str:
    text = "%s: %s" % (listing.job, plural(len(listing.backups), "backup"))
    if listing.age is not None:
        text += ", the newest %s old" % span(listing.age)
    if listing.max_age is not None:
        text += " (%s after %s)" % ("stale" if listing.stale else "becomes stale", duration(listing.max_age))
    return text


def _rows(listing: JobListing) -> t.Iterator[t.Tuple[t.Any, ...]]:
    for row in listing.backups:
        stores = ", ".join(row.stores)
        if row.missing:
            stores += " (not on %s)" % ", ".join(row.missing)
        if row.pinned:
            stores += ", pinned"
        outcome = Cell("suspicious", "red") if row.suspicious else Cell(row.outcome or "", _COLOURS.get(row.outcome or "", ""))
        finished = local_time(from_iso(row.finished)) if row.finished else ""
        yield row.id, finished, span(row.age), size(row.bytes), size(row.stored), outcome, stores
    for failed in listing.failed:
        yield failed.id, "", "", "", "", Cell("failed", "red"), ", ".join(failed.stores)
    for bad in listing.damaged:
        yield bad.id, "", "", "", "", Cell("damaged", "red"), bad.store
    for bad in listing.unfinished:
        yield bad.id, "", "", "", "", "unfinished", bad.store
