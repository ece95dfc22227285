# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of chosen tables of a database as JSON lines, all or those of one tenant, in full or what has changed.

Each table is ``<table>/000001.jsonl`` and, in increments, further segments; ``<table>/keys.jsonl`` lists the keys of all
rows that there were. Facts: ``server``, ``database``, ``tenant``, ``tables`` (rows of each), ``bytes`` (of its lines in this
backup, those of older backups that it builds upon included), ``read`` (how many rows were read this time).
"""

from __future__ import annotations

import typing as t

from ..connections import check_options as check_connection
from ..errors import RestoreError
from ..options import Option
from ..postgresql.client import OPTIONS as CLIENT_OPTIONS
from ..rows.selection import has_parameter
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader
    from ..rows.restoring import RowsRestoring

_TABLE = (
    Option(
        "name",
        "str",
        "The table; in PostgreSQL with its schema where it is not V(public).",
        required=True,
        example="public.orders",
    ),
    Option(
        "where",
        "str",
        "Only the rows for which this condition in SQL holds. V(:tenant) in it stands for the tenant.",
        example="tenant_id = :tenant",
    ),
    Option(
        "changed_column",
        "str",
        "The column that holds when a row was last changed; the database or the application sets it on every change. An"
        " increment then reads only the rows that are younger than the backup before. Without it every backup reads them all."
        " In PostgreSQL a timestamp; in SQLite a text in the form of ISO 8601, or seconds or milliseconds since 1970.",
        example="updated_at",
    ),
    Option("key", "list", "The columns that tell a row from all others. Default: the primary key."),
)


class RowsSource(Source):
    """See the module."""

    OPTIONS: t.Sequence[Option] = (
        Option(
            "postgresql",
            "dict",
            "A PostgreSQL database. Either this or O(sqlite).",
            options=(Option("database", "str", "Its name.", required=True), *CLIENT_OPTIONS),
        ),
        Option(
            "sqlite",
            "dict",
            "An SQLite database. Either this or O(postgresql).",
            options=(
                Option("path", "path", "The database file.", required=True, example="/srv/shop/shop.db"),
                Option("timeout", "duration", "How long to wait for a lock that another process holds.", default="60s"),
            ),
        ),
        Option("tables", "list", "The tables.", required=True, elements="dict", options=_TABLE),
        Option(
            "tenants",
            "str",
            "A query that lists the tenants, one text or number a row. The job then takes a backup for each of them, under the"
            " name V(job@tenant).",
            example="SELECT id FROM tenant WHERE active",
        ),
        Option("tenant", "str", "The one tenant whose rows are backed up. Set by itself where O(tenants) lists them."),
        Option(
            "overlap",
            "duration",
            "How far an increment reaches back beyond the backup before and the oldest transaction that was open then, for"
            " clocks that differ and for applications that set the time long before they commit.",
            default="10m",
        ),
        Option(
            "deletions",
            "str",
            "How an increment learns of rows that are gone. V(keys) lists the keys of all rows each time; V(ignore) does not, so"
            " that rows deleted since the last full backup come back with a restore.",
            choices=("keys", "ignore"),
            default="keys",
        ),
    )
    shape = "rows"
    restore_note = (
        "These are JSON lines: before the rows of each table a line, an array, that names it; the rows are objects. SQLite"
        " takes them apart with json_extract. Into PostgreSQL load them with COPY in CSV format with QUOTE E'\\x01' and"
        " DELIMITER E'\\x02' into a table with one column of type json, and go on with json_populate_record. An increment holds"
        " only the rows that changed: load the full backup first, then each increment, and keep the rows whose keys the last one"
        " lists."
    )

    @classmethod
    def needs(cls, options: t.Dict[str, t.Any]) -> t.Tuple[str, ...]:
        return super().needs(options["postgresql"] or {})

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        if (options["postgresql"] is None) == (options["sqlite"] is None):
            problems.append("postgresql, sqlite: one of the two must say where the rows are")
        if options["postgresql"] is not None:
            problems += ["postgresql.%s" % problem for problem in check_connection(options["postgresql"])]
        given = options["tenants"] or options["tenant"]
        asking = [n for n, table in enumerate(options["tables"]) if table["where"] and has_parameter(table["where"])]
        if asking and not given:
            problems.append("tables[%d].where: asks for :tenant, and neither tenants nor tenant says which" % asking[0])
        if given and not asking:
            problems.append("tables: no where asks for :tenant, so each tenant's backup would hold everybody's rows")
        return problems

    @classmethod
    def of_tenants(cls, options: t.Dict[str, t.Any]) -> bool:
        return bool(options["tenants"]) and options["tenant"] is None

    @classmethod
    def for_tenant(cls, options: t.Dict[str, t.Any], tenant: str) -> t.Dict[str, t.Any]:
        return {**options, "tenant": tenant} if options["tenants"] else options

    def tenants(self) -> t.List[str]:
        from ..rows.reading import list_tenants

        return list_tenants(self.name, self.options, self.spool)

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        from ..rows.reading import present

        return self.options if present(self.options, self.spool) else None

    def plan(self) -> Plan:
        from ..rows.reading import plan

        return plan(self.options, self.spool)

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        from ..rows.reading import back_up

        return back_up(self.name, self.options, self.spool, component.rows(), progress)

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        return cls._restoring(component, target).plan

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        return cls._restoring(component, target)

    @classmethod
    def _restoring(cls, component: ComponentReader, target: RestoreTarget) -> RowsRestoring:
        from ..rows.restoring import RowsRestoring

        if target.options is None:
            raise RestoreError("the job says where its rows go, and it is not configured any more; describe its source again")
        return RowsRestoring(component, target)
