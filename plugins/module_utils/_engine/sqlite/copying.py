# SPDX-License-Identifier: GPL-3.0-or-later
"""A consistent copy of a database that an application is writing to.

Everything goes through SQLite's online backup API (https://sqlite.org/c3ref/backup_finish.html), which takes SQLite's own
locks, so no write is ever seen by half. What differs is how long a lock is held:

- WAL: one read transaction over the whole copy. It blocks nobody; the log only cannot be reset in the meantime.
- Rollback journal: a reader keeps writers from committing, so pages are copied in short steps, with the lock dropped between
  them. A commit of another process between two steps makes SQLite start again. After a few starts the lock is kept to
  the end: writers wait, for one copy at full speed into pages that are there already, and how long is reported.
- A read-only file system: nobody writes there, and SQLite may need to (to roll back or to read the log). So the files are
  copied as they are, and SQLite recovers the copy.
"""

from __future__ import annotations

import os
import shutil
import time
import typing as t
from dataclasses import dataclass

from ..errors import SourceError
from ..private import open_private
from ..scratch import need_space
from ..system import IS_WINDOWS
from .database import (
    check_file,
    connect,
    explain,
    hold,
    is_no_database,
    journal_mode,
    mode_to_read,
    patiently,
    shown,
    sqlite3,
    value,
)

#: Starts from the first page before the lock is kept.
_STARTS = 4
#: Pages a step: about a millisecond or two of lock.
_PAGES = 256
#: Seconds to let others work when they have the lock.
_PAUSE = 0.02

_BUSY = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED: https://sqlite.org/rescode.html


@dataclass
class Copy:
    """How a copy was made.

    ``method``: ``snapshot`` (one read transaction over a WAL), ``steps``, ``lock`` (kept after too many starts) or ``files``;
    ``blocked``: seconds that no writer could commit.
    """

    method: str
    journal_mode: str
    starts: int = 1
    blocked: float = 0.0


def copy_database(path: str, target: str, patience: float) -> Copy:
    """Copy the database at ``path`` to ``target``, a name that is free, in a folder where nobody else looks.

    Waits up to ``patience`` seconds for each lock. Raises SourceError; then ``target`` is worthless.
    """
    path = os.path.realpath(path)
    try:
        if not check_file(path):
            return _copy_nothing(path, target)
        try:
            return _copy(path, target, patience, mode_to_read(path))
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error) and "unable to open" not in str(error):
                raise
            # The last writer died: SQLite must roll back its half transaction, or read its log, before anyone can read.
            if _is_read_only(path):
                return _copy_files(path, target)
            return _copy(path, target, patience, "rw")
    except sqlite3.Error as error:
        raise SourceError(explain(error, path, patience)) from error
    except OSError as error:
        raise SourceError("%s: no private copy can be made: %s" % (shown(path), error.strerror or error)) from error


def transfer(source: sqlite3.Connection, target: sqlite3.Connection, watch: Watch) -> None:
    """Replace all that is in ``target`` by what is in ``source``, in one transaction. Raises sqlite3.Error."""
    source.backup(target, pages=_PAGES, progress=watch, sleep=_PAUSE)


class Watch:
    """Told of each step of a backup: bounds the waiting, counts the starts, and keeps the lock when there were too many."""

    def __init__(self, patience: float, source: t.Optional[sqlite3.Connection] = None) -> None:
        self.starts = 1
        #: Since when the lock of ``source`` is kept.
        self.held_since: t.Optional[float] = None
        self._patience = patience
        self._source = source
        self._left = -1
        self._busy_since: t.Optional[float] = None

    def __call__(self, status: int, remaining: int, _total: int) -> None:
        if status in _BUSY:
            self._busy_since = self._busy_since or time.monotonic()
            if time.monotonic() - self._busy_since > self._patience:
                raise sqlite3.OperationalError("database is locked")
            return
        self._busy_since = None
        if remaining >= self._left > 0:
            self.starts += 1
        self._left = remaining
        source = self._source
        if source is not None and self.starts >= _STARTS and self.held_since is None:
            patiently(lambda: hold(source), self._patience)
            self.held_since = time.monotonic()


def _copy_nothing(path: str, target: str) -> Copy:
    """A file of zero bytes is an empty database to SQLite, which removes a log that it finds beside one."""
    if os.path.exists(path + "-wal") and os.path.getsize(path + "-wal"):
        raise SourceError("%s: the file is empty, but its write-ahead log is not: the database was destroyed" % shown(path))
    os.close(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return Copy("files", "unknown")


def _copy(path: str, target: str, patience: float, mode: str) -> Copy:
    source = connect(path, mode)
    try:
        patiently(lambda: hold(source), patience)
        journal, size = _describe(source, path)
        need_space(os.path.dirname(target), size)
        if journal == "rollback":
            source.execute("COMMIT")
            watch = Watch(patience, source)
        else:
            watch = Watch(patience)
        _fill(source, target, watch)
        if journal != "rollback":
            return Copy("snapshot", journal)
        if watch.held_since is None:
            return Copy("steps", journal, watch.starts)
        source.execute("COMMIT")
        return Copy("lock", journal, watch.starts, round(time.monotonic() - watch.held_since, 3))
    finally:
        source.close()


def _describe(source: sqlite3.Connection, path: str) -> t.Tuple[str, int]:
    """The journal mode and the size of the content in bytes."""
    try:
        return journal_mode(source), value(source, "PRAGMA page_count") * value(source, "PRAGMA page_size")
    except sqlite3.DatabaseError as error:
        if not is_no_database(error):
            raise
        # The schema is damaged. One transaction is right in every mode, and so is the file's size.
        return "unknown", os.path.getsize(path)


def _fill(source: sqlite3.Connection, target: str, watch: Watch) -> None:
    """Copy into a new file. It is private and temporary, so it needs neither a journal nor to be durable."""
    os.close(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    connection = connect(target, "rw")
    try:
        # A small cache: every page is written once, so keeping it would only cost memory and time.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = 10"):
            connection.execute("PRAGMA " + pragma)
        transfer(source, connection, watch)
    finally:
        connection.close()


def _is_read_only(path: str) -> bool:
    return not IS_WINDOWS and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _copy_files(path: str, target: str) -> Copy:
    need_space(os.path.dirname(target), sum(os.path.getsize(p) for p in _present(path)))
    for name in _present(path):
        shutil.copyfile(name, target + name[len(path) :])
        os.chmod(target + name[len(path) :], 0o600)
    connection = connect(target, "rw")
    try:
        hold(connection)
        journal = journal_mode(connection)
        connection.execute("COMMIT")
    finally:
        # The last connection writes the log back and removes it.
        connection.close()
    return Copy("files", journal)


def _present(path: str) -> t.List[str]:
    """The database and those of its side files that count without a living process."""
    return [path] + [path + ending for ending in ("-journal", "-wal") if os.path.exists(path + ending)]
