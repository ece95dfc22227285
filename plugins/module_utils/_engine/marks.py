# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody says of a backup after it was taken: that it is accepted, that it must stay (docs/format.md, marks)."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from dataclasses import dataclass, field

from .anomaly import was_suspicious
from .catalog import Catalog, Scan
from .errors import IntegrityError, NotFoundError
from .manifest import Manifest
from .result import from_iso

#: A suspicious backup is as it should be.
ACCEPTED = "accepted"
#: Pruning never removes it, nor what it needs.
PINNED = "pinned"

_LARGEST = 1 << 16


@dataclass(frozen=True)
class Mark:
    """``sha256``: of the manifest that it is about; ``by``: the user; ``at``: when."""

    id: str
    sha256: str
    mark: str
    by: str
    at: str
    note: str

    def to_bytes(self) -> bytes:
        return json.dumps({"format": 1, **dataclasses.asdict(self)}, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Mark:
        """``name`` is its key, for messages. Raises IntegrityError."""
        try:
            value = json.loads(data.decode("utf-8"))
            fields = {f.name: str(value[f.name]) for f in dataclasses.fields(cls)}
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError("%s: is no mark: %r" % (name, error), [name]) from None
        return cls(**fields)


@dataclass
class Marks:
    """The ids that are marked on a store. ``problems``: why marks do not count that are there."""

    accepted: t.Set[str] = field(default_factory=set)
    pinned: t.Set[str] = field(default_factory=set)
    problems: t.List[str] = field(default_factory=list)

    def suspicious(self, manifest: Manifest) -> bool:
        """Whether a backup is suspicious and nobody has accepted it."""
        return was_suspicious(manifest) and manifest.id not in self.accepted


def read_marks(catalog: Catalog, scan: Scan) -> Marks:
    """The marks that count of the complete backups of a store.

    What accepts a backup lets others go, so it must be about that very manifest and, where the catalog trusts certain hosts only,
    be signed. A pin only keeps, so the name is enough. Raises the store's errors.
    """
    marks = Marks(pinned=set(scan.marks.get(PINNED, ())).intersection(scan.complete))
    for backup_id in sorted(set(scan.marks.get(ACCEPTED, ())).intersection(scan.complete)):
        try:
            read_mark(catalog, backup_id, ACCEPTED)
            marks.accepted.add(backup_id)
        except (IntegrityError, NotFoundError) as error:
            marks.problems.append("store %s: a mark does not count: %s" % (catalog.store.name, error))
    return marks


def read_mark(catalog: Catalog, backup_id: str, what: str) -> Mark:
    """A mark, checked. Raises IntegrityError (UntrustedError), NotFoundError, the store's errors."""
    key = catalog.mark_key(backup_id, what)
    data = _read(catalog, key)
    mark = Mark.from_bytes(data, key)
    if (mark.id, mark.mark, mark.sha256) != (backup_id, what, catalog.manifest_sha256(backup_id)):
        raise IntegrityError("%s: is the mark %s of another backup than this one" % (key, mark.mark), [key])
    if catalog.trusted is not None:
        from .signing import check

        try:
            signature: t.Optional[bytes] = _read(catalog, key + ".sig")
        except NotFoundError:
            signature = None
        try:
            at = from_iso(mark.at)
        except ValueError:
            raise IntegrityError("%s: %r is no time" % (key, mark.at), [key]) from None
        check(data, signature, catalog.manifest(backup_id).host, catalog.trusted, at).require(key)
    return mark


def put_mark(catalog: Catalog, mark: Mark, signature: t.Optional[bytes]) -> None:
    """Write a mark, in the place of one that may be there. Raises the store's errors."""
    remove_mark(catalog, mark.id, mark.mark)
    key = catalog.mark_key(mark.id, mark.mark)
    if signature is not None:
        _put(catalog, key + ".sig", signature)
    _put(catalog, key, mark.to_bytes())


def remove_mark(catalog: Catalog, backup_id: str, what: str) -> None:
    """Remove a mark, if it is there. Raises the store's errors."""
    key = catalog.mark_key(backup_id, what)
    catalog.store.delete(key)
    catalog.store.delete(key + ".sig")


def _put(catalog: Catalog, key: str, data: bytes) -> None:
    upload = catalog.store.put(key)
    try:
        upload.write(data)
        upload.commit()
    finally:
        upload.abort()


def _read(catalog: Catalog, key: str) -> bytes:
    """The beginning of an object, more than any mark is long."""
    file = catalog.store.open(key, 0, _LARGEST)
    try:
        parts = [file.read(_LARGEST)]
        while parts[-1]:
            parts.append(file.read(_LARGEST))
        return b"".join(parts)
    finally:
        file.close()
