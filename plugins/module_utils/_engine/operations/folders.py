# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders above the places that a restore writes to, made before any component is staged.

Several components may lie in one folder that is missing: each would find it missing and make it for itself.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ..archive.index import Root

#: The mode of folders that no archive knows.
_MODE = 0o755


class Folders:
    """Makes folders, and removes again those that it made, as far as they are empty."""

    def __init__(self) -> None:
        self._made: t.List[str] = []

    def make_for(self, root: Root, to: t.Optional[str]) -> None:
        """Make what is missing above a root: below the folder ``to``, or at its original place. Raises OSError.

        A name or a place that a restore will refuse is left alone.
        """
        if to is None:
            self._make(os.path.dirname(os.path.realpath(os.fsdecode(root.path))))
            return
        parts = os.fsdecode(root.name).split("/")
        if any(part in ("", os.curdir, os.pardir) for part in parts):
            return
        folder = os.path.realpath(to)
        self._make(folder)
        for part in parts[:-1]:
            folder = os.path.join(folder, part)
            try:
                if not stat.S_ISDIR(os.lstat(folder).st_mode):
                    return  # a link, say: nothing goes through it
            except FileNotFoundError:
                self._make(folder)

    def remove(self) -> None:
        """Remove what was made and is empty."""
        for folder in reversed(self._made):
            try:
                os.rmdir(folder)
            except OSError:
                continue  # somebody uses it by now
        self._made.clear()

    def _make(self, folder: str) -> None:
        missing = []
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for path in reversed(missing):
            os.mkdir(path, _MODE)
            self._made.append(path)
