# SPDX-License-Identifier: GPL-3.0-or-later
"""Database servers of the benchmarks' own, which hold a data set and run until the program ends."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import sys
import typing as t

from comparisons import PROJECT
from measuring import Argv, MissingError, Step, run

# Behind this folder, which has modules of the same names.
sys.path.append(os.path.join(PROJECT, "tests"))

import mariadb  # noqa: E402
import postgres  # noqa: E402

#: The name of the database that holds the data.
SHOP = "shop"

#: What is closed when the program ends.
RUNNING = contextlib.ExitStack()
atexit.register(RUNNING.close)

_TABLES = (
    "CREATE TABLE customer (id bigint PRIMARY KEY, name text NOT NULL, mail varchar(100) NOT NULL UNIQUE, note text)",
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint NOT NULL, code char(12) NOT NULL, note text,"
    " placed {moment} NOT NULL, total numeric(10,2) NOT NULL, FOREIGN KEY (customer) REFERENCES customer (id))",
    "CREATE TABLE event (id bigint PRIMARY KEY, order_id bigint NOT NULL, happened {moment} NOT NULL, details text NOT NULL,"
    " FOREIGN KEY (order_id) REFERENCES orders (id))",
    "CREATE TABLE picture (id bigint PRIMARY KEY, content {bytes} NOT NULL)",
    "CREATE INDEX orders_placed ON orders (placed)",
)
_NAMES = ("customer", "orders", "event", "picture")

_ORDERS_OF_TENANTS = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id integer NOT NULL, code char(12) NOT NULL, note text,"
    " placed timestamp NOT NULL, total numeric(10,2) NOT NULL);"
    " CREATE INDEX orders_tenant ON orders (tenant_id)"
)


class Database(t.Protocol):
    """``SHOP`` on a server. ``one_table`` is what a restore calls the rows (and nothing else) of a table without dependents."""

    one_table: str

    def source(self) -> t.Dict[str, t.Any]:
        """The source of a job that backs it up."""

    def dump(self, *words: str) -> Argv:
        """The server's own dump program, with more words."""

    def client(self, database: str, *words: str) -> Argv:
        """The server's own client, which takes statements from its standard input."""

    def drop(self, name: str) -> Argv:
        """Drop a database that may be there."""


class PostgreSQL:
    one_table = "shop/public/event"

    def __init__(self) -> None:
        try:
            postgres.programs()
        except RuntimeError as error:
            raise MissingError(str(error)) from None
        self._server = postgres.Server()
        RUNNING.callback(self._server.remove)
        self._server.create_database(SHOP)

    @property
    def folder(self) -> str:
        """Where the server's user may read."""
        return self._server.folder

    def options(self, **more: t.Any) -> t.Dict[str, t.Any]:
        return self._server.options(**more)

    def source(self) -> t.Dict[str, t.Any]:
        return {"postgresql": self.options(databases=[SHOP])}

    def program(self, name: str, *words: str) -> Argv:
        return [*self._server.as_user(), name, "-h", self._server.folder, "-p", str(self._server.port), *words]

    def dump(self, *words: str) -> Argv:
        return self.program("pg_dump", *words, SHOP)

    def client(self, database: str, *words: str) -> Argv:
        return self.program("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, *words)

    def drop(self, name: str) -> Argv:
        return self.client("postgres", "-c", 'DROP DATABASE IF EXISTS "%s"' % name)

    def load(self, data: str, statements: t.Sequence[str], tables: t.Sequence[str]) -> None:
        """Make tables and fill each with the file of its name in ``data``."""
        self._server.sql(";".join(statements), SHOP)
        for table in tables:
            read = ["cat", os.path.join(data, table + ".tsv")]
            run([Step([read, self.client(SHOP, "-c", "COPY %s FROM STDIN" % table)])])
        # As on a server that has run for a while; else the first one who reads pays for it.
        self._server.psql("-c", "VACUUM (FREEZE, ANALYZE)", database=SHOP)


class MariaDB:
    one_table = "shop/tables/event"

    def __init__(self, data: str) -> None:
        self._server = RUNNING.enter_context(mariadb.server())
        client = self._server.client
        client("SET GLOBAL innodb_buffer_pool_size = 1 << 30; CREATE DATABASE %s" % SHOP)
        client(";".join(_TABLES).format(moment="datetime", bytes="longblob"), SHOP)
        for table in _NAMES:
            read = "LOAD DATA LOCAL INFILE '%s' INTO TABLE %s CHARACTER SET utf8mb4" % (os.path.join(data, table + ".tsv"), table)
            # COPY reads bytes as \x and hexadecimal digits.
            bytes_too = " (id, @content) SET content = UNHEX(SUBSTRING(@content, 3))" if table == "picture" else ""
            client(read + bytes_too, "--local-infile=1", SHOP)

    def source(self) -> t.Dict[str, t.Any]:
        return {"mysql": {"socket": self._server.socket, "user": "root", "databases": [SHOP]}}

    def dump(self, *words: str) -> Argv:
        return ["mariadb-dump", *self._connection(), "--single-transaction", SHOP, *words]

    def client(self, database: str, *words: str) -> Argv:
        return ["mariadb", *self._connection(), *words, database]

    def drop(self, name: str) -> Argv:
        return self.client("mysql", "-e", "DROP DATABASE IF EXISTS `%s`" % name)

    def _connection(self) -> t.List[str]:
        return ["--no-defaults", "--socket=" + self._server.socket, "--user=root", "--default-character-set=utf8mb4"]


def _need(*programs: str) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise MissingError("%s is not installed" % ", ".join(missing))


@functools.cache
def postgresql_shop(data: str) -> PostgreSQL:
    server = PostgreSQL()
    server.load(data, [text.format(moment="timestamp", bytes="bytea") for text in _TABLES], _NAMES)
    return server


@functools.cache
def postgresql_tenants(data: str) -> PostgreSQL:
    server = PostgreSQL()
    server.load(data, [_ORDERS_OF_TENANTS], ["orders"])
    return server


@functools.cache
def mariadb_shop(data: str) -> MariaDB:
    _need("mariadbd", "mariadb-dump", "mariadb")
    return MariaDB(data)
