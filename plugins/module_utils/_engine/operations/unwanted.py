# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are not worth a copy: those that the rules of the store would let go as soon as they were there."""

from __future__ import annotations

import datetime
import typing as t

from ..catalog import Catalog, Scan
from ..errors import FleetBackupError
from ..job import Config, Job
from ..manifest import Manifest
from ..marks import Marks, read_marks
from ..result import from_iso, utc_now
from ..retention import Candidate, decide, lets_go

Looked = t.Tuple[Catalog, Scan]


def unwanted(config: Config, job: Job, target: Looked, sources: t.Sequence[Looked]) -> t.Dict[str, t.List[str]]:
    """Of the backups that ``sources`` have and ``target`` lacks, those that its rules would let go, and why.

    The decision is that of a store that has them all. What is kept there is kept also where fewer are, and the other way round
    for what was pruned, so neither is copied in vain. Nothing is read where nothing can be let go. Raises the target's errors.
    """
    retention = _rules(config, job, target[0].store.name)
    if retention is None or not lets_go(retention):
        return {}
    manifests, damaged = target[0].manifests(target[1].complete)
    damaged.update(target[1].damaged)
    marks = read_marks(*target)
    for catalog, scan in sources:
        try:
            found, _problems = catalog.manifests([i for i in scan.complete if i not in manifests])
            more = read_marks(catalog, scan)
        except FleetBackupError:
            continue  # of what it has nothing is decided; the copy itself tells
        manifests.update(found)
        marks.accepted |= more.accepted
        marks.pinned |= more.pinned
    candidates = [candidate(manifest, marks) for manifest in manifests.values()]
    there = {*target[1].complete, *damaged}
    decisions = decide(candidates, retention, utc_now(), timezone(job), damaged)
    return {d.id: d.reasons for d in decisions if not d.keep and d.id not in there}


def candidate(manifest: Manifest, marks: Marks) -> Candidate:
    """A backup as the rules look at it."""
    return Candidate(
        manifest.id,
        from_iso(manifest.finished),
        manifest.kind,
        manifest.tag,
        manifest.outcome,
        frozenset(r["id"] for r in manifest.references),
        marks.suspicious(manifest),
        manifest.id in marks.pinned,
    )


def _rules(config: Config, job: Job, store: str) -> t.Optional[t.Dict[str, t.Any]]:
    """What prune goes by on a store: its own rules, else the job's. None for a store that is not one of the job's."""
    own = next((known.retention for known in config.stores if known.name == store), None)
    return own if own is not None else job.retention if store in job.stores else None


def timezone(job: Job) -> t.Optional[datetime.tzinfo]:
    """Whose days count; None for the host's."""
    if job.timezone is None:
        return None
    from ..zones import zone

    return zone(job.timezone)
