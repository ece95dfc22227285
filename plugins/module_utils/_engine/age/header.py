# SPDX-License-Identifier: GPL-3.0-or-later
"""The header of an age file: who can open it. The textual part; what its stanzas hold is in stanza.py.

Source of all rules: https://c2sp.org/age, "Header". The parser accepts exactly what the grammar there allows.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import typing as t

from ..errors import ConfigurationError, DecryptionError, IntegrityError
from .keys import AnyIdentity, Passphrase
from .primitives import hkdf
from .stanza import Stanza, check, decode, encode, unwrap_key, wrap_for_passphrase, wrap_for_recipient

#: Headers are not longer than this (the specification has no limit): some 600 recipients.
LIMIT = 1 << 16

_VERSION_LINE = b"age-encryption.org/v1\n"
_OTHER_VERSION = re.compile(rb"age-encryption\.org/([\x21-\x7e]{1,40})\n")
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_COLUMNS = 64
_ARGUMENT = re.compile(rb"[\x21-\x7e]+\Z")
_FILE_KEY = 16


class Header(t.NamedTuple):
    """``size``: where it ends, which is where the payload's nonce begins; ``authentic``: what its MAC covers."""

    name: str
    stanzas: t.Tuple[Stanza, ...]
    mac: bytes
    size: int
    authentic: bytes

    @property
    def by_passphrase(self) -> bool:
        """Whether a passphrase opens it, and not identities."""
        return any(stanza.by_passphrase for stanza in self.stanzas)


def for_recipients(recipients: t.Sequence[str]) -> t.Tuple[bytes, bytes]:
    """Return ``(header, file_key)`` of a new file that each of ``recipients`` (age1...) can open.

    Raises ConfigurationError, MissingDependencyError.
    """
    if not recipients:
        raise ValueError("a file without recipients could never be opened")
    file_key = os.urandom(_FILE_KEY)
    header = _format([wrap_for_recipient(file_key, recipient) for recipient in recipients], file_key)
    if len(header) > LIMIT:
        raise ConfigurationError("%d recipients are too many; there may be about 600" % len(recipients))
    return header, file_key


def for_passphrase(passphrase: Passphrase, work_factor: int = 18) -> t.Tuple[bytes, bytes]:
    """Return ``(header, file_key)`` of a new file that a passphrase opens, and nothing else: age allows no mix.

    Takes about a second and 2^work_factor KiB of memory, as opening it will.
    """
    file_key = os.urandom(_FILE_KEY)
    return _format([wrap_for_passphrase(file_key, passphrase, work_factor)], file_key), file_key


def parse(data: bytes, name: str) -> Header:
    """The header that ``data`` begins with: the head of the file ``name``, LIMIT bytes of it or all there are.

    Raises IntegrityError when there is none, and DecryptionError for a version of age that is not known.
    """
    try:
        return _parse(data, name)
    except ValueError as error:
        raise IntegrityError("%s: its age header is damaged: %s" % (name, error), [name]) from None


def file_key(header: Header, identities: t.Sequence[AnyIdentity]) -> bytes:
    """The key of the file, opened with the first of ``identities`` that can.

    Raises DecryptionError when none can, and IntegrityError when the header was tampered with.
    """
    if not identities:
        raise DecryptionError("%s is encrypted, and no identity was given to open it" % header.name)
    try:
        key = unwrap_key(header.stanzas, identities)
    except ValueError as error:
        raise IntegrityError("%s: its age header is damaged: %s" % (header.name, error), [header.name]) from None
    except DecryptionError as error:
        raise DecryptionError("%s: %s" % (header.name, error)) from None
    check_file_key(header, key)
    return key


def check_file_key(header: Header, key: bytes) -> None:
    """Raise IntegrityError unless ``key`` is this file's key and the header is what was written with it."""
    if not hmac.compare_digest(header.mac, _mac(key, header.authentic)):
        raise IntegrityError(
            "%s: its age header was changed after it was written, or the file key is that of another file (the header's MAC"
            " does not match)" % header.name,
            [header.name],
        )


def unwrap(headers: t.Mapping[str, bytes], identities: t.Sequence[AnyIdentity]) -> t.Dict[str, bytes]:
    """The file keys of several files, by the name under which each whole header stands in ``headers``.

    For one who holds the identities and passes on no more than these keys. Raises what parse() and file_key() raise.
    """
    keys = {}
    for name, data in headers.items():
        header = parse(data, name)
        if header.size != len(data):
            raise IntegrityError("%s: there is more than an age header" % name, [name])
        keys[name] = file_key(header, identities)
    return keys


def _format(stanzas: t.Sequence[Stanza], key: bytes) -> bytes:
    lines = []
    for stanza in stanzas:
        # A wrapped key fits in one line, shorter than a full one: that is how a reader knows it to be the last.
        lines += [b" ".join([b"->", *stanza.arguments]), encode(stanza.body)]
    authentic = _VERSION_LINE + b"\n".join([*lines, b"---"])
    return authentic + b" " + encode(_mac(key, authentic)) + b"\n"


def _mac(key: bytes, authentic: bytes) -> bytes:
    return hmac.new(hkdf(key, b"", b"header"), authentic, hashlib.sha256).digest()


def _parse(data: bytes, name: str) -> Header:
    _check_version(data, name)
    lines = _Lines(data, len(_VERSION_LINE))
    stanzas = []
    line = lines.next()
    while line.startswith(b"->"):
        arguments = line[3:].split(b" ")
        if line[2:3] != b" " or not all(_ARGUMENT.match(argument) for argument in arguments):
            raise ValueError("a stanza does not begin with '->' and its arguments, each after one space")
        stanzas.append(Stanza(tuple(arguments), decode(_body(lines))))
        line = lines.next()
    if not line.startswith(b"--- "):
        raise ValueError("there is neither a stanza nor the last line ('--- ') where one must be")
    if not stanzas:
        raise ValueError("it has no stanza, so nobody could ever open the file")
    mac = decode(line[4:])
    if len(mac) != hashlib.sha256().digest_size:
        raise ValueError("its MAC has %d bytes" % len(mac))
    check(stanzas)
    return Header(name, tuple(stanzas), mac, lines.end, data[: lines.end - len(line) - 1 + len(b"---")])


def _check_version(data: bytes, name: str) -> None:
    if data.startswith(_VERSION_LINE):
        return
    if data.startswith(_ARMOR):
        raise IntegrityError("%s: is an age file in ASCII armor; fleet.backup writes and reads binary ones" % name, [name])
    other = _OTHER_VERSION.match(data)
    if other:
        version = other.group(1).decode("ascii")
        raise DecryptionError("%s: is an age file of version %s; this fleet.backup knows v1 only" % (name, version))
    raise ValueError("the file does not begin with %r" % _VERSION_LINE.decode("ascii").strip())


def _body(lines: _Lines) -> bytes:
    body = []
    while True:
        line = lines.next()
        if len(line) > _COLUMNS:
            raise ValueError("a line is longer than %d characters" % _COLUMNS)
        body.append(line)
        if len(line) < _COLUMNS:
            return b"".join(body)


class _Lines:
    """The lines of a header, one after another, within LIMIT; ``end`` is where the next begins."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self.end = start

    def next(self) -> bytes:
        start = self.end
        stop = self._data.find(b"\n", start, LIMIT)
        if stop < 0:
            raise ValueError("it does not end within %d bytes" % LIMIT if len(self._data) >= LIMIT else "it is cut off")
        self.end = stop + 1
        return self._data[start:stop]
