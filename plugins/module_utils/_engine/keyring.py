# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens encrypted objects: identities, a passphrase, or file keys that somebody passed on who has an identity."""

from __future__ import annotations

import base64
import threading
import typing as t

from .errors import ConfigurationError, DecryptionError

if t.TYPE_CHECKING:
    from .age.header import Header
    from .age.keys import AnyIdentity

#: Asks somebody for the passphrase; None when nobody tells it.
Ask = t.Callable[[], t.Optional[str]]


class Keyring:
    """``file_keys``: base64, by ``<backup id>/<object name>``. ``ask`` is called once, when a passphrase is needed and not there.

    Several threads may use it.
    """

    def __init__(
        self,
        identities: t.Sequence[AnyIdentity] = (),
        file_keys: t.Optional[t.Mapping[str, str]] = None,
        ask: t.Optional[Ask] = None,
    ) -> None:
        self._identities = list(identities)
        self._file_keys = {name: _key(name, text) for name, text in (file_keys or {}).items()}
        self._ask = ask
        # Stretching a passphrase takes a second, and an object is opened more than once.
        self._opened: t.Dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    @property
    def has_keys(self) -> bool:
        """Whether there is anything that opens something, without asking."""
        return bool(self._identities or self._file_keys)

    def file_key(self, backup_id: str, name: str, head: bytes) -> t.Tuple[bytes, int]:
        """The key of an object and the size of its header. ``head``: the beginning of the object, at least the whole header.

        Raises DecryptionError when nothing here opens it, IntegrityError when the header was tampered with.
        """
        from .age import header as age

        header = age.parse(head, name)
        key = self._file_keys.get("%s/%s" % (backup_id, name))
        if key is not None:
            age.check_file_key(header, key)
            return key, header.size
        with self._lock:
            key = self._opened.get(head[: header.size])
            if key is None:
                key = self._opened[head[: header.size]] = self._open(backup_id, header)
        return key, header.size

    def _open(self, backup_id: str, header: Header) -> bytes:
        from .age import header as age

        if self._ask is not None and header.by_passphrase:
            self._ask_passphrase(self._ask)
        if self._identities:
            return age.file_key(header, self._identities)
        if self._file_keys:
            raise DecryptionError("%s of %s: its file key was not passed on" % (header.name, backup_id))
        raise DecryptionError(
            "%s of %s is encrypted; name the %s"
            % (header.name, backup_id, "passphrase" if header.by_passphrase else "identity file")
        )

    def _ask_passphrase(self, ask: Ask) -> None:
        from .age.keys import Passphrase

        if any(isinstance(identity, Passphrase) for identity in self._identities):
            return
        self._ask = None
        answer = ask()
        if answer is not None:
            self._identities.append(Passphrase(answer))


def open_keyring(
    identity_files: t.Sequence[str] = (),
    passphrase: t.Optional[str] = None,
    file_keys: t.Optional[t.Mapping[str, str]] = None,
    ask: t.Optional[Ask] = None,
) -> Keyring:
    """A keyring of what the user gave. Raises ConfigurationError, MissingDependencyError."""
    identities: t.List[AnyIdentity] = []
    if identity_files or passphrase is not None:
        from .age.keys import Passphrase, read_identities

        for path in identity_files:
            identities += read_identities(path)
        if passphrase is not None:
            identities.append(Passphrase(passphrase))
    return Keyring(identities, file_keys, ask)


def _key(name: str, text: t.Any) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        key = b""
    if len(key) != 16:
        raise ConfigurationError("file_keys[%s]: is no file key (16 bytes in base64)" % name)
    return key
