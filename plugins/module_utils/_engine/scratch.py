# SPDX-License-Identifier: GPL-3.0-or-later
"""Private folders for temporary data that is too large for memory, such as the copy of a database.

A process that is killed cannot clean up after itself. So each folder has a lock that its owner holds, which the operating
system drops when the owner dies, and whoever makes the next folder in the same place first removes those of the dead.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import typing as t

from .interruption import checkpoint, uninterrupted
from .private import open_private
from .system import current_user, lock_file

_PREFIX = ".fleet-backup-scratch-"
_LOCK = "lock"

# Room that others, and the file system itself, must keep.
_SPARE = 1 << 20


class Scratch:
    """A new folder (mode 0700) in ``parent``, removed with all that is in it by close(). Raises OSError."""

    def __init__(self, parent: str) -> None:
        sweep(parent)
        self._lock = -1
        with uninterrupted():
            while self._lock < 0:
                self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
                lock = _take(self.path)
                # None: another process was sweeping at this very moment and took the new folder for a dead one.
                self._lock = -1 if lock is None else lock
        try:
            checkpoint()
        except BaseException:
            self.close()
            raise

    def file(self, name: str) -> str:
        """The path of a file in it."""
        return os.path.join(self.path, name)

    def close(self) -> None:
        """Remove it. Harmless when done twice."""
        if self._lock < 0:
            return
        lock, self._lock = self._lock, -1
        _remove(self.path, lock)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: t.Any) -> None:
        self.close()


def need_space(folder: str, size: int) -> None:
    """Raise OSError (ENOSPC), which says how much is missing where, unless ``size`` bytes fit into ``folder``."""
    free = shutil.disk_usage(folder).free
    if size + _SPARE > free:
        raise OSError(
            errno.ENOSPC,
            "%d bytes are needed in %s, and %d are free; free some, or use a larger disk" % (size + _SPARE, folder, free),
        )


def sweep(parent: str) -> int:
    """Remove the folders in ``parent`` whose owners are dead; return how many. One that cannot be removed is left."""
    uid = current_user()[0]
    removed = 0
    for name in _names(parent):
        path = os.path.join(parent, name)
        try:
            # In a folder that others may write to, only what is our own.
            if uid is not None and os.lstat(path).st_uid != uid:
                continue
            lock = _take(path)
            if lock is None:
                continue
            _remove(path, lock)
            removed += 1
        except OSError:
            continue
    return removed


def _names(parent: str) -> t.List[str]:
    try:
        return [name for name in os.listdir(parent) if name.startswith(_PREFIX)]
    except OSError:
        return []


def _take(folder: str) -> t.Optional[int]:
    """Take a folder's lock and return its descriptor; None when it is another's, or the folder is gone."""
    path = os.path.join(folder, _LOCK)
    try:
        fd = open_private(path, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:
        return None
    try:
        if lock_file(fd) and os.path.samestat(os.fstat(fd), os.lstat(path)):
            return fd
    except FileNotFoundError:
        pass
    os.close(fd)
    return None


def _remove(folder: str, lock: int) -> None:
    """Remove a folder and close its lock, which is ours."""
    # The lock last: a folder that is half removed must stay recognisable as one of the dead.
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                elif entry.name != _LOCK:
                    os.unlink(entry.path)
    finally:
        # Windows removes nothing that is open. Who takes the lock in between removes the folder too.
        os.close(lock)
    shutil.rmtree(folder, ignore_errors=True)
