# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that stored backups are what was stored: every object, and with level ``data`` every entry's bytes."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ..archive.checking import ComponentCheck, check_object, check_sealed
from ..archive.reader import read_object
from ..catalog import Catalog
from ..errors import (
    ConfigurationError,
    DecryptionError,
    FleetBackupError,
    IntegrityError,
    InterruptedRunError,
    NotFoundError,
)
from ..job import Config, Job
from ..keyring import Keyring
from ..manifest import SEALED_ENDING, SUMS, Component, Manifest, StoredFile, sums, sums_line
from ..names import printable
from ..progress import SILENT, Progress
from ..result import Result
from ..state import State
from ..telling import tell
from ..unsealing import require_key
from .place import bare_catalog, open_catalog
from .sampling import Coverage, Round
from .tenants import stored_jobs

#: ``quick``: all objects are there with their sizes. ``hashes``: all are what was stored. ``data``: all frames decode, and every
#: entry is what was backed up.
LEVELS = ("quick", "hashes", "data")

Path = bytes

_SUMS_LINE = re.compile(r"([0-9a-f]{64})  (?!\.)([^/\\\0]+)\Z")


@dataclass
class Damage:
    """One damaged object: its name, what is wrong, and how many entries that spoils (with a few of their paths)."""

    LIMIT: t.ClassVar[int] = 100

    object: str
    problem: str
    entries: int = 0
    paths: t.List[str] = field(default_factory=list)


@dataclass
class VerifiedBackup:
    """One backup on one store.

    ``objects``: how many were checked; ``bytes``: how many were read; ``unknown``: what lies in its folder and is no part of it.
    """

    store: str
    job: t.Optional[str]
    id: str
    level: str
    ok: bool = True
    objects: int = 0
    bytes: int = 0
    damaged: t.List[Damage] = field(default_factory=list)
    unknown: t.List[str] = field(default_factory=list)

    def report(self, name: str, problem: str, entry: t.Optional[Path] = None) -> None:
        """Record damage. Of one object each problem is told once."""
        self.ok = False
        damage = next((d for d in self.damaged if d.object == name), None)
        if damage is None:
            damage = Damage(name, problem)
            self.damaged.append(damage)
        elif problem not in damage.problem:
            damage.problem += "; " + problem
        if entry is not None:
            damage.entries += 1
            if len(damage.paths) < Damage.LIMIT:
                damage.paths.append(printable(entry))


@dataclass
class VerifyResult(Result):
    """``sample``: the share that was asked for; then ``coverage`` tells of each store how much that was and what is covered."""

    level: str = "data"
    sample: t.Optional[float] = None
    backups: t.List[VerifiedBackup] = field(default_factory=list)
    coverage: t.List[Coverage] = field(default_factory=list)


def verify(
    config: t.Optional[Config],
    job_names: t.Sequence[str] = (),
    backup_ids: t.Sequence[str] = (),
    *,
    level: str = "data",
    sample: t.Optional[float] = None,
    store: t.Optional[str] = None,
    from_dir: t.Optional[str] = None,
    keyring: t.Optional[Keyring] = None,
    progress: Progress = SILENT,
) -> VerifyResult:
    """Verify backups of the named jobs (all by default) on each of their stores, or on ``store`` alone.

    ``backup_ids``: ids, beginnings of ids, or ``latest``; all backups by default. ``from_dir``: those in a bare folder instead.
    ``keyring``: what opens encrypted backups, which level ``data`` needs; the other levels need none.

    ``sample``: this share of all (0.05 is 5 %) instead of everything, another one each time, and of the rest presence and sizes.

    Everything is checked whatever is found; damage makes the result a failure that names the objects.
    """
    result = VerifyResult("verify", config.host if config else None, level=level, sample=sample)
    result.begin()
    jobs: t.List[Job] = []
    try:
        if level not in LEVELS:
            raise ConfigurationError("level: %r is none of %s" % (level, ", ".join(LEVELS)))
        if sample is not None and (backup_ids or from_dir is not None or level == "quick"):
            raise ConfigurationError("sample: goes through all backups of a job at level hashes or data; name no others")
        if config is not None and from_dir is None:
            jobs = stored_jobs(config, job_names)
            result.job = jobs[0].name if len(jobs) == 1 else None
        catalogs = _catalogs(config, jobs, store, from_dir, keyring)
        state = State(config.state_dir) if config and sample is not None else None
        _verify_all(catalogs, backup_ids, result, progress, state)
    except (FleetBackupError, InterruptedRunError) as error:
        result.fail(error)
    progress.close()
    result.end()
    if config is not None and from_dir is None:
        names = [name.partition("@")[0] for name in job_names]
        configured = [job for job in config.jobs if not names or job.name in names]
        _remember(State(config.state_dir), jobs or configured, result)
        tell(config, configured, result)
    return result


