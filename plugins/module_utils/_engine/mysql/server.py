# SPDX-License-Identifier: GPL-3.0-or-later
"""A server, reached through its own client programs: what it is, what it holds, and how they are called."""

from __future__ import annotations

import contextlib
import fnmatch
import re
import typing as t

from ..connections import Connection, connect
from ..errors import FleetBackupError, MissingDependencyError, SourceError
from ..streaming import Streaming
from .naming import literal, quoted

Options = t.Dict[str, t.Any]
Row = t.List[str]

#: Databases of the server itself; accounts are backed up by other means.
SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")

_ANSWER_SECONDS = 300
_CLIENTS = ("mariadb", "mysql")
_DUMPERS = ("mariadb-dump", "mysqldump")
_VERSION = re.compile(r"(\d+)\.(\d+)\.\d+-MariaDB|Ver (\d+)\.(\d+)\.\d+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0"}


class Server:
    """To be used as a context manager; needs the programs of its kind where ``options`` say. Raises SourceError."""

    def __init__(self, options: Options, spool: t.Optional[str] = None) -> None:
        self._options = options
        self._spool = spool
        self._stack = contextlib.ExitStack()
        self._programs: t.Dict[t.Tuple[str, ...], t.Tuple[str, str]] = {}

    def __enter__(self) -> Server:
        try:
            self.connection: Connection = connect(self._options, self._spool)
            self._stack.callback(self.connection.close)
            self._file = self._stack.enter_context(self.connection.option_file(_option_text(self._options)))
            self.version = self.ask("SELECT VERSION()")[0][0]
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: t.Any) -> None:
        self._stack.close()

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.version.lower()

    def ask(
        self, *statements: str, error: t.Type[FleetBackupError] = SourceError, what: str = "asking the server"
    ) -> t.List[Row]:
        """Run statements and return the rows of their results, as texts."""
        text = "".join(statement + ";\n" for statement in statements)
        finished = self.connection.run(
            [*self._client(), "--batch", "--skip-column-names"], stdin=_bytes(text), timeout=_ANSWER_SECONDS
        )
        finished.check(what, error)
        if not finished.complete:
            raise error("%s: the answer is too long" % what)
        lines = finished.stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]
        return [
            [_ESCAPE.sub(lambda f: _ESCAPES.get(f.group(1), f.group(1)), cell) for cell in line.split("\t")] for line in lines
        ]

    def feed(self) -> t.ContextManager[Streaming]:
        """The client, ready to be written a dump to."""
        sandbox = ["--sandbox"] if "--sandbox" in self._help() else []
        return self.connection.input([*self._client(), "--binary-mode", *sandbox], timeout=self._options.get("timeout"))

    def dump(self, arguments: t.Sequence[str]) -> t.ContextManager[Streaming]:
        """The dump program under way, with these arguments besides those that say where the server is."""
        return self.connection.output(
            [self.dumper()[0], "--defaults-extra-file=%s" % self._file, *arguments], timeout=self._options.get("timeout")
        )

    def dumper(self) -> t.Tuple[str, str]:
        """The dump program, and what it says of its version."""
        return self._program(_DUMPERS)

    def dumper_help(self) -> str:
        """What the dump program says that it can do."""
        return self.connection.run([self.dumper()[0], "--help"]).stdout.decode("utf-8", "replace")

    def check_dumper(self) -> None:
        """Raise SourceError when the dump program is older than the server: it would leave out what it does not know."""
        program, told = self.dumper()
        ours, theirs = _version(told), _version(self.version if self.is_mariadb else "Ver %s" % self.version)
        if ours and theirs and ("MariaDB" in told) == self.is_mariadb and ours < theirs:
            raise SourceError(
                "%s on %s is of version %d.%d, older than the server (%s); install the client of the server's version"
                % (program, self.connection.place, *ours, self.version)
            )

    def databases(self, patterns: t.Sequence[str], exclude: t.Sequence[str]) -> t.List[str]:
        """The names of the databases that ``patterns`` mean. Raises SourceError when one of them means none."""
        present = [row[0] for row in self.ask("SELECT schema_name FROM information_schema.schemata ORDER BY schema_name")]
        users = [name for name in present if name.lower() not in SYSTEM and not name.startswith(LEFT_BEHIND)]
        chosen: t.Set[str] = set()
        for pattern in patterns:
            found = users if pattern == "all" else fnmatch.filter(users, pattern)
            if not found and pattern != "all":
                raise SourceError("there is no database %s, or the account may not see it" % pattern)
            chosen.update(found)
        return sorted(name for name in chosen if not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude))

    def tables(self, databases: t.Sequence[str]) -> t.List[t.Tuple[str, str, str, str]]:
        """Database, name, type (``BASE TABLE``, ``VIEW``, ``SEQUENCE``) and engine of each table."""
        if not databases:
            return []
        rows = self.ask(
            "SELECT table_schema, table_name, table_type, IFNULL(engine, '') FROM information_schema.tables"  # noqa: S608
            " WHERE table_schema IN (%s) ORDER BY 1, 2" % ", ".join(map(literal, databases))
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def count(self, tables: t.Sequence[t.Tuple[str, str]], error: t.Type[FleetBackupError]) -> t.List[int]:
        """The rows of each table."""
        if not tables:
            return []
        return [
            int(row[0])
            for row in self.ask(*("SELECT COUNT(*) FROM %s.%s" % tuple(map(quoted, table)) for table in tables), error=error)  # noqa: S608
        ]

    def _client(self) -> t.List[str]:
        program = self._program(_CLIENTS)[0]
        return [program, "--defaults-extra-file=%s" % self._file, "--default-character-set=utf8mb4"]

    def _help(self) -> str:
        return self.connection.run([self._program(_CLIENTS)[0], "--help"]).stdout.decode("utf-8", "replace")

    def _program(self, names: t.Tuple[str, ...]) -> t.Tuple[str, str]:
        if names not in self._programs:
            for name in names:
                try:
                    finished = self.connection.run([name, "--version"], timeout=_ANSWER_SECONDS)
                except MissingDependencyError:
                    continue
                told = finished.check("asking for its version").stdout.decode("utf-8", "replace").strip()
                self._programs[names] = (name, told)
                break
            else:
                raise MissingDependencyError(
                    "%s has neither %s, which the source mysql needs; install the client package (on Debian:"
                    " mariadb-client)" % (self.connection.place, " nor ".join(names))
                )
        return self._programs[names]


#: What a restore names its own databases with, before it is over.
LEFT_BEHIND = "fleet_backup_restore_"


def _version(told: str) -> t.Optional[t.Tuple[int, int]]:
    found = _VERSION.search(told)
    if not found:
        return None
    major, minor = (number for number in found.groups() if number is not None)
    return int(major), int(minor)


def _option_text(options: Options) -> str:
    """The option file of the client programs, with all that says where the server is and who asks."""
    lines = ["[client]"]
    for key in ("host", "port", "socket", "user"):
        if options.get(key) is not None:
            lines.append("%s=%s" % (key, _option(str(options[key]))))
    if options.get("password") is not None:
        lines.append("password=%s" % _option(options["password"].reveal()))
    if options.get("host") and not options.get("socket"):
        lines.append("protocol=tcp")
    if options.get("tls_ca"):
        lines += ["ssl-ca=%s" % _option(options["tls_ca"]), "ssl-verify-server-cert"]
    elif options.get("tls"):
        lines.append("ssl")
    return "\n".join(lines) + "\n"


def _option(text: str) -> str:
    """A value as option files quote it."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
