# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite databases backed up while they are written to, and put back, also under a running application."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys

import pytest
from banking import TOTAL, business, make_bank, total
from components import back_up, make_source

from _engine.errors import ConfigurationError, RestoreError, SourceError
from _engine.sources import RestoreTarget
from _engine.sources.sqlite import SqliteSource
from _engine.sqlite import copying

ROOT = getattr(os, "geteuid", lambda: 1)() == 0


@pytest.fixture
def folder(tmp_path):
    """Where the application lives."""
    path = tmp_path / "app"
    path.mkdir()
    return path


@pytest.fixture
def take(tmp_path):
    """Back up a database; return the Reading and the ComponentReader."""
    taken = iter(range(1000))
    spool = tmp_path / "spool"
    spool.mkdir()

    def take(path, **options):
        options.setdefault("timeout", "30s")
        source = make_source("sqlite", {"path": os.fspath(path), **options}, spool=spool)
        try:
            return back_up(source, "sqlite", tmp_path / ("store%d" % next(taken)))
        finally:
            assert os.listdir(spool) == []

    return take


def put_back(reader, to=None, **options):
    """Restore a component; return the notices."""
    restoring = SqliteSource.restore(reader, RestoreTarget(to=None if to is None else str(to), options=options or None))
    restoring.stage(lambda count: None)
    notices = restoring.commit()
    restoring.finish()
    return notices


def make(path, *statements):
    """A database made by ``statements``, closed."""
    base = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        base.execute(statement)
    base.close()


def rows(path, sql):
    base = sqlite3.connect(path)
    try:
        return base.execute(sql).fetchall()
    finally:
        base.close()


def state(folder):
    """Every name in a folder with its content."""
    return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder))}


def codes(notices):
    return [n.code for n in notices]


# --- while the application writes


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("turns", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_the_total_holds_under_constant_writes(folder, take, tmp_path, journal, turns):
    make_bank(folder / "bank.db", journal)
    with business(folder / "bank.db") as report:
        for turn in range(turns):
            _, reader = take(folder / "bank.db")
            put_back(reader, tmp_path / ("copy%d" % turn))
            assert total(tmp_path / ("copy%d" % turn) / "bank.db") == TOTAL
    assert report["commits"] > 1
    assert report["totals"] == [TOTAL]


def test_a_writer_in_wal_mode_is_never_blocked(folder, take):
    make_bank(folder / "bank.db", "WAL")
    with business(folder / "bank.db", timeout=0) as report:
        for _ in range(5):
            reading, _ = take(folder / "bank.db")
            assert reading.facts["copy"] == {"method": "snapshot", "starts": 1, "writers_blocked_seconds": 0.0}
    assert report["busy"] == 0
    assert report["commits"] > 1


@pytest.fixture
def write_between_steps(folder, monkeypatch):
    """Another connection commits before each step of a copy until it cannot, and counts how that went."""
    counts = {"commits": 0, "locked": 0}
    call = copying.Watch.__call__

    def watch(self, status, remaining, pages):
        other = sqlite3.connect(folder / "bank.db", isolation_level=None, timeout=0)
        try:
            other.execute("UPDATE account SET balance = balance WHERE id = 1")
            counts["commits"] += 1
        except sqlite3.OperationalError:
            counts["locked"] += 1
        other.close()
        call(self, status, remaining, pages)

    monkeypatch.setattr(copying.Watch, "__call__", watch)
    return counts


def test_constant_writes_do_not_starve_the_copy(folder, take, write_between_steps):
    make_bank(folder / "bank.db", "DELETE")
    reading, _ = take(folder / "bank.db")
    assert reading.facts["copy"]["method"] == "lock"
    assert reading.facts["copy"]["starts"] == copying._STARTS + 1
    assert reading.facts["copy"]["writers_blocked_seconds"] > 0
    assert write_between_steps["commits"] == copying._STARTS
    assert write_between_steps["locked"] > 0


def test_a_copy_in_steps_blocks_nobody_for_long(folder, take):
    make_bank(folder / "bank.db", "DELETE")
    reading, _ = take(folder / "bank.db")
    assert reading.facts["copy"] == {"method": "steps", "starts": 1, "writers_blocked_seconds": 0.0}


def test_a_long_block_is_told(folder, take, write_between_steps, monkeypatch):
    monkeypatch.setattr("_engine.sources.sqlite._LONG_BLOCK", 0)
    make_bank(folder / "bank.db", "DELETE")
    reading, _ = take(folder / "bank.db")
    assert codes(reading.notices) == ["writers-blocked"]


# --- what is copied


def test_what_lies_in_the_log_only_is_copied_and_the_source_is_left_as_it_was(folder, take, tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sqlite3, sys\n"
            "base = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "base.execute('PRAGMA journal_mode = WAL')\n"
            "base.execute('CREATE TABLE t (a)')\n"
            "base.execute('INSERT INTO t VALUES (42)')\n"
            "os._exit(0)",
            folder / "app.db",
        ],
        check=True,
    )
    before = state(folder)
    assert len(before["app.db-wal"]) > 0
    reading, reader = take(folder / "app.db")
    assert reading.facts["journal_mode"] == "wal"
    after = state(folder)
    assert (after["app.db"], after["app.db-wal"]) == (before["app.db"], before["app.db-wal"])
    put_back(reader, tmp_path / "to")
    assert rows(tmp_path / "to" / "app.db", "SELECT a FROM t") == [(42,)]


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_database_at_rest_is_left_as_it_was(folder, take, journal):
    make_bank(folder / "bank.db", journal)
    before = state(folder)
    take(folder / "bank.db")
    assert state(folder) == before


