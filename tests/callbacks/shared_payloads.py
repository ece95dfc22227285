# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Ansible packs of a module for the next ansible-playbook: packing takes seconds, of each module in each run.

The folder is named after the state of all that is packed, so that a change of any file is seen.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import ansible.release
from ansible import constants as C
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: shared_payloads
type: aggregate
short_description: Keep packed modules
description: For tests.
"""

_ROOT = Path(__file__).resolve().parents[2]
_PAYLOADS = _ROOT / "build" / "payloads"
_HOURS = 4


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "shared_payloads"

    def __init__(self):
        super().__init__()
        shared = _PAYLOADS / _state()
        if not shared.exists():
            shared.mkdir(parents=True, exist_ok=True)
            _remove_old()
        os.symlink(shared, os.path.join(C.DEFAULT_LOCAL_TMP, "ansiballz_cache"))


def _remove_old():
    """Those that nobody can be using any more."""
    for folder in _PAYLOADS.iterdir():
        if time.time() - folder.stat().st_mtime > _HOURS * 3600:
            shutil.rmtree(folder, ignore_errors=True)


def _state():
    state = hashlib.sha256(ansible.release.__version__.encode())
    for folder in ("modules", "module_utils"):
        for path in sorted((_ROOT / "plugins" / folder).rglob("*.py")):
            facts = path.stat()
            state.update(b"%s %d %d\n" % (os.fsencode(path), facts.st_size, facts.st_mtime_ns))
    return state.hexdigest()[:16]
