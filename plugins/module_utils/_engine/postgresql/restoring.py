# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting databases back.

A whole database is made anew beside the one that is there, filled, and compared with what was recorded; only then do the two
change names, and the old one is dropped at the very end. Some tables of a database that is there are replaced in one transaction
(see tables.py). Some tables of a database that is not there come into a new one that has the whole schema.
"""

from __future__ import annotations

import os
import typing as t

from ..archive.index import entry_path
from ..errors import ConfigurationError, RestoreError
from ..interruption import uninterrupted
from ..options import check
from ..restore_as import new_names
from ..result import Notice
from ..sources import RestorePlan, RestoreTarget
from . import inventory
from .backup import ALWAYS_THERE
from .client import Client, literal
from .items import Item, rename_database
from .lexer import quoted
from .loading import Content, Loader, default_jobs
from .parts import Part, content_of, database_items, parts_of, table_name
from .roles import Roles

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader
    from .tables import TablesRestoring

_LONGEST_NAME = 63

# PostgreSQL itself would wait for ever.
_LOCK_TIMEOUT = "SET lock_timeout = '60s';"


class PostgresqlRestoring:
    """See sources.Restoring."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self._component = component
        self._options = _options(target)
        self._facts = component.facts
        self._parts, self._roles_entry = parts_of(component, target.include)
        self._renamed = _renames(self._options, self._parts)
        self._databases: t.List[_Database] = []
        self._tables: t.List[TablesRestoring] = []
        self._roles: t.Optional[Roles] = None
        self._steps: t.List[t.Callable[[], None]] = []
        self._undone = False
        self._client_now: t.Optional[Client] = None
        self.plan = RestorePlan()
        if target.to is not None:
            raise ConfigurationError(
                "to: a database is not restored into a folder; give it another name with the option restore_as, or another server"
                " with host"
            )
        with self._client() as client:
            self._make_plan(client.query(inventory.SERVER, error=RestoreError))

    def stage(self, progress: t.Callable[[int], None]) -> None:
        client = self._client_now = self._client()
        server = client.query(inventory.SERVER, error=RestoreError)
        self._make_plan(server)
        there = {d["name"] for d in server["databases"]}
        if self._roles_entry is not None:
            self._roles = Roles(self._read(self._roles_entry), server["roles"])
            self._roles.make(client)
        for part in self._parts:
            name = self._renamed[part.name]
            content = content_of(self._component, part, self._facts)
            if not part.whole and name in there:
                from .tables import TablesRestoring

                tables = TablesRestoring(client, self._component, part, content, name)
                self._tables.append(tables)
                tables.stage(progress)
                continue
            if self._is_needless(part, content):
                continue
            database = _Database(client, part, name, name in there, self._options, self._recorded(part))
            self._databases.append(database)
            database.stage(content, self._component, progress, self._same_major(server))

    def commit(self) -> t.List[Notice]:
        notices: t.List[Notice] = []
        for tables in self._tables:
            self._steps.append(tables.undo)
            tables.commit()
        for database in self._databases:
            self._steps.append(database.undo)
            database.commit()
            notices += [Notice(n.code, n.message, self._component.component.name, n.count) for n in database.notices]
        return notices

    def undo(self) -> None:
        while self._steps:
            self._steps[-1]()
            self._steps.pop()
        self._undone = True
        for database in self._databases:
            database.keep = False

    def finish(self) -> None:
        client, self._client_now = self._client_now, None
        if client is None:
            return
        try:
            with uninterrupted():
                for tables in self._tables:
                    tables.finish()
                for database in self._databases:
                    database.finish()
                if self._roles is not None and self._undone:
                    self._roles.remove(client)
        finally:
            self._steps.clear()
            client.close()

    def _client(self) -> Client:
        return Client(self._options)

    def _read(self, entry: t.Any) -> bytes:
        return b"".join(bytes(part) for part in self._component.read(entry))

    def _make_plan(self, server: t.Mapping[str, t.Any]) -> None:
        there = {d["name"] for d in server["databases"]}
        plan = RestorePlan()
        for part in self._parts:
            name = self._renamed[part.name]
            if part.whole or name not in there:
                names = ["database %s" % name]
            else:
                names = ["table %s of database %s" % (b".".join(table_name(e)).decode("utf-8", "replace"), name)
                         for e in part.chosen_tables]  # fmt: skip
            if name in there:
                plan.overwrite += names
                plan.overwrite_count += len(names)
            else:
                plan.create += names
                plan.create_count += len(names)
        del plan.overwrite[RestorePlan.LIMIT :], plan.create[RestorePlan.LIMIT :]
        self.plan = plan

    def _recorded(self, part: Part) -> t.Dict[str, t.Any]:
        databases = self._facts.get("databases")
        recorded = databases.get(part.name) if isinstance(databases, dict) else None
        return recorded if isinstance(recorded, dict) else {}

    def _same_major(self, server: t.Mapping[str, t.Any]) -> bool:
        then, now = str(self._facts.get("server", "")), str(server["version"])
        return then.partition(".")[0] == now.partition(".")[0]

    def _is_needless(self, part: Part, content: Content) -> bool:
        """Whether it is a database that every server has, with nothing in it."""
        return (
            part.name in ALWAYS_THERE
            and self._renamed[part.name] == part.name
            and not any(item.type and not item.of_database for item in content.before + content.after)
            and not content.rows
        )


