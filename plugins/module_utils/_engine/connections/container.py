# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a running container, by the Docker SDK."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ..errors import MissingDependencyError, SourceError
from ..interruption import deferred
from ..process import Finished
from ..streaming import Streaming
from .exec_stream import ExecStream

Env = t.Optional[t.Mapping[str, str]]

# A request to the daemon that takes longer than this has failed. What runs in the container has its own timeouts.
_ANSWER_SECONDS = 60


class ContainerConnection:
    """See Connection. ``container``: name or id; ``host``: the daemon's address; ``user``: whom programs run as in there."""

    def __init__(self, container: str, host: t.Optional[str] = None, user: t.Optional[str] = None) -> None:
        self.place = "container %s" % container
        self._name = container
        self._user = user
        self._docker = _library()
        self._client = self._connect(host)
        try:
            self._id = self._find()
        except BaseException:
            self.close()
            raise

    def run(
        self, argv: t.Sequence[str], *, env: Env = None, stdin: t.Optional[bytes] = None, timeout: t.Optional[float] = None
    ) -> Finished:
        with self._stream(argv, env, False, stdin is not None, None) as stream:
            expiry = threading.Timer(timeout or 0, stream.expire)
            expiry.daemon = True
            if timeout is not None:
                expiry.start()
            try:
                if stdin is not None:
                    # One that does not read its input may succeed nevertheless.
                    with contextlib.suppress(BrokenPipeError):
                        stream.send(stdin)
                return stream.wait()
            finally:
                expiry.cancel()

    def output(
        self, argv: t.Sequence[str], *, env: Env = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        return self._stream(argv, env, True, False, timeout)

    def input(
        self, argv: t.Sequence[str], *, env: Env = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        return self._stream(argv, env, False, True, timeout)

    def session(
        self, argv: t.Sequence[str], *, env: Env = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        return self._stream(argv, env, True, True, timeout)

    @contextlib.contextmanager
    def option_file(self, text: str) -> t.Iterator[str]:
        # mktemp makes it with mode 0600 from the first moment; none of the three needs a shell.
        with deferred():
            made = self.run(["mktemp", "/tmp/fleet-backup.XXXXXX"], timeout=_ANSWER_SECONDS)  # noqa: S108
        path = made.check("making a private file in %s" % self.place).stdout.decode("utf-8").rstrip("\n")
        try:
            written = self.run(["dd", "of=%s" % path], stdin=text.encode("utf-8"), timeout=_ANSWER_SECONDS)
            written.check("writing a private file in %s" % self.place)
            yield path
        finally:
            with deferred(), contextlib.suppress(SourceError):
                # A container that is gone has taken the file along.
                self.run(["rm", "-f", path], timeout=_ANSWER_SECONDS)

    def close(self) -> None:
        self._client.close()

    def _stream(self, argv: t.Sequence[str], env: Env, reads: bool, writes: bool, timeout: t.Optional[float]) -> ExecStream:
        return ExecStream(
            self._client.api, self._id, self.place, argv, reads=reads, writes=writes, env=env, user=self._user, timeout=timeout
        )

    def _connect(self, host: t.Optional[str]) -> t.Any:
        try:
            if host is None:
                return self._docker.from_env(timeout=_ANSWER_SECONDS)
            return self._docker.DockerClient(base_url=host, timeout=_ANSWER_SECONDS)
        except (self._docker.errors.DockerException, OSError, ValueError) as error:
            raise SourceError(
                "%s: the Docker daemon%s cannot be reached: %s" % (self.place, " at %s" % host if host else "", error)
            ) from None

    def _find(self) -> str:
        try:
            found = self._client.containers.get(self._name)
        except self._docker.errors.NotFound:
            raise SourceError("there is no container %s (container)" % self._name) from None
        except (self._docker.errors.DockerException, OSError) as error:
            raise SourceError("%s: the Docker daemon does not tell of it: %s" % (self.place, error)) from None
        if found.status != "running":
            raise SourceError("%s is not running (it is %s); start it" % (self.place, found.status))
        return t.cast(str, found.id)


def _library() -> t.Any:
    try:
        import docker
        import docker.errors
    except ImportError as error:
        raise MissingDependencyError(
            "the Python package docker, which the option container needs, cannot be imported: %s" % error
        ) from None
    return docker