def _remember(state: State, jobs: t.Sequence[Job], result: VerifyResult) -> None:
    """When the jobs were verified, and how that ended. What keeps that from being written says nothing of the backups."""
    data = {**result.to_dict(), "backups": [], "coverage": []}
    for job in jobs:
        state.write_status(job.name, {**data, "job": job.name})


def _catalogs(
    config: t.Optional[Config], jobs: t.Sequence[Job], store: t.Optional[str], from_dir: t.Optional[str],
    keyring: t.Optional[Keyring],
) -> t.List[Catalog]:  # fmt: skip
    if from_dir is not None:
        return [bare_catalog(from_dir, keyring)]
    if config is None:
        raise NotFoundError("neither a configuration nor a folder says where to look")
    return [open_catalog(config, job.name, name, keyring) for job in jobs for name in ([store] if store else job.stores)]


def _verify_all(
    catalogs: t.Sequence[Catalog],
    wanted: t.Sequence[str],
    result: VerifyResult,
    progress: Progress,
    state: t.Optional[State],
) -> None:
    chosen: t.List[t.Tuple[Catalog, t.Dict[str, str]]] = []
    errors: t.List[FleetBackupError] = []
    matched: t.Set[str] = set()
    for catalog in catalogs:
        try:
            chosen.append((catalog, _choose(catalog, wanted, matched)))
        except FleetBackupError as error:
            errors.append(error)
    for catalog, backups in chosen:
        readable: t.Dict[str, _Verification] = {}
        level = result.level if state is None else "quick"
        for backup_id, why in backups.items():
            checked = VerifiedBackup(catalog.store.name, catalog.folder.partition("/")[2] or None, backup_id, level)
            result.backups.append(checked)
            try:
                if why:
                    checked.report(backup_id + ".json", why)
                else:
                    readable[backup_id] = _Verification(catalog, checked, result, progress)
                    readable[backup_id].run()
            except FleetBackupError as error:
                checked.ok = False
                errors.append(error)
            if checked.unknown:
                result.warn(
                    "unknown-objects",
                    "%s on store %s holds what is no part of the backup: %s"
                    % (backup_id, catalog.store.name, ", ".join(checked.unknown)),
                    count=len(checked.unknown),
                )
        if state is not None:
            try:
                _sample(catalog, readable, result, state)
            except FleetBackupError as error:
                errors.append(error)
    missing = [name for name in wanted if name not in matched]
    if errors:
        result.fail(errors[0])
    elif missing or not result.backups:
        where = ", ".join(catalog.place for catalog in catalogs)
        result.fail(
            NotFoundError(
                "there is no backup %s in %s" % (", ".join(missing), where) if missing else "there is no backup in " + where
            )
        )
    _judge(result)


def _sample(catalog: Catalog, readable: t.Mapping[str, _Verification], result: VerifyResult, state: State) -> None:
    """Go on with the round through the backups on one store. Raises the store's errors."""
    job, key = catalog.folder.partition("/")[2], "%s/%s" % (catalog.store.name, result.level)
    coverage = Coverage(catalog.store.name, job, result.level)
    result.coverage.append(coverage)
    going = Round(catalog, coverage, state.sample(job, key))
    try:
        going.run(readable, result.sample or 0)
    finally:
        state.keep_sample(job, key, going.position)
        for notice in state.notices:
            result.warn(notice.code, notice.message)
        state.notices.clear()


