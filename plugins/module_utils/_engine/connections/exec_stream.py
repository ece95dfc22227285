# SPDX-License-Identifier: GPL-3.0-or-later
"""One program in a container, over the connection that the Docker daemon makes of an exec.

What comes is frames of eight bytes (which output, how long) and data; what goes is the program's input, whose end is the end
of this side of the connection.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
import time
import typing as t

from ..errors import FleetBackupError, MissingDependencyError, SourceError
from ..interruption import deferred
from ..process import GRACE, Finished, Kept
from ..streaming import Patience
from ..system import IS_WINDOWS

_CHUNK = 1 << 16
_STDOUT = 1

# Where an older daemon says that a program could not be started: at the beginning of the program's output.
_HEAD = 4096

# The daemon has no request that ends an exec. What was started is known by a mark in its environment, which its children inherit.
_MARK = "FLEET_BACKUP_EXEC"
_KILL = """
for file in /proc/[0-9]*/environ; do
  { tr '\\0' '\\n' <"$file" | grep -qx "$1"; } 2>/dev/null || continue
  process=${file%/environ}
  kill -s "$2" "${process#/proc/}" 2>/dev/null
done
"""


class ExecStream:
    """See streaming.Streaming. ``api`` is docker's low-level client; ``place`` names the container in messages."""

    def __init__(
        self, api: t.Any, container: str, place: str, argv: t.Sequence[str], *, reads: bool, writes: bool,
        env: t.Optional[t.Mapping[str, str]], user: t.Optional[str], timeout: t.Optional[float],
    ) -> None:  # fmt: skip
        self._api = api
        self._container = container
        self._place = place
        self._argv = tuple(argv)
        self._reads = reads
        self._writes = writes
        mark = os.urandom(8).hex()
        self._mark = "%s=%s" % (_MARK, mark)
        self._env = {_MARK: mark, **(env or {})}
        self._user = user
        self._patience = Patience(timeout, self.expire)
        self._id = ""
        self._file: t.Any = None
        self._left = 0
        self._which = 0
        self._head = bytearray()
        self._stdout, self._stderr = Kept(), Kept()
        self._reader: t.Optional[threading.Thread] = None
        self._trouble: t.Optional[BaseException] = None
        self._timed_out = False
        self._ending = threading.Lock()
        self._input_ended = False
        self._finished: t.Optional[Finished] = None

    def __enter__(self) -> ExecStream:
        try:
            with deferred():
                self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: t.Any) -> None:
        with deferred():
            self._patience.stop()
            if self._finished is None and self._id:
                self._end()
            if self._file is not None:
                self._hang_up()
                if self._reader is not None:
                    self._reader.join(GRACE)
                self._response.close()
                self._file = None

    def readinto(self, buffer: memoryview) -> int:
        try:
            with self._patience:
                return self._read_some(buffer)
        except EOFError:
            # In the middle of a frame: the daemon is gone. The exit code, which is not to be had, will tell.
            self._left = 0
            return 0
        except OSError as error:
            raise SourceError("%s: the connection to the Docker daemon broke: %s" % (self._place, error)) from None

    def _read_some(self, buffer: memoryview) -> int:
        while True:
            if not self._left and not self._next_frame():
                return 0
            if self._which == _STDOUT:
                count = t.cast(int, self._file.readinto1(buffer[: self._left]))
                self._left -= count
                if not count:
                    raise EOFError
                if len(self._head) < _HEAD:
                    self._head += buffer[:count]
                return count
            self._drain_frame()

    def read(self, size: int) -> bytes:
        buffer = bytearray(min(size, _CHUNK))
        return bytes(buffer[: self.readinto(memoryview(buffer))])

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        try:
            self.send(data)
        except BrokenPipeError:
            finished = self.wait()
            finished.check("it took no more input")
            raise SourceError("%s ended well before it had read all of its input" % finished.program) from None

    def send(self, data: t.Union[bytes, memoryview]) -> None:
        """write() that raises BrokenPipeError when the program reads no more."""
        if IS_WINDOWS:
            raise NotImplementedError  # no daemon was reached there
        rest = memoryview(data)
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        with self._patience:
            while rest:
                # The daemon keeps the connection of a program that ended as long as there is input for it.
                if not poll.poll(1000):
                    if self._over() or not self._inspect()["Running"]:
                        raise BrokenPipeError
                    continue
                try:
                    rest = rest[self._socket.send(rest[:_CHUNK], socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise BrokenPipeError from None

    def close_input(self) -> None:
        if not self._input_ended and self._file is not None:
            self._input_ended = True
            if self._writes:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)

    def finish(self, what: str, error: t.Type[FleetBackupError] = SourceError) -> Finished:
        return self.wait().check("%s in %s" % (what, self._place), error)

    def wait(self) -> Finished:
        """Wait for its end. Raises SourceError when the daemon does not tell how it ended."""
        if self._finished is None:
            self.close_input()
            self._read_on()
            with self._ending:
                code = self._exit_code()
            stdout, complete = self._stdout.result()
            finished = Finished(self._argv, code, stdout, self._stderr.result()[0], complete and not self._reads, self._timed_out)
            if code in (126, 127) and b"OCI runtime exec failed" in bytes(self._head) + stdout:
                raise self._missing()
            self._finished = finished
            if code and not self._timed_out:
                self._check_container(finished)
        return self._finished

    def expire(self) -> None:
        """It had its time."""
        with self._ending:
            self._timed_out = True
            self._end()
        # In case that it could not be ended: nobody waits for it.
        self._hang_up()

    def _start(self) -> None:
        import docker.errors

        try:
            self._id = self._api.exec_create(
                self._container, list(self._argv), stdin=self._writes, environment=self._env, user=self._user or ""
            )["Id"]
            raw = self._api.exec_start(self._id, socket=True)
        except docker.errors.APIError as error:
            if "executable file not found" in str(error) or "no such file or directory" in str(error):
                raise self._missing() from None
            raise SourceError("%s: %s cannot be started: %s" % (self._place, self._argv[0], error.explanation or error)) from None
        except (docker.errors.DockerException, OSError) as error:
            raise SourceError("%s: the Docker daemon does not answer: %s" % (self._place, error)) from None
        self._response = getattr(raw, "_response", raw)
        try:
            # Not the socket alone: the reader of the answer's head may have read the first data along with it.
            self._file = self._response.raw._fp.fp
            self._socket = self._file.raw._sock
            plain = isinstance(self._socket, socket.socket) and not isinstance(self._socket, ssl.SSLSocket)
        except AttributeError:
            plain = False
        if not plain:
            raise SourceError(
                "%s: the end of an input can be told only over a plain socket; use a docker_host of unix:// or tcp:// without TLS"
                % self._place
            )
        self._socket.settimeout(None)
        self._patience.start()
        if not self._reads:
            self._reader = threading.Thread(target=self._drain, daemon=True)
            self._reader.start()

    def _missing(self) -> MissingDependencyError:
        return MissingDependencyError("the program %s does not exist in %s" % (self._argv[0], self._place))

    def _next_frame(self) -> bool:
        head = self._file.read(8)
        if len(head) < 8:
            return False
        self._which, self._left = head[0], int.from_bytes(head[4:], "big")
        return True

    def _drain_frame(self) -> None:
        """The rest of a frame that nobody reads."""
        while self._left:
            chunk = self._file.read1(min(self._left, _CHUNK))
            if not chunk:
                raise EOFError
            self._left -= len(chunk)
            (self._stdout if self._which == _STDOUT else self._stderr).add(chunk)

    def _drain(self) -> None:
        try:
            while self._left or self._next_frame():
                self._drain_frame()
        except EOFError:
            return
        except (OSError, ValueError) as error:
            self._trouble = error

    def _read_on(self) -> None:
        """Until there is no more output."""
        with self._patience:
            if self._reader is not None:
                self._reader.join()
            else:
                self._drain()
        if self._trouble is not None and not self._timed_out:
            raise SourceError("%s: the connection to the Docker daemon broke: %s" % (self._place, self._trouble))

    def _over(self) -> bool:
        return self._reader is not None and not self._reader.is_alive()

    def _exit_code(self) -> int:
        while True:
            found = self._inspect()
            if self._timed_out or not found["Running"]:
                code = found["ExitCode"]
                # None: it was never told, because the container went down with it.
                return -9 if code is None else t.cast(int, code)
            time.sleep(0.02)

    def _inspect(self) -> t.Dict[str, t.Any]:
        import docker.errors

        try:
            return t.cast("t.Dict[str, t.Any]", self._api.exec_inspect(self._id))
        except docker.errors.NotFound:
            raise SourceError("%s was removed while %s ran in it" % (self._place, self._argv[0])) from None
        except (docker.errors.DockerException, OSError) as error:
            raise SourceError(
                "%s: the Docker daemon does not tell how %s ended: %s" % (self._place, self._argv[0], error)
            ) from None

    def _check_container(self, finished: Finished) -> None:
        """Say it when the program failed because its container did. Raises SourceError."""
        import docker.errors

        try:
            status = self._api.inspect_container(self._container)["State"]["Status"]
        except docker.errors.NotFound:
            status = "gone"
        except (docker.errors.DockerException, OSError):
            return
        if status != "running":
            raise SourceError("%s was stopped while %s ran in it (it is %s)" % (self._place, finished.program, status))

    def _hang_up(self) -> None:
        # Only so does a thread that waits for data see that there is none to come.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _end(self) -> None:
        """Ask it and what it started to end, then make them."""
        # By its own user: not even root of a container may look into the environment of others.
        for signal, seconds in (("TERM", GRACE), ("KILL", GRACE)):
            deadline = time.monotonic() + seconds
            try:
                if not self._inspect()["Running"]:
                    return
                if self._reads:
                    # The daemon does nothing else for a container while nobody takes the output of a program there.
                    self._hang_up()
                self._signal(signal)
                while time.monotonic() < deadline and self._inspect()["Running"]:
                    time.sleep(0.05)
            except SourceError:
                return

    def _signal(self, signal: str) -> None:
        import docker.errors

        with contextlib.suppress(docker.errors.DockerException, OSError):
            killer = self._api.exec_create(self._container, ["sh", "-c", _KILL, "sh", self._mark, signal], user=self._user or "")
            self._api.exec_start(killer["Id"], detach=True)
