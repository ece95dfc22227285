# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows: no dir_fd, no ids, no extended attributes; byte-range locks instead of flock."""

from __future__ import annotations

import ctypes
import errno
import functools
import ntpath
import os
import socket
import subprocess
import tempfile
import time
import typing as t

from ..errors import ConfigurationError

IS_WINDOWS = True
HAS_MODES = False
HAS_DIR_FD = False
REPLACES_ANY_FILE = False
OPEN_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)


def is_superuser() -> bool:
    return bool(ctypes.windll.shell32.IsUserAnAdmin())  # type: ignore[attr-defined,unused-ignore]


def gives_owners() -> bool:
    """Owners are no numbers here, and what was allowed to whom comes from the folder that a file lies in."""
    return False


def give_owner(target: t.Union[int, str, bytes], uid: int, gid: int) -> None:
    """There are no numeric owners."""


def open_to_others(status: os.stat_result) -> bool:
    """Access lists decide here; the mode says nothing."""
    return False


# SYSTEM and Administrators, by the ids that they have in every language of Windows.
_TRUSTED = ("*S-1-5-18", "*S-1-5-32-544")


# In a folder that was restricted, so that what is made below it inherits its rights instead of getting some of its own.
_RESTRICTED = ".restricted"


def restrict_folder(path: str) -> None:
    """Let only SYSTEM, administrators and (if that is another) who runs this into a new folder. Raises OSError."""
    above = os.path.dirname(path)
    while above != os.path.dirname(above):
        if os.path.exists(os.path.join(above, _RESTRICTED)):
            return
        above = os.path.dirname(above)
    allowed = list(_TRUSTED)
    if not is_superuser():
        allowed.append("%s\\%s" % (os.environ.get("USERDOMAIN", "."), os.environ.get("USERNAME", "")))
    _icacls(path, "/inheritance:r", "/grant:r", *("%s:(OI)(CI)F" % name for name in allowed))
    with open(os.path.join(path, _RESTRICTED), "wb"):
        pass


def let_in(account: str, folders: t.Mapping[str, str]) -> None:
    """Give an account rights to folders (path: ``RX`` to read, ``M`` to change) besides those that have some. Raises OSError."""
    for path, rights in folders.items():
        _icacls(path, "/grant", "%s:(OI)(CI)%s" % (account, rights))


