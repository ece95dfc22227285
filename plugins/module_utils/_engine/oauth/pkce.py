# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that who exchanges a code is who asked for it (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import typing as t


class Proof(t.NamedTuple):
    """``verifier`` is kept until the code is exchanged; ``challenge`` (S256) goes with the question."""

    verifier: str
    challenge: str


def new_proof() -> Proof:
    """A proof that nobody can guess."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return Proof(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii"))
