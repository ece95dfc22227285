# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing what a restore reads: the backup, and the first store on which all that is needed of it is intact."""

from __future__ import annotations

import datetime
import hashlib
import typing as t

from ..archive.reader import ComponentReader, open_component
from ..catalog import Catalog
from ..errors import FleetBackupError, IntegrityError, NotFoundError
from ..manifest import Component, Manifest, StoredFile
from ..progress import Progress

_BLOCK = 1 << 20


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
    Raises NotFoundError, IntegrityError, the stores' errors.
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
            return _open(catalog, backup_id, components, partly, progress)
        except NotFoundError:
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
    used = [_used(component, partly) for component in components]
    progress.phase("check backup %s" % backup_id, sum(stored.size for objects in used for stored in objects))
    for objects in used:
        for stored in objects:
            _check(catalog, backup_id, stored, progress)
    return Choice(catalog, manifest, [open_component(catalog, manifest, component.name) for component in components])


def _used(component: Component, partly: bool) -> t.List[StoredFile]:
    return [component.frames, component.index] if partly else component.objects()


def _check(catalog: Catalog, backup_id: str, stored: StoredFile, progress: Progress) -> None:
    """Raise IntegrityError unless an object is on the store and is what was stored."""
    key = catalog.key(backup_id, stored.name)
    try:
        file = catalog.store.open(key)
    except NotFoundError:
        raise IntegrityError("%s is missing on store %s" % (key, catalog.store.name), [stored.name]) from None
    digest = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(_BLOCK))
    try:
        while True:
            count = file.readinto(buffer)
            if not count:
                break
            digest.update(buffer[:count])
            size += count
            progress.advance(count)
    finally:
        file.close()
    if (size, digest.hexdigest()) != (stored.size, stored.sha256):
        raise IntegrityError("%s on store %s is not what was stored" % (key, catalog.store.name), [stored.name])
