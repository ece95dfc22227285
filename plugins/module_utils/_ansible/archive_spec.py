# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of an archive. Written by tools/generate.py from the engine's option declarations; do not edit.

A plain literal: importing every driver to learn its options would cost each task time.
"""

from __future__ import annotations

import typing as t

SPEC: t.Dict[str, t.Any] = {
    "paths": {"type": "list", "required": True, "elements": "path"},
    "exclude": {"type": "list", "elements": "str"},
    "include": {"type": "list", "elements": "str"},
    "dest": {"type": "path", "required": True},
    "format": {"type": "str", "choices": ["tar", "zip"]},
    "compression": {
        "type": "dict",
        "options": {"algorithm": {"type": "str", "choices": ["zstd", "gzip", "none"]}, "level": {"type": "int"}},
    },
}
