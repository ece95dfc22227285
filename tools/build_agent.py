#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build ``build/fleet-backup.pyz``, the command for hosts. Usage: ``build_agent.py [FILE]``."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "plugins" / "plugin_utils"))

from agent import write_agent  # noqa: E402


def main() -> int:
    """Build the command and tell its SHA-256."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "fleet-backup.pyz"
    write_agent(str(target))
    sys.stdout.write("%s  %s\n" % (hashlib.sha256(target.read_bytes()).hexdigest(), target))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
