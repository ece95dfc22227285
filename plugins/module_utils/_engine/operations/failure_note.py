# SPDX-License-Identifier: GPL-3.0-or-later
"""The record that a run which failed leaves on the stores (docs/format.md, Failed runs and marks)."""

from __future__ import annotations

import json
import typing as t

from ..catalog import Catalog, Scan
from ..delivery import Delivery
from ..errors import FleetBackupError
from ..job import Job
from ..manifest import FORMAT
from ..names import as_text, parse_backup_id
from ..result import iso, utc_now
from ..state import State
from ..stores import Store

#: Of a run that could not say itself that it failed.
KILLED = "killed"


def note_failure(
    host: str, job: Job, backup_id: str, started: str, stores: t.Iterable[Store], code: str, message: str,
    say: t.Callable[[str], None],
) -> None:  # fmt: skip
    """Record on ``stores`` that the run ``backup_id`` failed. Raises nothing; ``say`` is told where that cannot be."""
    parts = parse_backup_id(backup_id)
    if parts is None:
        raise ValueError("%s is no id of a backup" % backup_id)
    error = {"code": code} if job.encryption else {"code": code, "message": as_text(message)}
    note = {
        "format": FORMAT, "id": backup_id, "host": host, "job": job.name, "kind": parts.kind, "tag": parts.tag,
        "started": started, "finished": iso(utc_now()), "error": error,
    }  # fmt: skip
    data = json.dumps(note, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"
    folder = "%s/%s" % (host, job.name)
    for store in stores:
        try:
            Delivery([store], folder).put_key("%s/%s.failed.json" % (folder, backup_id), data)
        except FleetBackupError as problem:
            say("store %s: the failure could not be noted there: %s" % (store.name, problem))


def note_killed(
    host: str, job: Job, looked: t.Iterable[t.Tuple[Catalog, Scan]], state: State, say: t.Callable[[str], None]
) -> None:  # fmt: skip
    """Record of the last run of this host, if it was killed, that it failed: what it left is told from damage by that.

    The caller holds the lock of the job, so the run is not under way.
    """
    status = state.read_status(job.name)
    last = status["newest_id"]
    parts = parse_backup_id(last) if last is not None else None
    if parts is None:
        return
    left = [
        catalog.store
        for catalog, scan in looked
        if last in (*scan.unfinished, *scan.damaged)
        and last not in (*scan.failed, *scan.deleted, *status["confirmed"].get(catalog.store.name, ()))
        and catalog.manifest_key(last).rpartition("/")[2] not in scan.beside
    ]
    note_failure(host, job, last, iso(parts.started), left, KILLED, "the run was killed, or the host went down", say)
