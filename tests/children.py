# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a function in a process of its own: as another user, or so that it can be killed at an exact moment."""

from __future__ import annotations

import encodings.unicode_escape  # noqa: F401  another user may not be able to read the interpreter's files any more
import errno
import os
import pickle
import signal
import sys
import traceback
import typing as t

NOBODY = 65534

#: Audit events (docs.python.org/3/library/audit_events.html) of what changes names.
CHANGES = ("os.rename", "os.link", "os.remove", "os.rmdir")


def in_child(function: t.Callable[[], t.Any], user: t.Optional[int] = None) -> t.Any:
    """What ``function`` returns, run in a forked process; None when that was killed. Its failure fails the test."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(function(), pipe)
            code = 0
        except BaseException:  # noqa: BLE001  told by its trace and the exit code
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, "the child process failed; see its trace above"
    return pickle.loads(data)


class Saboteur:
    """From start() to stop(), kills this process, or lets a call fail, at the ``number``th event that changes a name."""

    def __init__(self, number: int, kill: bool) -> None:
        self.number = number
        self._kill = kill
        self._count = 0
        self._active = False
        sys.addaudithook(self._hook)

    def start(self) -> None:
        self._active = True

    def stop(self) -> None:
        self._active = False

    def _hook(self, event: str, _arguments: t.Any) -> None:
        if not self._active or event not in CHANGES:
            return
        self._count += 1
        if self._count == self.number:
            if self._kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.EIO, "sabotage")
