# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the programs of a source run: on this host, perhaps as another user, or in a container that runs on it.

A source whose programs may run in either place adds OPTIONS to its own and calls connect().
"""

from __future__ import annotations

import typing as t

from ..options import Option
from ..process import Finished
from ..streaming import Streaming

OPTIONS: t.Tuple[Option, ...] = (
    Option(
        "container",
        "str",
        "The container, by name or id, in which the programs run. It must be running and have them. Default: they run on the"
        " host. Needs the Python package docker.",
        example="moodle-db-1",
    ),
    Option(
        "docker_host",
        "str",
        "The Docker daemon that runs the O(container). Default: as the environment (C(DOCKER_HOST)) says, else the host's own.",
        example="unix:///run/user/1000/docker.sock",
    ),
    Option(
        "run_as",
        "str",
        "The user that the programs run as. On the host only root can choose another one. Default: the user who runs the backup;"
        " in a O(container) the one that it is made for.",
        example="postgres",
    ),
)


class Connection(t.Protocol):
    """A place where programs run. Errors are SourceError, and MissingDependencyError for a program that is not there.

    ``env`` is added to the environment, for secrets too; argument lists hold none. ``timeout`` is the number of seconds that
    a program may take (run) or keep us waiting (the others).
    """

    #: How it is named in messages: ``this host`` or ``container db``.
    place: str

    def run(
        self, argv: t.Sequence[str], *, env: t.Optional[t.Mapping[str, str]] = None, stdin: t.Optional[bytes] = None,
        timeout: t.Optional[float] = None,
    ) -> Finished:  # fmt: skip
        """Run a program to its end; the caller checks the outcome."""

    def output(
        self, argv: t.Sequence[str], *, env: t.Optional[t.Mapping[str, str]] = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        """A program whose output is read."""

    def input(
        self, argv: t.Sequence[str], *, env: t.Optional[t.Mapping[str, str]] = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        """A program that is written to."""

    def session(
        self, argv: t.Sequence[str], *, env: t.Optional[t.Mapping[str, str]] = None, timeout: t.Optional[float] = None
    ) -> t.ContextManager[Streaming]:  # fmt: skip
        """A program that is asked and answers: written to and read from in turns."""

    def option_file(self, text: str) -> t.ContextManager[str]:
        """The path, there, of a file with ``text`` that only the user of the programs may read. It is removed at the end."""

    def close(self) -> None:
        """Let go of what it needs. Idempotent."""


def check_options(options: t.Dict[str, t.Any]) -> t.List[str]:
    """What is wrong with the OPTIONS taken together (see Source.check_options)."""
    if options["docker_host"] and not options["container"]:
        return ["docker_host: says nothing without a container"]
    return []


def connect(options: t.Dict[str, t.Any], spool: t.Optional[str] = None) -> Connection:
    """The place that checked OPTIONS name. ``spool``: a private folder of this host for small files; default: the temporary one.

    Raises MissingDependencyError, SourceError (no daemon, no such container, or it does not run).
    """
    if options.get("container"):
        from .container import ContainerConnection

        return ContainerConnection(options["container"], options.get("docker_host"), options.get("run_as"))
    from .host import HostConnection

    return HostConnection(options.get("run_as"), spool)
