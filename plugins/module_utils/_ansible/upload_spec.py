# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of an upload. Written by tools/generate.py from the engine's option declarations; do not edit.

A plain literal: importing every driver to learn its options would cost each task time.
"""

from __future__ import annotations

import typing as t

SPEC: t.Dict[str, t.Any] = {
    "src": {"type": "path", "required": True},
    "store": {
        "type": "dict",
        "required": True,
        "options": {
            "local": {
                "type": "dict",
                "required": True,
                "options": {"path": {"type": "path", "required": True}, "read_back": {"type": "bool", "default": False}},
            }
        },
    },
    "key": {"type": "str"},
    "replace": {"type": "bool", "default": False},
}