def _choose(catalog: Catalog, wanted: t.Sequence[str], matched: t.Set[str]) -> t.Dict[str, str]:
    """The wanted backups of a catalog, oldest first; with a reason where a listing already shows that one is damaged."""
    scan = catalog.scan()
    known = dict.fromkeys(scan.complete, "")
    known.update(scan.damaged)
    found = set()
    for name in wanted:
        if name == "latest":
            ids = [catalog.choose()] if scan.complete else []
        else:
            ids = [name] if name in known else [i for i in known if i.startswith(name)]
        if ids:
            matched.add(name)
            found.update(ids)
    return {i: known[i] for i in sorted(known) if i in found or not wanted}


def _judge(result: VerifyResult) -> None:
    """Damage is the worst that verifying can find, so it is the error that counts."""
    damaged = [(backup, damage) for backup in result.backups for damage in backup.damaged]
    if not damaged:
        return
    lines = [
        "%s of backup %s on store %s %s%s"
        % (
            damage.object, backup.id, backup.store, damage.problem,
            "; entries that cannot be restored: %d" % damage.entries if damage.entries else "",
        )
        for backup, damage in damaged
    ]  # fmt: skip
    count = len({id(backup) for backup, _damage in damaged})
    result.fail(
        IntegrityError(
            "%d of %d backups are damaged:\n%s" % (count, len(result.backups), "\n".join(lines)), [d.object for _b, d in damaged]
        )
    )


