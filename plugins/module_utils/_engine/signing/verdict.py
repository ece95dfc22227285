# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a manifest, or a mark, was signed by the host that it claims to be of."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ..errors import UntrustedError
from .ed25519 import verify
from .keys import PublicKey
from .signers import Signer, TrustedHosts
from .wire import InvalidError

TRUSTED = "trusted"
UNSIGNED = "unsigned"
BAD_SIGNATURE = "bad-signature"
UNKNOWN_HOST = "unknown-host"
WRONG_KEY = "wrong-key"
EXPIRED = "expired"

_ADVICE = {
    UNSIGNED: "if the host signs its backups, this one is not the host's or its signature was removed; if it does not yet, "
    "let it sign (option sign), and take this one only if you know by other means that it is whole",
    BAD_SIGNATURE: "do not use it; take another backup or another store's copy, and find out who changed it",
    UNKNOWN_HOST: "if it is a host of yours, get its public key from the host itself and add it to trusted_hosts",
    WRONG_KEY: "do not use it unless you know why: if the host was given a new key, get the public key from the host itself and "
    "add it to trusted_hosts beside the old one",
    EXPIRED: "if the key was still the host's own then, correct the times in trusted_hosts",
}


@dataclass(frozen=True)
class Verdict:
    """``status`` is one of the constants above; ``detail`` says why it is not TRUSTED. ``signer`` has proved to have signed."""

    status: str
    host: str
    detail: str = ""
    signer: t.Optional[PublicKey] = None

    @property
    def trusted(self) -> bool:
        return self.status == TRUSTED

    def require(self, name: str) -> None:
        """Raises UntrustedError unless it is trusted. ``name`` is the key of the manifest or mark, or the backup's id."""
        if not self.trusted:
            raise UntrustedError(
                "%s: claims to be of host %s, but %s; %s" % (name, self.host, self.detail, _ADVICE[self.status]), [name]
            )


def check(data: bytes, signature: t.Optional[bytes], host: str, trusted: TrustedHosts, at: datetime.datetime) -> Verdict:
    """Judge ``data`` (a manifest's bytes), which claims to be of ``host``, by ``signature`` (of its ``.sig``, None without one).

    ``at`` (aware) is the moment that it was signed, as it says itself: a key that was replaced is still that of the older
    backups. So a limit of time tells nothing about a stolen key; its line must go. Raises MissingDependencyError.
    """
    if signature is None:
        return Verdict(UNSIGNED, host, "it is not signed")
    try:
        key = verify(data, signature)
    except InvalidError as error:
        return Verdict(BAD_SIGNATURE, host, "its signature is not valid: %s" % error)
    lines = [signer for signer in trusted.of_key(key) if signer.names(host)]
    if not lines:
        return _stranger(key, host, trusted)
    lines = [signer for signer in lines if signer.signs_backups()]
    if not lines:
        return Verdict(WRONG_KEY, host, "the key that signed it (%s) may not sign backups" % key.fingerprint, key)
    if not any(signer.is_valid(at) for signer in lines):
        return Verdict(EXPIRED, host, "its key was not valid at %s (%s)" % (at.isoformat(), _places(lines)), key)
    return Verdict(TRUSTED, host, signer=key)


def _stranger(key: PublicKey, host: str, trusted: TrustedHosts) -> Verdict:
    signed = "it was signed with the key %s" % key.fingerprint
    owners = trusted.of_key(key)
    if owners:
        signed += " of %s (%s)" % (", ".join(signer.principals for signer in owners[:3]), _places(owners))
    expected = trusted.of_host(host)
    if not expected:
        return Verdict(UNKNOWN_HOST, host, "no key of that host is known; %s" % signed, key)
    known = ", ".join("%s (%s)" % (signer.key.fingerprint, signer.place) for signer in expected[:3])
    return Verdict(WRONG_KEY, host, "%s; the host's is %s" % (signed, known), key)


def _places(signers: t.Sequence[Signer]) -> str:
    return ", ".join(signer.place for signer in signers[:3])
