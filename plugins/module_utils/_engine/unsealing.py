# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of encrypted objects, from the headers that manifests carry: no object is read for them."""

from __future__ import annotations

import base64
import typing as t

from .errors import IntegrityError
from .manifest import SEALED_ENDING, StoredFile

if t.TYPE_CHECKING:
    from .catalog import Catalog


def header_of(backup_id: str, stored: StoredFile) -> bytes:
    """The age header of an encrypted object. Raises IntegrityError, which names the manifest, when it has none."""
    try:
        return base64.b64decode(stored.header or "", validate=True)
    except ValueError:
        name = backup_id + ".json"
        raise IntegrityError("%s: has no age header of %s" % (name, stored.name), [name]) from None


def object_key(catalog: Catalog, backup_id: str, stored: StoredFile) -> t.Tuple[bytes, int]:
    """The file key of an encrypted object and the size of its header.

    Raises DecryptionError when the catalog's keyring does not open it, and IntegrityError when the manifest's header of it is
    damaged.
    """
    return catalog.keyring.file_key(backup_id, stored.name, header_of(backup_id, stored))


def require_key(catalog: Catalog, backup_id: str, stored: t.Iterable[StoredFile]) -> None:
    """Raise what object_key() raises unless all of these objects that are encrypted can be opened."""
    for one in stored:
        if one.name.endswith(SEALED_ENDING):
            object_key(catalog, backup_id, one)
