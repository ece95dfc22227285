# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB backed up, destroyed and restored: real servers, compared by what they say of themselves."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import mariadb
import pytest
from banking import UNEXPLAINED
from canary import Canary
from jobs import backup_folder, configure, reader, take

from _engine.operations.backup import backup
from _engine.operations.restore import RestoreRequest, restore
from _engine.result import FAILURE

NASTY = (Path(__file__).parent.parent / "fixtures" / "nasty.sql").read_text(encoding="utf-8")
BOTH = ["nasty", "other-db"]
PASSWORD = "c4n4ry'\"\\ %s" % os.urandom(6).hex()


@pytest.fixture(scope="session")
def running():
    with mariadb.server() as server:
        yield server


@pytest.fixture
def db(running):
    running.drop_all()
    yield running


def source(db, **options):
    return {"name": "db", "mysql": {"socket": db.socket, "user": "root", **options}}


def restored(config, **request):
    result = restore(config, "app", RestoreRequest(confirm=True, **request))
    assert result.error is None, result.error
    return result


def refused(config, words):
    """A backup that must fail, and leave nothing."""
    result = backup(config, config.jobs[0])
    assert result.outcome == FAILURE and words in result.error["message"], result.error
    folder = Path(config.stores[0].options["path"])
    left = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".failed.json")]
    assert [path for path in left if "failed" not in path.name and "lock" not in path.name] == []
    return result


def test_everything_comes_back(db, tmp_path):
    db.client(NASTY)
    before = mariadb.describe(db, BOTH)
    config = configure(tmp_path, source(db))
    taken = take(config)
    facts = reader(config, taken.id, "db").facts
    assert (
        facts["tables"]["nasty.parent"] == 3 and facts["tables"]["nasty.kinds"] == 2 and facts["tables"]["nasty.empty_one"] == 0
    )
    assert facts["databases"]["nasty"]["triggers"] == 2 and facts["databases"]["nasty"]["functions"] == 3
    db.drop_all()
    restored(config)
    assert mariadb.describe(db, BOTH) == before
    assert not [row for row in db.ask("SHOW DATABASES") if "fleet" in row[0]]


def test_what_was_changed_since_is_replaced(db, tmp_path):
    db.client(NASTY)
    before = mariadb.describe(db, BOTH)
    config = configure(tmp_path, source(db))
    take(config)
    db.client(
        "USE nasty; SET foreign_key_checks=0; DELETE FROM parent; DROP TRIGGER parent_insert; DROP VIEW a_view;"
        " ALTER DATABASE nasty CHARACTER SET latin1; DROP FUNCTION five;"
        " CREATE TABLE a_view (i int); ALTER TABLE log ADD x int; CREATE TABLE mine (a int);"
    )
    result = restored(config)
    assert result.safety_backup
    db.client("DROP TABLE nasty.mine")
    assert mariadb.describe(db, BOTH) == before


def test_the_dump_is_what_the_stock_client_restores(db, tmp_path):
    db.client(NASTY)
    before = mariadb.describe(db, BOTH)
    config = configure(tmp_path, source(db))
    taken = take(config)
    db.drop_all()
    found = reader(config, taken.id, "db")
    stream = b"".join(bytes(data) for entry in found.in_stream_order() for data in found.read(entry))
    found.close()
    db.client(stream)
    assert mariadb.describe(db, BOTH) == before


def test_one_table(db, tmp_path):
    db.client(NASTY)
    before = mariadb.describe(db, BOTH)
    config = configure(tmp_path, source(db))
    take(config)
    db.client("USE nasty; DELETE FROM emoji; DELETE FROM parts; DELETE FROM log; INSERT INTO parts VALUES (9, '2001-01-01')")
    after = mariadb.describe(db, BOTH)
    restored(config, include=("nasty/tables/emoji",))
    expected = {**after, ("nasty", "emoji", "checksum"): before["nasty", "emoji", "checksum"]}
    assert mariadb.describe(db, BOTH) == expected


