# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process that does a part of the work: what Python does for each file, threads cannot share between processors.

The child is a copy of this process that lives on two descriptors and what it finds in memory. It holds nothing else that the
parent had open, a lock above all; it ends when its parent does, and its parent may end it at any moment. So it is given only what
can be done again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import typing as t
import warnings

from .archive.frames import cores
from .interruption import deferred

#: Seconds after which a child that says nothing is given up: a file system may hang, or what it asks for the names of users.
PATIENCE = 60


def is_worth_it() -> bool:
    """Whether a child can be had here, and a processor for it."""
    return sys.platform == "linux" and cores() > 1


def begin(serve: t.Callable[[], None], keep: t.Collection[int], done_with: t.Collection[int] = ()) -> int:
    """Let a child run ``serve``, with the descriptors ``keep``; return its number, or -1 when there can be none.

    ``done_with`` are descriptors that only the child goes on using.
    """
    child = -1
    with deferred(), warnings.catch_warnings():
        # Other threads' locks may be held for ever in the child: it uses none, and ends without any tidying up.
        warnings.simplefilter("ignore", DeprecationWarning)
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                child = os.fork()
            if child == 0:
                _run(serve, keep)
        for fd in done_with:
            os.close(fd)
    return child


def end(child: int) -> None:
    """End a child that begin() has returned."""
    if sys.platform != "win32" and child > 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _run(serve: t.Callable[[], None], keep: t.Collection[int]) -> t.NoReturn:
    try:
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        for fd in map(int, os.listdir("/proc/self/fd")):
            if fd not in keep:
                with contextlib.suppress(OSError):  # that of the listing itself
                    os.close(fd)
        serve()
    finally:
        os._exit(0)
