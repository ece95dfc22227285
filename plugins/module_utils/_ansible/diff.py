# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation changes, or would change, as Ansible shows it with ``--diff``."""

from __future__ import annotations

import typing as t

from .._engine.operations.backup import BackupResult


def backup_diff(result: BackupResult) -> t.Dict[str, str]:
    """Nothing before; afterwards what is in the new backup."""
    if not result.changed:
        return {"before": "", "after": ""}
    lines = ["%s (%s): %d entries, %d bytes" % (c.name, c.source, c.entries, c.bytes) for c in result.components]
    lines += ["to store %s (%s): %s" % (copy.store, copy.driver, copy.outcome) for copy in result.copies]
    return {"before": "", "after": "\n".join([*lines, ""]), "after_header": result.id or "a new backup of %s" % result.job}
