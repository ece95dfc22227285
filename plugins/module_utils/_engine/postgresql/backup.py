# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading databases: for each a session that holds a snapshot and says what is there, and pg_dump in the same snapshot."""

from __future__ import annotations

import fnmatch
import os
import secrets
import typing as t

from ..errors import SourceError
from ..private import open_private, write_all
from ..restore_as import new_names
from ..sources import Plan, Reading
from . import inventory
from .client import Client, check_version
from .dump_reader import END_OF_GLOBALS, DumpReader, Sections
from .lexer import quoted

# What is looked through, hashed and copied piece by piece stays in the processor's cache.
_READ = 1 << 16

#: Databases that every server has, so that a dump of them does not make them.
ALWAYS_THERE = ("postgres", "template1")

_KEY_FILE = "postgresql-restrict-key"


def plan(name: str, options: t.Mapping[str, t.Any], spool: t.Optional[str]) -> Plan:
    """What a backup would read."""
    with Client(options, spool) as client:
        server = client.query(inventory.SERVER, what="source %s" % name)
        check_version(client, server)
        chosen = choose(server, options, name)
        sizes = {d["name"]: d["bytes"] or 0 for d in server["databases"]}
        return Plan(
            len(chosen),
            sum(sizes[database] for database in chosen),
            {"server": server["version"], "databases": {database: sizes[database] for database in chosen}},
        )


def present(options: t.Dict[str, t.Any], spool: t.Optional[str]) -> t.Optional[t.Dict[str, t.Any]]:
    """The options for a backup of what is there of the databases; None when the server holds none of them, or does not answer."""
    try:
        with Client(options, spool) as client:
            server = client.query(inventory.SERVER)
    except SourceError:
        return None
    renamed = new_names(options)
    chosen = [
        database
        for database in (d["name"] for d in server["databases"])
        if database in renamed.values() or (_is_chosen(database, options) and database not in renamed)
    ]
    return {**options, "databases": chosen, "exclude_databases": []} if chosen else None


def choose(server: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any], name: str) -> t.List[str]:
    """The databases that are to be backed up. Raises SourceError when one that is named is not there, or none is left."""
    there = [d["name"] for d in server["databases"] or []]
    missing = [d for d in options["databases"] if d != "all" and not _is_pattern(d) and d not in there]
    if missing:
        raise SourceError("source %s: the server has no database %s; it has %s" % (name, ", ".join(missing), ", ".join(there)))
    chosen = [database for database in there if _is_chosen(database, options)]
    if not chosen and not options["globals"]:
        raise SourceError("source %s: no database of the server is chosen; it has %s" % (name, ", ".join(there)))
    return chosen


def _is_pattern(text: str) -> bool:
    return any(c in text for c in "*?[")


def _is_chosen(database: str, options: t.Mapping[str, t.Any]) -> bool:
    def matches(patterns: t.Sequence[str]) -> bool:
        return any(database == p or (_is_pattern(p) and fnmatch.fnmatchcase(database, p)) for p in patterns)

    return ("all" in options["databases"] or matches(options["databases"])) and not matches(options["exclude_databases"])


def back_up(
    name: str, options: t.Mapping[str, t.Any], spool: t.Optional[str], sections: Sections, progress: t.Callable[[int], None]
) -> Reading:
    """Write the dump of the server that ``options`` describe to ``sections``. Raises SourceError."""
    with Client(options, spool) as client:
        return _Run(name, options, client, sections, progress, _restrict_key(spool)).take()


