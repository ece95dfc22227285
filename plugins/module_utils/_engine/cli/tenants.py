# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenants of a job, and the tables of one of them, for people: how much each has, and when it was last backed up."""

from __future__ import annotations

import itertools
import typing as t

from .output import Cell, number, plural, size, span, table

#: A JobListing as plain data.
Listing = t.Mapping[str, t.Any]

_TENANTS = ("TENANT", "ROWS", "SIZE", "BACKUPS", "FAILED", "STORED", "LAST BACKUP", "AGE", "STATE")
_TABLES = ("TABLE", "ROWS", "SIZE")


def by_job(listings: t.Iterable[Listing]) -> t.Iterator[t.List[Listing]]:
    """Listings one by one, those of several tenants of a job together."""
    for _key, group in itertools.groupby(
        listings, key=lambda one: (one["host"], one["job"].partition("@")[0], one["tenant"] is None)
    ):
        yield list(group)


def headline(listings: t.Sequence[Listing]) -> str:
    late = sum(1 for one in listings if _state(one).text not in ("fresh", "gone"))
    told = "%s: %s" % (listings[0]["job"].partition("@")[0], plural(len(listings), "tenant"))
    return told + (", %s without a fresh backup" % number(late) if late else "")


def tenant_table(listings: t.Sequence[Listing], colours: bool = False) -> t.List[str]:
    """A line for each tenant of a job."""
    rows = [
        (
            one["tenant"],
            _count(one["rows"]),
            size(one["bytes"]),
            number(len(one["backups"])),
            number(len(one["failed"])),
            size(one["stored"]),
            one["newest"] or "",
            span(one["age"]) if one["age"] is not None else "",
            _state(one),
        )
        for one in listings
    ]
    return table(_TENANTS, rows, _TENANTS[1:6] + ("AGE",), colours)


def tables_of_tenant(listing: Listing, colours: bool = False) -> t.List[str]:
    """A line for each table of the newest backup; nothing where they are not known."""
    rows = [(name, _count(told["rows"]), size(told["bytes"])) for name, told in sorted((listing["tables"] or {}).items())]
    return table(_TABLES, rows, _TABLES[1:], colours) if rows else []


def _state(listing: Listing) -> Cell:
    if listing["gone"]:
        return Cell("gone", "dim")
    if listing["age"] is None:
        return Cell("no backup", "red")
    return Cell("stale", "red") if listing["stale"] else Cell("fresh", "green")


def _count(rows: t.Optional[int]) -> str:
    return "" if rows is None else number(rows)
