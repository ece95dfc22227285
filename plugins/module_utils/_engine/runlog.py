# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of one run: a file on the host, and the same lines for ``run.log`` in the backup."""

from __future__ import annotations

import os
import threading
import typing as t

from .names import printable
from .private import open_private, private_folder, write_all
from .result import iso, utc_now

#: How many logs of a job stay on the host.
KEPT_LOGS = 100

#: How many bytes of a log go into the backup; the file on the host has them all.
KEPT_BYTES = 4 << 20


class RunLog:
    """Collects lines, each with its time. Takes lines from any thread.

    A log that cannot be written never stops a run: ``problem`` then says why, and the lines for the backup are still there.
    Raises ConfigurationError when its folder cannot be made.
    """

    def __init__(self, state_dir: str, job_name: str, run_id: str) -> None:
        folder = private_folder(os.path.join(state_dir, "logs", job_name))
        self.path = os.path.join(folder, run_id + ".log")
        self.problem: t.Optional[str] = None
        self._lines = bytearray()
        self._full = False
        self._lock = threading.Lock()
        self._fd = -1
        try:
            self._fd = open_private(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            _trim(folder, KEPT_LOGS)
        except OSError as error:
            self.problem = "%s: %s" % (self.path, error.strerror)

    def line(self, text: str) -> None:
        """Add one line. Line breaks and control characters in it are escaped: names of files may hold them."""
        line = printable(text.encode("utf-8", "backslashreplace"))
        data = ("%s %s\n" % (iso(utc_now()), line)).encode("utf-8")
        with self._lock:
            if len(self._lines) + len(data) <= KEPT_BYTES:
                self._lines += data
            elif not self._full:
                self._full = True
                self._lines += b"... the rest is only in the log on the host\n"
            if self._fd >= 0 and self.problem is None:
                try:
                    write_all(self._fd, data)
                except OSError as error:
                    self.problem = "%s: %s" % (self.path, error.strerror)

    def data(self) -> bytes:
        """The log so far, UTF-8."""
        with self._lock:
            return bytes(self._lines)

    def close(self) -> None:
        """End the log on the host. Idempotent."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def _trim(folder: str, keep: int) -> None:
    # Run ids begin with their time, so the order of names is the order of time.
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".log"))[:-keep]:
        os.unlink(os.path.join(folder, name))
