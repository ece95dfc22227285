# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process that is read from, or written to, piece by piece: a dump on its way out, a restore on its way in.

It is a context manager. Whoever leaves the context without finish() has given up: the child and all that it started are ended.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
import typing as t

from .errors import FleetBackupError, SourceError
from .interruption import deferred
from .private import write_all
from .process import GRACE, Finished, Tail, end, start
from .system import read_into, widen_pipe

_READ = 1 << 16


class Streaming(t.Protocol):
    """A program under way on a host or in a container. What it says on stderr is drained and kept for the error."""

    def __enter__(self) -> Streaming: ...

    def __exit__(self, *_: t.Any) -> None: ...

    def readinto(self, buffer: memoryview) -> int:
        """Read some of its output into ``buffer``; return how many bytes, 0 at the end. One thread at a time."""

    def read(self, size: int) -> bytes:
        """Some of its output, at most ``size`` bytes; nothing at the end."""

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Let it read all of ``data``. When it reads no more, raises the error that finish() would."""

    def close_input(self) -> None:
        """Let it see the end of its input. Idempotent; finish() does it too."""

    def finish(self, what: str, error: t.Type[FleetBackupError] = SourceError) -> Finished:
        """Wait for its end. Output that nobody read is dropped, but for the end of it, which is in the result.

        Raises ``error`` (what was being done, how it ended, its last words) when it failed.
        """


class Child:
    """A process of this host; see Streaming. ``reads`` and ``writes`` say what is done with it.

    ``timeout``: seconds that it may keep this process waiting, for output or for taking input, before it is ended. For the
    rest see process.run().
    """

    def __init__(
        self, argv: t.Sequence[str], *, reads: bool, writes: bool, env: t.Optional[t.Mapping[str, str]] = None,
        user: t.Optional[str] = None, timeout: t.Optional[float] = None, grace: float = GRACE,
    ) -> None:  # fmt: skip
        self._argv = argv
        self._env = env
        self._user = user
        self._grace = grace
        self._reads = reads
        self._writes = writes
        self._patience = Patience(timeout, self._expire)
        self._child: t.Optional[subprocess.Popen[bytes]] = None
        self._finished: t.Optional[Finished] = None
        self._output: t.Optional[Tail] = None

    def __enter__(self) -> Child:
        try:
            with deferred():  # or the child could be running, and nobody know it
                self._child = start(self._argv, self._env, subprocess.PIPE if self._writes else subprocess.DEVNULL, self._user)
            # Before anybody reads: one that has ended already has its pipes closed by who does.
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    widen_pipe(pipe.fileno())
            self._errors = Tail(self._child.stderr)
            if not self._reads:
                self._output = Tail(self._child.stdout)
            self._patience.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: t.Any) -> None:
        child = self._child
        if child is None:
            return
        with deferred():
            self._patience.stop()
            if self._finished is None:
                end(child, self._grace)
            for pipe in (child.stdin, child.stdout if self._output is None else None):
                if pipe is not None:
                    pipe.close()

    def readinto(self, buffer: memoryview) -> int:
        with self._patience:
            return read_into(self._descriptor("stdout"), buffer)

    def read(self, size: int) -> bytes:
        with self._patience:
            return os.read(self._descriptor("stdout"), size)

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        try:
            with self._patience:
                write_all(self._descriptor("stdin"), data)
        except BrokenPipeError:
            finished = self._wait()
            finished.check("it took no more input")
            raise SourceError("%s ended well before it had read all of its input" % finished.program) from None

    def close_input(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()

    def finish(self, what: str, error: t.Type[FleetBackupError] = SourceError) -> Finished:
        return self._wait().check(what, error)

    def _descriptor(self, name: str) -> int:
        return t.cast(int, getattr(self._child, name).fileno())

    def _wait(self) -> Finished:
        child = t.cast("subprocess.Popen[bytes]", self._child)
        if self._finished is None:
            self.close_input()
            if self._reads:
                self._output = Tail(child.stdout)
            with self._patience:
                child.wait()
            self._patience.stop()
            stdout, complete = t.cast(Tail, self._output).result()
            self._finished = Finished(
                tuple(self._argv), child.returncode, stdout, self._errors.result()[0], complete, self._patience.lost
            )
        return self._finished

    def _expire(self) -> None:
        # Reading and waiting then come to their end by themselves.
        end(t.cast("subprocess.Popen[bytes]", self._child), self._grace)


class Patience:
    """Watches how long this process is kept waiting in ``with patience:``, and calls ``expire`` once it is too long.

    Time between the waits does not count: a slow store is not the fault of a dump. ``lost`` says that it was called.
    """

    def __init__(self, seconds: t.Optional[float], expire: t.Callable[[], None]) -> None:
        self.lost = False
        self._seconds = seconds
        self._expire = expire
        self._since: t.Optional[float] = None
        self._stopped = threading.Event()

    def start(self) -> None:
        if self._seconds is not None:
            threading.Thread(target=self._watch, args=(self._seconds,), daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: t.Any) -> None:
        self._since = None

    def _watch(self, seconds: float) -> None:
        while not self._stopped.wait(min(seconds / 4, 1)):
            since = self._since
            if since is not None and time.monotonic() - since > seconds:
                self.lost = True
                self._expire()
                return
