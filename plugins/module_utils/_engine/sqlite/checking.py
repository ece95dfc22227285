# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking whether a private copy of a database is sound, and what is in it."""

from __future__ import annotations

import hashlib
import re
import typing as t
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from .database import connect, sqlite3, value

# What integrity_check says of rows that break a rule of their table: no damage, the database can be read and restored.
_RULES = re.compile(r"NULL value in |CHECK constraint failed in |(NUMERIC|TEXT|non-\w+) value in ")

# KiB of pages that are kept. The rows of a table find their places all over an index: what of it does not fit here is read again
# for each row. With much more, a backup would need more memory than it promises; and beside a delta, which needs some itself.
_CACHE = 48 << 10
_CACHE_BESIDE_DELTA = 24 << 10

# Steps of SQLite's machine after which it asks whether to stop: some milliseconds.
_LOOK_UP = 100000


@dataclass
class Findings:
    """What was found.

    ``damage``: what integrity_check reported; ``broken_rules``: rows against a CHECK, NOT NULL or STRICT of their table;
    ``unchecked``: tables that this SQLite cannot check or count, and why (a collation, function or module of the
    application's own); ``tables``: rows of each table; ``violations``: rows of each table that refer to a row that is not there.
    """

    damage: t.List[str] = field(default_factory=list)
    broken_rules: t.List[str] = field(default_factory=list)
    unchecked: t.Dict[str, str] = field(default_factory=dict)
    tables: t.Dict[str, int] = field(default_factory=dict)
    violations: t.Dict[str, int] = field(default_factory=dict)
    properties: t.Dict[str, t.Any] = field(default_factory=dict)


class Examination:
    """Examines the database file ``path``, which nobody writes to, in a thread of its own.

    ``level``: ``full`` (integrity_check) or ``quick`` (quick_check, which does not compare indexes with tables).
    ``beside_delta``: the copy is compared with an older one meanwhile.
    """

    def __init__(self, path: str, level: str, foreign_keys: bool, beside_delta: bool = False) -> None:
        self._stopped = False
        self._connection = connect(path, "ro", immutable=True)
        self._connection.set_progress_handler(lambda: int(self._stopped), _LOOK_UP)
        self._pool = ThreadPoolExecutor(1, "examine")
        cache = _CACHE_BESIDE_DELTA if beside_delta else _CACHE
        self._findings: Future[Findings] = self._pool.submit(_examine, self._connection, level, foreign_keys, cache)

    def result(self) -> Findings:
        """Wait for the end and return what was found. Raises nothing of SQLite's: that is what is found."""
        return self._findings.result()

    def close(self) -> None:
        """Stop, finished or not."""
        self._stopped = True
        self._connection.interrupt()
        self._pool.shutdown()
        self._connection.close()


def examine(path: str, level: str, foreign_keys: bool) -> Findings:
    """Examine at once. See Examination."""
    examination = Examination(path, level, foreign_keys)
    try:
        return examination.result()
    finally:
        examination.close()


def _examine(connection: sqlite3.Connection, level: str, foreign_keys: bool, cache: int) -> Findings:
    findings = Findings()
    try:
        if not value(connection, "PRAGMA page_count"):
            return findings
        connection.execute("PRAGMA cache_size = -%d" % cache)
        # Nothing in the schema of a restored database may call functions with side effects.
        connection.execute("PRAGMA trusted_schema = OFF")
        schema = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name, tbl_name"
        ).fetchall()
        tables = [row[1] for row in schema if row[0] == "table" and not row[1].startswith("sqlite_")]
        findings.properties = _properties(connection, schema)
    except sqlite3.Error as error:
        findings.damage.append("the schema cannot be read: %s" % error)
        return findings
    _check_integrity(connection, level, tables, findings)
    for table in tables:
        _count(connection, table, findings)
    if foreign_keys:
        _check_foreign_keys(connection, tables, findings)
    return findings


def _properties(connection: sqlite3.Connection, schema: t.Sequence[t.Tuple[str, ...]]) -> t.Dict[str, t.Any]:
    names = ("page_size", "page_count", "encoding", "user_version", "application_id")
    properties = {name: value(connection, "PRAGMA " + name) for name in names}
    text = "".join("\0".join(str(part) for part in row) + "\n" for row in schema)
    properties["schema_sha256"] = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return properties


def _check_integrity(connection: sqlite3.Connection, level: str, tables: t.Sequence[str], findings: Findings) -> None:
    pragma = "PRAGMA integrity_check" if level == "full" else "PRAGMA quick_check"
    try:
        _sort(connection.execute(pragma), findings)
    except sqlite3.OperationalError as error:
        if not _is_missing_part(error):
            findings.damage.append(str(error))
            return
        # One table needs what only the application has; the others can be checked, one by one (SQLite 3.33 and newer).
        for table in tables:
            try:
                _sort(connection.execute("%s(%s)" % (pragma, _quoted(table))), findings)
            except (sqlite3.Error, UnicodeError) as table_error:
                findings.unchecked[shown(table)] = str(table_error)
    except sqlite3.Error as error:
        findings.damage.append(str(error))


def _sort(rows: t.Iterable[t.Tuple[str]], findings: Findings) -> None:
    for (line,) in rows:
        if _RULES.match(line):
            findings.broken_rules.append(shown(line))
        elif line != "ok":
            findings.damage.append(shown(line))


def _is_missing_part(error: sqlite3.Error) -> bool:
    """True when SQLite lacks a collation, a function or a module that the application brings with it."""
    text = str(error)
    return text.startswith(("no such collation", "unknown function", "no such function", "no such module"))


def _count(connection: sqlite3.Connection, table: str, findings: Findings) -> None:
    try:
        findings.tables[shown(table)] = value(connection, "SELECT count(*) FROM %s" % _quoted(table))  # noqa: S608
    except (sqlite3.Error, UnicodeError) as error:
        findings.unchecked.setdefault(shown(table), str(error))


def _check_foreign_keys(connection: sqlite3.Connection, tables: t.Sequence[str], findings: Findings) -> None:
    for table in tables:
        counts: t.Counter[str] = Counter()
        try:
            for row in connection.execute("PRAGMA foreign_key_check(%s)" % _quoted(table)):
                counts[shown(row[0])] += 1
        except (sqlite3.Error, UnicodeError) as error:
            # "foreign key mismatch": the keys are declared so that SQLite itself cannot follow them.
            findings.unchecked.setdefault(shown(table), str(error))
        findings.violations.update(counts)


def _quoted(name: str) -> str:
    return '"%s"' % name.replace('"', '""')


def shown(text: str) -> str:
    """A name for people and for JSON: bytes that are not UTF-8 as ``\\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
