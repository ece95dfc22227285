# SPDX-License-Identifier: GPL-3.0-or-later
"""ed25519 keys as OpenSSH writes them: public ones in one line, private ones in a file (OpenSSH's PROTOCOL.key)."""

from __future__ import annotations

import base64
import hashlib
import os
import typing as t
from dataclasses import dataclass, field

from ..names import printable
from .wire import InvalidError, Reader, armor, decode_base64, string, unarmor

KEY_TYPE = b"ssh-ed25519"

_LABEL = "OPENSSH PRIVATE KEY"
_MAGIC = b"openssh-key-v1\0"
_BLOCK = 8


@dataclass(frozen=True)
class PublicKey:
    """The 32 bytes of a public key (RFC 8032)."""

    data: bytes

    @classmethod
    def from_blob(cls, blob: bytes) -> PublicKey:
        """Read SSH's encoding of a key (RFC 8709, section 4). Raises InvalidError, also for keys that are not ed25519."""
        reader = Reader(blob)
        check_type(reader.string())
        data = reader.string()
        reader.end()
        if len(data) != 32:
            raise InvalidError("its key has %d bytes; an ed25519 key has 32" % len(data))
        return cls(data)

    @classmethod
    def from_base64(cls, text: str) -> PublicKey:
        """Read what stands behind the key type in a public key's line. Raises InvalidError."""
        return cls.from_blob(decode_base64(text.encode("ascii", "replace")))

    @property
    def blob(self) -> bytes:
        return string(KEY_TYPE) + string(self.data)

    @property
    def text(self) -> str:
        """``ssh-ed25519 AAAA...``, as in ``.pub`` files."""
        return "ssh-ed25519 " + base64.b64encode(self.blob).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """``SHA256:...``, as ``ssh-keygen -l`` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode("ascii").rstrip("=")


@dataclass(frozen=True)
class SigningKey:
    """A private key, and the file that it lies in. ``seed`` is the secret (RFC 8032)."""

    path: str
    public: PublicKey
    seed: bytes = field(repr=False)


def check_type(name: bytes) -> None:
    """Raises InvalidError unless ``name`` is the type of an ed25519 key."""
    if name != KEY_TYPE:
        raise InvalidError("it is of the type %s; only ed25519 keys (ssh-ed25519) can be used" % printable(name[:80]))


def read_private_key(data: bytes) -> t.Tuple[PublicKey, bytes]:
    """The public key and the seed in a private key file. Raises InvalidError."""
    if data.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        raise InvalidError("it is a public key; the private one lies beside it, without .pub")
    blob = unarmor(data, _LABEL)
    if not blob.startswith(_MAGIC):
        raise InvalidError("it is no private key of OpenSSH's own format (openssh-key-v1)")
    reader = Reader(blob[len(_MAGIC) :])
    cipher, kdf, _options, count = reader.string(), reader.string(), reader.string(), reader.number()
    if count != 1:
        raise InvalidError("it holds %d keys instead of one" % count)
    public = PublicKey.from_blob(reader.string())
    secret = reader.string()
    if (cipher, kdf) != (b"none", b"none"):
        raise InvalidError("it is encrypted with a passphrase, and nobody is there to give it when a backup runs")
    reader.end()
    return public, _seed(secret, public)


def write_private_key(seed: bytes, public: PublicKey, comment: str) -> bytes:
    """A private key file, not encrypted."""
    check = os.urandom(4)
    secret = check + check + string(KEY_TYPE) + string(public.data) + string(seed + public.data) + string(comment.encode("utf-8"))
    secret += bytes(range(1, -len(secret) % _BLOCK + 1))
    head = _MAGIC + string(b"none") + string(b"none") + string(b"") + (1).to_bytes(4, "big")
    return armor(head + string(public.blob) + string(secret), _LABEL)


def _seed(secret: bytes, public: PublicKey) -> bytes:
    reader = Reader(secret)
    first, second = reader.take(4), reader.take(4)
    check_type(reader.string())
    again, pair, _comment, padding = reader.string(), reader.string(), reader.string(), reader.rest()
    whole = first == second and len(secret) % _BLOCK == 0 and padding == bytes(range(1, len(padding) + 1))
    # A seed with another key's public half would give itself away in its signatures.
    if not whole or len(padding) >= _BLOCK or again != public.data or len(pair) != 64 or pair[32:] != public.data:
        raise InvalidError("it is damaged: its parts do not fit together")
    return pair[:32]
