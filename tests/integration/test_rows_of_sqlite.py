# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of an SQLite database, tenant by tenant: in full, what has changed, and back."""

from __future__ import annotations

import json
import sqlite3

import jobs
import pytest
from banking import TOTAL, business, make_bank

from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.tenants import backup_each

_SCHEMA = """
CREATE TABLE tenant (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE "order" (id INTEGER PRIMARY KEY AUTOINCREMENT, tenant_id INTEGER NOT NULL REFERENCES Tenant, total NUMERIC, anything,
  parent INTEGER REFERENCES "order", updated_at TEXT DEFAULT CURRENT_TIMESTAMP, twice AS (total * 2) STORED);
CREATE TABLE line (order_id INTEGER REFERENCES "order" ON DELETE CASCADE, n INTEGER, what, updated_at,
  PRIMARY KEY (order_id, n)) WITHOUT ROWID;
CREATE TABLE word (word TEXT PRIMARY KEY NOT NULL);
INSERT INTO tenant VALUES (1, 'one'), (2, 'two'), (3, 'three');
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 300)
  INSERT INTO "order" (tenant_id, total, updated_at) SELECT 1 + n % 3, n * 1.1, '2020-01-01 10:00:00' FROM c;
UPDATE "order" SET parent = id + 3 WHERE id < 100;
UPDATE "order" SET anything = CASE id % 9 WHEN 0 THEN x'00ff0a' WHEN 1 THEN 'tab \t " ' || char(10, 0, 128578) WHEN 2 THEN 9e999
  WHEN 3 THEN CAST(x'fffe41' AS TEXT) WHEN 4 THEN 9223372036854775807 WHEN 5 THEN 1.0 WHEN 6 THEN '1' WHEN 7 THEN 0.1 + 0.2 END;
INSERT INTO line SELECT id, k, 'x', 1577872800 FROM "order", (SELECT 1 AS k UNION SELECT 2);
INSERT INTO word VALUES ('a'), ('b' || char(10));
"""


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(_SCHEMA)
    connection.close()
    return path


def configure(tmp_path, database, **options):
    tables = [
        {
            "name": "line",
            "where": 'order_id IN (SELECT id FROM "order" WHERE tenant_id = :tenant)',
            "changed_column": "updated_at",
        },
        {"name": "order", "where": "tenant_id = :tenant", "changed_column": "updated_at"},
        {"name": "tenant", "where": "id = :tenant"},
        {"name": "word"},
    ]
    described = {
        "sqlite": {"path": str(database)}, "tenants": "SELECT id FROM tenant WHERE id < 3", "tables": tables, **options,
    }  # fmt: skip
    return jobs.configure(tmp_path, {"name": "rows", "rows": described})


def take(config, **options):
    result = backup_each(config, config.jobs, **options)
    assert result.error is None, result.error
    return {part.job: part for part in result.results}


def put_back(config, job, **options):
    result = restore(config, job, RestoreRequest(confirm=True, safety_backup=False, **options))
    assert result.error is None, result.error


def run(database, sql):
    connection = sqlite3.connect(database)
    connection.text_factory = bytes
    with connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        rows = [row for statement in sql.split(";") for row in connection.execute(statement).fetchall()]
    connection.close()
    return rows


def content(database):
    """Everything in the database, with the types of the values."""
    found = [repr(row) for table in ("tenant", '"order"', "line", "word") for row in run(database, "SELECT * FROM " + table)]
    return sorted(found), run(database, 'SELECT id, typeof(total), typeof(anything) FROM "order" ORDER BY id')


def test_a_tenant_comes_back_and_the_others_are_left_alone(tmp_path, database):
    config = configure(tmp_path, database)
    taken = take(config)
    assert taken["app@2"].components[0].facts["tables"] == {"main.line": 200, "main.order": 100, "main.tenant": 1, "main.word": 2}
    before = content(database)
    run(database, 'UPDATE "order" SET total = 1, anything = NULL WHERE tenant_id = 2; DELETE FROM line WHERE order_id % 3 <> 2;'
                  "DELETE FROM tenant WHERE id = 2;"
                  'INSERT INTO line SELECT id, 9, 0, 0 FROM "order" WHERE tenant_id = 1')  # fmt: skip
    put_back(config, "app@2")
    put_back(config, "app@1", delete=True)
    assert content(database) == before
    # Another database of the same form, and only one table.
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.executescript(_SCHEMA + 'DELETE FROM line; DELETE FROM "order"; DELETE FROM word;')
    connection.close()
    put_back(config, "app@1", include=("main.word/",), options={"sqlite": json.dumps({"path": str(other)})})
    assert run(other, "SELECT count(*) FROM word") == [(2,)]
    put_back(config, "app@1", options={"sqlite": json.dumps({"path": str(other)})})
    assert run(other, 'SELECT count(*), max(id) FROM "order"') == [(100, 300)]


