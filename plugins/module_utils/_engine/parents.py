# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup an increment builds upon, or why it must be a full one."""

from __future__ import annotations

import datetime
import typing as t

from .catalog import Catalog, Scan
from .errors import FleetBackupError
from .manifest import Manifest
from .names import is_safety, parse_backup_id


class Choice(t.NamedTuple):
    """The kind that the run will have; its parent; why it is full though something else was asked for.

    ``unexpected``: the parent that there should be is missing or damaged.
    """

    kind: str
    parent: t.Optional[Manifest] = None
    reason: str = ""
    unexpected: bool = False


def choose_parent(
    kind: str,
    catalogs: t.Sequence[Catalog],
    scans: t.Sequence[Scan],
    now: datetime.datetime,
    *,
    full_every: int,
    max_increments: t.Optional[int],
) -> Choice:
    """Choose the parent of a run: the newest backup for ``incremental``, the newest full one for ``differential``.

    It, and all that it refers to itself, must be complete on each of ``catalogs``, the stores that will take the increment.
    ``full_every`` is in seconds.
    """
    if kind == "full":
        return Choice("full")
    common = set(scans[0].complete).intersection(*[scan.complete for scan in scans])
    ids = sorted(i for i in common if not is_safety(i))
    fulls = [i for i in ids if i.split("-")[1] == "full"]
    if not fulls:
        known = any(scan.complete for scan in scans)
        why = "no full backup is complete on every store" if known else "there is no backup yet"
        return Choice("full", reason=why, unexpected=known)
    newest_full = parse_backup_id(fulls[-1])
    # A clock that was wrong can have put it into the future, too.
    if newest_full is None or abs((now - newest_full.started).total_seconds()) >= full_every:
        return Choice("full", reason="the last full backup, %s, is older than full_every" % fulls[-1])
    if max_increments is not None and len([i for i in ids if i > fulls[-1]]) >= max_increments:
        return Choice("full", reason="there are max_increments (%d) since the last full backup" % max_increments)
    parent_id = fulls[-1] if kind == "differential" else ids[-1]
    try:
        # The same bytes everywhere, or one of them is damaged.
        if len({catalog.manifest_sha256(parent_id) for catalog in catalogs}) != 1:
            return Choice("full", reason="the manifest of %s is not the same on every store" % parent_id, unexpected=True)
        parent = catalogs[0].manifest(parent_id)
    except FleetBackupError as error:
        return Choice("full", reason="%s cannot be built upon: %s" % (parent_id, error), unexpected=True)
    missing = [r["id"] for r in parent.references if r["id"] not in common]
    if missing:
        why = "%s builds upon %s, which is not complete on every store" % (parent_id, ", ".join(missing))
        return Choice("full", reason=why, unexpected=True)
    return Choice(kind, parent)
