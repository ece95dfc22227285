# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way to run child processes: argument lists, never a shell; output drained and bounded; no process left behind.

A child leads a process group of its own, so that a timeout, or an interrupted run, ends everything that it started.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import typing as t
from dataclasses import dataclass

from .errors import FleetBackupError, MissingDependencyError, SourceError
from .interruption import deferred
from .private import write_all
from .system import GROUP_OPTIONS, as_user, end_group

#: How many bytes of each output are kept: the last ones, because that is where programs say why they failed.
KEPT_OUTPUT = 1 << 20

#: Seconds between asking a process group to end and ending it.
GRACE = 5.0

# A grandchild that outlives the child (a service that a hook started) keeps the pipes open; its output is not waited for.
_DRAIN_SECONDS = 1.0
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Finished:
    """A process that ended. ``stdout`` and ``stderr`` are the last KEPT_OUTPUT bytes of each.

    ``returncode`` is negative for a signal. ``complete`` is False when ``stdout`` lost its beginning.
    """

    argv: t.Tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    complete: bool
    timed_out: bool

    @property
    def program(self) -> str:
        return os.path.basename(self.argv[0])

    @property
    def succeeded(self) -> bool:
        return self.returncode == 0 and not self.timed_out

    def check(self, what: str, error: t.Type[FleetBackupError] = SourceError) -> Finished:
        """Return self if the process succeeded. Raises ``error``: what was being done, how it ended, its last words.

        Arguments are not named: they are the user's, and may say more than a log should.
        """
        if not self.succeeded:
            raise error("%s: %s" % (what, self.describe()))
        return self

    def describe(self, lines: int = 5) -> str:
        """How it ended and the last lines of its error output."""
        if self.timed_out:
            end = "did not finish in time and was stopped"
        elif self.returncode < 0:
            end = "was ended by signal %d" % -self.returncode
        else:
            end = "ended with exit code %d" % self.returncode
        words = last_lines(self.stderr, lines)
        return "%s %s%s" % (self.program, end, ": " + " | ".join(words) if words else ", without an error message")


def run(
    argv: t.Sequence[str],
    *,
    env: t.Optional[t.Mapping[str, str]] = None,
    stdin: t.Optional[bytes] = None,
    timeout: t.Optional[float] = None,
    grace: float = GRACE,
    user: t.Optional[str] = None,
) -> Finished:
    """Run a program to its end. The caller checks the outcome: ``run(...).check("what for")``.

    ``env`` is added to this process's environment; ``stdin`` is what the child reads (nothing by default); ``timeout`` and
    ``grace`` are seconds; ``user`` is the user of this host that the child runs as (this process's own by default). Raises
    MissingDependencyError when the program cannot be started, ConfigurationError when it cannot be that user.
    """
    child: t.Optional[subprocess.Popen[bytes]] = None
    timed_out = False
    try:
        with deferred():  # or the child could be running, and nobody know it
            child = start(argv, env, subprocess.DEVNULL if stdin is None else subprocess.PIPE, user)
        output, errors = Tail(child.stdout), Tail(child.stderr)
        if stdin is not None:
            threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True).start()
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            end(child, grace)
    except BaseException:
        # Interrupted (SIGINT, SIGTERM as an exception): the child does not get our terminal's signals, so it is ended here.
        if child is not None:
            end(child, grace)
        raise
    stdout, complete = output.result()
    return Finished(tuple(argv), child.returncode, stdout, errors.result()[0], complete, timed_out)


def last_lines(output: bytes, count: int) -> t.List[str]:
    """The last ``count`` lines of a program's output that say something, as text, cut to a readable length."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    return [line if len(line) <= 500 else line[:500] + "..." for line in lines if line][-count:]


def start(
    argv: t.Sequence[str], env: t.Optional[t.Mapping[str, str]], stdin: int, user: t.Optional[str] = None
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start a program with pipes for its outputs, as run() does. Whoever starts it waits for it, or calls end()."""
    other, surroundings = as_user(user)
    if other and (os.sep not in argv[0]):
        # Found by this process: the other user's search path is not known, and no reason to run another program.
        argv = [shutil.which(argv[0]) or argv[0], *argv[1:]]
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **surroundings, **(env or {})},
            bufsize=0,
            **GROUP_OPTIONS,
            **other,
        )
    except FileNotFoundError:
        raise MissingDependencyError(
            "the program %s does not exist on this host; install it or correct its name" % argv[0]
        ) from None
    except OSError as error:
        raise MissingDependencyError("the program %s cannot be started: %s" % (argv[0], error.strerror)) from None


def end(child: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the child and all that it started to end; after ``grace`` seconds make them, and wait for the child."""
    end_group(child.pid, force=False)
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Also when the child itself obeyed: what it started may not have.
        end_group(child.pid, force=True)
        child.wait()


def _feed(pipe: t.Any, data: bytes) -> None:
    try:
        write_all(pipe.fileno(), data)
    except OSError:
        # The child closed its input or ended; its exit code says whether that is an error.
        pass
    finally:
        pipe.close()


class Kept:
    """The last KEPT_OUTPUT bytes of an output."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._cut = False
        self._lock = threading.Lock()

    def add(self, chunk: t.Union[bytes, memoryview]) -> None:
        with self._lock:
            self._kept += chunk
            if len(self._kept) > 2 * KEPT_OUTPUT:
                # Cut seldom, at twice the size, so that draining stays cheap.
                del self._kept[:-KEPT_OUTPUT]
                self._cut = True

    def result(self) -> t.Tuple[bytes, bool]:
        """The last bytes, and whether they are all."""
        with self._lock:
            return bytes(self._kept[-KEPT_OUTPUT:]), not self._cut and len(self._kept) <= KEPT_OUTPUT


class Tail:
    """Drains a pipe in a thread of its own and keeps the end of what comes."""

    def __init__(self, pipe: t.Any) -> None:
        self._pipe = pipe
        self._kept = Kept()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def result(self) -> t.Tuple[bytes, bool]:
        """See Kept."""
        self._thread.join(_DRAIN_SECONDS)
        return self._kept.result()

    def _drain(self) -> None:
        with self._pipe:
            while True:
                chunk = self._pipe.read(_CHUNK)
                if not chunk:
                    return
                self._kept.add(chunk)