_DIE_WRITING = """
import os, sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("PRAGMA cache_size = 2")
base.execute("BEGIN")
base.execute("UPDATE account SET balance = balance + 1")
os._exit(0)
"""


def test_half_a_transaction_of_a_dead_writer_is_rolled_back(folder, take, tmp_path):
    make_bank(folder / "bank.db", "DELETE")
    subprocess.run([sys.executable, "-c", _DIE_WRITING, folder / "bank.db"], check=True)
    assert (folder / "bank.db-journal").stat().st_size > 0
    _, reader = take(folder / "bank.db")
    put_back(reader, tmp_path / "to")
    assert total(tmp_path / "to" / "bank.db") == TOTAL


@pytest.mark.skipif(not ROOT, reason="only root can mount")
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_snapshot_mounted_read_only_with_a_dead_writers_leavings(folder, take, tmp_path, journal):
    make_bank(folder / "bank.db", journal)
    with business(folder / "bank.db"):
        pass
    subprocess.run([sys.executable, "-c", _DIE_WRITING, folder / "bank.db"], check=True)
    if subprocess.run(["mount", "--bind", folder, folder], check=False).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        (folder / "bank.db-shm").unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        before = state(folder)
        assert len(before) > 1
        reading, reader = take(folder / "bank.db")
        assert state(folder) == before
    finally:
        subprocess.run(["umount", folder], check=True)
    assert reading.facts["copy"]["method"] == "files"
    put_back(reader, tmp_path / "to")
    assert total(tmp_path / "to" / "bank.db") == TOTAL


@pytest.mark.parametrize(
    "name", ["plain.db", "a?mode=memory#x%41&b.db", "line\nbreak.db", os.fsdecode(b"caf\xe9.db"), "percent%3F.db", " space .db"]
)
def test_odd_names(folder, take, tmp_path, name):
    make(folder / name, "CREATE TABLE t (a)", "INSERT INTO t VALUES (7)")
    _, reader = take(folder / name)
    json.dumps(reader.component.facts, ensure_ascii=False).encode("utf-8")
    (folder / name).unlink()
    put_back(reader)
    assert os.listdir(folder) == [name]
    assert rows(folder / name, "SELECT a FROM t") == [(7,)]
    put_back(reader, tmp_path / "to")
    assert os.listdir(tmp_path / "to") == [name]