class _Verification:
    """One backup on one store."""

    def __init__(self, catalog: Catalog, checked: VerifiedBackup, result: VerifyResult, progress: Progress) -> None:
        self._catalog = catalog
        self._id = checked.id
        self._checked = checked
        self._result = result
        self._progress = progress
        self.report = checked.report
        #: Known when run() could read it.
        self.manifest: t.Optional[Manifest] = None

    def run(self) -> None:
        """Check everything; what is damaged is in the VerifiedBackup. Raises the store's errors."""
        checked = self._checked
        sizes = {o.key.rpartition("/")[2]: o.size for o in self._catalog.store.list(self._catalog.key(self._id))[0]}
        try:
            manifest = self._catalog.manifest(self._id)
        except IntegrityError as error:
            checked.report(self._id + ".json", str(error))
            self._check_hash_file(None)
            checked.objects = 2
            if checked.level != "quick":
                self._check_by_sums(sizes)
            return
        self.manifest = manifest
        self._check_hash_file(self._catalog.manifest_sha256(self._id))
        listed = manifest.all_objects()
        checked.objects = 2 + len(listed)
        checked.unknown = sorted(set(sizes) - {stored.name for stored in listed})
        self._check_references(manifest)
        self._progress.phase("verify %s" % self._id, None if checked.level == "quick" else sum(o.size for o in listed))
        if checked.level == "quick":
            self._check_sizes(listed, sizes)
        elif checked.level == "hashes" or not self.can_open(manifest):
            self.check_objects(listed)
        else:
            for component in manifest.components:
                self.check_component(manifest, component)
            self.check_objects(manifest.objects)
            self._check_sealed(listed)
        if checked.level != "quick":
            self._check_sums(listed)

    def check_objects(self, objects: t.Iterable[StoredFile]) -> None:
        """Compare objects with their hashes."""
        for stored in objects:
            self._check_object(stored)

    def check_component(self, manifest: Manifest, component: Component) -> None:
        """Decode all of a component and compare every entry."""
        older = self._older(manifest, component.name)
        ComponentCheck(self._catalog, self._id, component, self.report, self.advance, older).run()

    def advance(self, count: int) -> None:
        self._checked.bytes += count
        self._progress.advance(count)

    def _check_object(self, stored: StoredFile) -> bool:
        return check_object(self._catalog, self._id, stored, self._checked.report, self.advance)

    def _check_sizes(self, listed: t.Sequence[StoredFile], sizes: t.Dict[str, int]) -> None:
        for stored in listed:
            if stored.name not in sizes:
                self._checked.report(stored.name, "is missing")
            elif sizes[stored.name] != stored.size:
                self._checked.report(stored.name, "has %d bytes instead of %d" % (sizes[stored.name], stored.size))

    def _check_references(self, manifest: Manifest) -> None:
        """The older backups that this one needs must be those that were meant, and have all that it needs of them."""
        for reference in manifest.references:
            older_id = reference["id"]
            try:
                older = self._catalog.manifest(older_id)
                if self._catalog.manifest_sha256(older_id) != reference["sha256"]:
                    raise IntegrityError("its manifest is another one than when this backup was made")
                used = [stored for component in older.components for stored in component.objects_for(reference["volumes"])]
                needed = {*reference["volumes"], *(stored.name for stored in used)}
                whole = {o.name for o in older.all_objects()}.difference(self._catalog.lacking(older_id))
                if needed - whole:
                    raise IntegrityError("it lacks %s" % ", ".join(sorted(needed - whole)))
            except (IntegrityError, NotFoundError) as error:
                problem = "is an older backup that holds data of this one and cannot be used: %s" % error
                self._checked.report(older_id + ".json", problem)

    def _check_hash_file(self, sha256: t.Optional[str]) -> None:
        """Compare ``<id>.json.sha256`` with the manifest; when that is damaged (None), see whether it is a hash at all."""
        manifest_name = self._id + ".json"
        name = manifest_name + ".sha256"
        data = self._read_beside(name)
        if data is None:
            self._checked.report(name, "is missing")
        elif sha256 is None:
            found = _SUMS_LINE.match(data.decode("utf-8", "replace")[:-1])
            if not data.endswith(b"\n") or found is None or found.group(2) != manifest_name:
                self._checked.report(name, "is not the hash of a manifest")
        elif data != sums_line(sha256, manifest_name):
            self._checked.report(name, "is not the hash of the manifest, which is whole")

    def _read_beside(self, name: str) -> t.Optional[bytes]:
        folder = self._catalog.folder
        try:
            file = self._catalog.store.open("%s/%s" % (folder, name) if folder else name, 0, 4096)
        except NotFoundError:
            return None
        try:
            return file.read()
        finally:
            file.close()

    def _check_sums(self, listed: t.Sequence[StoredFile]) -> None:
        """SHA256SUMS, when it is what was stored, must agree with the manifest."""
        if any(damage.object == SUMS for damage in self._checked.damaged):
            return
        if read_object(self._catalog, self._id, SUMS) != sums(o for o in listed if o.name != SUMS):
            self._checked.report(SUMS, "does not agree with the manifest")

    def _check_by_sums(self, sizes: t.Dict[str, int]) -> None:
        """Without a manifest, SHA256SUMS still tells which of the other objects are whole."""
        if SUMS not in sizes:
            self._checked.report(SUMS, "is missing")
            return
        text = read_object(self._catalog, self._id, SUMS).decode("utf-8", "replace")
        for line in text.splitlines():
            found = _SUMS_LINE.match(line)
            if found is None:
                self._checked.report(SUMS, "is not a list of hashes")
                continue
            name = found.group(2)
            # Its size is not known; the hash alone decides.
            if self._check_object(StoredFile(name, sizes.get(name, -1), found.group(1))):
                self._checked.objects += 1

    def can_open(self, manifest: Manifest) -> bool:
        """Whether the headers that the manifest carries are whole. Raises DecryptionError when the keyring does not open them."""
        try:
            require_key(self._catalog, self._id, manifest.all_objects())
        except IntegrityError as error:
            self._checked.report(self._id + ".json", str(error))
            return False
        except DecryptionError as error:
            raise DecryptionError(
                "%s; or check only the hashes of what is stored (verify --hashes, level: hashes), for which no key is needed"
                % error
            ) from None
        return True

    def _check_sealed(self, listed: t.Sequence[StoredFile]) -> None:
        """Check what only the key shows of encrypted objects that are what was stored."""
        damaged = [damage.object for damage in self._checked.damaged]
        for stored in listed:
            if stored.name.endswith(SEALED_ENDING) and stored.name not in damaged:
                try:
                    check_sealed(self._catalog, self._id, stored)
                except IntegrityError as error:
                    self._checked.report(stored.name, str(error))

    def _older(self, manifest: Manifest, component_name: str) -> t.Callable[[str], t.Optional[Component]]:
        """How to find the component of an older backup that holds data of this one."""
        hashes = {reference["id"]: reference["sha256"] for reference in manifest.references}

        def find(backup_id: str) -> t.Optional[Component]:
            if backup_id not in hashes:
                return None
            component = self._catalog.manifest(backup_id).component(component_name)
            if self._catalog.manifest_sha256(backup_id) != hashes[backup_id]:
                raise IntegrityError("its manifest is another one than when this backup was made")
            if component is None:
                raise IntegrityError("it has no component %s" % component_name)
            return component

        return find
