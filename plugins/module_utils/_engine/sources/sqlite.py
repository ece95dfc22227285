# SPDX-License-Identifier: GPL-3.0-or-later
"""An SQLite database, copied consistently while the application writes to it.

The copy lies in a private folder until it is stored; while it is compressed, another thread checks it and counts its rows.
What is stored is a plain database file. Facts: ``path`` (or ``path_b64``), ``file`` (mode and owner), ``sqlite`` (version of
the library), ``journal_mode``, ``copy`` (``method``, ``starts``, ``writers_blocked_seconds``), ``tables`` (rows of each),
``integrity_check`` (``ok`` or what was found), ``foreign_key_violations`` (rows of each table), ``unchecked`` (tables, and why),
``page_size``, ``page_count``, ``encoding``, ``user_version``, ``application_id``, ``schema_sha256``.
"""

from __future__ import annotations

import base64
import os
import tempfile
import typing as t

from ..errors import SourceError
from ..options import Option
from ..result import Notice
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader
    from ..sqlite.checking import Findings
    from ..sqlite.copying import Copy

#: Seconds. Many applications give up on a lock after five (the default of Python's sqlite3 module among them).
_LONG_BLOCK = 5

# Lines of integrity_check that are kept.
_LINES = 20


class SqliteSource(Source):
    """See the module. A file of zero bytes, which SQLite takes for an empty database, is backed up with a warning."""

    OPTIONS = (
        Option("path", "path", "The database file.", required=True, example="/srv/marketplace/vehicle_marketplace.db"),
        Option(
            "integrity_check",
            "str",
            "How thoroughly the copy is checked. V(full) also compares every index with its table; V(quick) does not, which is"
            " much faster for databases with many large indexes.",
            choices=("full", "quick"),
            default="full",
        ),
        Option(
            "on_corrupt",
            "str",
            "What to do when the check finds damage. V(failure) keeps no backup, so that a damaged database never pushes out good"
            " backups; V(warning) keeps what there is, for the day when there is nothing better.",
            choices=("failure", "warning"),
            default="failure",
        ),
        Option(
            "foreign_key_check",
            "bool",
            "Look for rows that refer to rows that do not exist, and warn of them. Turn it off for an application"
            " that never cared.",
            default=True,
        ),
        Option("timeout", "duration", "How long to wait for a lock that another process holds.", default="60s"),
    )
    shape = "stream"
    restore_note = (
        "This is the database file itself. Stop the application, put it in the place of the old one, and remove a -wal or"
        " -shm file that lies beside that."
    )

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        self.path: str = options["path"]

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        return self.options if os.path.exists(self.path) else None

    def plan(self) -> Plan:
        from ..sqlite.database import look

        header = look(self.path)
        size = header.pop("bytes")
        return Plan(1, size, header)

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        from ..scratch import Scratch
        from ..sqlite.checking import Examination
        from ..sqlite.copying import copy_database
        from ..sqlite.database import check_file

        check_file(self.path)
        info = os.stat(self.path)
        try:
            scratch = Scratch(self.spool or tempfile.gettempdir())
        except OSError as error:
            raise SourceError("source %s: no folder for the private copy can be made: %s" % (self.name, error)) from None
        with scratch:
            file = scratch.file("copy.sqlite")
            copy = copy_database(self.path, file, self.options["timeout"])
            level, foreign_keys = self.options["integrity_check"], self.options["foreign_key_check"]
            examination = Examination(file, level, foreign_keys, component.makes_delta)
            try:
                _store(file, component, progress)
                findings = examination.result()
            finally:
                examination.close()
        reading = Reading(_facts(self.path, info, copy, findings))
        self._judge(copy, findings, reading.notices)
        return reading

    def _judge(self, copy: Copy, findings: Findings, notices: t.List[Notice]) -> None:
        from ..sqlite.database import shown

        path = shown(self.path)

        def note(code: str, message: str, count: int = 1) -> None:
            notices.append(Notice(code, "%s: %s" % (path, message), self.name, count))

        if findings.damage:
            damage = "the database is damaged: %s" % "; ".join(findings.damage[:5])
            if self.options["on_corrupt"] == "failure":
                raise SourceError(
                    "%s: %s. No backup of it is kept; repair it (.recover of the sqlite3 program), or set on_corrupt: warning"
                    % (path, damage)
                )
            note("database-damaged", damage + ". This backup has the damage too", len(findings.damage))
        elif not findings.properties:
            note("database-empty", "the file holds no database yet (zero pages)")
        if findings.broken_rules:
            note(
                "rules-broken",
                "rows break a rule of their table: %s" % "; ".join(findings.broken_rules[:5]),
                len(findings.broken_rules),
            )
        if findings.violations:
            count = sum(findings.violations.values())
            tables = ", ".join("%s (%d)" % item for item in sorted(findings.violations.items()))
            note("foreign-keys", "%d rows refer to rows that do not exist, in %s" % (count, tables), count)
        if findings.unchecked:
            tables = "; ".join("%s (%s)" % item for item in sorted(findings.unchecked.items()))
            note("not-checked", "SQLite alone could not check all of it: %s" % tables, len(findings.unchecked))
        if copy.blocked >= _LONG_BLOCK:
            note("writers-blocked", "no writer could commit for %.1f s; in WAL mode none would have to wait" % copy.blocked)

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        from ..sqlite.restoring import plan

        return plan(component, target)

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        from ..sqlite.restoring import SqliteRestoring

        return SqliteRestoring(component, target)


def _store(path: str, component: ComponentWriter, progress: t.Callable[[int], None]) -> None:
    stream = component.stream(component.name.encode("ascii") + b".sqlite", ".sqlite")
    with open(path, "rb", buffering=0) as file:
        stream.write_all(file.readinto, progress)


def _facts(path: str, info: os.stat_result, copy: Copy, findings: Findings) -> t.Dict[str, t.Any]:
    from ..sqlite.database import sqlite3
    from ..system import group_name, user_name

    try:
        path.encode("utf-8")
        facts: t.Dict[str, t.Any] = {"path": path}
    except UnicodeEncodeError:
        facts = {"path_b64": base64.b64encode(os.fsencode(path)).decode("ascii")}
    facts["file"] = {
        "mode": "%04o" % (info.st_mode & 0o7777),
        "uid": info.st_uid,
        "gid": info.st_gid,
        "user": user_name(info.st_uid),
        "group": group_name(info.st_gid),
    }
    facts["sqlite"] = sqlite3.sqlite_version
    facts["journal_mode"] = copy.journal_mode
    facts["copy"] = {"method": copy.method, "starts": copy.starts, "writers_blocked_seconds": copy.blocked}
    facts["tables"] = findings.tables
    facts["integrity_check"] = findings.damage[:_LINES] or "ok"
    facts["foreign_key_violations"] = findings.violations
    if findings.unchecked:
        facts["unchecked"] = findings.unchecked
    facts.update(findings.properties)
    return facts
