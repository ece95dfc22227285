# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of encrypted objects, from the headers that manifests carry: no object is read for them."""

from __future__ import annotations

import base64
import typing as t

from .errors import ConfigurationError, IntegrityError
from .manifest import SEALED_ENDING, Manifest, StoredFile

if t.TYPE_CHECKING:
    from .catalog import Catalog
    from .keyring import Keyring


def header_of(backup_id: str, stored: StoredFile) -> bytes:
    """The age header that the manifest has of an encrypted object. Raises IntegrityError, which names the manifest."""
    try:
        header = base64.b64decode(stored.header or "", validate=True)
    except (ValueError, TypeError):
        header = b""
    if not header:
        name = backup_id + ".json"
        raise IntegrityError("%s: has no age header of %s" % (name, stored.name), [name])
    return header


def object_key(catalog: Catalog, backup_id: str, stored: StoredFile) -> t.Tuple[bytes, int]:
    """The file key of an encrypted object and the size of its header.

    Raises DecryptionError when the catalog's keyring does not open it, and IntegrityError, which names the manifest, when the
    manifest's header of it is damaged.
    """
    return catalog.keyring.file_key(backup_id, stored.name, header_of(backup_id, stored))


def require_key(catalog: Catalog, backup_id: str, stored: t.Iterable[StoredFile]) -> None:
    """Raise what object_key() raises unless all of these objects that are encrypted can be opened."""
    for one in stored:
        if one.name.endswith(SEALED_ENDING):
            object_key(catalog, backup_id, one)


def headers_of(catalog: Catalog, manifest: Manifest) -> t.Dict[str, str]:
    """The headers of everything encrypted that reading a backup needs, base64, by ``<backup id>/<object>``.

    Of older backups, whose manifests are read too, the volumes that hold data of this one. Raises IntegrityError, NotFoundError.
    """
    needed = [(manifest.id, stored) for stored in manifest.all_objects()]
    for reference in manifest.references:
        older = catalog.manifest(reference["id"])
        if catalog.manifest_sha256(older.id) != reference["sha256"]:
            key = catalog.manifest_key(older.id)
            raise IntegrityError("%s is not the manifest of the backup that holds data of %s" % (key, manifest.id), [key])
        volumes = [volume for component in older.components for volume in component.all_volumes]
        needed += [(older.id, volume) for volume in volumes if volume.name in reference["volumes"]]
    sealed = [(i, one) for i, one in needed if one.name.endswith(SEALED_ENDING)]
    return {"%s/%s" % (i, one.name): base64.b64encode(header_of(i, one)).decode("ascii") for i, one in sealed}


def unwrap_headers(headers: t.Mapping[str, str], keyring: Keyring) -> t.Dict[str, str]:
    """The file keys of what has these headers, base64, by the same names.

    Raises ConfigurationError, DecryptionError, IntegrityError.
    """
    keys = {}
    for place, text in headers.items():
        backup_id, _slash, name = place.partition("/")
        try:
            header = base64.b64decode(text, validate=True)
        except (ValueError, TypeError):
            raise ConfigurationError("%s: is no header in base64" % place) from None
        key, _size = keyring.file_key(backup_id, name, header)
        keys[place] = base64.b64encode(key).decode("ascii")
    return keys
