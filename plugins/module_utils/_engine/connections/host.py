# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs on this host."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from ..errors import SourceError
from ..private import open_private, write_all
from ..process import Finished, run
from ..scratch import Scratch
from ..streaming import Child, Streaming
from ..system import as_user, give_owner

Env = t.Optional[t.Mapping[str, str]]


class HostConnection:
    """See Connection. ``user`` as in process.run()."""

    place = "this host"

    def __init__(self, user: t.Optional[str] = None, spool: t.Optional[str] = None) -> None:
        self._user = user
        self._spool = spool
        as_user(user)  # says now what is wrong with it

    def run(
        self, argv: t.Sequence[str], *, env: Env = None, stdin: t.Optional[bytes] = None, timeout: t.Optional[float] = None
    ) -> Finished:
        return run(argv, env=env, stdin=stdin, timeout=timeout, user=self._user)

    def output(
        self, argv: t.Sequence[str], *, env: Env = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        return Child(argv, reads=True, writes=False, env=env, user=self._user, timeout=timeout)

    def input(
        self, argv: t.Sequence[str], *, env: Env = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        return Child(argv, reads=False, writes=True, env=env, user=self._user, timeout=timeout)

    def session(
        self, argv: t.Sequence[str], *, env: Env = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        return Child(argv, reads=True, writes=True, env=env, user=self._user, timeout=timeout)

    @contextlib.contextmanager
    def option_file(self, text: str) -> t.Iterator[str]:
        try:
            scratch = Scratch(self._spool or tempfile.gettempdir())
        except OSError as error:
            raise _no_file(error) from None
        with scratch:
            path = scratch.file("options-%s" % os.urandom(8).hex())
            try:
                self._write(path, text)
                if as_user(self._user)[0]:
                    # Its name must be reachable; what else lies there is still closed.
                    os.chmod(scratch.path, 0o711)  # noqa: S103
            except OSError as error:
                raise _no_file(error) from None
            yield path

    def _write(self, path: str, text: str) -> None:
        fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            owner = as_user(self._user)[0]
            if owner:
                give_owner(fd, owner["user"], owner["group"])
            write_all(fd, text.encode("utf-8"))
        finally:
            os.close(fd)

    def close(self) -> None:
        return


def _no_file(error: OSError) -> SourceError:
    return SourceError("no private file for the programs' options can be made: %s" % error)
