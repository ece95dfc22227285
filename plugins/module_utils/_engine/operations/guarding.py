# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what a run has read with what earlier backups held."""

from __future__ import annotations

import typing as t

from ..anomaly import SUSPICIOUS, Extent, Guard, extent, history, judge
from ..catalog import Catalog, Scan
from ..errors import IntegrityError, NotFoundError
from ..manifest import Manifest
from ..marks import read_marks
from ..result import Notice


def usual(catalog: Catalog, scan: Scan) -> t.List[Manifest]:
    """The earlier backups that tell what is usual, newest first. Raises the store's errors."""
    return history(_manifests(catalog, scan), read_marks(catalog, scan).accepted)


def suspicions(
    name: str, driver: str, now: Extent, earlier: t.Sequence[Manifest], options: t.Mapping[str, t.Any]
) -> t.List[Notice]:
    """What is suspicious about a component, as the one notice that the backup is marked by. ``options``: job.GUARD, checked."""
    before = [e for e in (extent(manifest, name, driver) for manifest in earlier) if e is not None]
    found = judge(now, before, Guard(options["shrink"], options["rows"]))
    if not found:
        return []
    message = "this backup may be of what was lost: %s; it is kept, and nothing older goes until it is accepted" % "; ".join(
        found
    )
    return [Notice(SUSPICIOUS, message, name, len(found))]


def _manifests(catalog: Catalog, scan: Scan) -> t.Iterator[Manifest]:
    """Newest first. One that is damaged tells nothing; others say that it is."""
    for backup_id in reversed(scan.complete):
        try:
            yield catalog.manifest(backup_id)
        except (IntegrityError, NotFoundError):
            continue
