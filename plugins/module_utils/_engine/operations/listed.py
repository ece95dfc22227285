# SPDX-License-Identifier: GPL-3.0-or-later
"""A job on one store as a listing sees it: what the store lists, and what is read of manifests and of records of failures."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass, fields

from ..anomaly import tables_of, was_suspicious
from ..catalog import KEPT_FAILURES, Catalog, Scan
from ..errors import FleetBackupError, IntegrityError, NotFoundError
from ..listing_cache import ListingCache
from ..manifest import Manifest
from ..marks import ACCEPTED, read_mark
from ..stores import Store

# A record of a failure is small; a store must not fill the memory with one.
_LARGEST_RECORD = 1 << 20

#: What Details are read of, beside a backup's folder.
_DETAILED = (".json", ".json.sig", ".mark-accepted.json", ".mark-accepted.json.sig")
_FAILED = ".failed.json"


@dataclass
class Details:
    """What a listing tells of a backup that is not in its name. ``problem``: why a mark does not count that accepts it.

    ``tables``: of a backup of rows, the ``rows`` and ``bytes`` of each table; None of another, and where that is encrypted.
    """

    started: str
    finished: str
    outcome: str
    entries: int
    bytes: int
    stored: int
    components: t.List[str]
    suspicious: bool
    problem: str
    tables: t.Optional[t.Dict[str, t.Dict[str, int]]]


_FIELDS = {f.name for f in fields(Details)}

#: The error of a failed run; None when its record cannot be understood.
Failure = t.Optional[t.Dict[str, t.Any]]


class Place:
    """One job on one store. Its methods raise nothing: ``error`` is why the store could not be listed or read.

    ``details`` and ``failures`` hold what is known, ``read`` how much was read for it this time.
    """

    def __init__(self, catalog: Catalog, cache: ListingCache) -> None:
        self.store: Store = catalog.store
        self.scan = Scan()
        self.error: t.Optional[FleetBackupError] = None
        self.details: t.Dict[str, Details] = {}
        self.failures: t.Dict[str, Failure] = {}
        self._read: t.Set[str] = set()
        self._catalog = catalog
        self._cache = cache

    @property
    def whole(self) -> t.List[str]:
        """The backups that nothing speaks against."""
        return [] if self.error is not None else [i for i in self.scan.complete if i not in self.scan.damaged]

    @property
    def failed(self) -> t.List[str]:
        """The newest runs that failed."""
        return self.scan.failed[-KEPT_FAILURES:]

    @property
    def read(self) -> int:
        return len(self._read)

    def look(self) -> None:
        """List the store, and recall what earlier listings have read."""
        try:
            self.scan = self._catalog.scan()
        except FleetBackupError as error:
            self.error = error
        for backup_id in self.scan.complete:
            known = self._cache.get(self.store.name, backup_id, self.scan.seen(backup_id, *_DETAILED))
            if known is not None and set(known) == _FIELDS:
                self.details[backup_id] = Details(**known)
        for backup_id in self.failed:
            known = self._cache.get(self.store.name, backup_id + _FAILED, self.scan.seen(backup_id, _FAILED))
            if known is not None:
                self.failures[backup_id] = known.get("error")

    def accepts(self, backup_id: str) -> bool:
        """Whether there is a mark that accepts a backup, whatever it is worth."""
        return backup_id in self.scan.marks.get(ACCEPTED, ())

    def read_details(self, backup_id: str) -> None:
        """Read the manifest of a backup, and the mark that accepts it; what turns out to be damaged is so in the scan."""
        self._read.add(backup_id)
        # One of its own: a thousand manifests need not be in memory at once.
        catalog = Catalog(self.store, self._catalog.folder, trusted=self._catalog.trusted)
        try:
            details = self._judged(catalog, catalog.manifest(backup_id))
        except (IntegrityError, NotFoundError) as error:
            self.scan.damaged[backup_id] = str(error)
        except FleetBackupError as error:
            self.error = error
        else:
            self.details[backup_id] = details
            self._cache.put(self.store.name, backup_id, self.scan.seen(backup_id, *_DETAILED), asdict(details))

    def read_failure(self, backup_id: str) -> None:
        """Read the error that a failed run left."""
        self._read.add(backup_id + _FAILED)
        try:
            failure: Failure = _failure(self.store, self._catalog.failed_key(backup_id))
        except (NotFoundError, ValueError, KeyError, TypeError, AttributeError):
            failure = None
        except FleetBackupError as error:
            self.error = error
            return
        self.failures[backup_id] = failure
        self._cache.put(self.store.name, backup_id + _FAILED, self.scan.seen(backup_id, _FAILED), {"error": failure})

    def _judged(self, catalog: Catalog, manifest: Manifest) -> Details:
        suspicious, problem = was_suspicious(manifest), ""
        if suspicious and self.accepts(manifest.id):
            try:
                read_mark(catalog, manifest.id, ACCEPTED)
                suspicious = False
            except (IntegrityError, NotFoundError) as error:
                problem = "store %s: a mark does not count: %s" % (self.store.name, error)
        return Details(
            started=manifest.started,
            finished=manifest.finished,
            outcome=manifest.outcome,
            entries=sum(c.entries for c in manifest.components),
            bytes=manifest.logical_bytes,
            stored=manifest.stored_bytes,
            components=[c.name for c in manifest.components],
            suspicious=suspicious,
            problem=problem,
            tables=_tables(manifest),
        )


def _tables(manifest: Manifest) -> t.Optional[t.Dict[str, t.Dict[str, int]]]:
    """What the facts of rows tell of each table. Backups of before have no ``bytes`` of them."""
    told = [c.facts for c in manifest.components if c.shape == "rows" and isinstance(c.facts, dict)]
    if not told:
        return None
    return {
        name: {"rows": rows, "bytes": (facts.get("bytes") or {}).get(name, 0)}
        for facts in told
        for name, rows in (tables_of(facts) or {}).items()
    }


def _failure(store: Store, key: str) -> t.Dict[str, t.Any]:
    file = store.open(key, 0, _LARGEST_RECORD)
    try:
        error = json.loads(file.read(_LARGEST_RECORD))["error"]
    finally:
        file.close()
    return {"code": str(error["code"]), "message": str(error.get("message", ""))}