class _Database:
    """One database on its way back, under a name of its own until commit()."""

    def __init__(
        self, client: Client, part: Part, name: str, replaces: bool, options: t.Mapping[str, t.Any],
        recorded: t.Mapping[str, t.Any],
    ) -> None:  # fmt: skip
        self._client = client
        self._part = part
        self._name = name
        self._replaces = replaces
        self._options = options
        self._recorded = recorded
        token = os.urandom(4).hex()
        self._new = _beside(name, "new-" + token)
        self._old = _beside(name, "old-" + token)
        self._made = False
        self._swapped = False
        self._closed = False
        self.keep = True
        self.notices: t.List[Notice] = []

    def stage(self, content: Content, component: ComponentReader, progress: t.Callable[[int], None], same_major: bool) -> None:
        self._look_for_users()
        of_database = database_items(content)
        if not self._part.whole:
            self._leave_out(content)
        try:
            self._create(content, of_database)
            jobs = self._options["jobs"] or default_jobs()
            Loader(self._client, self._new, component.another, jobs, progress).load(content)
            self._check(same_major)
            self._set_properties(content, of_database)
        except BaseException:
            with uninterrupted():
                self.keep = False
                self.finish()
            raise

    def commit(self) -> None:
        steps = [_LOCK_TIMEOUT]
        if self._replaces:
            if self._options["terminate_connections"]:
                self._closed = True
                self._run("ALTER DATABASE %s ALLOW_CONNECTIONS false;" % quoted(self._name), self._name)
                self._run(_end_sessions(self._name), self._name)
            steps.append("ALTER DATABASE %s RENAME TO %s;" % (quoted(self._name), quoted(self._old)))
        steps.append("ALTER DATABASE %s RENAME TO %s;" % (quoted(self._new), quoted(self._name)))
        # Both names change in one transaction.
        with uninterrupted():
            self._run("%s\nBEGIN;\n%s\nCOMMIT;" % (steps[0], "\n".join(steps[1:])), self._name)
            self._swapped = True

    def undo(self) -> None:
        if self._swapped:
            steps = [
                "ALTER DATABASE %s ALLOW_CONNECTIONS false;" % quoted(self._name),
                _end_sessions(self._name),
                "BEGIN;",
                "ALTER DATABASE %s RENAME TO %s;" % (quoted(self._name), quoted(self._new)),
            ]
            if self._replaces:
                steps.append("ALTER DATABASE %s RENAME TO %s;" % (quoted(self._old), quoted(self._name)))
            steps.append("COMMIT;")
            self._run("\n".join(steps), self._name)
            self._swapped = False
        if self._closed:
            self._run("ALTER DATABASE %s ALLOW_CONNECTIONS true;" % quoted(self._name), self._name)
            self._closed = False

    def finish(self) -> None:
        """Drop what is not needed any more: the old database, or after undo() the new one."""
        if self._swapped and self.keep:
            if self._replaces:
                self._run("DROP DATABASE IF EXISTS %s;" % quoted(self._old), self._name)
        elif self._made:
            # Sessions of ours that were cut off may not have ended yet.
            self._run("%s\nDROP DATABASE IF EXISTS %s;" % (_end_sessions(self._new), quoted(self._new)), self._name)
        self._made = False

    def _run(self, sql: str, about: str) -> bytes:
        database = self._client.maintenance
        if database == about:
            # One cannot rename the database that one is connected to.
            database = "template1" if about != "template1" else "postgres"
        return self._client.run(sql, database, RestoreError, "database %s" % about)

    def _look_for_users(self) -> None:
        """Say early that the names could not change."""
        if not self._replaces or self._options["terminate_connections"]:
            return
        users = self._client.query(
            "SELECT json_agg(DISTINCT coalesce(usename, '?') || coalesce(' (' || nullif(application_name, '') || ')', ''))"
            " %s AND pid <> pg_backend_pid()" % _sessions(self._name),
            "template1" if self._client.maintenance == self._name else None,
            RestoreError,
        )
        if users:
            raise RestoreError(
                "database %s is in use by %s; stop the application first (hooks: before_restore), or let the restore end its"
                " connections (terminate_connections)" % (self._name, ", ".join(users[:5]))
            )

    def _create(self, content: Content, of_database: t.Sequence[Item]) -> None:
        text = next((item.text for item in of_database if item.type == b"DATABASE"), None)
        if text is None:
            text = self._statement()
        else:
            text = rename_database(text, self._part.name.encode("utf-8", "surrogateescape"), self._new)
        self._made = True
        with self._client.script(self._client.maintenance) as child:
            child.write(self._client.guard() + content.prologue + text)
            child.finish("database %s cannot be made" % self._new, RestoreError)

    def _statement(self) -> bytes:
        """CREATE DATABASE for one whose dump does not tell, since every server has it."""
        text = "CREATE DATABASE %s TEMPLATE template0" % quoted(self._new)
        for word, key in (("ENCODING", "encoding"), ("LC_COLLATE", "collate"), ("LC_CTYPE", "ctype")):
            value = self._recorded.get(key)
            if isinstance(value, str):
                text += " %s %s" % (word, literal(value))
        return text.encode("utf-8") + b";\n"

    def _set_properties(self, content: Content, of_database: t.Sequence[Item]) -> None:
        """Settings, comments and grants of the database come last: they would hold for the sessions that load it."""
        old = self._part.name.encode("utf-8", "surrogateescape")
        texts = [rename_database(item.text, old, self._new) for item in of_database if item.type != b"DATABASE"]
        if texts:
            with self._client.script(self._client.maintenance) as child:
                child.write(self._client.guard() + content.prologue + b"".join(texts))
                child.finish("properties of database %s" % self._name, RestoreError)

    def _leave_out(self, content: Content) -> None:
        """Of a part: the rows that were not chosen, and the rules between tables that do not all have their rows."""
        chosen = self._part.chosen
        tables = {table_name(entry) for entry in self._part.chosen_tables}
        content.rows = [rows for rows in content.rows if entry_path(rows.entry) in chosen]
        content.large_objects = [entry for entry in content.large_objects if entry_path(entry) in chosen]
        left_out = [item for item in content.after if item.type == b"FK CONSTRAINT" and item.relation() in tables]
        content.after = [item for item in content.after if item.type not in (b"FK CONSTRAINT", b"MATERIALIZED VIEW DATA")]
        if left_out:
            self.notices.append(
                Notice(
                    "foreign-keys",
                    "database %s has rows of some tables only, so its foreign keys were left out" % self._name,
                    count=len(left_out),
                )
            )

    def _check(self, same_major: bool) -> None:
        """What the catalogue tells must be what it told when the backup was taken."""
        recorded = self._recorded.get("objects")
        if not self._part.whole or not isinstance(recorded, dict):
            return
        found = self._client.query(inventory.OBJECTS, self._new, RestoreError)
        differences = [
            "%s: %s, not %s" % (kind, found.get(kind, 0), recorded.get(kind, 0))
            for kind in sorted(set(found) | set(recorded))
            if found.get(kind, 0) != recorded.get(kind, 0)
        ]
        if not differences:
            return
        message = "database %s does not hold what was recorded: %s" % (self._name, "; ".join(differences))
        if same_major:
            raise RestoreError(message)
        self.notices.append(Notice("objects-differ", message + " (the server is of another version)", count=len(differences)))


