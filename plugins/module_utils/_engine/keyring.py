# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens encrypted objects: identities, a passphrase, or file keys that somebody passed on who has an identity."""

from __future__ import annotations

import base64
import typing as t

from .errors import ConfigurationError, DecryptionError

if t.TYPE_CHECKING:
    from .age.keys import AnyIdentity


class Keyring:
    """``file_keys``: base64, by ``<backup id>/<object name>``."""

    def __init__(
        self, identities: t.Sequence[AnyIdentity] = (), file_keys: t.Optional[t.Mapping[str, str]] = None
    ) -> None:  # fmt: skip
        self._identities = list(identities)
        self._file_keys = {name: _key(name, text) for name, text in (file_keys or {}).items()}

    def __bool__(self) -> bool:
        return bool(self._identities or self._file_keys)

    def file_key(self, backup_id: str, name: str, head: bytes) -> t.Tuple[bytes, int]:
        """The key of an object and the size of its header. ``head``: the beginning of the object, at least the whole header.

        Raises DecryptionError when nothing here opens it, IntegrityError when the header was tampered with.
        """
        from .age import header as age

        header = age.parse(head, name)
        key = self._file_keys.get("%s/%s" % (backup_id, name))
        if key is None:
            if self._file_keys and not self._identities:
                raise DecryptionError("%s of %s: its file key was not passed on" % (name, backup_id))
            return age.file_key(header, self._identities), header.size
        age.check_file_key(header, key)
        return key, header.size


def open_keyring(
    identity_files: t.Sequence[str] = (),
    passphrase: t.Optional[str] = None,
    file_keys: t.Optional[t.Mapping[str, str]] = None,
) -> Keyring:
    """A keyring of what the user gave. Raises ConfigurationError, MissingDependencyError."""
    identities: t.List[AnyIdentity] = []
    if identity_files or passphrase is not None:
        from .age.keys import Passphrase, read_identities

        for path in identity_files:
            identities += read_identities(path)
        if passphrase is not None:
            identities.append(Passphrase(passphrase))
    return Keyring(identities, file_keys)


def _key(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 16:
        raise ConfigurationError("file_keys[%s]: is no file key (16 bytes in base64)" % name)
    return key
