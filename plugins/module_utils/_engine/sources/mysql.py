# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of a MariaDB or MySQL server, on the host, over TCP or in a container, by its own dump program.

All chosen databases are one consistent snapshot: tables and their rows, views, triggers, routines and events. The dump is one
stream of SQL, which the stock client restores; each table is an entry of its own. Facts: ``server`` and ``tool`` (versions),
``databases`` (how many of each kind), ``tables`` (exact rows of each, counted in the dump itself), ``accounts`` (how many).
"""

from __future__ import annotations

import typing as t

from ..connections import OPTIONS as CONNECTION
from ..connections import check_options
from ..errors import ConfigurationError, SourceError
from ..options import Option
from ..restore_as import OPTION as RESTORE_AS
from ..restore_as import check_restore_as, new_names
from ..result import Notice
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader
    from ..mysql.dump_parser import DumpParser
    from ..mysql.server import Server

# What is looked through, hashed and copied piece by piece stays in the processor's cache.
_READ = 1 << 16

# Engines whose tables do not change while a snapshot is read.
_TRANSACTIONAL = ("innodb", "rocksdb", "tokudb", "ndbcluster", "")

_Table = t.Tuple[str, str, str, str]


class MysqlSource(Source):
    """See the module."""

    OPTIONS = (
        Option(
            "databases",
            "list",
            "The databases, by name or pattern (C(*), C(?)), or V(all). Those of the server itself are never among them.",
            default=["all"],
            example=["moodle"],
        ),
        Option("exclude", "list", "Databases that are left out, by name or pattern.", example=["test_*"]),
        Option("host", "str", "The server's address. Default: this host, by the socket that the client programs know."),
        Option("port", "int", "The server's port.", minimum=1, maximum=65535),
        Option("socket", "path", "The server's socket, where the programs run."),
        Option("user", "str", "The account. Default: as the option files of the client programs say."),
        Option("password", "str", "The password of O(user).", secret=True),
        Option("tls", "bool", "Insist on TLS. The certificate is checked only with O(tls_ca).", default=False),
        Option(
            "tls_ca", "path", "The certificate, where the programs run, of the authority that the server's must be signed by."
        ),
        Option(
            "non_transactional",
            "str",
            "What to do when there are tables that a snapshot cannot hold still (MyISAM, Aria). V(refuse) fails; V(lock) locks"
            " all tables against writing while the dump is read; V(warn) goes on and warns.",
            choices=("refuse", "lock", "warn"),
            default="refuse",
        ),
        Option(
            "accounts",
            "bool",
            "Also back up accounts, roles and grants, as an entry of their own. A restore makes those that are missing.",
            default=True,
        ),
        RESTORE_AS,
        Option("timeout", "duration", "How long the programs may give no data, or take none, before they are stopped."),
        *CONNECTION,
    )
    shape = "stream"
    restore_note = (
        "This is SQL. To restore all databases in it, with the accounts that are missing, give it to the client of a server:\n"
        "mariadb < FILE (or mysql < FILE). Each database's tables are replaced."
    )

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = check_options(options) + check_restore_as(options)
        if not options["databases"]:
            problems.append("databases: must not be empty")
        return problems

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        """What there is now of the databases that a restore would write to."""
        from ..mysql.server import Server

        renamed = new_names(self.options)
        if renamed:
            # Nothing that is backed up is overwritten, but for what the new names say.
            return self._present_of(sorted(renamed.values()))
        with Server(self.options, self.spool) as server:
            found = []
            for pattern in self.options["databases"]:
                try:
                    found += server.databases([pattern], self.options["exclude"])
                except SourceError:
                    continue
        return {**self.options, "databases": sorted(set(found)), "accounts": False} if found else None

    def _present_of(self, names: t.Sequence[str]) -> t.Optional[t.Dict[str, t.Any]]:
        from ..mysql.server import Server

        with Server(self.options, self.spool) as server:
            there = set(server.databases(["all"], []))
        found = [name for name in names if name in there]
        return {**self.options, "databases": found, "exclude": [], "restore_as": [], "accounts": False} if found else None

    def plan(self) -> Plan:
        from ..mysql.server import Server

        with Server(self.options, self.spool) as server:
            databases, tables, _notices = self._look(server)
            sizes = server.ask(
                "SELECT IFNULL(SUM(data_length), 0) FROM information_schema.tables WHERE table_schema NOT IN ('mysql')"
            )
            return Plan(len(tables), int(float(sizes[0][0])), {"server": server.version, "databases": databases})

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        from ..mysql.server import Server

        with Server(self.options, self.spool) as server:
            server.check_dumper()
            databases, tables, notices = self._look(server)
            if not databases:
                raise SourceError("there are no databases to back up on %s" % server.connection.place)
            accounts = self._accounts(server)
            parser = self._dump(server, databases, component, accounts[0], progress)
            _check_tables(tables, parser)
            return Reading(_facts(server, parser, databases, accounts[1]), notices)

    def _look(self, server: Server) -> t.Tuple[t.List[str], t.List[_Table], t.List[Notice]]:
        """The databases, their tables, and what is to be said of them. Raises SourceError."""
        databases = server.databases(self.options["databases"], self.options["exclude"])
        tables = server.tables(databases)
        moving = [
            "%s.%s (%s)" % (d, n, e) for d, n, kind, e in tables if kind == "BASE TABLE" and e.lower() not in _TRANSACTIONAL
        ]
        if not moving or self.options["non_transactional"] == "lock":
            return databases, tables, []
        listed = ", ".join(moving[:10]) + (" and %d more" % (len(moving) - 10) if len(moving) > 10 else "")
        text = "%d tables are no part of a snapshot, because their engines know no transactions: %s" % (len(moving), listed)
        if self.options["non_transactional"] == "refuse":
            raise SourceError(
                "%s. Convert them to InnoDB, or choose non_transactional: lock (nobody can write during the backup) or warn"
                % text
            )
        return databases, tables, [Notice("not-transactional", text, self.name, len(moving))]

    def _accounts(self, server: Server) -> t.Tuple[bytes, t.Optional[int]]:
        if not self.options["accounts"]:
            return b"", None
        from ..mysql.accounts import export

        return export(server)

    def _dump(
        self, server: Server, databases: t.Sequence[str], component: ComponentWriter, accounts: bytes,
        progress: t.Callable[[int], None],
    ) -> DumpParser:  # fmt: skip
        from ..mysql.dump_parser import DumpParser
        from ..mysql.naming import Section

        stream = component.stream(component.name.encode("ascii") + b".sql", ".sql")

        def begin(section: Section) -> None:
            try:
                stream.begin_entry(section.path, "table" if section.kind == "tables" else "section")
            except ValueError as error:
                raise SourceError("the dump cannot be understood: %s" % error) from None

        parser = DumpParser(begin, stream.write)
        buffer = memoryview(bytearray(_READ))
        with server.dump(_arguments(server, databases, self.options["non_transactional"] == "lock")) as dump:
            while True:
                count = dump.readinto(buffer)
                if not count:
                    break
                parser.feed(buffer[:count])
                progress(count)
            finished = dump.finish("dumping %s" % ", ".join(databases))
        parser.close()
        if b"rror" in finished.stderr:
            raise SourceError("the dump program reported: %s" % finished.stderr.decode("utf-8", "replace").strip()[-500:])
        if accounts:
            begin(Section("", "accounts"))
            stream.write(accounts)
        return parser

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        return t.cast(RestorePlan, cls._restoring(component, target).look())

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        return t.cast(Restoring, cls._restoring(component, target))

    @classmethod
    def _restoring(cls, component: ComponentReader, target: RestoreTarget) -> t.Any:
        if target.to is not None:
            from ..mysql.writing import DumpWriting

            return DumpWriting(component, target)
        if target.options is None:
            raise ConfigurationError(
                "component %s: no job says which server it belongs to; name the job, or a folder for the SQL (to)"
                % component.component.name
            )
        from ..mysql.restoring import MysqlRestoring

        return MysqlRestoring(component, target, new_names(target.options))


def _arguments(server: Server, databases: t.Sequence[str], lock: bool) -> t.List[str]:
    arguments = ["--lock-all-tables" if lock else "--single-transaction"]
    arguments += ["--skip-lock-tables"] if not lock else []
    arguments += ["--quick", "--routines", "--events", "--triggers", "--hex-blob", "--tz-utc", "--default-character-set=utf8mb4"]
    arguments += ["--extended-insert", "--add-drop-table", "--add-locks", "--create-options", "--set-charset", "--comments"]
    if "MariaDB" not in server.dumper()[1]:
        arguments += ["--set-gtid-purged=OFF", "--no-tablespaces"]
        arguments += [] if server.version.startswith("8.") else ["--column-statistics=0"]
    # Rows of the past of tables that keep them; older programs, and those of MySQL, know no such tables.
    arguments += ["--dump-history"] if "--dump-history" in server.dumper_help() else []
    return [*arguments, "--databases", "--", *databases]


def _check_tables(tables: t.Sequence[_Table], parser: DumpParser) -> None:
    """Everything that was there when the dump began must be in it. Raises SourceError."""
    missing = ["%s.%s" % (d, name) for d, name, kind, _e in tables if kind == "BASE TABLE" and (d, name) not in parser.rows]
    if missing:
        raise SourceError(
            "tables were dropped while the dump was made, or the account may not read them: %s" % ", ".join(missing[:10])
        )


def _facts(server: Server, parser: DumpParser, databases: t.Sequence[str], accounts: t.Optional[int]) -> t.Dict[str, t.Any]:
    from ..mysql.naming import shown

    facts: t.Dict[str, t.Any] = {"server": server.version, "tool": server.dumper()[1]}
    facts["databases"] = {shown(name): parser.counts.get(name, {}) for name in databases}
    facts["tables"] = {"%s.%s" % (shown(d), shown(name)): rows for (d, name), rows in sorted(parser.rows.items())}
    if accounts is not None:
        facts["accounts"] = accounts
    return facts
