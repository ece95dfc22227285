# SPDX-License-Identifier: GPL-3.0-or-later
"""Data without a manifest, which runs left that were killed: found when it is a week old, removed only when asked.

What has ``SHA256SUMS`` or the hash of a manifest was a backup and is damaged (docs/format.md); it is never here.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ..catalog import KEPT_FAILURES, Catalog, Scan
from ..names import parse_backup_id

#: Data without a manifest may be a run's that is under way; it is told as left over when the run began longer ago than this.
LEFT_ALONE = datetime.timedelta(days=7)

_FAILURES_TOLD = datetime.timedelta(days=30)


@dataclass
class Orphan:
    """What one run left. ``age`` in seconds since it began; ``bytes`` on the store; ``deleted``: it is gone."""

    id: str
    age: int
    bytes: int
    deleted: bool = False


def find_orphans(catalog: Catalog, scan: Scan, now: datetime.datetime) -> t.List[Orphan]:
    """What is left over on a store, oldest first. Raises the store's errors."""
    found = []
    for backup_id in scan.unfinished:
        age = now - _began(backup_id)
        if age > LEFT_ALONE:
            found.append(Orphan(backup_id, int(age.total_seconds()), catalog.orphan_bytes(backup_id)))
    return found


def was_cut_off(now: datetime.datetime) -> t.Callable[[str], bool]:
    """Whether an object beside the backups, of which only a part arrived, is of a run that cannot be under way any more."""
    return lambda name: now - _began(name.partition(".")[0]) > LEFT_ALONE


def outdated_failures(scan: Scan, oldest: t.Optional[str], now: datetime.datetime) -> t.List[str]:
    """The failed runs whose records may go; ``oldest``: the oldest backup that stays.

    Of the newest KEPT_FAILURES those are told on that are younger than that backup, or than a month.
    """
    outdated = scan.failed[:-KEPT_FAILURES]
    for backup_id in scan.failed[-KEPT_FAILURES:]:
        if oldest is not None and backup_id < oldest and now - _began(backup_id) > _FAILURES_TOLD:
            outdated.append(backup_id)
    return outdated


def _began(backup_id: str) -> datetime.datetime:
    parts = parse_backup_id(backup_id)
    return parts.started if parts else datetime.datetime.max.replace(tzinfo=datetime.timezone.utc)
