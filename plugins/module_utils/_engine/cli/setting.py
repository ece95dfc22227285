# SPDX-License-Identifier: GPL-3.0-or-later
"""What was set on the host itself, told to people."""

from __future__ import annotations

import json
import typing as t

from .output import safe

if t.TYPE_CHECKING:
    from ..operations.settings import SettingResult
    from .console import Console


def show_setting(result: SettingResult, what: str, console: Console) -> None:
    """Which entry of the file is now what."""
    if result.error is not None:
        return
    verb = ("would be " if result.dry_run else "is ") if result.changed else "was already "
    console.line(safe("%s %s %s%s in %s" % (what, result.name, verb, "set" if result.after else "unset", result.path)))
    for key, value in sorted((result.after or {}).items()):
        if key != "name":
            console.line(safe("  %s: %s" % (key, value if isinstance(value, str) else json.dumps(value))))