def test_one_table_has_its_triggers_again(db, tmp_path):
    db.client(
        "CREATE DATABASE shop; USE shop; CREATE TABLE item (n INT) ENGINE=InnoDB; CREATE TABLE log (n INT) ENGINE=InnoDB;"
        "CREATE TRIGGER item_new AFTER INSERT ON item FOR EACH ROW INSERT INTO log VALUES (NEW.n);"
        "INSERT INTO item VALUES (1), (2)"
    )
    before = mariadb.describe(db, ["shop"])
    config = configure(tmp_path, source(db, databases=["shop"]))
    take(config)
    for damage in ("DELETE FROM shop.item", "DROP TABLE shop.item"):
        db.client(damage)
        restored(config, include=("shop/tables/item",))
        assert mariadb.describe(db, ["shop"]) == before
    db.client("INSERT INTO shop.item VALUES (3)")
    assert db.ask("SELECT COUNT(*) FROM shop.log")[0][0] in (3, "3")


def test_a_child_keeps_its_parent(db, tmp_path):
    db.client(NASTY)
    before = mariadb.describe(db, BOTH)
    config = configure(tmp_path, source(db))
    take(config)
    db.client("DROP TABLE `other-db`.x; DELETE FROM nasty.`o/dd ``\"''\n--\n-- Table structure for table ``y``\n--\nt`")
    restored(config, include=("x", "o%2Fdd*"))
    assert mariadb.describe(db, BOTH) == before


def test_a_parent_that_others_refer_to_is_not_torn_from_them(db, tmp_path):
    db.client(NASTY)
    config = configure(tmp_path, source(db))
    take(config)
    before = mariadb.describe(db, BOTH)
    result = restore(config, "app", RestoreRequest(confirm=True, include=("nasty/tables/parent",)))
    assert result.outcome == FAILURE and "other-db.x (to parent)" in result.error["message"] and result.undone
    assert mariadb.describe(db, BOTH) == before
    assert not [row for row in db.ask("SHOW DATABASES") if "fleet" in row[0]]


def test_under_another_name(db, tmp_path):
    db.client(NASTY)
    before = mariadb.describe(db, BOTH)
    take(configure(tmp_path, source(db)))
    restored(configure(tmp_path, source(db, restore_as=["nasty=copy"])), include=("nasty/",))
    assert mariadb.describe(db, BOTH) == before
    copy = mariadb.describe(db, ["copy"])
    for key in before:
        if isinstance(key, tuple) and key[0] == "nasty" and key[-1] == "checksum":
            assert copy[("copy", *key[1:])][0][1] == before[key][0][1]


def test_a_restore_that_fails_puts_all_back(db, tmp_path):
    db.client(NASTY)
    config = configure(tmp_path, source(db))
    take(config)
    db.client("USE nasty; INSERT INTO log VALUES ('new'); DROP FUNCTION five; CREATE FUNCTION six() RETURNS int RETURN 6")
    before = mariadb.describe(db, BOTH)
    db.client("ALTER DATABASE nasty CHARACTER SET latin1")
    before["nasty"] = db.ask("SHOW CREATE DATABASE nasty")
    # The event scheduler's table is broken, say: what comes after the swap fails.
    db.client("RENAME TABLE mysql.event TO mysql.event_away")
    try:
        result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False))
    finally:
        db.client("RENAME TABLE mysql.event_away TO mysql.event")
    assert result.outcome == FAILURE
    assert mariadb.describe(db, BOTH) == before
    assert not [row for row in db.ask("SHOW DATABASES") if "fleet" in row[0]]


