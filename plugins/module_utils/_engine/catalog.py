# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of one job on one store, read from the store alone (docs/format.md, Order of writing)."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import typing as t
from dataclasses import dataclass, field

from .errors import IntegrityError, NotFoundError, StoreFullError
from .keyring import Keyring
from .manifest import SUMS, Manifest
from .names import is_host, is_name, is_safety, parse_backup_id
from .result import from_iso, iso, utc_now
from .side_by_side import side_by_side
from .stores import Store, StoredObject

if t.TYPE_CHECKING:
    from .signing import TrustedHosts

_MANIFEST, _HASH, _SIGNATURE, _FAILED, _MARK = ".json", ".json.sha256", ".json.sig", ".failed.json", ".mark-"
_DELETED = _MARK + "deleted.json"

# How the ids of backups begin, but for those of hosts whose clock is off by decades.
_CENTURY = "20"

#: How many records of failed runs stay on a store when it is pruned.
KEPT_FAILURES = 100

# Far above what any backup needs; a hostile store must not fill the memory.
_LARGEST_MANIFEST = 256 << 20


@dataclass
class Scan:
    """What lies on the store, ids oldest first.

    ``complete``: with a manifest and data. ``failed``: runs that said so. ``unfinished``: data of a run under way, or of one
    that was killed. ``damaged``: why each cannot be a whole backup. A failed run whose data could not be removed is also in
    ``unfinished``. ``deleted``: backups whose removal was begun and interrupted; those whose manifest is still
    there are ``complete`` too, and are backups until the removal is decided again. ``marks``: by what other marks say, the ids
    that have one, whatever it is worth (marks.py). ``beside``: what lies beside the backups' folders, by name.
    """

    complete: t.List[str] = field(default_factory=list)
    failed: t.List[str] = field(default_factory=list)
    unfinished: t.List[str] = field(default_factory=list)
    damaged: t.Dict[str, str] = field(default_factory=dict)
    deleted: t.List[str] = field(default_factory=list)
    marks: t.Dict[str, t.Set[str]] = field(default_factory=dict)
    beside: t.Dict[str, StoredObject] = field(default_factory=dict)

    def seen(self, backup_id: str, *endings: str) -> str:
        """What the listing tells of objects beside a backup's folder; another text as soon as one of them is another one."""
        found = [self.beside.get(backup_id + ending) for ending in endings]
        return " ".join("-" if o is None else "%d:%s" % (o.size, o.version) for o in found)


