# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX: a folder held by its descriptor, so that what is done to a name in it is done there and nowhere else."""

from __future__ import annotations

import os
import typing as t

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder. Every method takes the name of one thing in it, follows no link and raises OSError."""

    #: Whether there are fifos and device nodes.
    HAS_SPECIAL = True

    @staticmethod
    def fold(name: bytes) -> t.Optional[bytes]:
        """What all names that mean the same have in common: ``name`` itself; None for one that no file can have."""
        return name

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def at(cls, path: bytes) -> Folder:
        """Open the folder at ``path``; its last component may be no link."""
        return cls(os.open(path, _OPEN))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def handle(self) -> t.Union[int, str]:
        """What os.chmod, os.utime and the like take for the folder itself."""
        return self.fd

    def handle_of(self, name: bytes) -> t.Union[int, str]:
        """The same for a thing in it that cannot be opened: a path. Only for folders that nobody else may write."""
        return "/proc/self/fd/%d/%s" % (self.fd, os.fsdecode(name))

    def folder(self, name: bytes) -> Folder:
        return Folder(os.open(name, _OPEN, dir_fd=self.fd))

    def make_folder(self, name: bytes) -> Folder:
        """Make a folder that only its owner may enter, and open it."""
        os.mkdir(name, 0o700, dir_fd=self.fd)
        return self.folder(name)

    def own_state(self) -> os.stat_result:
        return os.fstat(self.fd)

    def state(self, name: bytes) -> t.Optional[os.stat_result]:
        """What is there; None when nothing is."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self) -> t.List[bytes]:
        """The names in it, sorted as bytes."""
        return sorted(map(os.fsencode, os.listdir(self.fd)))

    def create(self, name: bytes, mode: int = 0o600) -> int:
        """A descriptor for a new file, by default one that only its owner may read or write; the umask is heeded."""
        return os.open(name, _CREATE, mode, dir_fd=self.fd)

    def read(self, name: bytes) -> int:
        return os.open(name, _READ, dir_fd=self.fd)

    def link(self, name: bytes, folder: Folder, new: bytes) -> None:
        os.link(name, new, src_dir_fd=self.fd, dst_dir_fd=folder.fd, follow_symlinks=False)

    def rename(self, name: bytes, folder: Folder, new: bytes) -> None:
        os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=folder.fd)

    def symlink(self, target: bytes, name: bytes) -> None:
        os.symlink(target, name, dir_fd=self.fd)

    def link_target(self, name: bytes) -> bytes:
        return os.fsencode(os.readlink(name, dir_fd=self.fd))

    def special(self, name: bytes, mode: int, device: t.Tuple[int, int] = (0, 0)) -> None:
        """Make a fifo or a device node; ``mode`` with its type (stat.S_IFIFO and so on), ``device`` is (major, minor)."""
        os.mknod(name, mode, os.makedev(*device), dir_fd=self.fd)

    def set_owner(self, name: bytes, uid: int, gid: int) -> None:
        os.chown(name, uid, gid, dir_fd=self.fd, follow_symlinks=False)

    def set_mode(self, name: bytes, mode: int) -> None:
        """Only for what is known to be no link: not every system can change the mode without following one."""
        os.chmod(name, mode, dir_fd=self.fd)

    def set_times(self, name: bytes, times: t.Tuple[int, int]) -> None:
        os.utime(name, ns=times, dir_fd=self.fd, follow_symlinks=False)

    def remove(self, name: bytes) -> None:
        os.unlink(name, dir_fd=self.fd)

    def remove_folder(self, name: bytes) -> None:
        os.rmdir(name, dir_fd=self.fd)

    def free_space(self) -> int:
        """Bytes that this user may still write on the file system."""
        info = os.fstatvfs(self.fd)
        return (info.f_bfree if os.geteuid() == 0 else info.f_bavail) * info.f_frsize

    def sync(self) -> None:
        """Make all that was written to the file system durable."""
        import ctypes

        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(self.fd) == 0:
                return
        except (OSError, AttributeError):
            pass  # no syncfs(2) in this C library
        os.sync()


def mount_points() -> t.FrozenSet[bytes]:
    """Where file systems are mounted; empty where the system does not tell."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.readlines()
    except OSError:
        return frozenset()
    # proc(5): the fifth field, with space, tab, newline and backslash as octal escapes.
    return frozenset(_unescape(line.split(b" ")[4]) for line in lines)


def _unescape(field: bytes) -> bytes:
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(escape, character)
    return field
