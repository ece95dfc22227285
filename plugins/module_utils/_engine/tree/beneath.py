# SPDX-License-Identifier: GPL-3.0-or-later
"""Reaching places below a folder without following a link, and moving things between folders whatever their modes."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ..system import REPLACES_ANY_FILE
from ..system.folder import Folder

# Links to files that are not one's own may be forbidden (fs.protected_hardlinks), or there are none on this file system.
_NO_LINK = (errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV)


class Beneath:
    """Opens the folders below ``top``. The way to the last one stays open for the next, which is mostly near."""

    def __init__(self, top: Folder) -> None:
        self._top = top
        self._way: t.List[t.Tuple[bytes, Folder]] = []

    def reach(self, path: bytes) -> t.Tuple[Folder, bytes]:
        """The folder that ``path`` lies in, and its name there. Raises OSError, also for a path that leads out."""
        if path and any(part in (b"", b".", b"..") or b"\0" in part for part in path.split(b"/")):
            raise PermissionError(errno.EPERM, "the plan leads out of the folder")
        parent, _slash, name = path.rpartition(b"/")
        while self._way and not (parent == self._way[-1][0] or parent.startswith(self._way[-1][0] + b"/")):
            self._way.pop()[1].close()
        reached, folder = self._way[-1] if self._way else (b"", self._top)
        rest = parent[len(reached) :].strip(b"/")
        for part in rest.split(b"/") if rest else ():
            reached = reached + b"/" + part if reached else part
            folder = folder.folder(part)
            self._way.append((reached, folder))
        return folder, name

    def close(self) -> None:
        """Close all but ``top``. It can be used again."""
        while self._way:
            self._way.pop()[1].close()


def link(
    folder: Folder, name: bytes, to: Folder, new: bytes, there: os.stat_result, follower: t.Optional[os.stat_result]
) -> bool:  # fmt: skip
    """Give what is there a second name, so that ``follower`` can take its place in one step; False where that cannot be."""
    # What cannot be replaced can be moved away first; if not even that, nothing has happened to it.
    if not REPLACES_ANY_FILE or stat.S_ISDIR(there.st_mode) or follower is None or stat.S_ISDIR(follower.st_mode):
        return False
    try:
        folder.link(name, to, new)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def move(folder: Folder, name: bytes, to: Folder, new: bytes) -> None:
    """Rename; a folder that its owner may not write cannot be moved, so it is made writable for that moment."""
    try:
        folder.rename(name, to, new)
    except PermissionError:
        info = folder.state(name)
        if info is None or not stat.S_ISDIR(info.st_mode) or info.st_mode & stat.S_IWUSR:
            raise
        folder.set_mode(name, stat.S_IMODE(info.st_mode) | stat.S_IWUSR)
        try:
            folder.rename(name, to, new)
        except OSError:
            folder.set_mode(name, stat.S_IMODE(info.st_mode))
            raise
        to.set_mode(new, stat.S_IMODE(info.st_mode))
