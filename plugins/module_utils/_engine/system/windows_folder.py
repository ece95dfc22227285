# SPDX-License-Identifier: GPL-3.0-or-later
"""Systems without directory descriptors: a folder held by its path."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import typing as t

from .windows import extended, patiently

_refused = re.compile(r'[<>:"/\\\\|?*\x00-\x1f]').search
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
_DEVICES |= {name + digit for name in ("com", "lpt") for digit in "0123456789\xb9\xb2\xb3"}

_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)


class Folder:
    """An open folder. Every method takes the name of one thing in it, follows no link and raises OSError."""

    #: Whether there are fifos and device nodes.
    HAS_SPECIAL = False

    __slots__ = ("path",)

    @staticmethod
    def fold(name: bytes) -> t.Optional[bytes]:
        """What all names that mean the same have in common; None for one that no file can have.

        https://learn.microsoft.com/windows/win32/fileio/naming-a-file. A backslash leads elsewhere, a colon into a stream of
        another file, and a dot or a space at the end is dropped: such names are not only refused, they mean something else.
        """
        text = os.fsdecode(name)
        if _refused(text) or text.endswith((" ", ".")) or text.split(".")[0].rstrip().lower() in _DEVICES:
            return None
        return os.fsencode(text.casefold())

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def at(cls, path: bytes) -> Folder:
        """Open the folder at ``path``; its last component may be no link."""
        text = extended(os.fsdecode(path))
        if not stat.S_ISDIR(os.lstat(text).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), text)
        return cls(text)

    def close(self) -> None:
        """Nothing is held."""

    @property
    def handle(self) -> t.Union[int, str]:
        """What os.chmod, os.utime and the like take for the folder itself."""
        return self.path

    def handle_of(self, name: bytes) -> t.Union[int, str]:
        return self._of(name)

    def folder(self, name: bytes) -> Folder:
        return Folder.at(os.fsencode(self._of(name))) if name != b"." else Folder(self.path)

    def make_folder(self, name: bytes) -> Folder:
        """Make a folder that only its owner may enter, and open it."""
        os.mkdir(self._of(name), 0o700)
        return Folder(self._of(name))

    def own_state(self) -> os.stat_result:
        return os.lstat(self.path)

    def state(self, name: bytes) -> t.Optional[os.stat_result]:
        """What is there; None when nothing is."""
        try:
            return os.lstat(self._of(name))
        except FileNotFoundError:
            return None

    def names(self) -> t.List[bytes]:
        """The names in it, sorted as bytes."""
        return sorted(map(os.fsencode, os.listdir(self.path)))

    def create(self, name: bytes, mode: int = 0o600) -> int:
        """A descriptor for a new file. ``mode`` means nothing here."""
        return os.open(self._of(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)

    def read(self, name: bytes) -> int:
        if stat.S_ISLNK(os.lstat(self._of(name)).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._of(name))
        return os.open(self._of(name), os.O_RDONLY | _BINARY)

    def link(self, name: bytes, folder: Folder, new: bytes) -> None:
        os.link(self._of(name), folder._of(new))

    def rename(self, name: bytes, folder: Folder, new: bytes) -> None:
        patiently(os.replace, self._of(name), folder._of(new))

    def symlink(self, target: bytes, name: bytes) -> None:
        os.symlink(os.fsdecode(target), self._of(name))

    def link_target(self, name: bytes) -> bytes:
        return os.fsencode(os.readlink(self._of(name)))

    def special(self, name: bytes, mode: int, device: t.Tuple[int, int] = (0, 0)) -> None:
        raise OSError(errno.ENOTSUP, "this system has neither fifos nor device nodes", self._of(name))

    def set_owner(self, name: bytes, uid: int, gid: int) -> None:
        """There are no numeric owners."""

    def set_mode(self, name: bytes, mode: int) -> None:
        """Only for what is known to be no link."""
        os.chmod(self._of(name), mode)

    def set_times(self, name: bytes, times: t.Tuple[int, int]) -> None:
        if os.utime in os.supports_follow_symlinks:
            os.utime(self._of(name), ns=times, follow_symlinks=False)

    def remove(self, name: bytes) -> None:
        patiently(os.unlink, self._removable(name))

    def remove_folder(self, name: bytes) -> None:
        patiently(os.rmdir, self._removable(name))

    def free_space(self) -> int:
        """Bytes that this user may still write on the file system."""
        return shutil.disk_usage(self.path).free

    def sync(self) -> None:
        """There is no way to sync a volume without administrator rights."""

    def _removable(self, name: bytes) -> str:
        """The path of something in it, no longer read-only: what is could not be removed."""
        path = self._of(name)
        if not os.lstat(path).st_mode & stat.S_IWRITE:
            os.chmod(path, stat.S_IWRITE)
        return path

    def _of(self, name: bytes) -> str:
        if self.fold(name) is None:
            raise OSError(errno.EINVAL, "Windows takes no such file name", os.path.join(self.path, os.fsdecode(name)))
        return os.path.join(self.path, os.fsdecode(name))


def mount_points() -> t.FrozenSet[bytes]:
    """Where file systems are mounted; empty where the system does not tell."""
    return frozenset()
