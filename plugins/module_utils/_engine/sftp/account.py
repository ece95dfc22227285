# SPDX-License-Identifier: GPL-3.0-or-later
"""Who logs in where, and how both sides prove who they are."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..secret import Secret


@dataclass(frozen=True)
class Account:
    """``store`` is how errors begin; None means that ssh's own configuration, or the library's defaults, decide.

    ``host_key`` is a public key as in a known_hosts file: type and base64.
    """

    store: str
    host: str
    port: t.Optional[int]
    user: t.Optional[str]
    password: t.Optional[Secret]
    key_file: t.Optional[str]
    passphrase: t.Optional[Secret]
    agent: bool
    known_hosts: t.Optional[str]
    host_key: t.Optional[str]
    timeout: float
    keepalive: int

    @property
    def address(self) -> str:
        """As known_hosts files write it."""
        return self.host if self.port in (None, 22) else "[%s]:%d" % (self.host, self.port)
