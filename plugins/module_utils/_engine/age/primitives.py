# SPDX-License-Identifier: GPL-3.0-or-later
"""The cryptography that age is made of: X25519, ChaCha20-Poly1305, HKDF-SHA-256, scrypt.

The third-party library ``cryptography`` does it, 3.3 (Debian 11) or newer; it is imported when it is first needed. All
functions raise MissingDependencyError when it is not there, or not able.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import typing as t

from ..errors import FleetBackupError, MissingDependencyError

Bytes = t.Union[bytes, bytearray, memoryview]

#: What ChaCha20-Poly1305 adds to what it encrypts.
TAG = 16

#: The nonce under a key that encrypts only once.
ZERO_NONCE = bytes(12)


class _Library(t.NamedTuple):
    aead: t.Any
    private: t.Any
    public: t.Any
    scrypt: t.Any
    encoding: t.Any
    format: t.Any
    invalid_tag: t.Type[Exception]
    #: Versions before 42 encrypt nothing but bytes.
    takes_views: bool


@functools.cache
def _library() -> _Library:
    try:
        from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    except ImportError:
        raise MissingDependencyError(
            "encryption needs the Python library cryptography, 3.3 or newer; install it (the package is called"
            " python3-cryptography, or cryptography on PyPI)"
        ) from None
    try:
        cipher = ChaCha20Poly1305(bytes(32))
        X25519PrivateKey.generate()
    except UnsupportedAlgorithm:
        raise MissingDependencyError(
            "encryption needs X25519 and ChaCha20-Poly1305, which the Python library cryptography does not offer on this host"
            " (is it in FIPS mode?)"
        ) from None
    try:
        cipher.encrypt(ZERO_NONCE, memoryview(b""), None)
        takes_views = True
    except TypeError:
        takes_views = False
    return _Library(
        ChaCha20Poly1305, X25519PrivateKey, X25519PublicKey, Scrypt, Encoding.Raw, PublicFormat.Raw, InvalidTag, takes_views
    )


class Cipher:
    """ChaCha20-Poly1305 (RFC 8439) with one key of 32 bytes. Several threads may use it at once."""

    def __init__(self, key: bytes) -> None:
        library = _library()
        aead = library.aead(key)
        self._encrypt: t.Callable[[bytes, Bytes, None], bytes] = aead.encrypt
        self._decrypt: t.Callable[[bytes, Bytes, None], bytes] = aead.decrypt
        self._invalid_tag = library.invalid_tag
        self._takes_views = library.takes_views

    def seal(self, nonce: bytes, data: Bytes) -> bytes:
        """Encrypt; the result is longer by TAG."""
        return self._encrypt(nonce, data if self._takes_views else bytes(data), None)

    def unseal(self, nonce: bytes, data: Bytes) -> t.Optional[bytes]:
        """Decrypt; None when ``data`` is not what was encrypted with this key and nonce."""
        try:
            return self._decrypt(nonce, data if self._takes_views else bytes(data), None)
        except self._invalid_tag:
            return None


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """32 bytes of HKDF-SHA-256 (RFC 5869): one block, so one step of its expansion."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def public_key(secret: bytes) -> bytes:
    """The X25519 public key of a secret one."""
    library = _library()
    key: bytes = library.private.from_private_bytes(secret).public_key().public_bytes(library.encoding, library.format)
    return key


def exchange(secret: bytes, public: bytes) -> t.Optional[bytes]:
    """The shared secret of X25519 (RFC 7748); None for a point of low order, which would make it all zeros."""
    library = _library()
    try:
        shared: bytes = library.private.from_private_bytes(secret).exchange(library.public.from_public_bytes(public))
    except ValueError:
        return None
    return None if hmac.compare_digest(shared, bytes(32)) else shared


def scrypt(passphrase: bytes, salt: bytes, work_factor: int) -> bytes:
    """32 bytes of scrypt (RFC 7914) with N = 2^work_factor, r = 8, p = 1; it takes 2^work_factor KiB of memory.

    Raises FleetBackupError when there is not that much.
    """
    try:
        key: bytes = _library().scrypt(salt=salt, length=32, n=1 << work_factor, r=8, p=1).derive(passphrase)
    except MemoryError:
        raise FleetBackupError(
            "a passphrase takes %d MiB of memory here (scrypt, work factor %d), and there is not that much"
            % ((1 << work_factor) >> 10, work_factor)
        ) from None
    return key
