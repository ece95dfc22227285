# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that are open, and where file systems are mounted: POSIX by descriptors, elsewhere by paths."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from .windows_folder import Folder, mount_points
else:
    from .posix_folder import Folder, mount_points

__all__ = ["Folder", "mount_points"]
