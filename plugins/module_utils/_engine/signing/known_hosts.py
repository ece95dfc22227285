# SPDX-License-Identifier: GPL-3.0-or-later
"""The ed25519 keys of hosts, from a ``known_hosts`` file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

A host that signs with its SSH host key is known to whoever connects to it: the list of trusted hosts need not be collected.
"""

from __future__ import annotations

import hmac
import typing as t
from dataclasses import dataclass

from .keys import KEY_TYPE, PublicKey
from .patterns import matches
from .wire import decode_base64

_HASHED = "|1|"


def known_keys(text: str, addresses: t.Mapping[str, t.Collection[str]]) -> t.Dict[str, t.List[PublicKey]]:
    """The keys of each host of ``addresses``, without those that the file revokes; an empty list when it knows none.

    ``addresses`` gives for each host (as its backups name it) the names and addresses by which SSH knows it, with a port other
    than 22 as ``[address]:port``. Lines that are of no use here are passed over, as ssh does.
    """
    lines = [line for line in map(_read, text.split("\n")) if line]
    revoked = {line.key for line in lines if line.marker == "@revoked"}
    usable = [line for line in lines if not line.marker and line.key not in revoked]
    found = {}
    for host, aliases in addresses.items():
        names = [alias.lower() for alias in aliases]
        # Each once, in the order of the file.
        found[host] = list(dict.fromkeys(line.key for line in usable if any(map(line.is_named, names))))
    return found


@dataclass(frozen=True)
class _Line:
    """A line with an ed25519 key. ``salt`` is there when its one name is hashed, and ``names`` is then the HMAC-SHA1 of it."""

    marker: str
    names: str
    salt: bytes
    key: PublicKey

    def is_named(self, name: str) -> bool:
        if not self.salt:
            return matches(self.names, name)
        return hmac.digest(self.salt, name.encode("utf-8"), "sha1").hex() == self.names


def _read(line: str) -> t.Optional[_Line]:
    """None for a line without an ed25519 key."""
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#") or fields[1] != KEY_TYPE.decode("ascii"):
        return None
    names, salt = fields[0].lower(), b""
    try:
        if names.startswith(_HASHED):
            salt, digest = (decode_base64(part.encode("ascii", "replace")) for part in fields[0][len(_HASHED) :].split("|"))
            names = digest.hex()
        return _Line(marker, names, salt, PublicKey.from_base64(fields[2]))
    except ValueError:
        return None
