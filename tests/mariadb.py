# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB servers for tests: this host's programs with a data folder, a socket and a port of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t


class MariaDB:
    """A running server. ``root`` has no password, and comes by the socket only."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.socket = os.path.join(folder, "s.sock")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: t.Optional[subprocess.Popen[bytes]] = None

    def start(self) -> None:
        data = os.path.join(self.folder, "data")
        if not os.path.exists(data):
            os.mkdir(data)
            for path in (self.folder, data):
                shutil.chown(path, "mysql")
            command = ["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--user=mysql", "--skip-test-db"]
            subprocess.run([*command, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
        command = [
            "mariadbd", "--no-defaults", "--user=mysql", "--datadir=" + data, "--socket=" + self.socket, "--port=%d" % self.port,
            "--bind-address=127.0.0.1", "--pid-file=" + os.path.join(self.folder, "pid"), "--innodb-flush-log-at-trx-commit=0",
            "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=64M",
        ]  # fmt: skip
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while self.client("SELECT 1", check=False).returncode:
            assert time.monotonic() < deadline and self._process.poll() is None, open(os.path.join(self.folder, "log")).read()
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, sql: t.Union[str, bytes], *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        data = sql.encode("utf-8") if isinstance(sql, str) else sql
        command = ["mariadb", "--no-defaults", "--socket=" + self.socket, "--user=root", "--default-character-set=utf8mb4"]
        done = subprocess.run([*command, *arguments], input=data, capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done

    def ask(self, sql: str) -> t.List[t.List[str]]:
        """The rows of a query, as texts."""
        output = self.client(sql, "--batch", "--skip-column-names").stdout.decode("utf-8", "surrogateescape")
        return [line.split("\t") for line in output.splitlines()]

    def drop_all(self) -> None:
        """Back to an empty server, but for accounts."""
        system = ("information_schema", "mysql", "performance_schema", "sys")
        names = [row[0] for row in self.ask("SHOW DATABASES") if row[0] not in system]
        self.client("SET foreign_key_checks=0;" + "".join("DROP DATABASE `%s`;" % name.replace("`", "``") for name in names))


@contextlib.contextmanager
def server() -> t.Iterator[MariaDB]:
    folder = tempfile.mkdtemp(prefix="fleet-mariadb-")
    os.chmod(folder, 0o755)  # noqa: S103
    running = MariaDB(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


def describe(server: MariaDB, databases: t.Sequence[str]) -> t.Dict[str, t.Any]:
    """All objects of databases as the server itself describes them, and the checksums of their tables."""
    found: t.Dict[str, t.Any] = {}
    for database in databases:
        quoted = "`%s`" % database.replace("`", "``")
        found[database] = server.ask("SHOW CREATE DATABASE %s" % quoted)
        for name, kind in server.ask("SHOW FULL TABLES FROM %s" % quoted):
            whole = "%s.`%s`" % (quoted, _plain(name).replace("`", "``"))
            found[database, name] = server.ask("SHOW CREATE TABLE %s" % whole)
            if kind == "BASE TABLE":
                found[database, name, "checksum"] = server.ask("CHECKSUM TABLE %s EXTENDED" % whole)
            if kind == "SEQUENCE":
                found[database, name, "next"] = server.ask("SELECT next_not_cached_value FROM %s" % whole)
        routines = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = '%s' AND routine_type = "
        for kind, query in (
            ("TRIGGER", "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = '%s'"),
            ("FUNCTION", routines + "'FUNCTION'"),
            ("PROCEDURE", routines + "'PROCEDURE'"),
            ("EVENT", "SELECT event_name FROM information_schema.events WHERE event_schema = '%s'"),
        ):
            for (name,) in server.ask(query % database):
                row = server.ask("SHOW CREATE %s %s.`%s`" % (kind, quoted, name))[0]
                found[database, kind, name] = row[:-1] if kind == "TRIGGER" else row
    return found


def _plain(cell: str) -> str:
    return cell.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
