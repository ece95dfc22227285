# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows: no dir_fd, no ids, no extended attributes; byte-range locks instead of flock."""

from __future__ import annotations

import ctypes
import os
import subprocess
import typing as t

from ..errors import ConfigurationError

HAS_DIR_FD = False
OPEN_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)


def is_superuser() -> bool:
    return bool(ctypes.windll.shell32.IsUserAnAdmin())  # type: ignore[attr-defined]


def open_to_others(status: os.stat_result) -> bool:
    """Access lists decide here; the mode says nothing."""
    return False


def lock_file(fd: int) -> bool:
    """Take an exclusive lock on ``fd`` without waiting; False when another process has it. A crash releases it."""
    import msvcrt

    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
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


def widen_pipe(fd: int) -> None:
    """Windows decides that when a pipe is made."""


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
    drive, rest = os.path.splitdrive(path)
    if drive.startswith("\\"):
        drive = "UNC/" + drive.strip("\\").replace("\\", "/")
    return os.fsencode("/".join([drive.rstrip(":"), *rest.replace("\\", "/").strip("/").split("/")]).rstrip("/"))


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