class Catalog:
    """The backups in ``folder`` (``<host>/<job>``) of a store; a bare folder's with ``folder`` empty.

    ``only`` narrows it to one backup. All methods raise the store's errors.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        only: t.Optional[str] = None,
        keyring: t.Optional[Keyring] = None,
        trusted: t.Optional[TrustedHosts] = None,
    ) -> None:
        self.store = store
        #: What opens encrypted objects.
        self.keyring = Keyring() if keyring is None else keyring
        #: Who may sign manifests; None: they are read without a look at their signatures.
        self.trusted = trusted
        self.folder = folder
        self._only = only
        self._manifests: t.Dict[str, t.Tuple[Manifest, str]] = {}

    def scan(self) -> Scan:
        """List the store, once; once more for each folder without a manifest."""
        objects, folders = self.store.list(self.folder)
        scan = Scan(beside={o.key.rpartition("/")[2]: o for o in objects})
        names = scan.beside
        for backup_id in sorted(self._ids(names, folders)):
            if backup_id + _FAILED in names:
                scan.failed.append(backup_id)
            if backup_id + _DELETED in names:
                scan.deleted.append(backup_id)
            if backup_id + _MANIFEST in names:
                if backup_id in folders:
                    scan.complete.append(backup_id)
                else:
                    scan.damaged[backup_id] = "its manifest is there, its data is not"
            elif backup_id + _DELETED in names:
                continue
            elif backup_id + _FAILED in names:
                if backup_id in folders or backup_id + _HASH in names or backup_id + _SIGNATURE in names:
                    scan.unfinished.append(backup_id)
            elif backup_id + _HASH in names or backup_id + _SIGNATURE in names:
                scan.damaged[backup_id] = "its manifest is missing, the manifest's hash is there"
            elif backup_id in folders:
                if self._has_sums(backup_id):
                    scan.damaged[backup_id] = "its manifest is missing, %s is there" % SUMS
                else:
                    scan.unfinished.append(backup_id)
        for name in names:
            backup_id, found, what = name.partition(_MARK)
            if found and what.endswith(_MANIFEST) and backup_id + _MANIFEST in names:
                scan.marks.setdefault(what[: -len(_MANIFEST)], set()).add(backup_id)
        return scan

    def manifest(self, backup_id: str) -> Manifest:
        """The manifest, checked: its own checksum, and that it belongs where it lies.

        Raises IntegrityError, NotFoundError.
        """
        return self._load(backup_id)[0]

    def manifests(self, ids: t.Sequence[str]) -> t.Tuple[t.Dict[str, Manifest], t.Dict[str, str]]:
        """The manifests of several backups, read side by side; and of those that cannot be used why.

        Raises the store's errors.
        """
        found: t.Dict[str, Manifest] = {}
        damaged: t.Dict[str, str] = {}

        def read(backup_id: str) -> None:
            try:
                found[backup_id] = self.manifest(backup_id)
            except (IntegrityError, NotFoundError) as error:
                damaged[backup_id] = str(error)

        side_by_side([(self.store, functools.partial(read, backup_id)) for backup_id in ids])
        return {i: found[i] for i in ids if i in found}, {i: damaged[i] for i in ids if i in damaged}

    def lacking(self, backup_id: str) -> t.List[str]:
        """The objects of a backup that the store lacks or holds in another size; found by one listing, nothing is read.

        Raises like manifest().
        """
        manifest = self.manifest(backup_id)
        there = {o.key: o.size for o in self.store.list(self.key(backup_id))[0]}
        return [o.name for o in manifest.all_objects() if there.get(self.key(backup_id, o.name)) != o.size]

    def manifest_sha256(self, backup_id: str) -> str:
        """The SHA-256 of the manifest's bytes, as references and ``.sha256`` have it. Raises like manifest()."""
        return self._load(backup_id)[1]

    def manifest_bytes(self, backup_id: str) -> bytes:
        """The manifest as it is stored. Raises the store's errors."""
        return self._read(self.manifest_key(backup_id))

    def choose(self, wanted: str = "latest", at: t.Optional[datetime.datetime] = None) -> str:
        """The id that ``wanted`` means: ``latest``, an id, or the beginning of exactly one.

        With ``at``, ``latest`` is the newest backup that had finished by then. Only complete backups are chosen, and for
        ``latest`` those that restores took of what they replaced only when there is no other.
        Raises NotFoundError, which names what there is; IntegrityError when ``at`` meets a manifest that cannot be read.
        """
        scan = self.scan()
        if wanted == "latest":
            return self._latest(scan, at)
        if at is not None:
            raise NotFoundError("%s is a backup and --at is a time: give one of them" % wanted)
        found = [i for i in scan.complete if i.startswith(wanted)]
        if wanted in found:
            return wanted
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFoundError("%s is the beginning of %d backups of %s: %s" % (wanted, len(found), self.place, _some(found)))
        raise NotFoundError("there is no backup %s in %s; %s" % (wanted, self.place, _instead(scan, wanted)))

    def manifest_key(self, backup_id: str) -> str:
        return self._join(backup_id + _MANIFEST)

    def failed_key(self, backup_id: str) -> str:
        """The key of the record of a failed run."""
        return self._join(backup_id + _FAILED)

    def mark_key(self, backup_id: str, what: str) -> str:
        return self._join("%s%s%s.json" % (backup_id, _MARK, what))

    def key(self, backup_id: str, name: str = "") -> str:
        """The key of an object in a backup's folder, or the folder itself.

        Raises IntegrityError for a name that would lead out of the folder: names come from manifests.
        """
        if not name:
            return self._join(backup_id)
        if "/" in name or "\\" in name or "\0" in name or name.startswith("."):
            raise IntegrityError("%s: %r cannot be the name of an object" % (self.manifest_key(backup_id), name), [name])
        return self._join("%s/%s" % (backup_id, name))

    def delete(self, backup_id: str) -> int:
        """Remove a backup, its manifest first, so that a half deleted one is no backup. Returns the bytes freed.

        The caller has made sure that no other backup needs it. What an earlier, interrupted deletion left is removed too. A
        mark is put first and removed last: what an interruption leaves is told from damage by it.
        """
        mark = self._join(backup_id + _DELETED)
        beside = [o for o in self.store.list(self.folder)[0] if self._belongs(o.key, backup_id)]
        inside = self.store.list(self.key(backup_id))[0]
        marked = any(o.key == mark for o in beside) or self._mark_deleted(mark, backup_id)
        first = [self.manifest_key(backup_id)] + [self._join(backup_id + ending) for ending in (_SIGNATURE, _HASH)]
        first.append(self.key(backup_id, SUMS))
        order = {key: n for n, key in enumerate(first)}
        # Marks of a backup that is gone say nothing; they go last.
        found = sorted(beside + inside, key=lambda o: (order.get(o.key, len(order) + (_MARK in o.key)), o.key))
        for stored in found:
            if stored.key != mark:
                self.store.delete(stored.key)
                marked = marked or self._mark_deleted(mark, backup_id)
        self.store.remove_leftovers(self.key(backup_id))
        self.store.delete(mark)
        self._manifests.pop(backup_id, None)
        return sum(o.size for o in found)

    def orphan_bytes(self, backup_id: str) -> int:
        """How much lies in the folder of a run that left no manifest, uploads that were cut off included."""
        folder = self.key(backup_id)
        return sum(o.size for o in self.store.list(folder)[0]) + self.store.leftover_bytes(folder)

    def delete_orphan(self, backup_id: str) -> int:
        """Remove the data of a run that left no manifest. Returns the bytes freed.

        The caller has made sure that the run is not under way. Raises IntegrityError when there is more to it now than that.
        """
        folder = self.key(backup_id)
        if backup_id not in self.scan().unfinished:
            raise IntegrityError("%s: is not what a run left that was killed; nothing was removed" % folder, [folder])
        freed = self.orphan_bytes(backup_id)
        for stored in self.store.list(folder)[0]:
            self.store.delete(stored.key)
        self.store.remove_leftovers(folder)
        for ending in (_SIGNATURE, _HASH):
            self.store.delete(self._join(backup_id + ending))
        return freed

    def keep(self, backup_id: str) -> None:
        """Forget that the removal of a backup was begun."""
        self.store.delete(self._join(backup_id + _DELETED))

    @property
    def place(self) -> str:
        """Where this is, for messages."""
        return "%s of store %s" % (self.folder, self.store.name) if self.folder else str(self.store.local_path())

    def _ids(self, names: t.Iterable[str], folders: t.Iterable[str]) -> t.Set[str]:
        endings = (_MANIFEST, _HASH, _SIGNATURE, _FAILED, _DELETED)
        ids = {name[: -len(ending)] for name in names for ending in endings if name.endswith(ending)}
        ids.update(folders)
        return {i for i in ids if parse_backup_id(i) and self._only in (None, i)}

    def _mark_deleted(self, key: str, backup_id: str) -> bool:
        """Put the mark; return whether there was room for it."""
        mark = {"format": 1, "id": backup_id, "mark": "deleted", "at": iso(utc_now())}
        try:
            upload = self.store.put(key)
            try:
                upload.write(json.dumps(mark).encode("ascii") + b"\n")
                upload.commit()
            finally:
                upload.abort()
        except StoreFullError:
            # Room is what the deletion makes.
            return False
        return True

    def _has_sums(self, backup_id: str) -> bool:
        return any(o.key == self.key(backup_id, SUMS) for o in self.store.list(self.key(backup_id))[0])

    def _latest(self, scan: Scan, at: t.Optional[datetime.datetime]) -> str:
        if not scan.complete:
            raise NotFoundError("there is no complete backup in %s; %s" % (self.place, _instead(scan, "")))
        regular = [i for i in scan.complete if not is_safety(i)] or scan.complete
        if at is None:
            return regular[-1]
        for backup_id in reversed(regular):
            if from_iso(self.manifest(backup_id).finished) <= at:
                return backup_id
        oldest = regular[0]
        raise NotFoundError(
            "no backup in %s had finished by %s; the oldest is %s, finished %s"
            % (self.place, iso(at), oldest, self.manifest(oldest).finished)
        )

    def _load(self, backup_id: str) -> t.Tuple[Manifest, str]:
        if backup_id not in self._manifests:
            data = self._read(self.manifest_key(backup_id))
            manifest = self._check(backup_id, data)
            if self.trusted is not None:
                self._require_trust(manifest, data, self.trusted)
            self._manifests[backup_id] = (manifest, hashlib.sha256(data).hexdigest())
        return self._manifests[backup_id]

    def _read(self, key: str, largest: int = _LARGEST_MANIFEST) -> bytes:
        # One request: to ask for the size first would be another.
        file = self.store.open(key, 0, largest + 1)
        size = 0
        try:
            parts: t.List[bytes] = []
            while True:
                part = file.read(1 << 20)
                if not part:
                    return b"".join(parts)
                parts.append(part)
                size += len(part)
                if size > largest:
                    raise IntegrityError("%s: is too large for what it should be" % key, [key])
        finally:
            file.close()

    def _require_trust(self, manifest: Manifest, data: bytes, trusted: TrustedHosts) -> None:
        """Raise UntrustedError unless a manifest is signed by the host that it says it is of."""
        from .signing import LARGEST_SIGNATURE, check

        key = self._join(manifest.id + _SIGNATURE)
        try:
            signature: t.Optional[bytes] = self._read(key, LARGEST_SIGNATURE)
        except NotFoundError:
            signature = None
        except IntegrityError:
            signature = b""  # one that is too large is none
        check(data, signature, manifest.host, trusted, from_iso(manifest.finished)).require(self.manifest_key(manifest.id))

    def _check(self, backup_id: str, data: bytes) -> Manifest:
        key = self.manifest_key(backup_id)
        manifest = Manifest.from_bytes(data, key)
        host, _slash, job = self.folder.partition("/") if self.folder else (manifest.host, "", manifest.job)
        if (manifest.host, manifest.job, manifest.id) != (host, job, backup_id):
            raise IntegrityError(
                "%s: says that it is the backup %s of job %s of %s; it was moved or swapped"
                % (key, manifest.id, manifest.job, manifest.host),
                [key],
            )
        try:
            if not 1970 <= from_iso(manifest.finished).year < 9999:
                raise ValueError("%s is no time that a backup can have finished at" % manifest.finished)
            for reference in manifest.references:
                if not parse_backup_id(reference["id"]) or reference["id"] >= backup_id:
                    raise ValueError("%r is no older backup" % reference["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError("%s: is not a manifest: %s" % (key, error), [key]) from None
        return manifest

    def _belongs(self, key: str, backup_id: str) -> bool:
        name = key.rpartition("/")[2]
        return name in (backup_id + e for e in (_MANIFEST, _HASH, _SIGNATURE)) or name.startswith(backup_id + _MARK)

    def _join(self, name: str) -> str:
        return "%s/%s" % (self.folder, name) if self.folder else name


def hosts(store: Store) -> t.List[str]:
    """The hosts that have backups on a store."""
    return [name for name in store.list("")[1] if is_host(name)]


def jobs(store: Store, host: str) -> t.List[str]:
    """The jobs of a host that have backups on a store; those of tenants are ``<job>@<tenant>``."""
    return [name for name in store.list(host)[1] if _is_job(name)]


def hosts_and_jobs(store: Store) -> t.List[t.Tuple[str, str]]:
    """All jobs of all hosts that have backups on a store, each with its host; in one listing where the store can do that."""
    found = store.beginnings("/" + _CENTURY)
    # A path that ends at the second place is that of a job whose own name begins so.
    paths = [path.split("/") for path in found or ()]
    asked = hosts(store) if found is None else sorted({path[0] for path in paths if len(path) == 2 and is_host(path[0])})
    known = {(path[0], path[1]) for path in paths if len(path) > 2 and is_host(path[0]) and _is_job(path[1])}
    for host, its in zip(asked, side_by_side([(store, functools.partial(jobs, store, host)) for host in asked])):
        known.update((host, job) for job in its)
    return sorted(known)


def _is_job(name: str) -> bool:
    return is_name(name.partition("@")[0])


def _some(ids: t.Sequence[str]) -> str:
    """A few of many, the newest."""
    return ", ".join(ids) if len(ids) <= 5 else "%s and %d older ones" % (", ".join(ids[:-6:-1]), len(ids) - 5)


def _instead(scan: Scan, wanted: str) -> str:
    """What there is instead of a backup that was not found."""
    if wanted in scan.damaged:
        return "it is damaged: %s" % scan.damaged[wanted]
    if wanted in scan.deleted:
        return "it was being removed; prune finishes that"
    if wanted in scan.failed:
        return "that run failed and left no backup"
    if wanted in scan.unfinished:
        return "that run is under way or was killed"
    if scan.complete:
        return "there are %s" % _some(scan.complete)
    if scan.damaged:
        newest = max(scan.damaged)
        return "%s is damaged: %s" % (newest, scan.damaged[newest])
    return "there are %d runs that failed and %d unfinished ones" % (len(scan.failed), len(scan.unfinished))
