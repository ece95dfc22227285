# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens encrypted backups, as a module is given it."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

#: The options; their documentation is the fragment ``_keys``.
KEYS_SPEC: t.Dict[str, t.Any] = {
    "identities": {"type": "list", "elements": "path", "default": []},
    "passphrase": {"type": "str", "no_log": True, "fallback": (env_fallback, ["FLEET_BACKUP_PASSPHRASE"])},
    "file_keys": {"type": "dict", "no_log": True},
}
