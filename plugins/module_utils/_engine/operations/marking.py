# SPDX-License-Identifier: GPL-3.0-or-later
"""Say of a backup that it is as it should be (accept), or that it must stay (pin)."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ..anomaly import was_suspicious
from ..catalog import Catalog
from ..errors import ConfigurationError, FleetBackupError, IntegrityError, InterruptedRunError, NotFoundError
from ..job import Config
from ..lock import JobLock
from ..marks import ACCEPTED, PINNED, Mark, put_mark, read_mark, remove_mark
from ..names import as_text
from ..result import Result, iso, utc_now
from ..system import current_user
from .finding import find_backup, places_of
from .place import open_catalog
from .tenants import find_job

#: What each verb says of a backup: the mark, and whether it is put or removed.
VERBS = {"accept": (ACCEPTED, True), "pin": (PINNED, True), "unpin": (PINNED, False)}


@dataclass
class MarkResult(Result):
    """``stores``: those that have the backup, each now with the mark, or without it; ``marked``: whether it is there now."""

    id: t.Optional[str] = None
    mark: str = ""
    marked: bool = False
    note: str = ""
    stores: t.List[str] = field(default_factory=list)


def mark_backup(
    config: Config, verb: str, backup_id: str, *, job: t.Optional[str] = None, note: str = "", dry_run: bool = False
) -> MarkResult:
    """Mark a backup of any job (or of ``job``) on every store that has it. ``verb``: one of VERBS; ``note``: anybody may read it.

    What is marked already stays as it is. The job is locked meanwhile, so that prune either sees the mark or is done.
    """
    what, marked = VERBS[verb]
    result = MarkResult(verb, config.host, job, mark=what, marked=marked, note=note, dry_run=dry_run)
    result.begin()
    try:
        found = find_backup(places_of(config, job, None, None), backup_id, result)
        result.id, result.job = found.manifest.id, found.manifest.job
        chosen = find_job(config, result.job)
        if verb == "accept" and not was_suspicious(found.manifest):
            raise ConfigurationError("backup %s is not suspicious; there is nothing to accept" % result.id)
        sign = _signer(config) if marked else None
        with JobLock(config.state_dir, chosen.name, chosen.lock_timeout):
            for name in found.copies:
                catalog = open_catalog(config, chosen.name, name)
                result.changed = _mark(catalog, result, sign) or result.changed
                result.stores.append(name)
    except (FleetBackupError, InterruptedRunError) as error:
        result.fail(error)
    result.end()
    return result


def _mark(catalog: Catalog, result: MarkResult, sign: t.Optional[t.Callable[[bytes], bytes]]) -> bool:
    """Mark the backup on one store, or remove the mark; return whether that changes anything."""
    backup_id = str(result.id)
    there = backup_id in catalog.scan().marks.get(result.mark, ())
    if not result.marked:
        if there and not result.dry_run:
            remove_mark(catalog, backup_id, result.mark)
        return there
    if there and _counts(catalog, backup_id, result.mark):
        return False
    if not result.dry_run:
        mark = Mark(backup_id, catalog.manifest_sha256(backup_id), result.mark, _who(), iso(utc_now()), as_text(result.note))
        put_mark(catalog, mark, sign(mark.to_bytes()) if sign else None)
    return True


def _counts(catalog: Catalog, backup_id: str, what: str) -> bool:
    try:
        read_mark(catalog, backup_id, what)
    except (IntegrityError, NotFoundError):
        return False
    return True


def _signer(config: Config) -> t.Optional[t.Callable[[bytes], bytes]]:
    """What signs marks here. Raises ConfigurationError where nobody would believe a mark of this host."""
    if not config.sign:
        if config.trusted_hosts:
            raise ConfigurationError("sign: with trusted_hosts a mark must be signed to count; set sign: true on this host")
        return None
    from ..signing import host_key, sign

    key = host_key(config.state_dir, config.signing_key)
    return lambda data: sign(data, key)


def _who() -> str:
    _uid, user = current_user()
    return os.environ.get("SUDO_USER") or user
