# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of the tests' own: a scratch cluster of Debian's programs on a free port and a socket in its folder."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PASSWORD = "ca'nary \"7% pa:ss\\word"

# Nothing that is in these databases is worth an fsync.
_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 60
shared_buffers = 64MB
max_wal_size = 2GB
wal_level = logical
password_encryption = 'scram-sha-256'
"""

_HBA = """
local all postgres peer
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


def programs() -> str:
    """The folder of the server's programs."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """PostgreSQL refuses to run as root, so it runs as the user ``postgres``; its folder is short, as sockets need."""

    user = "postgres"

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="fb-pg-")
        os.chmod(self.folder, 0o755)
        shutil.chown(self.folder, self.user, self.user)
        self.data = self.folder + "/data"
        self.port = free_port()
        self._as("initdb", "-D", self.data, "-E", "UTF8", "--locale=C.UTF-8", "--auth=peer", "-N")
        with open(self.data + "/postgresql.conf", "a", encoding="ascii") as file:
            file.write(_SETTINGS)
            file.write("port = %d\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '%s'\n" % (self.port, self.folder))
        Path(self.data + "/pg_hba.conf").write_text(_HBA, encoding="ascii")
        self.start()
        self.sql("ALTER ROLE postgres PASSWORD %s" % literal(PASSWORD))

    def start(self) -> None:
        self._as("pg_ctl", "-D", self.data, "-l", self.folder + "/log", "-w", "-t", "120", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._as("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def remove(self) -> None:
        try:
            self.stop()
        except subprocess.CalledProcessError:
            pass
        shutil.rmtree(self.folder)

    def psql(self, *words: str, database: str = "postgres", stdin=None, check: bool = True) -> str:
        """What psql prints: unaligned tuples only."""
        argv = [*self.as_user(), "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port)]
        ended = subprocess.run([*argv, "-d", database, *words], input=stdin, capture_output=True, text=True, check=False)
        if check and ended.returncode:
            raise AssertionError(ended.stderr)
        return ended.stdout

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run statements (each by itself) and return what they print."""
        return self.psql(database=database, stdin=text + "\n;").strip("\n")

    def create_database(self, name: str) -> None:
        self.sql('CREATE DATABASE "%s" TEMPLATE template0' % name.replace('"', '""'))

    def dump(self, database: str, *words: str) -> str:
        """What pg_dump says of a database, with nothing that differs between two dumps of the same."""
        argv = [*self.as_user(), "pg_dump", "-h", self.folder, "-p", str(self.port), "--restrict-key=x", *words, database]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def globals(self) -> str:
        argv = [*self.as_user(), "pg_dumpall", "-h", self.folder, "-p", str(self.port), "--restrict-key=x", "-g"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    @contextlib.contextmanager
    def connected(self, database: str):
        """An application that has a session in the database; yields its process."""
        argv = [*self.as_user(), "psql", "-X", "-q", "-A", "-t", "-h", self.folder, "-p", str(self.port), "-d", database]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as application:
            application.stdin.write(b"SELECT 'here';\n")
            application.stdin.flush()
            assert application.stdout.readline() == b"here\n"
            yield application
            application.kill()

    def as_user(self):
        return ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups"]

    def options(self, **more):
        """Those of a source for this server, by its socket with peer authentication."""
        return {"host": self.folder, "port": self.port, "run_as": self.user, **more}

    def tcp(self, **more):
        return {"host": "127.0.0.1", "port": self.port, "user": "postgres", "password": PASSWORD, **more}

    def _as(self, program: str, *words: str) -> None:
        argv = [*self.as_user(), programs() + "/" + program, *words]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")


def literal(text: str) -> str:
    return "E'%s'" % text.replace("\\", "\\\\").replace("'", "\\'")
