# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX: Linux first; what macOS lacks is left out there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import grp
import os
import pwd
import signal
import socket
import sys
import typing as t

from ..errors import ConfigurationError

IS_WINDOWS = False
HAS_MODES = True
HAS_DIR_FD = True
#: Whether a file can be replaced that somebody has open, or that is read-only.
REPLACES_ANY_FILE = True
OPEN_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

# Steps of niceness: each takes a fifth off a thread's share of a core that others want as well.
_WAY = 5

# A file system that has no extended attributes, or a file that may not be asked for them.
_NO_XATTRS = (errno.ENOENT, errno.ENOTSUP, errno.ENOSYS, errno.EPERM, errno.EACCES)


def is_superuser() -> bool:
    return os.geteuid() == 0


def let_in(account: str, folders: t.Mapping[str, str]) -> None:
    """Schedulers here run everything as whoever put the schedule into force."""


def gives_owners() -> bool:
    """Whether this user can give files to others."""
    return is_superuser()


def open_to_others(status: os.stat_result) -> bool:
    """True when others than its owner may read or change a file that holds a private key.

    As for ssh (sshkey_perm_ok), with the exception of Red Hat's systems: they let the group ssh_keys read the SSH host keys.
    """
    others = status.st_mode & 0o077
    return bool(others) and not (others == 0o040 and group_name(status.st_gid) == "ssh_keys")


def give_owner(target: t.Union[int, str, bytes], uid: int, gid: int) -> None:
    """Give what a descriptor or a path stands for to a user and a group. Raises OSError."""
    os.chown(target, uid, gid)


def restrict_folder(path: str) -> None:
    """The mode says it already."""


def lock_file(fd: int) -> bool:
    """Take an exclusive lock on ``fd`` without waiting; False when another process has it. A crash releases it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


#: How Popen starts a child that leads a process group of its own, with no terminal to ask questions on.
GROUP_OPTIONS: t.Dict[str, t.Any] = {"start_new_session": True}


def end_group(leader: int, force: bool) -> None:
    """Ask (or force) every process of the group that ``leader`` leads to end. A group that is gone is fine."""
    try:
        os.killpg(leader, signal.SIGKILL if force else signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of zombies.
        return


def as_user(name: t.Optional[str]) -> t.Tuple[t.Dict[str, t.Any], t.Dict[str, str]]:
    """How Popen starts a child as the user ``name``: its arguments, and what the child's environment says of the user.

    Nothing for None and for the user that this process is. Raises ConfigurationError when there is no such user, or this
    process may not become it.
    """
    if name is None:
        return {}, {}
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise ConfigurationError("there is no user %s on this host (run_as)" % name) from None
    if entry.pw_uid == os.geteuid():
        return {}, {}
    if not is_superuser():
        raise ConfigurationError("only root can run programs as the user %s (run_as)" % name)
    groups = os.getgrouplist(name, entry.pw_gid)
    # Set between fork and exec by the subprocess module itself; the folder of this process may be closed to the other user.
    options = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups, "cwd": "/"}
    return options, {"HOME": entry.pw_dir, "USER": name, "LOGNAME": name}


def current_user() -> t.Tuple[t.Optional[int], str]:
    """Who runs this process: the real user id, and the name where there is one."""
    return os.getuid(), user_name(os.getuid())


def read_into(fd: int, buffer: memoryview) -> int:
    """Read into ``buffer``; return the bytes read, 0 at the end of the file."""
    return os.readv(fd, (buffer,))


def begin_to_write(fd: int, start: int, size: int) -> None:
    """Have the system begin to write out bytes of a file that were just given to it. It is advice: no error is raised."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):  # what cannot be written is told by fsync(2)
            # Linux takes this for a reason to begin writing; it forgets only what is on the disk already.
            os.posix_fadvise(fd, start, size, os.POSIX_FADV_DONTNEED)


