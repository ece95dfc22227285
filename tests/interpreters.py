# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess


def pythons(new_enough=True):
    """The Pythons of this machine, from 3.9 on or before it."""
    found = {shutil.which("python%s" % version) for version in ["2", "3.6", "3.7", "3.8", *("3.%d" % n for n in range(9, 16))]}
    found |= {"/usr/bin/python3", *glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python"))}
    for python in sorted(p for p in found if p and os.path.exists(p)):
        asked = [python, "-c", "import sys; print(sys.version_info >= (3, 9))"]
        if subprocess.run(asked, check=False, capture_output=True, text=True).stdout == "%s\n" % new_enough:
            yield python
