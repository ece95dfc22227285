# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup from store to store as it is: bytes are compared with their hashes on the way, nothing is decrypted or unpacked.

The order of writing is that of a run (docs/format.md), so a copy that is interrupted is no backup yet. What it has stored is
found again by the next one, read back, and not sent twice.
"""

from __future__ import annotations

import hashlib
import random
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .catalog import Catalog
from .errors import FleetBackupError, IntegrityError, NotFoundError, StoreRefusedError

_PIECE = 4 << 20
_TRIES = 5
_PAUSE = 1.0

# Far above what a signature or a mark needs.
_SMALL = 1 << 20


def copy_backup(
    source: Catalog, target: Catalog, backup_id: str, advance: t.Callable[[int], None], *, look: bool = True
) -> int:  # fmt: skip
    """Copy a backup whose references the target has already; return the bytes that were sent.

    Without ``look`` the target is written to only: nothing is listed, read or deleted there, and marks are left out.

    Raises IntegrityError when the source's bytes are not what was stored, and both stores' errors.
    """
    manifest, sha256 = source.manifest(backup_id), source.manifest_sha256(backup_id)
    name, beside = source.manifest_key(backup_id), target.manifest_key(backup_id)
    known = {stored.key for stored in target.store.list(target.folder)[0]} if look else set()
    if beside in known and target.manifest_sha256(backup_id) != sha256:
        raise StoreRefusedError("store %s has another backup %s; nothing was copied" % (target.store.name, backup_id))
    for reference in manifest.references if look else ():
        _require(target, backup_id, reference)
    there = {stored.key: stored.size for stored in target.store.list(target.key(backup_id))[0]} if look else {}
    sent = 0
    for stored in manifest.all_objects():
        key = target.key(backup_id, stored.name)
        if key in there:
            if there[key] == stored.size and _sha256(target, key) == stored.sha256:
                advance(stored.size)
                continue
            # Of a copy that was interrupted, or damaged since.
            target.store.delete(key)
        _send(source, source.key(backup_id, stored.name), target, key, stored.sha256, advance, look)
        sent += stored.size
    for ending in (".sha256", ".sig"):
        data = _small(source, name + ending)
        if data is not None:
            if beside + ending in known:
                target.store.delete(beside + ending)
            sent += _put(target, beside + ending, data, look)
    data = source.manifest_bytes(backup_id)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError("%s: has changed while it was copied" % name, [name])
    if beside not in known:
        sent += _put(target, beside, data, look)
    return sent + (copy_marks(source, target, backup_id) if look else 0)


def copy_marks(source: Catalog, target: Catalog, backup_id: str) -> int:
    """Copy what somebody said of a backup since (accepted, pinned, proven) as far as the target lacks it; return the bytes."""
    sent = 0
    there, here = ({o.key.rpartition("/")[2] for o in c.store.list(c.folder)[0]} for c in (source, target))
    for name in lacking_marks(backup_id, there, here):
        key, other = ("%s/%s" % (c.folder, name) if c.folder else name for c in (source, target))
        data = _small(source, key)
        if data is not None:
            sent += _put(target, other, data)
    return sent


def lacking_marks(backup_id: str, there: t.Iterable[str], here: t.Container[str]) -> t.List[str]:
    """The marks of a backup to be copied, in their order. ``there`` and ``here``: the names beside the backups' folders."""
    found = [n for n in there if n.startswith(backup_id + ".mark-") and "deleted" not in n and n not in here]
    # A signature is written before what it signs.
    return sorted(found, key=lambda name: (not name.endswith(".sig"), name))


def _require(target: Catalog, backup_id: str, reference: t.Mapping[str, t.Any]) -> None:
    older = reference["id"]
    try:
        whole = target.manifest_sha256(older) == reference["sha256"] and not target.lacking(older)
    except NotFoundError:
        whole = False
    if not whole:
        raise StoreRefusedError(
            "backup %s needs %s, which store %s does not have whole; copy that first" % (backup_id, older, target.store.name)
        )


def _send(
    source: Catalog, key: str, target: Catalog, target_key: str, sha256: str, advance: t.Callable[[int], None], look: bool
) -> None:  # fmt: skip
    for attempt in range(_TRIES):
        try:
            _send_once(source, key, target, target_key, sha256, advance)
            return
        except FleetBackupError as error:
            if not error.retry or attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 - no secret
            if look:
                # It may have arrived, though nobody heard that it did.
                target.store.delete(target_key)


def _send_once(
    source: Catalog, key: str, target: Catalog, target_key: str, sha256: str, advance: t.Callable[[int], None]
) -> None:  # fmt: skip
    digest = hashlib.sha256()
    file = source.store.open(key)
    upload = target.store.put(target_key)
    try:
        # One piece is read while another is written.
        with ThreadPoolExecutor(1, "read") as reader:
            following = reader.submit(file.read, _PIECE)
            while True:
                data = following.result()
                if not data:
                    break
                following = reader.submit(file.read, _PIECE)
                digest.update(data)
                upload.write(data)
                advance(len(data))
        if digest.hexdigest() != sha256:
            raise IntegrityError("%s on store %s is not what was stored" % (key, source.store.name), [key])
        upload.commit()
    finally:
        # Harmless after commit().
        upload.abort()
        file.close()


def _put(target: Catalog, key: str, data: bytes, look: bool = True) -> int:
    for attempt in range(_TRIES):
        upload = None
        try:
            upload = target.store.put(key)
            upload.write(data)
            upload.commit()
            break
        except FleetBackupError as error:
            if upload is not None:
                upload.abort()
            if not error.retry or attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 - no secret
            if look:
                target.store.delete(key)
    return len(data)


def _small(source: Catalog, key: str) -> t.Optional[bytes]:
    """A small object; None when there is none. Raises IntegrityError for one that is too large to be what it should."""
    try:
        file = source.store.open(key, 0, _SMALL + 1)
    except NotFoundError:
        return None
    try:
        parts = []
        while True:
            part = file.read(_SMALL)
            if not part:
                break
            parts.append(part)
    finally:
        file.close()
    data = b"".join(parts)
    if len(data) > _SMALL:
        raise IntegrityError("%s: is too large" % key, [key])
    return data


def _sha256(catalog: Catalog, key: str) -> str:
    digest = hashlib.sha256()
    file = catalog.store.open(key)
    try:
        while True:
            data = file.read(_PIECE)
            if not data:
                return digest.hexdigest()
            digest.update(data)
    finally:
        file.close()