@pytest.mark.parametrize("backups", [2, pytest.param(10, marks=pytest.mark.soak)])
def test_copies_of_a_bank_at_work_have_all_the_money(db, tmp_path, backups):
    db.client(
        "CREATE DATABASE bank; USE bank; CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);"
        " INSERT INTO account SELECT seq, 1000 FROM seq_1_to_2000;"
        " CREATE TABLE control (stop int); INSERT INTO control VALUES (0);"
        " CREATE TABLE transfer (id int PRIMARY KEY AUTO_INCREMENT, sender int, receiver int, amount int);"
    )
    work = """USE bank;
DELIMITER //
    BEGIN NOT ATOMIC
      WHILE (SELECT stop FROM control) = 0 DO
        SET @amount = 1 + FLOOR(RAND() * 50), @sender = 1 + FLOOR(RAND() * 2000), @receiver = 1 + FLOOR(RAND() * 2000);
        START TRANSACTION;
        UPDATE account SET balance = balance - @amount WHERE id = @sender;
        UPDATE account SET balance = balance + @amount WHERE id = @receiver;
        INSERT INTO transfer (sender, receiver, amount) VALUES (@sender, @receiver, @amount);
        COMMIT;
        DO SLEEP(0.001);
      END WHILE;
    END
//
"""
    command = ["mariadb", "--no-defaults", "--socket=" + db.socket, "--user=root"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE)
    worker.stdin.write(work.encode())
    worker.stdin.close()
    try:
        config = configure(tmp_path, source(db, databases=["bank"], accounts=False))
        taken = [take(config) for _ in range(backups)]
    finally:
        db.client("UPDATE bank.control SET stop = 1")
        assert worker.wait(60) == 0
    copies = configure(tmp_path, source(db, databases=["bank"], accounts=False, restore_as=["bank=copy"]))
    transfers = []
    for one in taken:
        restored(copies, backup=one.id, safety_backup=False)
        ((total, accounts),) = db.ask("SELECT SUM(balance), COUNT(*) FROM copy.account")
        assert (total, accounts) == ("2000000", "2000")
        assert db.ask("USE copy; " + UNEXPLAINED) == [["0"]]
        transfers.append(int(db.ask("SELECT COUNT(*) FROM copy.transfer")[0][0]))
    assert transfers == sorted(transfers) and transfers[0] < transfers[-1]


def test_into_a_folder(db, tmp_path):
    db.client(NASTY)
    before = mariadb.describe(db, BOTH)
    config = configure(tmp_path, source(db))
    take(config)
    restored(config, to=str(tmp_path / "sql"), include=("nasty/tables/emoji",))
    assert mariadb.describe(db, BOTH) == before
    db.client("DELETE FROM nasty.emoji")
    db.client((tmp_path / "sql" / "db.sql").read_bytes())
    assert mariadb.describe(db, BOTH) == before


def test_accounts(db, tmp_path):
    db.client("CREATE DATABASE shop; CREATE ROLE reporting; GRANT SELECT ON shop.* TO reporting;")
    db.client("CREATE USER 'bob'@'%' IDENTIFIED BY 'x''y'; GRANT INSERT ON shop.* TO 'bob'@'%'; GRANT reporting TO 'bob'@'%'")
    grants = db.ask("SHOW GRANTS FOR bob")
    config = configure(tmp_path, source(db))
    take(config)
    db.client("DROP USER bob; DROP ROLE reporting")
    result = restored(config)
    assert result.warnings == []
    assert db.ask("SHOW GRANTS FOR bob") == grants
    db.client("DROP USER bob; DROP ROLE reporting")


def test_by_tcp_with_a_password_that_nobody_sees(db, tmp_path):
    db.client(NASTY)
    name = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    db.client("CREATE OR REPLACE USER backup@localhost IDENTIFIED BY '%s'; GRANT ALL ON *.* TO backup@localhost" % name)
    (tmp_path / "password").write_text(PASSWORD)
    options = {"host": "127.0.0.1", "port": db.port, "user": "backup", "password_file": str(tmp_path / "password")}
    source = {"name": "db", "mysql": {**options, "accounts": False}}
    config = configure(tmp_path / "a", source, compression={"algorithm": "none"})
    with Canary(PASSWORD) as canary:
        results = [take(config), restored(config)]
    assert canary.saw("mariadb-dump") and canary.saw("mariadb")
    assert canary.found(tmp_path / "a", *(json.dumps(result.to_dict()) for result in results)) == []
    (tmp_path / "password").write_text("wrong")
    refused(configure(tmp_path / "b", {"name": "db", "mysql": {**options, "accounts": False}}), "Access denied")
    db.client("DROP USER backup@localhost")


def test_a_missing_privilege(db, tmp_path):
    db.client(NASTY)
    db.client("CREATE OR REPLACE USER weak@localhost; GRANT SELECT ON nasty.* TO weak@localhost")
    options = {"socket": db.socket, "user": "weak", "databases": ["nasty"]}
    refused(configure(tmp_path, {"name": "db", "mysql": {**options, "accounts": False}}), "denied")
    refused(configure(tmp_path / "b", {"name": "db", "mysql": options}), "the accounts cannot be read")
    db.client("DROP USER weak@localhost")


