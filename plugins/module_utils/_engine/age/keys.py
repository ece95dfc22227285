# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of age: recipients (public, ``age1...``), identities (secret, ``AGE-SECRET-KEY-1...``) and passphrases.

No message here repeats what was read: it may be a secret, also where a public key was expected.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import ConfigurationError
from ..result import utc_now
from . import bech32
from .primitives import public_key

_RECIPIENT = "age"
_IDENTITY = "AGE-SECRET-KEY-"
_SIZE = 32

# An identity file holds a few keys; more than this was never one.
_FILE_LIMIT = 1 << 20


class Identity:
    """An X25519 secret key. ``secret`` must not be shown; ``public`` and ``recipient`` may be."""

    __slots__ = ("public", "secret")

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.public = public_key(secret)

    @property
    def recipient(self) -> str:
        """The public key as text: what a job's ``encryption.recipients`` lists."""
        return bech32.encode(_RECIPIENT, self.public)

    def __repr__(self) -> str:
        return "<identity of %s>" % self.recipient


class Passphrase:
    """A passphrase. ``secret`` must not be shown."""

    __slots__ = ("secret",)

    def __init__(self, text: str) -> None:
        """Raises ConfigurationError for an empty one."""
        if not text:
            raise ConfigurationError("the passphrase is empty")
        self.secret = text.encode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return "<passphrase>"


AnyIdentity = t.Union[Identity, Passphrase]


def parse_recipient(text: str) -> bytes:
    """Return the public key of ``age1...``. Raises ConfigurationError. Needs no library."""
    if text.upper().startswith(("AGE-SECRET-KEY-", "AGE-PLUGIN-")):
        raise ConfigurationError(
            "this is a secret key, and it must not be here; a recipient is the public key, age1..., which stands beside it in"
            " the identity file. Now that the secret key has been written here, replace it by a new one (fleet-backup keygen)"
        )
    if text.startswith(("ssh-", "ecdsa-", "sk-")):
        raise ConfigurationError("this is an SSH key; a recipient is an age public key, age1... (fleet-backup keygen makes one)")
    try:
        prefix, key = bech32.decode(text)
    except ValueError as error:
        raise ConfigurationError("this is no recipient (age1...): %s" % error) from None
    if prefix.startswith("age1"):
        raise ConfigurationError(
            "this recipient is of a kind that is not supported (post-quantum, or of a plugin); only X25519 is: age1 and 58"
            " letters and digits, as fleet-backup keygen and age-keygen make them"
        )
    if prefix != _RECIPIENT or len(key) != _SIZE:
        raise ConfigurationError("this is no recipient: age1 and 58 small letters and digits")
    return key


def parse_identity(text: str) -> Identity:
    """Return the key of ``AGE-SECRET-KEY-1...``. Raises ConfigurationError, MissingDependencyError."""
    if text.startswith("age1"):
        raise ConfigurationError(
            "this is a recipient, the public key; what is needed is its identity, the secret key, AGE-SECRET-KEY-1..."
        )
    if text.startswith("-----BEGIN") or text.startswith("age-encryption.org/"):
        raise ConfigurationError(
            "this is an SSH key or an encrypted file; an identity is AGE-SECRET-KEY-1... (decrypt an encrypted identity file"
            " with age -d first)"
        )
    if text.startswith(("AGE-PLUGIN-", "AGE-SECRET-KEY-PQ-")):
        raise ConfigurationError(
            "this identity is of a kind that is not supported (post-quantum, or of a plugin); only X25519 is"
        )
    try:
        prefix, key = bech32.decode(text)
    except ValueError as error:
        raise ConfigurationError("this is no identity (AGE-SECRET-KEY-1...): %s" % error) from None
    if prefix != _IDENTITY or len(key) != _SIZE:
        raise ConfigurationError("this is no identity: AGE-SECRET-KEY-1 and 58 capital letters and digits")
    return Identity(key)


def parse_identities(text: str, place: str) -> t.List[Identity]:
    """The identities of an identity file's text: one a line; empty lines and those that begin with ``#`` say nothing.

    ``place`` names the file in messages. Raises ConfigurationError, MissingDependencyError.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            found.append(parse_identity(line))
        except ConfigurationError as error:
            raise ConfigurationError("%s: line %d: %s" % (place, number, error)) from None
    if not found:
        raise ConfigurationError("%s: there is no identity (AGE-SECRET-KEY-1...) in it" % place)
    return found


def read_identities(path: str) -> t.List[Identity]:
    """The identities of an identity file. Raises ConfigurationError, MissingDependencyError."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            text = file.read(_FILE_LIMIT)
    except OSError as error:
        raise ConfigurationError("%s: the identity file cannot be read: %s" % (path, error.strerror)) from None
    return parse_identities(text, path)


def keygen() -> t.Tuple[str, str]:
    """Make a new identity. Returns ``(text, recipient)``: the text of its identity file, as age-keygen writes it, is secret."""
    identity = Identity(os.urandom(_SIZE))
    created = utc_now().isoformat(timespec="seconds").replace("+00:00", "Z")
    key = bech32.encode(_IDENTITY.lower(), identity.secret).upper()
    return "# created: %s\n# public key: %s\n%s\n" % (created, identity.recipient, key), identity.recipient