class _Run:
    def __init__(
        self, name: str, options: t.Mapping[str, t.Any], client: Client, sections: Sections,
        progress: t.Callable[[int], None], key: str,
    ) -> None:  # fmt: skip
        self._name = name
        self._options = options
        self._client = client
        self._sections = sections
        self._progress = progress
        self._key = key
        self._buffer = bytearray(_READ)

    def take(self) -> Reading:
        options, client = self._options, self._client
        server = client.query(inventory.SERVER, what="source %s: the server cannot be reached" % self._name)
        version = check_version(client, server)
        chosen = choose(server, options, self._name)
        facts: t.Dict[str, t.Any] = {
            "server": server["version"],
            "pg_dump": "%d.%d" % version,
            "databases": {},
            "tables": {},
        }
        reading = Reading(facts)
        # The option came with the security releases of August 2025; a dump without it has no restricting commands at all.
        restricts = client.knows_option("pg_dump", "--restrict-key")
        self._restrict = ["--restrict-key=%s" % self._key] if restricts else []
        if options["globals"]:
            self._globals(server)
        for database in chosen:
            self._database(database, facts, reading)
        return reading

    def _globals(self, server: t.Mapping[str, t.Any]) -> None:
        argv = ["--globals-only", "--no-password", *self._restrict]
        if not self._options["role_passwords"]:
            argv.append("--no-role-passwords")
        elif not server["superuser"]:
            raise SourceError(
                "source %s: only a superuser can read the passwords of roles; connect as one, or set role_passwords: false, or"
                " globals: false" % self._name
            )
        argv += ["--database", self._client.maintenance]
        self._sections.begin_entry(b"globals.sql", "section")
        last = b""
        what = "source %s: the roles and tablespaces cannot be dumped" % self._name
        with self._client.output("pg_dumpall", argv) as child:
            while True:
                data = child.read(_READ)
                if not data:
                    break
                self._sections.write(data)
                last = (last + data)[-200:]
            child.finish(what)
        if END_OF_GLOBALS not in last:
            raise SourceError("%s: the dump was cut off: its end is missing" % what)

    def _database(self, database: str, facts: t.Dict[str, t.Any], reading: Reading) -> None:
        what = "source %s, database %s" % (self._name, database)
        found: t.Dict[str, t.Any] = {}
        with self._client.session(database) as session:
            snapshot = session.begin()
            found["objects"] = session.query(inventory.OBJECTS)
            found.update(session.query(inventory.DATABASE))
            expected = session.query(inventory.TABLES)
            reader = DumpReader(self._sections, database.encode("utf-8"))
            argv = ["--no-password", "--snapshot=%s" % snapshot, *self._restrict]
            argv.append("--lock-wait-timeout=%d" % (self._options["lock_timeout"] * 1000))
            if database in ALWAYS_THERE:
                self._connect(reader, database)
            else:
                argv.append("--create")
            with self._client.output("pg_dump", argv, database) as child:
                size = self._pump(child.readinto, reader, session.end)
                child.finish(what)
        try:
            reader.close()
        except SourceError as error:
            raise SourceError("%s: %s" % (what, error)) from None
        self._compare(what, expected, reader)
        found["large_objects"] = reader.large_objects
        found["bytes"] = size
        if found["objects"].get("large objects", 0) != reader.large_objects:
            # An empty one has no contents in the dump of some versions.
            found["large_objects"] = found["objects"].get("large objects", 0)
        facts["databases"][database] = found
        for path, rows in reader.rows.items():
            facts["tables"][path.decode("utf-8", "backslashreplace")] = rows

    def _pump(self, readinto: t.Callable[[memoryview], int], reader: DumpReader, begun: t.Callable[[], None]) -> int:
        """Read the dump to its end; return its size. ``begun`` is called once it has begun, so has taken the snapshot over."""
        buffer, view = self._buffer, memoryview(self._buffer)
        total = 0
        while True:
            count = readinto(view)
            if not count:
                return total
            if not total:
                begun()
            reader.feed(buffer, count)
            total += count
            self._progress(count)

    def _connect(self, reader: DumpReader, database: str) -> None:
        """What pg_dumpall writes before a database that is always there."""
        text = b"\\connect %s\n\n" % quoted(database).encode("utf-8")
        reader.feed(bytearray(text), len(text))

    def _compare(self, what: str, expected: t.Sequence[t.Sequence[str]], reader: DumpReader) -> None:
        """Every table that the catalogue told of must be there."""
        there = set(reader.tables.values())
        missing = [table for table in expected if (table[0].encode("utf-8"), table[1].encode("utf-8")) not in there]
        if missing:
            raise SourceError(
                "%s: the dump lacks the rows of %d tables, such as %s.%s" % (what, len(missing), missing[0][0], missing[0][1])
            )


def _restrict_key(spool: t.Optional[str]) -> str:
    """What the owner of a dumped object must not be able to guess; the same each time on this host, so that dumps differ less."""
    if spool is None:
        return secrets.token_hex(24)
    path = os.path.join(spool, _KEY_FILE)
    try:
        with open(path, encoding="ascii") as file:
            key = file.read().strip()
        if len(key) == 48 and key.isalnum():
            return key
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError):
        return secrets.token_hex(24)
    key = secrets.token_hex(24)
    try:
        fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(fd, key.encode("ascii") + b"\n")
        finally:
            os.close(fd)
    except OSError:
        pass
    return key