def _options(target: RestoreTarget) -> t.Dict[str, t.Any]:
    from ..sources.postgresql import PostgresqlSource

    return target.options if target.options is not None else check({}, PostgresqlSource.OPTIONS, "options")


def _renames(options: t.Mapping[str, t.Any], parts: t.Sequence[Part]) -> t.Dict[str, str]:
    wanted = new_names(options)
    unknown = sorted(set(wanted) - {part.name for part in parts})
    if unknown:
        raise RestoreError("restore_as: there is nothing of a database %s to restore" % ", ".join(unknown))
    result = {part.name: wanted.get(part.name, part.name) for part in parts}
    if len(set(result.values())) != len(result):
        raise RestoreError("restore_as: two databases would get the same name")
    for name in result.values():
        if len(name.encode("utf-8")) > _LONGEST_NAME:
            raise RestoreError("restore_as: %r is longer than PostgreSQL allows" % name)
    return result


def _sessions(name: str) -> str:
    """The sessions of anybody in a database. A worker of autovacuum is nobody's: the server ends it where it is in the way, and
    only a superuser may."""
    return "FROM pg_stat_activity WHERE datname = %s AND usesysid IS NOT NULL" % literal(name)


def _end_sessions(name: str) -> str:
    return "SELECT pg_terminate_backend(pid, 30000) %s;" % _sessions(name)


def _beside(name: str, ending: str) -> str:
    """A name like ``name`` that is not in use."""
    cut = name.encode("utf-8")[: _LONGEST_NAME - len(ending) - 1].decode("utf-8", "ignore")
    return "%s-%s" % (cut, ending)
