# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing what a restore reads: the backup, and the first store on which all that is needed of it is intact."""

from __future__ import annotations

import datetime
import typing as t

from ..anomaly import SUSPICIOUS
from ..archive.checking import check_object
from ..archive.reader import ComponentReader, open_component
from ..catalog import Catalog
from ..errors import DecryptionError, FleetBackupError, IntegrityError, NotFoundError
from ..manifest import Component, Manifest, StoredFile, Volume
from ..marks import read_marks
from ..progress import Progress
from ..unsealing import require_key


class Choice(t.NamedTuple):
    """A backup on a store, with open readers of the components that were asked for."""

    catalog: Catalog
    manifest: Manifest
    readers: t.List[ComponentReader]

    def close(self) -> None:
        for reader in self.readers:
            reader.close()


def choose_backup(
    catalogs: t.Sequence[Catalog],
    wanted: str,
    at: t.Optional[datetime.datetime],
    components: t.Sequence[str],
    partly: bool,
    progress: Progress,
    warn: t.Callable[[str, str], None],
) -> Choice:
    """Return the newest backup that ``wanted`` and ``at`` mean on any of ``catalogs``, from the first that has it intact.

    Every object that will be used is read and compared with its hash; of a restore of a part (``partly``) all but the volumes,
    whose entries are checked one by one when they are read. ``warn`` is told (code, message) of stores that were passed over.
    Raises NotFoundError, IntegrityError, DecryptionError when the catalogs' keyring does not open it, the stores' errors.
    """
    found: t.Dict[str, t.List[Catalog]] = {}
    errors: t.List[FleetBackupError] = []
    for catalog in catalogs:
        try:
            found.setdefault(catalog.choose(wanted, at), []).append(catalog)
        except FleetBackupError as error:
            errors.append(error)
            if not isinstance(error, NotFoundError):
                warn("store-unusable", "store %s was passed over: %s" % (catalog.store.name, error))
    if not found:
        raise next((error for error in errors if not isinstance(error, NotFoundError)), errors[0])
    backup_id = max(found)
    problems = []
    for catalog in found[backup_id]:
        try:
            if read_marks(catalog, catalog.scan()).suspicious(catalog.manifest(backup_id)):
                warn(SUSPICIOUS, "backup %s may be of what was lost (fleet-backup show %s)" % (backup_id, backup_id))
            return _open(catalog, backup_id, components, partly, progress)
        except (NotFoundError, DecryptionError):
            raise
        except FleetBackupError as error:
            problems.append(error)
            warn("store-unusable", "store %s was passed over: %s" % (catalog.store.name, error))
    if len(problems) == 1:
        raise problems[0]
    objects = [name for error in problems if isinstance(error, IntegrityError) for name in error.objects]
    raise IntegrityError("backup %s is intact on no store:\n%s" % (backup_id, "\n".join(map(str, problems))), objects)


def _open(catalog: Catalog, backup_id: str, names: t.Sequence[str], partly: bool, progress: Progress) -> Choice:
    manifest = catalog.manifest(backup_id)
    known = [component.name for component in manifest.components]
    for name in names:
        if name not in known:
            raise NotFoundError("backup %s has no component %r; it has %s" % (backup_id, name, ", ".join(known)))
    components = [component for component in manifest.components if not names or component.name in names]
    # Before hours of reading. The others follow when they are read: a passphrase takes a second for each.
    require_key(catalog, backup_id, [component.index for component in components])
    used = [(backup_id, o) for component in components for o in component.objects() if not (partly and isinstance(o, Volume))]
    for reference in manifest.references:
        used += _referenced(catalog, reference, components, partly)
    progress.phase("check backup %s" % backup_id, sum(stored.size for _id, stored in used))
    for holder, stored in used:
        _check(catalog, holder, stored, progress)
    return Choice(catalog, manifest, [open_component(catalog, manifest, component.name) for component in components])


def _check(catalog: Catalog, backup_id: str, stored: StoredFile, progress: Progress) -> None:
    """Raise IntegrityError unless an object is what was stored."""

    def report(name: str, problem: str, entry: t.Optional[bytes] = None) -> None:
        raise IntegrityError("%s of backup %s on store %s %s" % (name, backup_id, catalog.store.name, problem), [name])

    check_object(catalog, backup_id, stored, report, progress.advance)


def _referenced(
    catalog: Catalog, reference: t.Dict[str, t.Any], components: t.Sequence[Component], partly: bool
) -> t.Iterator[t.Tuple[str, StoredFile]]:
    """The objects of an older backup that hold data of ``components``. Raises IntegrityError when it is not that backup."""
    older_id = reference["id"]
    try:
        older, sha256 = catalog.manifest(older_id), catalog.manifest_sha256(older_id)
    except NotFoundError:
        key = catalog.manifest_key(older_id)
        raise IntegrityError("backup %s, which holds data of this one, is missing: %s" % (older_id, key), [key]) from None
    if sha256 != reference["sha256"]:
        key = catalog.manifest_key(older_id)
        raise IntegrityError("%s is not the manifest of the backup that holds data of this one" % key, [key])
    for component in components:
        source = older.component(component.name)
        for stored in [] if source is None else source.objects_for(reference["volumes"]):
            if not (partly and isinstance(stored, Volume)):
                yield older_id, stored