def test_increments_hold_what_has_changed_and_know_what_is_gone(tmp_path, database):
    config = configure(tmp_path, database)
    take(config)
    # Times as applications write them: UTC, somebody's local time, with a zone, a date, seconds, milliseconds, no time at all.
    for number, moment in enumerate(
        ("CURRENT_TIMESTAMP", "datetime('now', '-11 hours')", "strftime('%Y-%m-%dT%H:%M:%f', 'now', '+3 hours') || '+03:00'",
         "date('now', '-11 hours')", "CAST(strftime('%s', 'now') AS INTEGER)", "strftime('%s', 'now') * 1000.0", "'soon'")
    ):  # fmt: skip
        run(database, 'UPDATE "order" SET total = 0, updated_at = %s WHERE id = %d' % (moment, 3 * number + 3))
    run(database, 'DELETE FROM line WHERE order_id = 297; DELETE FROM "order" WHERE id = 297')
    first = take(config, kind="incremental")["app@1"].components[0]
    assert first.facts["read"] == {"main.line": 0, "main.order": 7, "main.tenant": 1, "main.word": 2}
    assert (first.kind, first.facts["tables"]["main.order"]) == ("incremental", 99)
    before = content(database)
    run(database, 'DELETE FROM line WHERE order_id % 3 = 0; DELETE FROM "order" WHERE tenant_id = 1')
    put_back(config, "app@1")
    assert content(database) == before


def test_where_the_index_before_is_unreadable_all_rows_are_read(tmp_path, database):
    config = configure(tmp_path, database)
    take(config)
    for index in (tmp_path / "store").rglob("*.index.zst"):
        index.write_bytes(index.read_bytes()[:-1])
    again = take(config, kind="incremental")["app@1"]
    assert [warning.code for warning in again.warnings] == ["base-unreadable"]
    assert again.components[0].facts["read"]["main.order"] == 100
    assert take(config, kind="incremental")["app@1"].components[0].facts["read"]["main.order"] == 0


def test_a_broken_rule_leaves_everything_as_it_was(tmp_path, database):
    config = configure(tmp_path, database)
    take(config)
    run(database, 'DELETE FROM line; DELETE FROM "order"; DELETE FROM tenant')
    before = content(database)
    result = restore(config, "app@1", RestoreRequest(confirm=True, safety_backup=False, include=("main.order/",)))
    assert result.error["code"] == "restore"
    assert "rows of order refer to none of tenant" in result.error["message"].lower()
    assert content(database) == before


def test_a_failure_after_the_commit_brings_the_old_rows_back(tmp_path, database, monkeypatch):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_text("a")
    tables = [{"name": "order", "where": "tenant_id = :tenant"}, {"name": "tenant", "where": "id = :tenant"}]
    source = {"sqlite": {"path": str(database)}, "tenant": "2", "tables": tables}
    config = jobs.configure(tmp_path, {"name": "rows", "rows": source}, jobs.files(tmp_path / "files"))
    jobs.take(config)
    run(database, 'DELETE FROM line WHERE order_id = 1; DELETE FROM "order" WHERE id = 1; UPDATE "order" SET total = 1;'
                  'INSERT INTO "order" (id, tenant_id) VALUES (999, 2)')  # fmt: skip
    before = content(database)
    monkeypatch.setattr("_engine.tree.restore.TreeRestore.commit", lambda self: (_ for _ in ()).throw(OSError(5, "broken")))
    result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False, delete=True))
    assert result.undone
    assert content(database) == before


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_all_tables_are_of_one_moment(tmp_path, journal):
    path = tmp_path / "bank.db"
    make_bank(path, journal)
    tables = [{"name": "account"}, {"name": "transfer"}]
    config = jobs.configure(tmp_path, {"name": "rows", "rows": {"sqlite": {"path": str(path)}, "tables": tables}})
    with business(path) as report:
        taken = jobs.take(config)
    assert report["commits"] and report["totals"] == [TOTAL]
    connection = sqlite3.connect(path)
    with connection:
        # As of the backup: every transfer that it holds, and no other, is in the balances.
        connection.execute("DELETE FROM account")
        connection.execute("DELETE FROM transfer")
    put_back(config, "app")
    balances = dict(connection.execute("SELECT id, balance FROM account"))
    for sender, receiver, amount in connection.execute("SELECT sender, receiver, amount FROM transfer"):
        balances[sender] += amount
        balances[receiver] -= amount
    connection.close()
    assert set(balances.values()) == {1000}
    assert taken.components[0].facts["tables"]["main.account"] == len(balances)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tables": [{"name": "nothing", "where": "x = :tenant"}]}, "no table nothing"),
        ({"tables": [{"name": "order", "where": "tenant_id = :tenant", "changed_column": "nope"}]}, "no column nope"),
        ({"tables": [{"name": "order", "where": "tenant_id = :tenant AND"}]}, "syntax error"),
        ({"tenants": "SELECT id FROM nowhere"}, "no such table"),
    ],
)
def test_what_cannot_be_read(tmp_path, database, change, problem):
    config = configure(tmp_path, database, **change)
    result = backup_each(config, config.jobs)
    errors = [part.error for part in getattr(result, "results", [])] + [result.error]
    assert any(error and problem in error["message"] for error in errors), errors


def test_one_database_and_no_more(tmp_path, database):
    from _engine.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="one of the two"):
        configure(tmp_path, database, postgresql={"database": "shop"})
    with pytest.raises(ConfigurationError, match="one of the two"):
        configure(tmp_path, database, sqlite=None)
