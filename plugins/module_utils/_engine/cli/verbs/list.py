# SPDX-License-Identifier: GPL-3.0-or-later
"""List the backups of a job, or of all jobs, newest first; and what else lies on the stores."""

from __future__ import annotations

import typing as t

from ...operations.listing import JobListing, ListResult, list_backups
from ...result import Result, from_iso
from ..output import Cell, duration, local_time, plural, size, span, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_HEADERS = ("ID", "FINISHED", "AGE", "SIZE", "STORED", "OUTCOME", "STORES")
_COLOURS = {"success": "green", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job (default: all jobs)")
    parser.add_argument("--store", metavar="NAME", help="look at this store only")


def run(session: Session) -> Result:
    arguments = session.arguments
    return list_backups(session.config, [arguments.job] if arguments.job else None, arguments.store)


def subject(result: ListResult) -> t.Optional[str]:
    return None


def show(result: ListResult, console: Console) -> None:
    for n, listing in enumerate(result.jobs):
        if n:
            console.line()
        console.line(_headline(listing))
        rows = sorted(_rows(listing), key=lambda row: row[0], reverse=True)
        if rows:
            console.lines(table(_HEADERS, rows, ("AGE", "SIZE", "STORED"), console.colours))


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
        outcome = Cell(
            "suspicious" if row.suspicious else row.outcome, "red" if row.suspicious else _COLOURS.get(row.outcome, "")
        )
        finished = local_time(from_iso(row.finished))
        yield row.id, finished, span(row.age), size(row.bytes), size(row.stored), outcome, stores
    for failed in listing.failed:
        yield failed.id, "", "", "", "", Cell("failed", "red"), ", ".join(failed.stores)
    for bad in listing.damaged:
        yield bad.id, "", "", "", "", Cell("damaged", "red"), bad.store
    for bad in listing.unfinished:
        yield bad.id, "", "", "", "", "unfinished", bad.store