def test_tables_without_transactions(db, tmp_path):
    db.client("CREATE DATABASE shop; CREATE TABLE shop.old (a int) ENGINE=MyISAM; INSERT INTO shop.old VALUES (1)")
    refused(configure(tmp_path, source(db)), "shop.old (MyISAM)")
    assert take(configure(tmp_path / "a", source(db, non_transactional="lock"))).warnings == []
    assert take(configure(tmp_path / "b", source(db, non_transactional="warn"))).warnings[0].code == "not-transactional"


def test_a_database_that_is_not_there(db, tmp_path):
    refused(configure(tmp_path, source(db, databases=["nosuch"])), "there is no database nosuch")


def fake(tmp_path, monkeypatch, script):
    """A dump program of our own, first on the search path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mariadb-dump").write_text('#!/bin/sh\n[ "$1" = --version ] && exec /usr/bin/mariadb-dump --version\n' + script)
    (folder / "mariadb-dump").chmod(0o755)
    monkeypatch.setenv("PATH", "%s:%s" % (folder, os.environ["PATH"]))


@pytest.mark.parametrize("size", [100, 3000, 9000])
def test_a_dump_that_is_cut_off_though_all_seems_well(db, tmp_path, monkeypatch, size):
    db.client(NASTY)
    fake(tmp_path, monkeypatch, '/usr/bin/mariadb-dump "$@" | head -c %d\nexit 0\n' % size)
    refused(configure(tmp_path, source(db)), "the dump is cut off")


def test_a_server_that_stops_meanwhile(tmp_path, monkeypatch):
    with mariadb.server() as db:
        db.client("CREATE DATABASE shop; CREATE TABLE shop.a (t longtext)")
        db.client("INSERT INTO shop.a SELECT REPEAT('x', 1000000) FROM mysql.help_topic LIMIT 60")
        pid = db._process.pid
        fake(
            tmp_path,
            monkeypatch,
            'mkfifo %s/f\n/usr/bin/mariadb-dump "$@" > %s/f &\nd=$!\n'
            "(head -c 20000000; kill -9 %d; cat) < %s/f\nwait $d\n" % (tmp_path, tmp_path, pid, tmp_path),
        )
        refused(configure(tmp_path, source(db)), "mariadb-dump ended with exit code")


def test_a_table_that_is_dropped_meanwhile(db, tmp_path, monkeypatch):
    db.client("CREATE DATABASE shop; CREATE TABLE shop.a (t int); CREATE TABLE shop.b (t int)")
    fake(
        tmp_path,
        monkeypatch,
        'mariadb --no-defaults -S %s -uroot -e "DROP TABLE shop.b"\nexec /usr/bin/mariadb-dump "$@"\n' % db.socket,
    )
    refused(configure(tmp_path, source(db)), "tables were dropped while the dump was made")


def test_a_disk_that_is_full(db, tmp_path, small_disk):
    """That of the store; what did fit is taken back."""
    db.client("CREATE DATABASE shop; CREATE TABLE shop.a (id int PRIMARY KEY AUTO_INCREMENT, t char(64))")
    db.client(
        "INSERT INTO shop.a (t) SELECT SHA2(CONCAT(a.help_topic_id, '-', b.help_topic_id), 256) FROM mysql.help_topic a,"
        " mysql.help_topic b LIMIT 50000"
    )
    small_disk(tmp_path / "store", "1m")
    result = refused(configure(tmp_path, source(db)), "no space left on")
    assert result.error["code"] == "store-full"
    assert not [name for name in os.listdir(tmp_path / "state") if "scratch" in name]


def test_the_day_after_costs_the_change(db, tmp_path):
    db.client("CREATE DATABASE shop; CREATE TABLE shop.a (id int PRIMARY KEY AUTO_INCREMENT, t char(64))")
    db.client(
        "INSERT INTO shop.a (t) SELECT SHA2(CONCAT(a.help_topic_id, '-', b.help_topic_id), 256) FROM mysql.help_topic a,"
        " mysql.help_topic b LIMIT 50000"
    )
    config = configure(tmp_path, source(db))
    first = take(config)
    db.client("UPDATE shop.a SET t = 'changed' WHERE id % 1000 = 0")
    rows = db.ask("CHECKSUM TABLE shop.a")
    second = take(config, kind="incremental")
    sizes = [sum(f.stat().st_size for f in backup_folder(config, b.id).glob("db.sql*")) for b in (first, second)]
    assert sizes[1] < sizes[0] / 10
    db.drop_all()
    restored(config)
    assert db.ask("CHECKSUM TABLE shop.a") == rows
