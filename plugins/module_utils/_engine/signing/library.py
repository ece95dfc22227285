# SPDX-License-Identifier: GPL-3.0-or-later
"""ed25519 by the Python library cryptography."""

from __future__ import annotations

import functools
import os
import typing as t

from .keys import PublicKey, SigningKey, write_private_key
from .signature import Signature, signed_bytes


@functools.cache
def available() -> bool:
    """True when the library is there and may do ed25519 (a host in FIPS mode may not)."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        return False
    try:
        Ed25519PrivateKey.from_private_bytes(bytes(32))
    except UnsupportedAlgorithm:
        return False
    return True


def generate(folder: str, comment: str) -> bytes:
    """The file of a new private key."""
    seed = os.urandom(32)
    return write_private_key(seed, _public(_private(seed)), comment)


def sign(data: bytes, key: SigningKey) -> Signature:
    private = _private(key.seed)
    return Signature(_public(private), private.sign(signed_bytes(data)))


def is_valid(data: bytes, signature: Signature) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(signature.public.data).verify(signature.raw, signed_bytes(data))
    except (InvalidSignature, ValueError):
        # ValueError: 32 bytes that are no point of the curve.
        return False
    return True


def _private(seed: bytes) -> t.Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


def _public(private: t.Any) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PublicKey(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
