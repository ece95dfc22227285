# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time per job.

The operating system holds the lock, and drops it when the process ends however it ends; so there is no stale lock to clean
up. What the file says of its holder is information for people and decides nothing. The file is never removed: a
run that waits has it open, and would get a lock on a name that is gone.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from .errors import ConfigurationError, LockedError
from .private import open_private, private_folder, write_all
from .result import iso, utc_now
from .system import lock_file

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0


class JobLock:
    """A context manager that holds the lock of a job; waits up to ``timeout_seconds`` for another run.

    Raises LockedError, which says who has it; ConfigurationError when the lock file cannot be made.
    """

    def __init__(self, state_dir: str, job_name: str, timeout_seconds: float = 0) -> None:
        self._folder = os.path.join(state_dir, "locks")
        self._path = os.path.join(self._folder, job_name + ".lock")
        self._job = job_name
        self._timeout = timeout_seconds
        self._fd = -1

    def __enter__(self) -> JobLock:
        private_folder(self._folder)
        try:
            fd = open_private(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise ConfigurationError("%s: the lock file cannot be opened: %s" % (self._path, error.strerror)) from None
        try:
            self._wait(fd)
            _describe_holder(fd)
        except OSError as error:
            # ENOLCK, say: a state_dir on a network file system that has no locks.
            os.close(fd)
            raise ConfigurationError(
                "%s: the file cannot be locked: %s; put state_dir on a file system that can" % (self._path, error.strerror)
            ) from None
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(self, *_: t.Any) -> None:
        os.close(self._fd)
        self._fd = -1

    def _wait(self, fd: int) -> None:
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        while not lock_file(fd):
            left = deadline - time.monotonic()
            if left <= 0:
                waited = " after waiting %d s" % self._timeout if self._timeout else ""
                raise LockedError(
                    "job %s: another run of it is under way (%s)%s; try again later, or let it wait longer with lock_timeout"
                    % (self._job, _holder(fd), waited)
                )
            time.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)


def _describe_holder(fd: int) -> None:
    try:
        os.ftruncate(fd, 0)
        write_all(fd, json.dumps({"pid": os.getpid(), "since": iso(utc_now())}).encode("ascii") + b"\n")
    except OSError:
        # A full disk must not keep a backup from running: the lock itself is held.
        return


def _holder(fd: int) -> str:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        value = json.loads(os.read(fd, 4096))
        return "process %d, since %s" % (value["pid"], value["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said who it is"
