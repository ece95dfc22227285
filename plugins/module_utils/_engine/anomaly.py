# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a backup may be of what was lost: a component that shrank, is empty, or lost tables. Pure.

An empty folder, or a database that somebody dropped, is backed up as faithfully as anything else. But such a backup must not
count as the good one, and let retention remove those that still have the data: it is suspicious until somebody accepts it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .manifest import Manifest
from .names import is_safety

#: The code of the warning in a manifest.
SUSPICIOUS = "suspicious"

#: How many earlier backups tell what is usual.
HISTORY = 7

_NAMED = 5


@dataclass(frozen=True)
class Extent:
    """How much a component holds. ``tables``: the rows of each table, None where that is not known."""

    entries: int
    bytes: int
    tables: t.Optional[t.Mapping[str, int]] = None


@dataclass(frozen=True)
class Guard:
    """``shrink``: the share of its usual size that a component may lose; ``rows``: a table that had so many may not be empty."""

    shrink: float
    rows: int


def history(newest_first: t.Iterable[Manifest], accepted: t.Container[str]) -> t.List[Manifest]:
    """Those of the earlier backups that tell what is usual, newest first; no more are taken from the iterable than are needed.

    What a restore saved tells nothing, nor does one that is suspicious itself. What was accepted makes a new beginning.
    """
    found: t.List[Manifest] = []
    for manifest in newest_first:
        doubtful = was_suspicious(manifest)
        if is_safety(manifest.id) or (doubtful and manifest.id not in accepted):
            continue
        found.append(manifest)
        if doubtful or len(found) == HISTORY:
            break
    return found


def was_suspicious(manifest: Manifest) -> bool:
    """Whether a backup was found suspicious when it was taken."""
    return any(warning.get("code") == SUSPICIOUS for warning in manifest.warnings)


def extent(manifest: Manifest, name: str, driver: str) -> t.Optional[Extent]:
    """What a backup held of a source; None when it had no such source."""
    component = manifest.component(name)
    if component is None or component.source != driver:
        return None
    # Under encryption the facts lie in an object that the host itself cannot read.
    facts = component.facts if isinstance(component.facts, dict) else {}
    return Extent(component.entries, component.bytes, tables_of(facts))


def tables_of(facts: t.Mapping[str, t.Any]) -> t.Optional[t.Mapping[str, int]]:
    """The rows of each table, where the facts of a source tell them."""
    tables = facts.get("tables")
    if not isinstance(tables, dict) or not all(isinstance(rows, int) for rows in tables.values()):
        return None
    return tables


def judge(now: Extent, before: t.Sequence[Extent], guard: Guard) -> t.List[str]:
    """What is suspicious about a component; ``before``: its earlier extents, newest first. Nothing is usual without any."""
    if not before:
        return []
    found = []
    for unit, count, counts in (
        ("entries", now.entries, [e.entries for e in before]),
        ("bytes", now.bytes, [e.bytes for e in before]),
    ):
        usual = _median(counts)
        if count < (1 - guard.shrink) * usual or (count == 0 < counts[0]):
            found.append("%d %s, %d before, usually %d" % (count, unit, counts[0], usual))
    return found + _lost_tables(now.tables, before[0].tables, guard.rows)


def _median(counts: t.Sequence[int]) -> float:
    """As statistics.median(); that module takes longer to import than all else that a small backup does here."""
    ordered = sorted(counts)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _lost_tables(
    now: t.Optional[t.Mapping[str, int]], before: t.Optional[t.Mapping[str, int]], rows: int
) -> t.List[str]:  # fmt: skip
    if now is None or before is None:
        return []
    found = []
    gone = sorted(set(before) - set(now))
    if gone:
        found.append("%d of %d tables are gone: %s" % (len(gone), len(before), _some(gone)))
    emptied = sorted(name for name, count in before.items() if count >= rows and now.get(name) == 0)
    if emptied:
        found.append("tables that had rows are empty: %s" % _some(["%s (%d before)" % (name, before[name]) for name in emptied]))
    return found


def _some(names: t.Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (" and %d more" % more if more > 0 else "")
