# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH signatures (OpenSSH's PROTOCOL.sshsig), as ``ssh-keygen -Y sign`` writes them.

Only one kind is written and read: an ed25519 key, SHA-512, and the namespace of fleet.backup, so that a signature that a
host's key made for another purpose says nothing about a backup.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..names import printable
from .keys import PublicKey, check_type
from .wire import InvalidError, Reader, armor, string, unarmor

NAMESPACE = "fleet.backup"

#: Bytes; a signature has about 300. Nothing larger is worth reading.
LARGEST_SIGNATURE = 8192

_LABEL = "SSH SIGNATURE"
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"


@dataclass(frozen=True)
class Signature:
    """Who signed (as the signature itself claims), and the 64 bytes that prove it."""

    public: PublicKey
    raw: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Signature:
        """Read a ``.sig`` file. Raises InvalidError; whether it belongs to some data is not looked at."""
        if len(data) > LARGEST_SIGNATURE:
            raise InvalidError("it is too large to be a signature")
        reader = Reader(unarmor(data, _LABEL))
        if reader.take(len(_MAGIC)) != _MAGIC:
            raise InvalidError("it is not an SSH signature")
        version = reader.number()
        if version != _VERSION:
            raise InvalidError("it is an SSH signature of version %d; only version 1 is known" % version)
        public = PublicKey.from_blob(reader.string())
        namespace, reserved, algorithm, proof = reader.string(), reader.string(), reader.string(), reader.string()
        reader.end()
        if namespace != NAMESPACE.encode("ascii"):
            raise InvalidError("it was made for %s, not for %s" % (printable(namespace[:80]), NAMESPACE))
        if reserved:
            raise InvalidError("it has reserved data, which this version of the format does not have")
        if algorithm != _HASH:
            raise InvalidError("it was made over %s; it must be sha512" % printable(algorithm[:80]))
        return cls(public, _raw(proof))

    def to_bytes(self) -> bytes:
        """The ``.sig`` file."""
        blob = _MAGIC + _VERSION.to_bytes(4, "big") + string(self.public.blob) + _PURPOSE
        return armor(blob + string(string(b"ssh-ed25519") + string(self.raw)), _LABEL)


def signed_bytes(data: bytes) -> bytes:
    """What the key signs to sign ``data``."""
    return _MAGIC + _PURPOSE + string(hashlib.sha512(data).digest())


_PURPOSE = string(NAMESPACE.encode("ascii")) + string(b"") + string(_HASH)


def _raw(proof: bytes) -> bytes:
    reader = Reader(proof)
    check_type(reader.string())
    raw = reader.string()
    reader.end()
    if len(raw) != 64:
        raise InvalidError("it has %d bytes; an ed25519 signature has 64" % len(raw))
    return raw