def _icacls(path: str, *words: str) -> None:
    command = ["icacls", path, *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        why = done.stdout.decode("utf-8", "replace").strip()
        raise OSError(errno.EACCES, "icacls cannot change who may read it: %s" % why, path)


# What is locked lies beyond the text that names the holder: where bytes are locked, nobody else can read them.
_LOCKED_BYTE = 1 << 30


def lock_file(fd: int) -> bool:
    """Take an exclusive lock on ``fd`` without waiting; False when another process has it. A crash releases it."""
    import msvcrt

    os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    finally:
        os.lseek(fd, 0, os.SEEK_SET)
    return True


#: How Popen starts a child that leads a process group of its own.
GROUP_OPTIONS: t.Dict[str, t.Any] = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def end_group(leader: int, force: bool) -> None:
    """Ask (or force) a process and all that it started to end. A process that is gone is fine."""
    command = ["taskkill", "/PID", str(leader), "/T"] + (["/F"] if force else [])
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def as_user(name: t.Optional[str]) -> t.Tuple[t.Dict[str, t.Any], t.Dict[str, str]]:
    """How Popen starts a child as another user: here there is no way without that user's password."""
    if name is None:
        return {}, {}
    raise ConfigurationError("programs cannot be run as another user on Windows (run_as)")


def current_user() -> t.Tuple[t.Optional[int], str]:
    """Who runs this process: the user id (Windows has none) and the name."""
    return None, os.environ.get("USERNAME", "")


def read_into(fd: int, buffer: memoryview) -> int:
    """Read into ``buffer``; return the bytes read, 0 at the end of the file."""
    data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def begin_to_write(fd: int, start: int, size: int) -> None:
    """Windows takes no such advice."""


def may_have_holes(st: os.stat_result) -> bool:
    """Python does not tell there how much of a file is stored."""
    return False


def device_of(st: os.stat_result) -> int:
    """There are no device nodes."""
    return 0


def device_numbers(device: int) -> t.Tuple[int, int]:
    return 0, 0


def unix_socket() -> socket.socket:
    """Python has none there."""
    raise OSError(errno.ENOTSUP, "unix sockets are not possible on Windows")


def widen_pipe(fd: int) -> None:
    """Windows decides that when a pipe is made."""


def give_way() -> None:
    """Threads are left as they are there."""


def sync_folder(path: str) -> None:
    """Windows has no handle to sync a folder by; NTFS journals its metadata."""


def user_name(uid: int) -> str:
    return ""


def group_name(gid: int) -> str:
    return ""


def open_folder(path: str, dir_fd: t.Optional[int]) -> t.Optional[int]:
    """Windows opens no folders; they are reached by their paths."""
    return None


def archive_name(path: str) -> bytes:
    r"""What the archive paths of a root begin with: ``C:\x`` is ``C/x``, ``\\server\share`` is ``UNC/server/share``."""
    drive, rest = ntpath.splitdrive(path.replace("/", "\\"))
    if drive.startswith("\\"):
        drive = "UNC" + drive[1:]
    parts = (drive.rstrip(":") + "\\" + rest).split("\\")
    return os.fsencode("/".join(part for part in parts if part))


def slashed(path: bytes) -> bytes:
    """A path whose parts are all separated by slashes, which Windows takes too."""
    return path.replace(b"\\", b"/")


def join(folder: bytes, name: bytes) -> bytes:
    """The path of something in a folder; both separated by slashes."""
    return folder.rstrip(b"/") + b"/" + name if name else folder


# From here on Windows takes a path only by its extended form, unless an administrator said otherwise (LongPathsEnabled). A folder
# must leave room for a name of eight and three characters.
_LONG = 240


def extended(path: str) -> str:
    r"""A long absolute path in the form that has no limit (``\\?\C:\...``); any other as it is."""
    path_there = path.replace("/", "\\")
    if len(path) < _LONG or path_there.startswith("\\\\?\\") or not ntpath.splitdrive(path_there)[0]:
        return path
    if path_there.startswith("\\\\"):
        return "\\\\?\\UNC" + path_there[1:]
    return "\\\\?\\" + path_there


# Virus scanners and indexers open what is new for a moment, and what is open can be neither moved nor removed.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


def patiently(call: t.Callable[..., None], *arguments: str) -> None:
    """Carry out ``call``; try again for three seconds while something else has the file open. Raises OSError."""
    for pause in _PAUSES:
        try:
            return call(*arguments)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _IN_USE:
                raise
            time.sleep(pause)
    return call(*arguments)


# ERROR_ACCESS_DENIED (also of what is about to be removed), ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_IN_USE = (5, 32, 33)


def replace(source: str, target: str) -> None:
    """Rename, replacing what is there."""
    patiently(os.replace, source, target)


def makes_symlinks() -> bool:
    """Whether this process may make symbolic links: administrators, and everybody in Developer Mode."""
    return _tries_symlinks()


@functools.cache
def _tries_symlinks() -> bool:
    with tempfile.TemporaryDirectory(prefix="fleet-backup-") as folder:
        try:
            os.symlink("nothing", os.path.join(folder, "link"))
        except OSError:
            return False
    return True


def list_xattrs_at(name: str, dir_fd: t.Optional[int]) -> t.Dict[str, bytes]:
    return {}


def list_xattrs(target: t.Union[int, str, bytes]) -> t.Dict[str, bytes]:
    return {}


def set_xattr(target: t.Union[int, str, bytes], name: str, value: bytes) -> None:
    raise OSError("this system has no extended attributes")


def remove_xattr(target: t.Union[int, str, bytes], name: str) -> None:
    raise OSError("this system has no extended attributes")


def user_id(name: str) -> t.Optional[int]:
    """Windows knows its users by other means than numbers."""
    return None


def group_id(name: str) -> t.Optional[int]:
    return None
