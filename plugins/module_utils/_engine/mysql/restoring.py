# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting databases back into a server that is in use.

Tables are restored into databases of their own first and counted there. Then one RENAME TABLE moves all old tables aside and all
new ones in: others see all of the old or all of the new. Triggers, views, routines and events cannot be moved
between databases; they are dropped and made anew, the triggers right before and after the swap. The old tables, and the text of
what was dropped, are kept until all is well, so undo() can put them back. Accounts are only added, and stay.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import FleetBackupError, RestoreError
from ..result import Notice
from ..sources import RestorePlan, RestoreTarget
from .chosen import TABLES, Chosen, Sections
from .live import Live, swap
from .naming import quoted, shown
from .server import LEFT_BEHIND, Server

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader

Data = t.Union[bytes, memoryview]


class MysqlRestoring:
    """See sources.Restoring. ``renamed``: new names of databases."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget, renamed: t.Mapping[str, str]) -> None:
        self.plan = RestorePlan()
        self._name = component.component.name
        self._facts = component.facts
        self._options = t.cast("t.Dict[str, t.Any]", target.options)
        self._sections = Sections(component, target.include)
        self._live_names = {name: renamed.get(name, name) for name in self._sections.databases}
        mark = os.urandom(4).hex()
        self._stage_names = {n: "%s%s_new%d" % (LEFT_BEHIND, mark, i) for i, n in enumerate(self._sections.databases)}
        self._aside_names = {n: "%s%s_old%d" % (LEFT_BEHIND, mark, i) for i, n in enumerate(self._sections.databases)}
        self._delete = target.delete and self._sections.all
        self._server: t.Optional[Server] = None
        self._lives: t.List[Live] = []
        #: Databases with old tables that could not be put back.
        self._kept: t.Set[str] = set()

    def look(self) -> RestorePlan:
        """What would be overwritten and made."""
        plan = RestorePlan()
        with Server(self._options) as server:
            there = {(row[0], row[1]) for row in server.tables(list(self._live_names.values()))}
        for old, live in self._live_names.items():
            wanted = self._sections.names(old, *TABLES, "views")
            for name in wanted:
                told = "%s.%s" % (shown(live), shown(name))
                if (live, name) in there:
                    plan.overwrite.append(told)
                else:
                    plan.create.append(told)
            if self._delete:
                plan.remove += ["%s.%s" % (shown(d), shown(n)) for d, n in sorted(there) if d == live and n not in wanted]
        plan.overwrite_count, plan.create_count, plan.remove_count = map(len, (plan.overwrite, plan.create, plan.remove))
        for listed in (plan.overwrite, plan.create, plan.remove):
            del listed[RestorePlan.LIMIT :]
        return plan

    def stage(self, progress: t.Callable[[int], None]) -> None:
        self.plan = self.look()
        server = self._server = Server(self._options).__enter__()
        made = [
            b"CREATE DATABASE %s%s;\n" % (_sql(self._stage_names[name]), self._sections.properties(name))
            for name in self._stage_names
        ]
        if made:
            self._feed([b"".join(made)], "making databases to restore into")
        self._feed(self._staged(progress), "restoring tables")
        for name, stage in self._stage_names.items():
            tables = self._sections.names(name, "tables")
            for table, rows in zip(tables, server.count([(stage, table) for table in tables], RestoreError)):
                recorded = _dictionary(self._facts, "tables").get("%s.%s" % (shown(name), shown(table)))
                if recorded != rows:
                    raise RestoreError(
                        "table %s.%s of the backup has %d rows, not the %s that were recorded"
                        % (shown(name), shown(table), rows, recorded)
                    )

    def commit(self) -> t.List[Notice]:
        server = t.cast(Server, self._server)
        notices: t.List[Notice] = []
        for name, live in self._live_names.items():
            state = Live(server, live, self._aside_names[name], self._delete)
            self._lives.append(state)
            state.make(self._sections.properties(name), bool(self._sections.of(name, "database")))
            state.prepare(self._stage_names[name], self._sections.names(name, *TABLES), self._sections.names(name, "views"))
        swap(server, self._lives)
        for name, live in self._live_names.items():
            later = self._sections.of(name, "placeholders", "triggers", "routines", "events")
            self._feed(self._rest(live, later), "restoring triggers, routines and events of %s" % shown(live))
        # Views may use those of other databases.
        for name, live in self._live_names.items():
            self._feed(self._rest(live, self._sections.of(name, "views")), "restoring views of %s" % shown(live))
        if self._sections.accounts:
            notices += self._restore_accounts(server, self._sections.accounts)
        return notices

    def undo(self) -> None:
        problems = []
        for state in reversed(self._lives):
            try:
                state.put_back()
            except FleetBackupError as error:
                problems.append("%s; the old tables are kept in the database %s" % (error, state.aside))
                self._kept.add(state.aside)
        self._lives.clear()
        if problems:
            raise RestoreError("\n".join(problems))

    def finish(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        try:
            names = [*self._stage_names.values(), *(name for name in self._aside_names.values() if name not in self._kept)]
            statements = ["SET foreign_key_checks = 0", *("DROP DATABASE IF EXISTS %s" % quoted(name) for name in names)]
            server.ask(*statements, error=RestoreError, what="removing what is no longer needed")
        finally:
            server.__exit__()

    def _staged(self, progress: t.Callable[[int], None]) -> t.Iterator[Data]:
        for name, stage in self._stage_names.items():
            chosen = self._sections.of(name, *TABLES)
            if not chosen:
                continue
            yield b"USE %s;\n" % _sql(stage)
            for one in chosen:
                for data in self._sections.table(one, self._live_names, self._stage_names):
                    yield data
                    progress(len(data))

    def _rest(self, live: str, sections: t.Sequence[Chosen]) -> t.Iterator[Data]:
        if sections:
            yield b"USE %s;\n" % _sql(live)
        for one in sections:
            if one.section.kind != "views" or one.section.name:
                yield from self._sections.read(one.entry)

    def _feed(self, parts: t.Iterable[Data], what: str) -> None:
        """Give SQL to the client, after the header of the dump."""
        iterator = iter(parts)
        first = next(iterator, None)
        if first is None:
            return
        with t.cast(Server, self._server).feed() as client:
            try:
                client.write(self._sections.header())
                client.write(first)
                for data in iterator:
                    client.write(data)
            except FleetBackupError as error:
                client.finish(what, RestoreError)
                raise RestoreError("%s: %s" % (what, error)) from None
            client.finish(what, RestoreError)

    def _restore_accounts(self, server: Server, text: bytes) -> t.List[Notice]:
        """Make the accounts that are missing. Those that are there are left as they are."""
        try:
            rows = server.ask("SELECT user, host FROM mysql.user")
            known = ["%s@%s" % (quoted(user), quoted(host)) if host else quoted(user) for user, host in rows]
            words = tuple(word % who for who in known for word in (" TO %s", " FOR %s", "EXISTS %s"))
            lines = text.decode("utf-8", "surrogateescape").split(";\n")
            missing = [line for line in lines if line.strip() and not any(word in line for word in words)]
            server.ask(*missing, error=RestoreError, what="restoring accounts")
        except FleetBackupError as error:
            return [Notice("accounts", "not all missing accounts could be restored: %s" % error, self._name)]
        return []


def _sql(name: str) -> bytes:
    return quoted(name).encode("utf-8", "surrogateescape")


def _dictionary(facts: t.Dict[str, t.Any], key: str) -> t.Dict[str, t.Any]:
    value = facts.get(key)
    return value if isinstance(value, dict) else {}