def test_facts(folder, take):
    path = folder / "app.db"
    make(
        path,
        "PRAGMA page_size = 8192",
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 99",
        'CREATE TABLE "it\'s ""quoted"" [x]" (a)',
        'INSERT INTO "it\'s ""quoted"" [x]" VALUES (1), (2)',
        "CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID",
        "INSERT INTO w VALUES (1, 2)",
        "CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE VIRTUAL TABLE words USING fts4 (text)",
        "INSERT INTO words VALUES ('some words'), ('more'), ('and more')",
        "CREATE VIEW v AS SELECT * FROM w",
    )
    os.chmod(path, 0o640)
    facts = take(path)[0].facts
    counted = {name: count for name, count in facts["tables"].items() if not name.startswith("words_")}
    assert counted == {'it\'s "quoted" [x]': 2, "w": 1, "auto": 0, "words": 3}
    assert facts["path"] == str(path)
    assert facts["file"]["mode"] == "0640"
    assert facts["file"]["uid"] == os.geteuid()
    assert (facts["page_size"], facts["user_version"], facts["application_id"]) == (8192, 7, 99)
    assert facts["page_count"] * 8192 == path.stat().st_size
    assert (facts["encoding"], facts["journal_mode"], facts["integrity_check"]) == ("UTF-8", "rollback", "ok")
    assert facts["sqlite"] == sqlite3.sqlite_version
    other = folder / "other.db"
    make(other, "CREATE TABLE t (a)")
    assert take(other)[0].facts["schema_sha256"] != facts["schema_sha256"]


# --- what is refused, or told


@pytest.mark.parametrize("what", ["missing", "folder", "fifo", "text", "short"])
def test_what_is_no_database_is_an_error_and_nothing_is_made(folder, take, what):
    path = folder / "app.db"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "text":
        path.write_bytes(b"this is no database\n" * 1000)
    elif what == "short":
        path.write_bytes(b"SQLite format 3\0")
    before = os.listdir(folder)
    with pytest.raises(SourceError, match=r"app\.db"):
        take(path)
    with pytest.raises(SourceError, match=r"app\.db"):
        make_source("sqlite", {"path": str(path)}).plan()
    assert os.listdir(folder) == before


def test_an_empty_file_is_an_empty_database_and_a_warning(folder, take, tmp_path):
    (folder / "app.db").touch()
    reading, reader = take(folder / "app.db")
    assert codes(reading.notices) == ["database-empty"]
    assert reader.component.bytes == 0
    put_back(reader, tmp_path / "to")
    assert state(tmp_path / "to") == {"app.db": b""}


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_database_locked_by_another_process_is_an_error_in_bounded_time(folder, take, journal):
    make_bank(folder / "bank.db", journal)
    holder = sqlite3.connect(folder / "bank.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("UPDATE account SET balance = 0 WHERE id = 0")
    if journal == "WAL":
        holder.execute("COMMIT")
    with pytest.raises(SourceError, match="timeout"):
        take(folder / "bank.db", timeout="1s")
    holder.close()


def test_violated_foreign_keys_are_a_warning(folder, take):
    make(
        folder / "app.db",
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent)",
        "INSERT INTO child VALUES (1, 5), (2, 6), (3, NULL)",
        "CREATE TABLE odd (a REFERENCES child (parent))",
        "INSERT INTO odd VALUES (1)",
    )
    reading, _ = take(folder / "app.db")
    assert reading.facts["foreign_key_violations"] == {"child": 2}
    assert {n.code: n.count for n in reading.notices} == {"foreign-keys": 2, "not-checked": 1}
    reading, _ = take(folder / "app.db", foreign_key_check=False)
    assert reading.notices == []


