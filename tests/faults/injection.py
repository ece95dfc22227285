# SPDX-License-Identifier: GPL-3.0-or-later
"""Something that goes wrong at the k-th I/O call of a process.

Calls are seen through an audit hook (PEP 578); what has no audit event is wrapped. Only calls on the test's own folders count:
those of imports would make the numbers useless.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import signal
import sys
import threading
import typing as t

#: Calls without an audit event. The first argument is a descriptor or a path.
_WRAPPED = ("write", "writev", "pwrite", "pwritev", "fsync", "fdatasync", "sendfile", "posix_fallocate", "mkfifo", "mknod")

#: What takes space on a disk.
GROWING = frozenset(
    ("os.write", "os.writev", "os.pwrite", "os.pwritev", "os.mkdir", "os.symlink", "os.link", "open for writing")
    + ("os.fsync", "os.fdatasync", "os.posix_fallocate", "os.setxattr", "os.mkfifo", "os.mknod")
)

_IGNORED = frozenset(("os.putenv", "os.unsetenv", "os.getxattr", "os.listxattr", "os.fork", "os.exec", "os.kill", "os.chdir"))
_OTHERS = frozenset(("open", "fcntl.flock", "sqlite3.connect", "shutil.rmtree", "shutil.move"))

Action = t.Callable[[str, int], None]


class Injection:
    """Calls ``action(name, number)`` before each I/O call on something below ``folders``; numbers begin with 1.

    An action may kill the process, or raise an OSError, which the caller of the I/O then gets.
    """

    def __init__(self, folders: t.Iterable[t.Union[str, os.PathLike[str]]], action: t.Optional[Action] = None) -> None:
        self._folders = tuple(os.path.realpath(folder) for folder in folders)
        self._action = action
        # Shared with the child, which has no time for a farewell.
        self._shared = mmap.mmap(-1, 8)
        self._lock = threading.RLock()
        self._busy = threading.local()

    @property
    def count(self) -> int:
        """How many calls there were, also in the child that ended since."""
        return int.from_bytes(self._shared[:8], "little")

    def install(self) -> None:
        """Begin to count, in this process for good; so do it in a child."""
        for name in _WRAPPED:
            if hasattr(os, name):
                setattr(os, name, self._wrap("os." + name, getattr(os, name)))
        sys.addaudithook(self._audit)

    def _wrap(self, name: str, function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        @functools.wraps(function)
        def wrapped(*args: t.Any, **named: t.Any) -> t.Any:
            self._see(name, args[:1])
            return function(*args, **named)

        return wrapped

    def _audit(self, event: str, args: t.Tuple[t.Any, ...]) -> None:
        if event in _IGNORED or not (event.startswith("os.") or event in _OTHERS):
            return
        if event == "open":
            flags = args[2] if isinstance(args[2], int) else 0
            writing = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            self._see("open for writing" if writing else "open", args[:1])
        else:
            self._see(event, args[:2] if event in ("os.rename", "os.link", "os.symlink", "shutil.move") else args[:1])

    def _see(self, name: str, places: t.Sequence[t.Any]) -> None:
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            if not any(self._counts(place) for place in places):
                return
            with self._lock:
                number = self.count + 1
                self._shared[:8] = number.to_bytes(8, "little")
                if self._action:
                    self._action(name, number)
        finally:
            self._busy.now = False

    def _counts(self, place: t.Any) -> bool:
        if isinstance(place, int):
            try:
                place = os.readlink("/proc/self/fd/%d" % place)
            except OSError:
                return False
        elif isinstance(place, (str, bytes, os.PathLike)):
            place = os.fsdecode(place)
            if not os.path.isabs(place):
                return True  # relative to a descriptor: only the engine does that
        else:
            return False
        return any(place == folder or place.startswith(folder + "/") for folder in self._folders)


def kill_at(wanted: int) -> Action:
    """SIGKILL before the call with this number."""

    def action(name: str, number: int) -> None:
        if number == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return action


def fail_at(wanted: int, code: int = errno.EIO) -> Action:
    """One call fails, the next ones work."""

    def action(name: str, number: int) -> None:
        if number == wanted:
            raise OSError(code, os.strerror(code))

    return action


def full_from(wanted: int) -> Action:
    """The disk is full from this call on: what would take space fails, removing works."""

    def action(name: str, number: int) -> None:
        if number >= wanted and name in GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return action


def do_at(wanted: int, what: t.Callable[[], None]) -> Action:
    """Something happens in the outside world right before this call."""

    def action(name: str, number: int) -> None:
        if number == wanted:
            what()

    return action


class Mutation:
    """The outside world changes a file at a moment of its being read.

    ``moment``: ``open`` (before it is opened), ``read`` (after that, before the first byte is read), or ``middle`` (after the
    first part was read). ``what`` is done once, to the first file of this name that is met.
    """

    def __init__(self, name: bytes, moment: str, what: t.Callable[[], None]) -> None:
        self._name = name
        self._moment = moment
        self._what: t.Optional[t.Callable[[], None]] = what
        self._fd = -1
        self._reads = 0

    def install(self) -> None:
        """Begin to watch, in this process for good; so do it in a child."""
        real_open, real_readv = os.open, os.readv

        def watched_open(path: t.Any, *args: t.Any, **named: t.Any) -> int:
            met = not isinstance(path, int) and os.path.basename(os.fsencode(path)) == self._name
            if met and self._moment == "open":
                self._act()
            fd = real_open(path, *args, **named)
            if met and self._what:
                self._fd = fd
            return fd

        def watched_readv(fd: int, buffers: t.Any) -> int:
            if fd == self._fd:
                self._reads += 1
                if self._reads == (2 if self._moment == "middle" else 1):
                    self._act()
            return real_readv(fd, buffers)

        os.open, os.readv = watched_open, watched_readv

    def _act(self) -> None:
        what, self._what, self._fd = self._what, None, -1
        if what:
            try:
                what()
            except OSError:
                self._what = what  # who is refused once is refused again
                raise
