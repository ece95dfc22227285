# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening SQLite databases, waiting for their locks, and saying what is wrong with one.

Sources: https://sqlite.org/uri.html, https://sqlite.org/fileformat2.html, https://sqlite.org/lockingv3.html.
"""

from __future__ import annotations

import os
import stat
import time
import typing as t
import urllib.parse

from ..errors import MissingDependencyError, SourceError
from ..names import printable

try:
    import sqlite3
except ImportError as error:
    raise MissingDependencyError("the source sqlite needs Python's sqlite3 module, which this Python lacks: %s" % error) from None

# The other modules take sqlite3 from here, so that its absence is told in one place.
__all__ = [
    "PATIENCE", "SIDE_FILES", "check_file", "connect", "explain", "hold", "is_no_database", "journal_mode", "look",
    "mode_to_read", "patiently", "shown", "sqlite3", "value",
]  # fmt: skip

#: What lies beside a database: the rollback journal; the write-ahead log and its index.
SIDE_FILES = ("-journal", "-wal", "-shm")

#: Seconds that a user of a database waits for its lock, by default.
PATIENCE = 60

_MAGIC = b"SQLite format 3\0"

# SQLite itself waits this long for a lock before it lets us run (and lets a signal through).
_STEP_SECONDS = 0.2

T = t.TypeVar("T")


def connect(path: str, mode: str, immutable: bool = False) -> sqlite3.Connection:
    """Open a database that exists. ``mode`` is ``ro`` or ``rw``; neither ever makes a file that is not there.

    ``immutable``: it is a private file that nobody writes to, so SQLite needs no locks and looks for no side files.
    Raises sqlite3.Error.
    """
    name = os.fsencode(path).replace(os.sep.encode("ascii"), b"/")
    address = "file://%s%s?mode=%s" % ("" if name.startswith(b"/") else "/", urllib.parse.quote(name), mode)
    if immutable:
        address += "&immutable=1"
    connection = sqlite3.connect(address, uri=True, timeout=_STEP_SECONDS, isolation_level=None, check_same_thread=False)
    # Applications may store any bytes as text and in names; surrogates keep them apart.
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return connection


def mode_to_read(path: str) -> str:
    """How to open a database so that reading it changes least.

    The last connection of a WAL database removes the log, after writing it back; a read-only one leaves new, empty
    side files behind. So: read-only when a log or journal is there, else the kind that tidies up.
    """
    return "ro" if any(os.path.exists(path + ending) for ending in SIDE_FILES) else "rw"


def shown(path: str) -> str:
    """A path as people may see it."""
    return printable(os.fsencode(path))


def value(connection: sqlite3.Connection, sql: str) -> t.Any:
    """The first value of the first row."""
    return connection.execute(sql).fetchone()[0]


def journal_mode(connection: sqlite3.Connection) -> str:
    """``wal`` or ``rollback``: the two ways in which SQLite databases are locked."""
    return "wal" if value(connection, "PRAGMA journal_mode") == "wal" else "rollback"


def hold(connection: sqlite3.Connection) -> None:
    """Begin a transaction and read, so that the connection sees one state of the database until COMMIT.

    Not even the schema is parsed: this also works on a damaged database.
    """
    connection.execute("BEGIN")
    try:
        value(connection, "PRAGMA schema_version")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def is_busy(error: sqlite3.Error) -> bool:
    """True when the error is only that another process has a lock."""
    # Error codes are attributes only from Python 3.11 on; the texts (sqlite3ErrStr in main.c) are as old as SQLite 3.
    return "locked" in str(error) or "busy" in str(error)


def is_no_database(error: sqlite3.Error) -> bool:
    """True when the file is not an SQLite database, or one too damaged to be opened."""
    return "not a database" in str(error) or "malformed" in str(error)


def patiently(call: t.Callable[[], T], seconds: float) -> T:
    """Return ``call()``, tried again while another process has the lock, for ``seconds``. Raises sqlite3.Error."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise


def explain(error: sqlite3.Error, path: str, seconds: float) -> str:
    """What an error of SQLite's means for the one who runs a backup of ``path`` and waited ``seconds`` for its lock."""
    text = str(error)
    path = shown(path)
    if is_busy(error):
        return (
            "%s: another process held the database's lock for more than %d s; let the source wait longer (timeout), or run"
            " it when the application does less" % (path, seconds)
        )
    if "not a database" in text:
        return "%s: is not an SQLite database, or an encrypted one; SQLite cannot read it" % path
    if "malformed" in text:
        return "%s: the database is damaged (%s)" % (path, text)
    if "unable to open" in text:
        return "%s: SQLite cannot open it; this user must be able to read it and, in WAL mode, to write to its folder (%s)" % (
            path,
            text,
        )
    return "%s: %s" % (path, text)


def check_file(path: str) -> int:
    """Return the size of the file in bytes. Raises SourceError unless it is a regular file."""
    try:
        info = os.stat(path)
    except OSError as error:
        raise SourceError("%s: %s; path must name the database file" % (shown(path), error.strerror)) from None
    if not stat.S_ISREG(info.st_mode):
        raise SourceError("%s: is no regular file; path must name the database file" % shown(path))
    return info.st_size


def look(path: str) -> t.Dict[str, t.Any]:
    """What the header of a database says, without opening it with SQLite, which might make side files.

    Returns ``page_size``, ``page_count``, ``journal_mode`` (``wal`` or ``rollback``), ``bytes``. Raises SourceError. Not for a
    process that has the same database open: closing any descriptor of a file drops a process's locks on it.
    """
    size = check_file(path)
    if not size:
        return {"page_size": 0, "page_count": 0, "journal_mode": "rollback", "bytes": 0}
    try:
        with open(path, "rb", buffering=0) as file:
            header = file.read(100)
    except OSError as error:
        raise SourceError("%s: cannot be read: %s" % (shown(path), error.strerror)) from None
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise SourceError("%s: is not an SQLite database, or an encrypted one; SQLite cannot read it" % shown(path))
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    return {
        "page_size": page_size,
        "page_count": size // page_size if page_size else 0,
        "journal_mode": "wal" if header[18] == 2 else "rollback",
        "bytes": size,
    }
