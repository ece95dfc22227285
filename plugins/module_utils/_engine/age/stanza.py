# SPDX-License-Identifier: GPL-3.0-or-later
"""Stanzas of an age header: the file key, wrapped for a recipient (X25519) or by a passphrase (scrypt).

Source of all rules: https://c2sp.org/age, "Native recipient types" (and "Conventions" for base64). ValueError: the stanza
is malformed.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import typing as t

from ..errors import ConfigurationError, DecryptionError
from .keys import AnyIdentity, Identity, Passphrase, parse_recipient
from .primitives import TAG, ZERO_NONCE, Cipher, exchange, hkdf, public_key, scrypt

_X25519 = b"X25519"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_SCRYPT = b"scrypt"
_SCRYPT_INFO = b"age-encryption.org/v1/scrypt"

#: Passphrases are not tried when they would take more than 2^22 KiB (4 GiB) and minutes: who wrote the file decides that.
MAX_WORK_FACTOR = 22

_SALT = 16
_WRAPPED = 16 + TAG
_WORK_FACTOR = re.compile(rb"[1-9][0-9]*\Z")
_UNPADDED = re.compile(rb"[A-Za-z0-9+/]*\Z")


class Stanza(t.NamedTuple):
    """``arguments``: the first is the type. Types that are not known here are somebody else's."""

    arguments: t.Tuple[bytes, ...]
    body: bytes

    @property
    def type(self) -> bytes:
        return self.arguments[0]

    @property
    def by_passphrase(self) -> bool:
        return self.type == _SCRYPT


def encode(data: bytes) -> bytes:
    """Base64 without padding."""
    return base64.b64encode(data).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """The reverse of encode(), and of nothing else: padding, other characters and stray bits are a ValueError."""
    if not _UNPADDED.match(text) or len(text) % 4 == 1:
        raise ValueError("it has something that is not base64 (without padding)")
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("it has something that is not base64") from None
    if encode(data) != text:
        raise ValueError("it has base64 that no encoder writes")
    return data


def check(stanzas: t.Sequence[Stanza]) -> None:
    """Raise ValueError for a stanza of a known type that is not as it must be, and for a passphrase beside anything else."""
    for stanza in stanzas:
        if stanza.type == _X25519:
            _check_form(stanza, 2, 32)
        elif stanza.type == _SCRYPT:
            _check_form(stanza, 3, _SALT)
            if not _WORK_FACTOR.match(stanza.arguments[2]):
                raise ValueError("the work factor of its scrypt stanza is no number")
            if len(stanzas) > 1:
                raise ValueError("a scrypt stanza must be the only one, and there are %d stanzas" % len(stanzas))


def wrap_for_recipient(file_key: bytes, recipient: str) -> Stanza:
    """A stanza that the identity of ``recipient`` (age1...) opens. Raises ConfigurationError."""
    public = parse_recipient(recipient)
    secret = os.urandom(32)
    shared = exchange(secret, public)
    if shared is None:
        raise ConfigurationError("the recipient %s is no key that anybody can have made (a point of low order)" % recipient)
    share = public_key(secret)
    wrapped = Cipher(hkdf(shared, share + public, _X25519_INFO)).seal(ZERO_NONCE, file_key)
    return Stanza((_X25519, encode(share)), wrapped)


def wrap_for_passphrase(file_key: bytes, passphrase: Passphrase, work_factor: int) -> Stanza:
    """A stanza that the passphrase opens."""
    salt = os.urandom(_SALT)
    wrapped = Cipher(scrypt(passphrase.secret, _SCRYPT_INFO + salt, work_factor)).seal(ZERO_NONCE, file_key)
    return Stanza((_SCRYPT, encode(salt), b"%d" % work_factor), wrapped)


def unwrap_key(stanzas: t.Sequence[Stanza], identities: t.Sequence[AnyIdentity]) -> bytes:
    """The file key from the first stanza that one of ``identities`` opens, of stanzas that passed check().

    Raises DecryptionError when none does, ValueError for a stanza that is malicious.
    """
    for identity in identities:
        for stanza in stanzas:
            if isinstance(identity, Identity):
                key = _open_x25519(stanza, identity) if stanza.type == _X25519 else None
            else:
                key = _open_scrypt(stanza, identity) if stanza.type == _SCRYPT else None
            if key is not None:
                return key
    raise DecryptionError(_why_none(stanzas, identities))


def _check_form(stanza: Stanza, arguments: int, size: int) -> None:
    kind = stanza.type.decode("ascii")
    if len(stanza.arguments) != arguments:
        raise ValueError("its %s stanza has %d arguments instead of %d" % (kind, len(stanza.arguments), arguments))
    if len(decode(stanza.arguments[1])) != size:
        raise ValueError("the share or salt of its %s stanza has not %d bytes" % (kind, size))
    if len(stanza.body) != _WRAPPED:
        raise ValueError("the body of its %s stanza has %d bytes instead of %d" % (kind, len(stanza.body), _WRAPPED))


def _open_x25519(stanza: Stanza, identity: Identity) -> t.Optional[bytes]:
    share = decode(stanza.arguments[1])
    shared = exchange(identity.secret, share)
    if shared is None:
        raise ValueError("the share of its X25519 stanza is a point of low order, which no honest writer makes")
    return Cipher(hkdf(shared, share + identity.public, _X25519_INFO)).unseal(ZERO_NONCE, stanza.body)


def _open_scrypt(stanza: Stanza, passphrase: Passphrase) -> t.Optional[bytes]:
    digits = stanza.arguments[2]
    if len(digits) > 2 or int(digits) > MAX_WORK_FACTOR:
        raise DecryptionError(
            "its passphrase is stretched with the work factor %s; more than %d is refused, because opening it would take"
            " too much memory and time" % (digits[:20].decode("ascii"), MAX_WORK_FACTOR)
        )
    key = scrypt(passphrase.secret, _SCRYPT_INFO + decode(stanza.arguments[1]), int(digits))
    return Cipher(key).unseal(ZERO_NONCE, stanza.body)


def _why_none(stanzas: t.Sequence[Stanza], identities: t.Sequence[AnyIdentity]) -> str:
    kinds = {stanza.type for stanza in stanzas}
    if _SCRYPT in kinds:
        if any(isinstance(identity, Passphrase) for identity in identities):
            return "the passphrase is wrong"
        return "it is encrypted with a passphrase, and none was given, only identities"
    if _X25519 not in kinds:
        names = ", ".join(sorted(kind.decode("ascii")[:40] for kind in kinds))
        return "it is encrypted to recipients of kinds that are not supported (%s); the tool age may open it" % names
    keys = [identity.recipient for identity in identities if isinstance(identity, Identity)]
    if not keys:
        return "it is encrypted to recipients (age1...), and only a passphrase was given; name the identity file"
    return "none of the identities given can open it; they are those of %s" % ", ".join(keys)
