# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing and checking by whichever of the two implementations this host has. Both write and accept the same."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationError, MissingDependencyError
from . import library, program
from .keys import PublicKey, SigningKey
from .signature import Signature
from .wire import InvalidError


class _Implementation(t.Protocol):
    def available(self) -> bool: ...
    def generate(self, folder: str, comment: str) -> bytes: ...
    def sign(self, data: bytes, key: SigningKey) -> Signature: ...
    def is_valid(self, data: bytes, signature: Signature) -> bool: ...


def generate(folder: str, comment: str) -> bytes:
    """The file of a new private key; ``folder`` is a private one. Raises MissingDependencyError."""
    return _implementation("sign").generate(folder, comment)


def sign(data: bytes, key: SigningKey) -> bytes:
    """The signature of ``data``, as a ``.sig`` file holds it. It was checked before it is returned.

    Raises ConfigurationError when the key cannot be used, MissingDependencyError.
    """
    implementation = _implementation("sign")
    signature = implementation.sign(data, key)
    if signature.public != key.public or not implementation.is_valid(data, signature):
        raise ConfigurationError(
            "signing_key: %s: what it signs cannot be checked with its own public key; it is damaged, or was just replaced: "
            "make a new key" % key.path
        )
    return signature.to_bytes()


def verify(data: bytes, signature: bytes) -> PublicKey:
    """The key that made ``signature`` (the bytes of a ``.sig`` file) over ``data``. Whose key it is, it does not say.

    Raises InvalidError, which says what is wrong; MissingDependencyError.
    """
    parsed = Signature.from_bytes(signature)
    if not _implementation("trusted_hosts").is_valid(data, parsed):
        raise InvalidError("it is not the signature of these bytes: they, or the signature, were altered")
    return parsed.public


def _implementation(option: str) -> _Implementation:
    # The library first: it costs no process.
    for candidate in (library, program):
        if candidate.available():
            return candidate
    raise MissingDependencyError(
        "signatures (option %s) need the Python library cryptography or the program ssh-keygen of OpenSSH 8.1 or newer, and "
        "this host has neither; install one of them (Debian: python3-cryptography or openssh-client), or do without the option"
        % option
    )
