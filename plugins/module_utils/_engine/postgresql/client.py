# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own programs, reaching one server: psql and pg_dump, run where the source says.

Where to and as whom is told through the environment, a password through a file that only the programs' user may read.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import re
import typing as t

from .. import connections
from ..connections import Connection
from ..errors import FleetBackupError, MissingDependencyError, SourceError
from ..options import Option
from ..streaming import Streaming
from .lexer import literal, quoted

OPTIONS: t.Tuple[Option, ...] = (
    Option(
        "host",
        "str",
        "The server: a name, an address, or the folder of its socket. Default: the socket where the programs look for it.",
        example="/var/run/postgresql",
    ),
    Option("port", "int", "Its port, also the number in the name of a socket. Default: 5432.", minimum=1, maximum=65535),
    Option(
        "user",
        "str",
        "The role to connect as. Default: the one called like the user who runs the programs (O(run_as)), as a socket with"
        " peer authentication asks for.",
        example="postgres",
    ),
    Option("password", "str", "Its password.", secret=True),
    Option(
        "sslmode",
        "str",
        "Whether the connection is encrypted, and whether the server must prove who it is. Default: V(prefer), as everywhere.",
        choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    ),
    Option("sslrootcert", "path", "The certificates that the server's must be signed by (on the host of the programs)."),
    Option("sslcert", "path", "The certificate to show to the server."),
    Option("sslkey", "path", "The key of that certificate."),
    Option("connect_timeout", "duration", "How long a connection may take.", default="30s"),
    Option(
        "programs",
        "path",
        "The folder of psql and pg_dump, where there are several versions. They must not be older than the server.",
        example="/usr/lib/postgresql/15/bin",
    ),
    Option(
        "maintenance_database",
        "str",
        "The database to connect to for what concerns the whole server.",
        default="postgres",
    ),
    *connections.OPTIONS,
)

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")

# Since when psql has \restrict: the security releases of August 2025.
_RESTRICT_SINCE = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}

# Nothing of what the server or the role has set may cut a dump short, or thin it out.
_SESSION = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off;"

# A program that takes or gives nothing for so long is given up.
_PATIENCE = 3600.0


