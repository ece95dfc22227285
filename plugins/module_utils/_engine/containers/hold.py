# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are stopped or paused while their volumes are read or written, and go on whatever happens."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import typing as t

from ..errors import SourceError
from ..interruption import checkpoint, uninterrupted
from ..readiness import is_readable
from .daemon import Daemon

STOP, PAUSE, LEAVE = "stop", "pause", "leave"
ACTIONS = (STOP, PAUSE, LEAVE)

#: A container's label with one of ACTIONS, which wins over the job's option.
LABEL = "fleet.backup.containers"

_SERVICE = "com.docker.compose.service"
_DEPENDS_ON = "com.docker.compose.depends_on"
_SWARM = "com.docker.swarm.service.name"

# Seconds that the watchdog has to begin, and those that a stop may take beyond its timeout.
_START_SECONDS = 60
_SPARE_SECONDS = 10

# The interpreter reads what it runs from the pipe, before the plan. Its arguments show only what it is.
_LOADER = "import json, sys; exec(json.loads(sys.stdin.readline()))"
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH")


class Hold:
    """What becomes of the containers that use some volumes: begin() stops or pauses them, release() lets them go on.

    ``action``: what is done with those without a label of their own. ``timeout``: the seconds that a container has to stop.
    Between the two a second process, which outlives this one, stands by to do what release() would.
    """

    def __init__(self, daemon: Daemon, containers: t.Sequence[t.Any], action: str, timeout: int) -> None:
        self._daemon = daemon
        self._timeout = timeout
        self._watchdog: t.Optional[subprocess.Popen[bytes]] = None
        #: Those that are held, by id, in the order in which they were.
        self._held: t.Dict[str, t.Tuple[t.Any, str]] = {}
        self._pending: t.Set[str] = set()
        self._plan = [(container, _action(container, action)) for container in _dependents_first(containers)]
        for container, what in self._plan:
            if what == STOP:
                _check_comes_back(container)

    @property
    def plan(self) -> t.List[t.Dict[str, str]]:
        """What is done with which container, sorted by name."""
        return [
            {"name": c.name, "image": c.attrs.get("Config", {}).get("Image", ""), "action": what}
            for c, what in sorted(self._plan, key=lambda planned: str(planned[0].name))
        ]

    @property
    def left(self) -> t.List[t.Any]:
        """The containers that go on using the volumes meanwhile."""
        return [container for container, what in self._plan if what == LEAVE and not _is_paused(container)]

    def begin(self) -> None:
        """Stop and pause. Raises SourceError; release() must follow in any case."""
        todo = [(container, what) for container, what in self._plan if what != LEAVE and not _is_paused(container)]
        if not todo:
            return
        self._start_watchdog()
        for container, what in todo:
            with uninterrupted():
                # Noted before it is done, so that whatever comes between the two is made good.
                self._tell("stopping" if what == STOP else "pausing", container)
                self._held[container.id] = (container, what)
                self._pending.add(container.id)
            checkpoint()
            with self._daemon.asked("container %s could not be %s" % (container.name, "stopped" if what == STOP else "paused")):
                if what == STOP:
                    container.stop(timeout=self._timeout)
                else:
                    container.pause()
            with uninterrupted():
                self._pending.discard(container.id)
                self._tell("held", container)
            checkpoint()

    def keep(self) -> None:
        """From here on, nobody but release() lets them go on: they must not meet what is half written."""
        for container, _what in self._held.values():
            self._tell("free", container)

    def release(self) -> t.List[str]:
        """Let them go on, the last one first. Returns what could not be done. Idempotent."""
        problems = []
        with uninterrupted():
            for container, what in reversed(list(self._held.values())):
                try:
                    self._let_go(container, what)
                except SourceError as error:
                    # The watchdog goes on trying for a while.
                    problems.append(str(error))
                else:
                    self._tell("free", container)
            self._held.clear()
            self._end_watchdog(bool(problems))
        return problems

    def _let_go(self, container: t.Any, what: str) -> None:
        verb = "started" if what == STOP else "set going"
        with self._daemon.asked("container %s could not be %s again; do it by hand" % (container.name, verb)):
            if what == STOP:
                if container.id in self._pending:
                    # The daemon goes on stopping what it was asked to stop: it can be started only after that.
                    container.stop(timeout=self._timeout)
                container.start()
            else:
                container.reload()
                if _is_paused(container):
                    container.unpause()

    def _start_watchdog(self) -> None:
        from . import watchdog

        code = inspect.getsource(watchdog) + "\nmain()\n"
        plan = {"socket": self._daemon.socket, "patience": self._timeout + _SPARE_SECONDS}
        try:
            with uninterrupted():
                self._watchdog = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _LOADER, "fleet-backup-watchdog"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                    bufsize=0,
                    start_new_session=True,
                )
            self._write("%s\n%s\n" % (json.dumps(code), json.dumps(plan)))
            output = t.cast(t.IO[bytes], self._watchdog.stdout)
            ready = is_readable(output, _START_SECONDS) and output.readline() == b"ready\n"
        except OSError as error:
            raise SourceError("%s; nothing was stopped: %s" % (_NO_WATCHDOG, error)) from None
        if not ready:
            raise SourceError("%s; nothing was stopped" % _NO_WATCHDOG)

    def _tell(self, word: str, container: t.Any) -> None:
        try:
            self._write("%s %s\n" % (word, container.id))
        except OSError:
            if word in ("stopping", "pausing"):
                raise SourceError("%s any more; container %s was left alone" % (_NO_WATCHDOG, container.name)) from None

    def _write(self, text: str) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.write(text.encode("utf-8"))

    def _end_watchdog(self, goes_on: bool) -> None:
        watchdog = self._watchdog
        if watchdog is None:
            return
        for pipe in (watchdog.stdin, watchdog.stdout):
            if pipe is not None:
                pipe.close()
        if not goes_on:
            watchdog.wait()
        self._watchdog = None


_NO_WATCHDOG = "the process that would let the containers go on if this one is killed does not run"


def _action(container: t.Any, action: str) -> str:
    label = container.labels.get(LABEL)
    if label is None:
        return action
    if label not in ACTIONS:
        raise SourceError("container %s: its label %s is %r, and none of %s" % (container.name, LABEL, label, ", ".join(ACTIONS)))
    return str(label)


def _is_paused(container: t.Any) -> bool:
    return bool(container.attrs.get("State", {}).get("Paused"))


def _check_comes_back(container: t.Any) -> None:
    if container.attrs.get("HostConfig", {}).get("AutoRemove"):
        reason = "it would be removed when it stops (--rm)"
    elif _SWARM in container.labels:
        reason = "its swarm service would start another one"
    else:
        return
    raise SourceError("container %s cannot be stopped for a while: %s; pause or leave it" % (container.name, reason))


def _dependents_first(containers: t.Sequence[t.Any]) -> t.List[t.Any]:
    """The containers, each before those that it depends on, as far as compose tells."""
    by_service = {container.labels.get(_SERVICE): container for container in containers if container.labels.get(_SERVICE)}
    ordered: t.List[t.Any] = []
    seen: t.Set[str] = set()

    def visit(container: t.Any) -> None:
        if container.id in seen:
            return
        seen.add(container.id)
        for dependency in container.labels.get(_DEPENDS_ON, "").split(","):
            found = by_service.get(dependency.split(":")[0])
            if found is not None:
                visit(found)
        ordered.append(container)

    for container in containers:
        visit(container)
    return ordered[::-1]
