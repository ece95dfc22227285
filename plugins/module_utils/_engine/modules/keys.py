# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens encrypted backups, as a module was given it."""

from __future__ import annotations

import typing as t

from ..keyring import Keyring, open_keyring


def given_keyring(params: t.Mapping[str, t.Any]) -> Keyring:
    """The keyring of what was given; an empty one opens nothing. Raises ConfigurationError, MissingDependencyError."""
    return open_keyring(params["identities"], params["passphrase"], params["file_keys"])