class Client:
    """The programs for one server. close() it; as a context manager it does so by itself.

    Raises SourceError, or ``error`` where it has the argument; MissingDependencyError, ConfigurationError.
    """

    def __init__(self, options: t.Mapping[str, t.Any], spool: t.Optional[str] = None) -> None:
        self._options = options
        self._stack = contextlib.ExitStack()
        # A dry run may come before there is a private folder.
        spool = spool if spool and os.path.isdir(spool) else None
        self._connection: Connection = connections.connect(dict(options), spool)
        self._stack.callback(self._connection.close)
        try:
            self._environment = self._surroundings()
        except BaseException:
            self._stack.close()
            raise
        self._restricts: t.Optional[bool] = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: t.Any) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    @property
    def maintenance(self) -> str:
        """The database for what concerns the whole server."""
        return t.cast(str, self._options["maintenance_database"])

    def version(self, program: str) -> t.Tuple[int, int]:
        """Major and minor version of a program."""
        ended = self._connection.run([self._program(program), "--version"], env=self._environment, timeout=60).check(program)
        text = ended.stdout.decode("utf-8", "replace").strip()
        found = _VERSION.search(text)
        if found is None:
            raise MissingDependencyError("%s does not say which version it is: %r" % (program, text[:200]))
        return int(found.group(1)), int(found.group(2) or 0)

    def query(
        self, sql: str, database: t.Optional[str] = None, error: t.Type[FleetBackupError] = SourceError, what: str = ""
    ) -> t.Any:
        """The one value, as JSON, that a statement returns; None for none."""
        output = self.run(_SESSION + "\n" + sql, database, error, what)
        return json.loads(output) if output.strip() else None

    def run(
        self, sql: str, database: t.Optional[str] = None, error: t.Type[FleetBackupError] = SourceError, what: str = ""
    ) -> bytes:
        """Run statements, each by itself, up to the first that fails; return what they print."""
        ended = self._connection.run(
            [*self._psql(), "-q", "-A", "-t"], env=self._for(database), stdin=sql.encode("utf-8") + b"\n"
        )
        return ended.check(what or "the server of %s cannot be asked" % (database or self.maintenance), error).stdout

    @contextlib.contextmanager
    def session(self, database: str) -> t.Iterator[Session]:
        """A session whose statements see one snapshot of the database."""
        argv = [*self._psql(), "-q", "-A", "-t"]
        with self._connection.session(argv, env=self._for(database), timeout=_PATIENCE) as child:
            yield Session(child, database)

    def script(self, database: str, single_transaction: bool = False) -> t.ContextManager[Streaming]:
        """A psql that is to be written statements; it ends at the first that fails."""
        argv = [*self._psql(), "-f", "-", *(["--single-transaction"] if single_transaction else [])]
        return self._connection.input(argv, env=self._for(database), timeout=_PATIENCE)

    def worker(self, database: str) -> t.ContextManager[Streaming]:
        """A psql that is to be written statements, and says what became of each; it ends at the first that fails."""
        return self._connection.session([*self._psql(), "-A", "-t"], env=self._for(database), timeout=_PATIENCE)

    def output(self, program: str, argv: t.Sequence[str], database: t.Optional[str] = None) -> t.ContextManager[Streaming]:
        """A program whose output is read."""
        return self._connection.output([self._program(program), *argv], env=self._for(database), timeout=_PATIENCE)

    def copy_out(self, sql: str, database: str) -> t.ContextManager[Streaming]:
        """The output of one statement, as psql writes it."""
        argv = [*self._psql(), "-q", "-A", "-t", "-c", sql]
        return self._connection.output(argv, env=self._for(database), timeout=_PATIENCE)

    def knows_option(self, program: str, option: str) -> bool:
        """Whether a program's help tells of an option."""
        ended = self._connection.run([self._program(program), "--help"], env=self._environment, timeout=60).check(program)
        return option.encode("ascii") in ended.stdout

    def guard(self) -> bytes:
        """What a script begins with, so that whatever it holds psql runs no program (empty for a psql that cannot do that)."""
        if self._restricts is None:
            major, minor = self.version("psql")
            self._restricts = minor >= _RESTRICT_SINCE.get(major, 1000 if major < 18 else 0)
        return b"\\restrict %s\n" % os.urandom(24).hex().encode("ascii") if self._restricts else b""

    def _psql(self) -> t.List[str]:
        # -w: never ask for a password. Notices are not errors.
        return [self._program("psql"), "-X", "-w", "-v", "ON_ERROR_STOP=1"]

    def _program(self, name: str) -> str:
        folder = self._options["programs"]
        return posixpath.join(folder, name) if folder else name

    def _for(self, database: t.Optional[str]) -> t.Dict[str, str]:
        # Not as an argument, where a name with "=" would be taken for more than a name.
        return {**self._environment, "PGDATABASE": database or self.maintenance}

    def _surroundings(self) -> t.Dict[str, str]:
        options = self._options
        result = {
            "PGAPPNAME": "fleet-backup",
            "PGCONNECT_TIMEOUT": str(options["connect_timeout"]),
            "PGCLIENTENCODING": "",
            "LC_MESSAGES": "C",
        }
        for name in ("host", "port", "user", "sslmode", "sslrootcert", "sslcert", "sslkey"):
            if options[name]:
                result["PG" + name.upper()] = str(options[name])
        if options["password"] is not None:
            password = options["password"].reveal().replace("\\", "\\\\").replace(":", "\\:")
            result["PGPASSFILE"] = self._stack.enter_context(self._connection.option_file("*:*:*:*:%s\n" % password))
        return result


class Session:
    """Asked and answering, in one transaction with one snapshot."""

    def __init__(self, child: Streaming, database: str) -> None:
        self.child = child
        self._what = "database %s" % database
        self._rest = b""

    def write(self, sql: str) -> None:
        """Run statements that print nothing."""
        self.child.write(sql.encode("utf-8") + b"\n")

    def begin(self) -> str:
        """Begin the transaction; return its snapshot, for pg_dump."""
        self.child.write(_SESSION.encode("ascii") + b"\nBEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;\n")
        return t.cast(str, self.query("SELECT to_json(pg_export_snapshot())"))

    def query(self, sql: str) -> t.Any:
        """The one value that a statement returns, as JSON; None for none."""
        mark = os.urandom(12).hex().encode("ascii")
        self.child.write(b"%s;\nSELECT '%s';\n" % (sql.encode("utf-8"), mark))
        while mark + b"\n" not in self._rest:
            part = self.child.read(1 << 20)
            if not part:
                self.child.finish(self._what)
                raise SourceError("%s: psql ended before it had answered" % self._what)
            self._rest += part
        text, _mark, self._rest = self._rest.partition(mark + b"\n")
        return json.loads(text) if text.strip() else None

    def end(self) -> None:
        """Let go of the snapshot."""
        self.child.finish(self._what)


def check_version(client: Client, server: t.Mapping[str, t.Any]) -> t.Tuple[int, int]:
    """The version of pg_dump. Raises SourceError when it is older than the server: it would not know all that is there."""
    version = client.version("pg_dump")
    needed = int(server["version_num"]) // 10000
    if version[0] < needed:
        raise SourceError(
            "the server is PostgreSQL %s, and pg_dump is version %d: one that is older than the server cannot dump it. Install"
            " the client of version %d, and name its folder with programs" % (server["version"], version[0], needed)
        )
    return version


__all__ = ["OPTIONS", "Client", "Session", "check_version", "literal", "quoted"]
