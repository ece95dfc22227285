# SPDX-License-Identifier: GPL-3.0-or-later
"""The file keys of one backup, for a host that must not see the identity.

Manifests alone are read: they carry the headers of all encrypted objects. Who has no way to the store is given the headers
instead, which are no secret.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..catalog import Catalog
from ..errors import FleetBackupError, NotFoundError
from ..job import Config
from ..keyring import Keyring
from ..result import Result
from ..unsealing import headers_of, unwrap_headers
from .finding import find_backup, places_of


@dataclass
class UnwrapResult(Result):
    """``id``: the backup; ``headers``: the age headers of all that reading it needs, base64, by ``<backup id>/<object>``.

    The keys are in no field.
    """

    id: t.Optional[str] = None
    headers: t.Dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys: t.Dict[str, str] = {}

    def file_keys(self) -> t.Dict[str, str]:
        """The file keys, base64, by the same names: secret, for the one who asked and the host that restores."""
        return self._keys


def unwrap(
    config: t.Optional[Config],
    backup_id: str,
    *,
    job: t.Optional[str] = None,
    store: t.Optional[str] = None,
    catalog: t.Optional[Catalog] = None,
    keyring: t.Optional[Keyring] = None,
) -> UnwrapResult:
    """Open all headers of a backup with ``keyring``; without one, only tell the headers.

    ``backup_id``, ``job``, ``store``, ``catalog``: as for show(). Fails with NotFoundError when the backup is not encrypted.
    """
    result = UnwrapResult("unwrap", config.host if config else None, job)
    result.begin()
    try:
        found = find_backup([catalog] if catalog else places_of(config, job, store, None), backup_id, result)
        result.host, result.job, result.id = found.manifest.host, found.manifest.job, found.manifest.id
        result.headers = headers_of(found.catalog, found.manifest)
        if not result.headers:
            raise NotFoundError("backup %s is not encrypted; it needs no keys" % result.id)
        if keyring is not None:
            result._keys = unwrap_headers(result.headers, keyring)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def unwrap_given(headers: t.Mapping[str, str], keyring: Keyring) -> UnwrapResult:
    """Open headers that another host told (``headers`` of its result)."""
    result = UnwrapResult("unwrap", headers=dict(headers))
    result.begin()
    try:
        result._keys = unwrap_headers(headers, keyring)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result