def may_have_holes(st: os.stat_result) -> bool:
    """Whether less of a file is stored than its size says."""
    return st.st_blocks * 512 < st.st_size


def device_of(st: os.stat_result) -> int:
    """The number of what a device node stands for; 0 for anything else."""
    return st.st_rdev


def device_numbers(device: int) -> t.Tuple[int, int]:
    """The major and the minor number in the number of a device."""
    return os.major(device), os.minor(device)


def unix_socket() -> socket.socket:
    """A new stream socket that connects to paths. Raises OSError."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def widen_pipe(fd: int) -> None:
    """Let a pipe hold a mebibyte, where the system can: it then takes fewer turns between its two ends."""
    # F_SETPIPE_SZ, which Python knows by name only from 3.10 on. An unprivileged user's pipes may be at their limit.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, 1031, 1 << 20)


def give_way() -> None:
    """Let this thread, and those that it begins, have a core only when no other one of the process needs it much."""
    # Elsewhere nice(2) is about the whole process: https://man7.org/linux/man-pages/man2/nice.2.html, C library differences.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.nice(_WAY)


def sync_folder(path: str) -> None:
    """Make renames in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@functools.lru_cache(maxsize=4096)
def user_name(uid: int) -> str:
    """The user's name, or an empty text when there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


@functools.lru_cache(maxsize=4096)
def group_name(gid: int) -> str:
    """The group's name, or an empty text when there is none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def slashed(path: bytes) -> bytes:
    """A path whose parts are all separated by slashes."""
    return path


def join(folder: bytes, name: bytes) -> bytes:
    """The path of something in a folder; both separated by slashes."""
    return os.path.join(folder, name)


def replace(source: str, target: str) -> None:
    """Rename, replacing what is there."""
    os.replace(source, target)


def makes_symlinks() -> bool:
    return True


def open_folder(path: str, dir_fd: t.Optional[int]) -> t.Optional[int]:
    """Open a folder, relative to another one; a link in its place is refused (ENOTDIR or ELOOP)."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


def archive_name(path: str) -> bytes:
    """What the archive paths of a root at the absolute ``path`` begin with: the path without its leading slash."""
    return os.fsencode(path).strip(b"/")


def list_xattrs_at(name: str, dir_fd: t.Optional[int]) -> t.Dict[str, bytes]:
    """All extended attributes of what ``name`` is in a folder, a link not followed."""
    # There is no listxattrat(2) yet.
    return list_xattrs(name if dir_fd is None else "/proc/self/fd/%d/%s" % (dir_fd, name))


def list_xattrs(target: t.Union[int, str, bytes]) -> t.Dict[str, bytes]:
    """All extended attributes (POSIX ACLs among them) of a descriptor or of a path, links not followed."""
    if not hasattr(os, "listxattr"):
        return {}
    follow = isinstance(target, int)
    try:
        names = os.listxattr(target, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return {}
        raise
    values = {}
    for name in names:
        try:
            values[name] = os.getxattr(target, name, follow_symlinks=follow)
        except OSError as error:
            # Gone since it was listed, or not ours to read (security.* for a plain user).
            if error.errno not in _NO_XATTRS + (errno.ENODATA,):
                raise
    return values


def set_xattr(target: t.Union[int, str, bytes], name: str, value: bytes) -> None:
    """Set one extended attribute of a descriptor or path, links not followed. Raises OSError."""
    os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))


def remove_xattr(target: t.Union[int, str, bytes], name: str) -> None:
    """Remove one extended attribute of a descriptor or path, links not followed. Raises OSError."""
    os.removexattr(target, name, follow_symlinks=isinstance(target, int))


@functools.lru_cache(maxsize=4096)
def user_id(name: str) -> t.Optional[int]:
    """The number of the user called ``name``, if there is one."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


@functools.lru_cache(maxsize=4096)
def group_id(name: str) -> t.Optional[int]:
    """The number of the group called ``name``, if there is one."""
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return None