def test_rows_that_break_a_rule_are_a_warning(folder, take):
    make(
        folder / "app.db",
        "CREATE TABLE t (a)",
        "INSERT INTO t VALUES (NULL)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE t (a NOT NULL)'",
    )
    reading, _ = take(folder / "app.db")
    assert codes(reading.notices) == ["rules-broken"]
    assert reading.facts["integrity_check"] == "ok"


def test_what_only_the_application_can_check_is_told(folder, take, tmp_path):
    base = sqlite3.connect(folder / "app.db", isolation_level=None)
    base.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
    base.execute("CREATE TABLE cards (name TEXT COLLATE unicase UNIQUE)")
    base.execute("INSERT INTO cards VALUES ('one'), ('two')")
    base.execute("CREATE TABLE plain (a)")
    base.close()
    reading, reader = take(folder / "app.db")
    assert codes(reading.notices) == ["not-checked"]
    assert list(reading.facts["unchecked"]) == ["cards"]
    assert reading.facts["tables"] == {"cards": 2, "plain": 0}
    put_back(reader, tmp_path / "to")
    assert rows(tmp_path / "to" / "app.db", "SELECT count(*) FROM cards") == [(2,)]


@pytest.fixture
def corrupt(folder):
    """A database whose index page is garbage."""
    path = folder / "bank.db"
    make_bank(path, "DELETE")
    assert page(path, b"\xaa" * 1024) != b"\xaa" * 1024
    return path


def page(path, new=None):
    """The root page of the bank's index; replaced by ``new``."""
    number = rows(path, "SELECT rootpage FROM sqlite_master WHERE name = 'by_balance'")[0][0]
    with open(path, "r+b") as file:
        file.seek((number - 1) * 1024)
        content = file.read(1024)
        if new is not None:
            file.seek((number - 1) * 1024)
            file.write(new)
    return content


def test_a_damaged_database_is_an_error_by_default(corrupt, take):
    with pytest.raises(SourceError, match="damaged"):
        take(corrupt)


def test_a_damaged_database_can_be_kept_for_want_of_a_better_one(corrupt, take, tmp_path):
    reading, reader = take(corrupt, on_corrupt="warning")
    assert "database-damaged" in codes(reading.notices)
    assert reading.facts["integrity_check"] != "ok"
    put_back(reader, tmp_path / "to")
    assert page(tmp_path / "to" / "bank.db") == b"\xaa" * 1024


def test_a_damaged_schema(corrupt, take):
    with open(corrupt, "r+b") as file:
        file.seek(100)
        file.write(b"\xaa" * 900)
    with pytest.raises(SourceError, match="damaged"):
        take(corrupt)
    reading, _ = take(corrupt, on_corrupt="warning")
    assert codes(reading.notices) == ["database-damaged"]


def test_an_index_without_a_row_is_found_by_the_full_check_only(folder, take):
    path = folder / "app.db"
    make(path, "CREATE TABLE t (a)", "CREATE INDEX i ON t (a)", "INSERT INTO t VALUES (1), (2)")
    make(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX i ON t (a) WHERE a > 1' WHERE name = 'i'",
    )
    with pytest.raises(SourceError, match="damaged"):
        take(path)
    assert take(path, integrity_check="quick")[0].notices == []


def test_an_empty_file_with_a_log_is_an_error_and_the_log_is_kept(folder, take):
    (folder / "app.db").touch()
    (folder / "app.db-wal").write_bytes(b"log")
    with pytest.raises(SourceError, match="destroyed"):
        take(folder / "app.db")
    assert state(folder) == {"app.db": b"", "app.db-wal": b"log"}


def test_no_room_for_the_copy(folder, take, monkeypatch):
    make_bank(folder / "bank.db", "WAL")
    monkeypatch.setattr("_engine.scratch._SPARE", 1 << 60)
    with pytest.raises(SourceError, match="are free"):
        take(folder / "bank.db")


