# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the command under rules of Windows, as far as another system can play them: ``windows_rules.py COMMAND ARGUMENTS...``.

What is played: the Windows side of the seam (system/windows.py, windows_folder.py) is taken; what the module ``os`` and others
lack there is gone; a file that is open can be neither removed, renamed nor replaced; descriptors of folders do not exist; what
is opened without O_BINARY may not be written or read; names that Windows does not take are refused; links need a privilege that
is missing; locks are mandatory; owners, modes and extended attributes do nothing. What is not: paths with backslashes, access
lists, names that differ only in case, and all that nobody thought of. It is no Windows.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import types
import zipimport

# What the standard library needs of its own before it is gone.
_NEEDED = (ctypes, re, shutil, signal, subprocess, tempfile, zipimport)

# https://docs.python.org/3/library/os.html: "Availability: Unix" (3.9 to 3.14), as far as a program might use it.
_GONE_FROM_OS = (
    "chown", "copy_file_range", "fchdir", "fchown", "fdatasync", "fork", "forkpty", "fpathconf", "fstatvfs", "getegid", "geteuid",
    "getgid", "getgroups", "getloadavg", "getpgid", "getresuid", "getuid", "getxattr", "initgroups", "killpg", "lchown",
    "listxattr", "lockf", "mkfifo", "mknod", "nice", "openpty", "pathconf", "pipe2", "posix_fadvise", "posix_fallocate", "pread",
    "preadv", "pwrite", "pwritev", "readv", "removexattr", "sched_getaffinity", "sched_yield", "sendfile", "setegid", "seteuid",
    "setgid", "setgroups", "setpgid", "setpriority", "setsid", "setuid", "setxattr", "splice", "statvfs", "sync",
    "sysconf", "tcgetpgrp", "ttyname", "uname", "wait3", "wait4", "waitid", "writev", "memfd_create", "makedev", "major", "minor",
    "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_DSYNC", "O_NOATIME", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH", "O_SYNC",
    "O_TMPFILE", "SEEK_DATA", "SEEK_HOLE", "ST_RDONLY", "POSIX_FADV_DONTNEED", "RTLD_NOW",
)  # fmt: skip

# Of the module errno: https://docs.python.org/3/library/errno.html, less what the C library of Windows and Winsock have.
_GONE_FROM_ERRNO = ("EREMOTEIO", "ENODATA_", "EMEDIUMTYPE", "ENOMEDIUM", "ENOKEY", "EUCLEAN", "ESHUTDOWN_", "EADV", "ECOMM")

_GONE_FROM_SIGNAL = (
    "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2",
    "SIGXFSZ", "SIGWINCH", "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigpending", "sigtimedwait",
    "sigwait", "siginterrupt",
)  # fmt: skip

_GONE = ("fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty")

_BINARY = 0x4000000
_DEVICES = {"con", "prn", "aux", "nul", *("com%d" % n for n in range(1, 10)), *("lpt%d" % n for n in range(1, 10))}

_CALLS = "link lseek mkdir open read rename replace rmdir stat symlink unlink utime write"
_REAL = {name: getattr(os, name) for name in _CALLS.split()}

#: What was opened by os.open() as text.
_text_descriptors = set()


def refused(name):
    """Whether Windows takes no such file name (or does something else than it says)."""
    text = os.fsdecode(name)
    return (
        bool(re.search(r'[<>:"|?*\x00-\x1f]', text))
        or text.endswith((" ", "."))
        or text.split(".")[0].rstrip(" ").lower() in _DEVICES
    )


def _check_new(path):
    name = os.path.basename(os.fsdecode(path).rstrip("/"))
    if refused(name):
        raise OSError(errno.EINVAL, "[WinError 123] The filename, directory name, or volume label syntax is incorrect", path)


def _check_closed(path):
    """Raise what Windows does for a file that somebody in this process has open."""
    try:
        wanted = _REAL["stat"](path, follow_symlinks=False)
    except OSError:
        return
    for fd in os.listdir("/proc/self/fd"):
        try:
            info = os.fstat(int(fd))
        except OSError:
            continue
        if (info.st_dev, info.st_ino) == (wanted.st_dev, wanted.st_ino):
            message = "[WinError 32] The process cannot access the file because it is being used by another process"
            raise PermissionError(errno.EACCES, message, path)


def _no_dir_fd(*descriptors):
    if any(fd is not None for fd in descriptors):
        raise NotImplementedError("dir_fd unavailable on this platform")


