# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a backup: a host signs its manifests, and whoever reads them checks that the key is that host's (docs/signatures.md).

A manifest carries the hash of everything else of its backup, its host, its job and its id. So one signature of the manifest
proves all of it, and a backup that lies where another one's should is known by its name.
"""

from .ed25519 import sign, verify
from .host_key import host_key
from .keys import PublicKey, SigningKey
from .known_hosts import known_keys
from .signature import LARGEST_SIGNATURE, NAMESPACE
from .signers import TrustedHosts, signer_line
from .verdict import BAD_SIGNATURE, EXPIRED, TRUSTED, UNKNOWN_HOST, UNSIGNED, WRONG_KEY, Verdict, check
from .wire import InvalidError

__all__ = [
    "BAD_SIGNATURE",
    "EXPIRED",
    "LARGEST_SIGNATURE",
    "NAMESPACE",
    "TRUSTED",
    "UNKNOWN_HOST",
    "UNSIGNED",
    "WRONG_KEY",
    "InvalidError",
    "PublicKey",
    "SigningKey",
    "TrustedHosts",
    "Verdict",
    "check",
    "host_key",
    "known_keys",
    "sign",
    "signer_line",
    "verify",
]
