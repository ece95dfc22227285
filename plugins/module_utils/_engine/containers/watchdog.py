# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets containers go on when the run that held them is gone, however it ended.

A program of its own, which outlives the run: it reads from a pipe that only the run writes to, so the end of the pipe is the end
of the run. Its source is handed to a new interpreter, since the files of the engine may vanish with the run (they do when an
Ansible task ends); so it imports nothing but the standard library, and all of it at once.

First comes one line of JSON, ``{"socket": path, "patience": seconds}``, which is answered by ``ready``. Then lines:
``stopping ID`` and ``pausing ID`` before that is asked for, ``held ID`` when it is done, ``free ID`` when the run has let the
container go on itself.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sys
import time
import typing as t

# Seconds: between two looks at a container, for one answer of the daemon, and for all attempts when it gives none.
_PAUSE = 0.25
_ANSWER = 30
_TRIES = 120

_DONE, _NOTHING_TO_DO, _FAILED = "done", "nothing to do", "failed"

_UNDONE_BY = {"stopping": "start", "pausing": "unpause"}


class _Daemon(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_ANSWER)
        self._path = path

    def connect(self) -> None:
        if sys.platform == "win32":
            raise NotImplementedError  # the engine has reached no daemon there
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER)
        self.sock.connect(self._path)


def main() -> None:
    """Serve the pipe on the standard input, then do what is left to be done."""
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        # A service manager that stops the run means all of its processes. This one ends as soon as its work is done.
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    plan = json.loads(sys.stdin.readline())
    held: t.Dict[str, str] = {}
    pending: t.Set[str] = set()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        word, container = line.split()
        if word in _UNDONE_BY:
            held[container] = _UNDONE_BY[word]
            pending.add(container)
        elif word == "held":
            pending.discard(container)
        else:
            held.pop(container, None)
    # Those held last go on first, as the run would have it.
    _let_go(plan["socket"], list(reversed(list(held.items()))), pending, time.monotonic() + plan["patience"])


def _let_go(path: str, held: t.List[t.Tuple[str, str]], pending: t.Set[str], settled: float) -> None:
    """Let all go on. What is still being stopped runs until it is: it is watched until ``settled``."""
    deadline = time.monotonic() + _TRIES
    while held:
        left = []
        for container, verb in held:
            answer = _ask(path, verb, container)
            waits = answer == _NOTHING_TO_DO and container in pending and time.monotonic() < settled
            if answer == _FAILED or waits:
                left.append((container, verb))
        held = left if time.monotonic() < max(deadline, settled) else []
        if held:
            time.sleep(_PAUSE)


def _ask(path: str, verb: str, container: str) -> str:
    """Ask the daemon to let the container go on; what came of it."""
    daemon = _Daemon(path)
    try:
        daemon.request("POST", "/containers/%s/%s" % (container, verb))
        status = daemon.getresponse().status
        if status in (204, 404):
            return _DONE
        # It runs already; it is not paused.
        return _NOTHING_TO_DO if status == 304 or (verb == "unpause" and status in (409, 500)) else _FAILED
    except (OSError, http.client.HTTPException):
        return _FAILED
    finally:
        daemon.close()