def _open(path, flags, mode=0o777, *, dir_fd=None):
    _no_dir_fd(dir_fd)
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    if flags & os.O_CREAT:
        _check_new(path)
    fd = _REAL["open"](path, flags & ~_BINARY)
    _text_descriptors.discard(fd)
    if not flags & _BINARY and path != os.devnull:
        _text_descriptors.add(fd)
    return fd


def _bytes_only(name):
    def call(fd, *arguments):
        if fd in _text_descriptors:
            raise AssertionError("os.%s of a file that was opened without O_BINARY: Windows changes line ends" % name)
        return _REAL[name](fd, *arguments)

    return call


def _removing(name):
    def call(path, *, dir_fd=None):
        _no_dir_fd(dir_fd)
        _check_closed(path)
        return _REAL[name](path)

    return call


def _moving(name):
    def call(source, target, *, src_dir_fd=None, dst_dir_fd=None):
        _no_dir_fd(src_dir_fd, dst_dir_fd)
        _check_new(target)
        _check_closed(source)
        if name == "rename" and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "[WinError 183] Cannot create a file when that file already exists", target)
        _check_closed(target)
        return _REAL[name](source, target)

    return call


def _link(source, target, *, src_dir_fd=None, dst_dir_fd=None, follow_symlinks=True):
    _no_dir_fd(src_dir_fd, dst_dir_fd)
    _check_new(target)
    return _REAL["link"](source, target)


def _mkdir(path, mode=0o777, *, dir_fd=None):
    _no_dir_fd(dir_fd)
    _check_new(path)
    return _REAL["mkdir"](path)


def _symlink(source, target, target_is_directory=False, *, dir_fd=None):
    raise OSError(errno.EINVAL, "[WinError 1314] A required privilege is not held by the client", target)


def _chmod(path, mode, **_options):
    os.fspath(path)  # descriptors are none


def _utime(path, times=None, **options):
    _REAL["utime"](os.fspath(path), times, **options)


class _Locks(types.ModuleType):
    """Stands in for msvcrt: mandatory locks of single bytes."""

    LK_NBLCK = 2
    LK_UNLCK = 0

    @staticmethod
    def locking(fd, mode, count):
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, count, os.lseek(fd, 0, os.SEEK_CUR))


def _windll():
    superuser = types.SimpleNamespace(IsUserAnAdmin=lambda: 1)
    return types.SimpleNamespace(shell32=superuser)


def _take_the_seam(package):
    """Import the seam as Windows would; the rest of the standard library stays as it is."""
    ctypes.windll = _windll()
    name, platform = os.name, sys.platform
    os.name, sys.platform = "nt", "win32"
    try:
        __import__(package + ".system")
        __import__(package + ".system.folder")
    finally:
        os.name, sys.platform = name, platform


def play(package):
    """Play by the rules from now on. ``package``: the engine's, which can be imported already."""
    os.O_BINARY, os.O_NOINHERIT = _BINARY, 0
    sys.modules["msvcrt"] = _Locks("msvcrt")
    _take_the_seam(package)
    os.open, os.mkdir, os.symlink, os.link = _open, _mkdir, _symlink, _link
    os.unlink = os.remove = _removing("unlink")
    os.rmdir = _removing("rmdir")
    os.rename, os.replace = _moving("rename"), _moving("replace")
    os.read, os.write = _bytes_only("read"), _bytes_only("write")
    os.chmod, os.utime = _chmod, _utime
    _keep_the_library_alive()
    for module, names in ((os, _GONE_FROM_OS), (errno, _GONE_FROM_ERRNO), (signal, _GONE_FROM_SIGNAL)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in _GONE:
        sys.modules[name] = None


def _keep_the_library_alive():
    """What the standard library of this system does with what is about to be gone."""
    statvfs = os.statvfs

    def disk_usage(path):
        info = statvfs(path)
        return types.SimpleNamespace(free=info.f_bavail * info.f_frsize)

    shutil.disk_usage = disk_usage
    shutil._USE_CP_SENDFILE = False
    tempfile._bin_openflags |= _BINARY
    shutil._use_fd_functions = False
    subprocess.Popen.kill = subprocess.Popen.terminate


def main():
    program = sys.argv[1]
    sys.argv = sys.argv[1:]
    # The launcher of an installed command names it.
    with open(program, "rb") as file:
        named = re.search(rb"sys\.argv\[0\] = '(.*)'", file.read()) if program.endswith(".py") else None
    sys.path.insert(0, named.group(1).decode() if named else program)
    play("fleet_backup")
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
