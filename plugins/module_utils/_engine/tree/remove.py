# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing a tree of any depth, following no link."""

from __future__ import annotations

import os
import stat
import typing as t

from ..system.folder import Folder


def remove_tree(folder: Folder, name: bytes) -> None:
    """Remove what ``name`` is in ``folder`` and all below it. One that is not there is fine. Raises OSError."""
    info = folder.state(name)
    if info is None:
        return
    if not stat.S_ISDIR(info.st_mode):
        folder.remove(name)
        return
    # The folders that are open, each with its name in the one before and the names still to be removed.
    stack: t.List[t.Tuple[Folder, bytes, t.List[bytes]]] = [_enter(folder, name)]
    while stack:
        current, own_name, names = stack[-1]
        if not names:
            stack.pop()
            current.close()
            (stack[-1][0] if stack else folder).remove_folder(own_name)
            continue
        child = names.pop()
        info = current.state(child)
        if info is not None and stat.S_ISDIR(info.st_mode):
            stack.append(_enter(current, child))
        elif info is not None:
            current.remove(child)


def _enter(folder: Folder, name: bytes) -> t.Tuple[Folder, bytes, t.List[bytes]]:
    try:
        below = folder.folder(name)
    except PermissionError:
        # Ours, with a mode that keeps us out.
        folder.set_mode(name, 0o700)
        below = folder.folder(name)
    if below.own_state().st_mode & 0o300 != 0o300:
        os.chmod(below.handle, 0o700)
    return below, name, below.names()
