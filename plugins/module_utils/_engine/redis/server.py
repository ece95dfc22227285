# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis server, asked by redis-cli where it runs: on this host, over the network, or in a container."""

from __future__ import annotations

import re
import typing as t

from ..connections import Connection, connect
from ..errors import ConfigurationError, SourceError
from ..process import Finished, last_lines

if t.TYPE_CHECKING:
    from ..streaming import Streaming

Json = t.Dict[str, t.Any]

_ANSWER_SECONDS = 60
_DATABASE = re.compile(r"db(\d+):keys=(\d+)")


class Server:
    """The server that the options of the source name. To be closed. Raises SourceError, MissingDependencyError."""

    def __init__(self, options: Json, spool: t.Optional[str]) -> None:
        self._options = options
        self._program: str = options["redis_cli"]
        self.connection: Connection = connect(options, spool)

    def close(self) -> None:
        self.connection.close()

    def info(self) -> t.Dict[str, str]:
        """What INFO tells."""
        return dict(line.split(":", 1) for line in self.ask("INFO").splitlines() if ":" in line)

    def setting(self, name: str) -> t.Optional[str]:
        """A setting; None when the server does not tell (CONFIG is forbidden on many managed ones)."""
        finished = self._run("CONFIG", "GET", name)
        lines = finished.stdout.decode("utf-8", "replace").splitlines()
        return lines[1] if finished.succeeded and len(lines) == 2 and lines[0] == name else None

    def ask(self, *command: str) -> str:
        """The answer to a command."""
        finished = self._run(*command)
        output = str(finished.stdout, "utf-8", "replace")
        if not finished.succeeded or _is_error(output):
            # redis-cli ends well also when the server has answered with an error.
            words = last_lines(finished.stdout + finished.stderr, 3) or [
                "redis-cli ended with exit code %d" % finished.returncode
            ]
            raise SourceError("redis: %s: %s" % (command[0], " | ".join(words)))
        return output

    def replicate(self) -> t.ContextManager[Streaming]:
        """The program that writes the copy which the server makes for a new replica."""
        return self.connection.output([*self._argv(), "--rdb", "-"], env=self._environment(), timeout=self._options["timeout"])

    def _run(self, *command: str) -> Finished:
        return self.connection.run([*self._argv(), *command], env=self._environment(), timeout=_ANSWER_SECONDS)

    def _argv(self) -> t.List[str]:
        options = self._options
        if options["socket"]:
            argv = [self._program, "-s", options["socket"]]
        else:
            argv = [self._program, "-h", options["host"], "-p", str(options["port"])]
        if options["username"]:
            argv += ["--user", options["username"]]
        if options["tls"]:
            argv.append("--tls")
            argv += ["--cacert", options["ca_cert"]] if options["ca_cert"] else []
        return argv

    def _environment(self) -> t.Dict[str, str]:
        secret = self._options["password"]
        if secret is None:
            return {}
        value = secret.reveal()
        if "\0" in value:
            raise ConfigurationError("password: holds a NUL byte; no environment variable can")
        return {"REDISCLI_AUTH": value}


def keys_of(info: t.Mapping[str, str]) -> t.Dict[str, int]:
    """The number of keys of each database, from what INFO tells."""
    found = {}
    for name, value in info.items():
        match = _DATABASE.match("%s:%s" % (name, value))
        if match:
            found[name] = int(match.group(2))
    return found


def _is_error(output: str) -> bool:
    first = output.split(" ", 1)[0]
    return first.isupper() and first.isascii() and first in _ERRORS


_ERRORS = ("ERR", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "MASTERDOWN", "READONLY", "MISCONF", "BUSY", "AUTH")
