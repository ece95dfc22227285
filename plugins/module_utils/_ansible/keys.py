# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens encrypted backups, as a module is given it."""

from __future__ import annotations

import typing as t

from .._engine.keyring import Keyring, open_keyring

#: The options; their documentation is the fragment ``_keys``.
KEYS_SPEC: t.Dict[str, t.Any] = {
    "identities": {"type": "list", "elements": "path", "default": []},
    "passphrase": {"type": "str", "no_log": True},
    "file_keys": {"type": "dict", "no_log": True},
}


def given_keyring(params: t.Mapping[str, t.Any]) -> Keyring:
    """The keyring of what was given; an empty one opens nothing. Raises ConfigurationError, MissingDependencyError."""
    return open_keyring(params["identities"], params["passphrase"], params["file_keys"])