def test_the_plan_reads_the_header_and_makes_nothing(folder):
    make_bank(folder / "bank.db", "WAL")
    before = state(folder)
    plan = make_source("sqlite", {"path": str(folder / "bank.db")}).plan()
    size = len(before["bank.db"])
    assert plan.bytes == size
    assert plan.details == {"page_size": 1024, "page_count": size // 1024, "journal_mode": "wal"}
    assert state(folder) == before


def test_options_are_checked():
    with pytest.raises(ConfigurationError, match="on_corrupt"):
        make_source("sqlite", {"path": "/x.db", "on_corrupt": "ignore"})


def test_the_copy_of_a_killed_run_is_removed_by_the_next(folder, take, tmp_path):
    make_bank(folder / "bank.db", "WAL")
    spool = tmp_path / "spool"
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, sys\n"
            "from _engine.scratch import Scratch\n"
            "from _engine.sqlite.copying import copy_database\n"
            "scratch = Scratch(sys.argv[2])\n"
            "copy_database(sys.argv[1], scratch.file('copy.sqlite'), 1)\n"
            "os.kill(os.getpid(), signal.SIGKILL)",
            folder / "bank.db",
            spool,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -9
    assert len(os.listdir(spool)) == 1
    take(folder / "bank.db")  # its fixture looks whether the spool is empty


# --- restore


def test_a_missing_database_comes_back_with_owner_and_mode_in_a_missing_folder(folder, take):
    path = folder / "data" / "app.db"
    path.parent.mkdir()
    make(path, "CREATE TABLE t (a)")
    os.chmod(path, 0o640)
    if ROOT:
        os.chown(path, 12345, 54321)
    content = path.read_bytes()
    _, reader = take(path)
    path.unlink()
    path.parent.rmdir()
    plan = SqliteSource.plan_restore(reader, RestoreTarget())
    assert (plan.create, plan.create_count, plan.overwrite_count) == ([str(path)], 1, 0)
    assert put_back(reader) == []
    assert state(path.parent) == {"app.db": content}
    info = path.stat()
    assert info.st_mode & 0o7777 == 0o640
    assert (info.st_uid, info.st_gid) == ((12345, 54321) if ROOT else (os.geteuid(), os.getegid()))


def test_include_must_match(folder, take, tmp_path):
    make(folder / "app.db", "CREATE TABLE t (a)")
    _, reader = take(folder / "app.db")
    for include, expected in ((("/srv/uploads",), []), (("database.sqlite",), ["app.db"])):
        target = RestoreTarget(to=str(tmp_path / "to"), include=include)
        assert SqliteSource.plan_restore(reader, target).create_count == len(expected)
        restoring = SqliteSource.restore(reader, target)
        restoring.stage(lambda count: None)
        restoring.commit()
        restoring.finish()
        assert (os.listdir(tmp_path / "to") if (tmp_path / "to").exists() else []) == expected


def test_side_files_of_a_vanished_database_are_not_applied_to_the_restored_one(folder, take):
    make_bank(folder / "bank.db", "DELETE")
    _, reader = take(folder / "bank.db")
    subprocess.run([sys.executable, "-c", _DIE_WRITING, folder / "bank.db"], check=True)
    journal = (folder / "bank.db-journal").read_bytes()
    (folder / "bank.db").unlink()
    notices = put_back(reader)
    assert codes(notices) == ["set-aside"]
    after = state(folder)
    assert total(folder / "bank.db") == TOTAL
    del after["bank.db"]
    ((name, content),) = after.items()
    assert content == journal
    assert name.startswith("bank.db.replaced-")
    assert name in notices[0].message


@pytest.mark.parametrize("undo", [False, True])
@pytest.mark.parametrize("garbage", [b"", b"garbage", b"garbage" * 1000])
def test_what_is_no_database_is_set_aside_and_replaced(folder, take, garbage, undo):
    path = folder / "app.db"
    make(path, "CREATE TABLE t (a)")
    good = path.read_bytes()
    _, reader = take(path)
    path.write_bytes(garbage)
    (folder / "app.db-wal").write_bytes(b"more garbage")
    os.chmod(path, 0o604)
    before = what_counts(folder)
    restoring = SqliteSource.restore(reader, RestoreTarget())
    restoring.stage(lambda count: None)
    assert what_counts(folder) == before
    assert codes(restoring.commit()) == ["set-aside"]
    assert path.read_bytes() == good
    assert path.stat().st_mode & 0o7777 == 0o604
    if undo:
        restoring.undo()
        restoring.undo()
    restoring.finish()
    restoring.finish()
    if undo:
        assert what_counts(folder) == before
        assert path.stat().st_mode & 0o7777 == 0o604
    else:
        assert sorted(what_counts(folder).values()) == sorted([good, garbage, b"more garbage"])


def what_counts(folder):
    """The files of a folder, but for the index of a log, which SQLite makes anew at will."""
    names = [name for name in os.listdir(folder) if not name.endswith("-shm") and (folder / name).is_file()]
    return {name: (folder / name).read_bytes() for name in names}


def test_undo_of_a_new_file_leaves_nothing(folder, take):
    path = folder / "data" / "app.db"
    path.parent.mkdir()
    make(path, "CREATE TABLE t (a)")
    _, reader = take(path)
    path.unlink()
    path.parent.rmdir()
    restoring = SqliteSource.restore(reader, RestoreTarget())
    restoring.stage(lambda count: None)
    restoring.commit()
    restoring.undo()
    restoring.finish()
    assert os.listdir(folder) == []


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("undo", [False, True])
def test_into_a_database_that_an_application_has_open(folder, take, journal, undo):
    path = folder / "bank.db"
    make_bank(path, journal)
    _, reader = take(path)
    make(path, "UPDATE account SET balance = 2000", "CREATE TABLE later (a)")
    application = sqlite3.connect(path, isolation_level=None)
    assert application.execute("SELECT sum(balance) FROM account").fetchone() == (2 * TOTAL,)
    inode = path.stat().st_ino
    plan = SqliteSource.plan_restore(reader, RestoreTarget())
    assert (plan.overwrite, plan.overwrite_count) == ([str(path)], 1)
    restoring = SqliteSource.restore(reader, RestoreTarget())
    restoring.stage(lambda count: None)
    assert restoring.commit() == []
    assert application.execute("SELECT sum(balance) FROM account").fetchone() == (TOTAL,)
    assert application.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)
    if undo:
        restoring.undo()
        restoring.undo()
        assert application.execute("SELECT sum(balance) FROM account").fetchone() == (2 * TOTAL,)
        assert application.execute("SELECT count(*) FROM later").fetchone() == (0,)
    restoring.finish()
    assert application.execute("PRAGMA journal_mode").fetchone() == (journal.lower(),)
    assert application.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert path.stat().st_ino == inode
    application.close()
    assert os.listdir(folder) == ["bank.db"]


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("turns", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_readers_and_writers_see_the_old_or_the_new(folder, take, journal, turns):
    path = folder / "bank.db"
    make_bank(path, journal)
    _, reader = take(path)
    make(path, "UPDATE account SET balance = 2000")
    with business(path) as report:
        for _ in range(turns):
            put_back(reader, timeout=60, path=str(path))
    assert set(report["totals"]) <= {TOTAL, 2 * TOTAL}
    assert TOTAL in report["totals"]
    assert total(path) == TOTAL


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_another_page_size(folder, take, tmp_path, journal):
    make_bank(folder / "bank.db", journal, page_size=1024)
    _, reader = take(folder / "bank.db")
    path = tmp_path / "live" / "bank.db"
    path.parent.mkdir()
    make_bank(path, journal, page_size=4096)
    make(path, "UPDATE account SET balance = 2000")
    application = sqlite3.connect(path, isolation_level=None)
    application.execute("SELECT * FROM account").fetchone()
    if journal == "WAL":
        with pytest.raises(RestoreError, match="page size"):
            put_back(reader, path.parent, timeout=1, path="/x/bank.db")
        assert application.execute("SELECT sum(balance) FROM account").fetchone() == (2 * TOTAL,)
        application.close()
    put_back(reader, path.parent)
    assert total(path) == TOTAL
    assert rows(path, "PRAGMA journal_mode") == [(journal.lower(),)]


def test_a_database_that_stays_locked_is_left_alone(folder, take):
    path = folder / "bank.db"
    make_bank(path, "DELETE")
    _, reader = take(path)
    make(path, "UPDATE account SET balance = 2000")
    application = sqlite3.connect(path, isolation_level=None)
    application.execute("BEGIN")
    application.execute("SELECT * FROM account").fetchone()
    restoring = SqliteSource.restore(reader, RestoreTarget(options={"path": str(path), "timeout": 1}))
    restoring.stage(lambda count: None)
    with pytest.raises(RestoreError, match="lock"):
        restoring.commit()
    application.execute("COMMIT")
    restoring.undo()
    restoring.finish()
    application.close()
    assert total(path) == 2 * TOTAL


_DIE_RESTORING = """
import os, signal, sys
from _engine.sqlite import copying
from _engine.sqlite.database import connect
steps = 0
def die(status, remaining, pages):
    global steps
    steps += 1
    if steps == 3:
        os.kill(os.getpid(), signal.SIGKILL)
copying.transfer(connect(sys.argv[1], "ro", immutable=True), connect(sys.argv[2], "rw"), die)
"""


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_restore_that_is_killed_leaves_the_old_database(folder, take, tmp_path, journal):
    path = folder / "bank.db"
    make_bank(path, journal)
    _, reader = take(path)
    put_back(reader, tmp_path / "staged")
    make(path, "UPDATE account SET balance = 2000")
    killed = subprocess.run(
        [sys.executable, "-c", _DIE_RESTORING, tmp_path / "staged" / "bank.db", path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -9
    assert total(path) == 2 * TOTAL
    put_back(reader)
    assert total(path) == TOTAL


def test_a_staged_database_must_be_what_was_recorded(folder, take, tmp_path):
    make(folder / "app.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    _, reader = take(folder / "app.db")
    reader.component.facts["tables"]["t"] = 2
    with pytest.raises(RestoreError, match="table t"):
        put_back(reader, tmp_path)


def test_a_name_from_a_hostile_manifest_leads_nowhere(folder, take, tmp_path):
    make(folder / "app.db", "CREATE TABLE t (a)")
    _, reader = take(folder / "app.db")
    (tmp_path / "to").mkdir()
    for path in ("/srv/..", "/", "..", "", "/srv/a\0b", 7, None, ["/srv/x"]):
        reader.component.facts["path"] = path
        put_back(reader, tmp_path / "to")
        assert os.listdir(tmp_path / "to") == ["database.sqlite"]
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            with pytest.raises(RestoreError, match="name a folder"):
                put_back(reader)


@pytest.mark.parametrize("file", [None, 7, {}, {"mode": "rwx", "uid": 0, "gid": 0, "user": "", "group": ""}, {"mode": "0644"}])
def test_facts_that_make_no_sense_leave_the_file_private(folder, take, tmp_path, file):
    make(folder / "app.db", "CREATE TABLE t (a)")
    _, reader = take(folder / "app.db")
    reader.component.facts["file"] = file
    reader.component.facts["unchecked"] = file
    put_back(reader, tmp_path / "to")
    assert (tmp_path / "to" / "app.db").stat().st_mode & 0o7777 == 0o600


def test_set_id_bits_are_not_restored(folder, take, tmp_path):
    make(folder / "app.db", "CREATE TABLE t (a)")
    _, reader = take(folder / "app.db")
    reader.component.facts["file"]["mode"] = "6755"
    put_back(reader, tmp_path / "to")
    assert (tmp_path / "to" / "app.db").stat().st_mode & 0o7777 == 0o755
