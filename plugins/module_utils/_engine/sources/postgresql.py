# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of a PostgreSQL server, each with everything in it in one snapshot, and what the server has outside of them.

What is stored is SQL as pg_dumpall forms it, which psql restores by itself: roles and tablespaces, then each database. It is
indexed as it passes: ``globals.sql``; ``<database>/schema.1.sql`` and so on (all that is no rows, in the order of the dump);
``<database>/<schema>/<table>`` (the rows); ``<database>/large-objects.1.sql``.

Facts: ``server`` (version), ``pg_dump`` (version), ``databases`` (of each: ``objects`` by kind, ``extensions``, ``encoding``,
``collate``, ``ctype``, ``owner``, ``large_objects``, ``bytes`` of the dump), ``tables`` (rows of each, by its path).
"""

from __future__ import annotations

import typing as t

from ..connections import check_options
from ..options import Option
from ..postgresql.client import OPTIONS as CLIENT_OPTIONS
from ..restore_as import OPTION as RESTORE_AS
from ..restore_as import check_restore_as
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader


class PostgresqlSource(Source):
    """See the module."""

    OPTIONS: t.Sequence[Option] = (
        *CLIENT_OPTIONS,
        Option(
            "databases",
            "list",
            "The databases: names, patterns such as V(shop_*), or V(all) for all but the templates. One that is named and is not"
            " there is an error.",
            default=["all"],
        ),
        Option("exclude_databases", "list", "Those of them that are left out: names or patterns."),
        Option(
            "globals",
            "bool",
            "Also back up what belongs to no database: roles with their memberships, settings and passwords, and tablespaces.",
            default=True,
        ),
        Option(
            "role_passwords",
            "bool",
            "Whether the hashes of the roles' passwords are part of that. Only a superuser can read them.",
            default=True,
        ),
        Option(
            "lock_timeout",
            "duration",
            "How long to wait for a table that somebody is changing. A dump that cannot lock all tables fails.",
            default="60s",
        ),
        Option(
            "jobs",
            "int",
            "Of a restore: how many tables, indexes and constraints it works on at the same time. Default: as many as there are"
            " cores, at most 8.",
            minimum=1,
            maximum=64,
        ),
        RESTORE_AS,
        Option(
            "terminate_connections",
            "bool",
            "Of a restore: end the connections that others have to a database that is to be replaced. Without it a restore fails"
            " while there are any.",
            default=False,
        ),
    )
    shape = "stream"
    restore_note = (
        "This is SQL as pg_dumpall writes it. As a superuser of a server that has none of its databases:"
        " psql -X -f FILE postgres. That a role is there already is no reason to worry, any other error is."
    )

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        return check_options(options) + check_restore_as(options)

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        from ..postgresql.backup import present

        return present(self.options, self.spool)

    def plan(self) -> Plan:
        from ..postgresql.backup import plan

        return plan(self.name, self.options, self.spool)

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        from ..postgresql.backup import back_up

        stream = component.stream(component.name.encode("ascii") + b".sql", ".sql")
        return back_up(self.name, self.options, self.spool, stream, progress)

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        from ..postgresql.restoring import PostgresqlRestoring

        return PostgresqlRestoring(component, target).plan

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        from ..postgresql.restoring import PostgresqlRestoring

        return PostgresqlRestoring(component, target)
