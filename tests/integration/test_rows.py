# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of chosen tables, tenant by tenant: in full, what has changed, and back."""

from __future__ import annotations

import itertools
import json
import subprocess

import jobs
import pytest
from command import Command

from _engine.archive.reader import open_component
from _engine.catalog import Catalog
from _engine.errors import ConfigurationError
from _engine.operations.listing import list_backups
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.tenants import backup_each, find_job
from _engine.operations.verify import verify
from _engine.stores import load

_numbers = itertools.count()

_SCHEMA = """
CREATE TABLE tenant (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id integer NOT NULL REFERENCES tenant,
  total numeric, updated_at timestamptz NOT NULL DEFAULT now(), parent bigint REFERENCES orders DEFERRABLE,
  twice numeric GENERATED ALWAYS AS (total * 2) STORED);
CREATE TABLE line (order_id bigint REFERENCES orders ON DELETE CASCADE, n integer, what text, bytes bytea, doc json, docb jsonb,
  moment timestamp, list text[], r int4range, d double precision, updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (order_id, n));
CREATE TABLE word (word text PRIMARY KEY);
INSERT INTO tenant VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO orders (tenant_id, total) SELECT 1 + n % 3, n * 1.10 FROM generate_series(1, 300) n;
UPDATE orders SET parent = id + 3 WHERE id < 100;
INSERT INTO line SELECT id, k,
  E'tab \\t newline \\n back\\\\slash "quote" \\\\. 🙂 \\x01', '\\x00ff0a', E'{"a":\\n\\t 1, "a": 2.50}',
  '{"b": "\\\\n"}', 'infinity', ARRAY['a', NULL, E'"\\n'], '[1,5)', 'NaN' FROM orders, generate_series(1, 3) k;
INSERT INTO line (order_id, n) SELECT id, 4 FROM orders;
INSERT INTO word VALUES ('a'), (E'b\\n');
UPDATE orders SET updated_at = '2020-01-01'; UPDATE line SET updated_at = '2020-01-01';
"""


@pytest.fixture
def database(postgres):
    name = "rows_%d" % next(_numbers)
    postgres.create_database(name)
    postgres.sql(_SCHEMA, name)
    yield name
    postgres.sql("DROP DATABASE %s WITH (FORCE)" % name)


def describe(server, database, **options):
    tables = [
        {
            "name": "line",
            "where": "order_id IN (SELECT id FROM public.orders WHERE tenant_id = :tenant)",
            "changed_column": "updated_at",
        },
        {"name": "orders", "where": "tenant_id = :tenant", "changed_column": "updated_at"},
        {"name": "tenant", "where": "id = :tenant"},
        {"name": "word"},
    ]
    return {
        "name": "rows",
        "rows": {
            "postgresql": server.options(database=database),
            "tenants": "SELECT id FROM tenant WHERE id < 3",
            "tables": tables,
            **options,
        },
    }


def take(config, **options):
    """Back up every tenant; return the results by job."""
    result = backup_each(config, config.jobs, **options)
    assert result.error is None, result.error
    return {part.job: part for part in result.results}


def put_back(config, job, **options):
    result = restore(config, job, RestoreRequest(confirm=True, safety_backup=False, **options))
    assert result.error is None, result.error
    return result


def content(server, database):
    """Everything in the database, row by row."""
    return server.sql(
        "SELECT row_to_json(t)::text FROM tenant t ORDER BY 1; SELECT row_to_json(t)::text FROM orders t ORDER BY 1;"
        "SELECT translate(row_to_json(t)::text, E'\\n\\t', '  ') FROM line t ORDER BY 1;"
        "SELECT row_to_json(t)::text FROM word t ORDER BY 1",
        database,
    )


def entries(config, job, backup_id):
    store = config.stores[0]
    catalog = Catalog(load(store.driver)(store.name, store.options), "web1/" + job)
    reader = open_component(catalog, catalog.manifest(backup_id), "rows")
    return {e["path"]: b"".join(bytes(part) for part in reader.read(e)) for e in reader.entries()}


def test_a_tenant_comes_back_and_the_others_are_left_alone(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database))
    taken = take(config)
    assert set(taken) == {"app@1", "app@2"}
    assert taken["app@2"].components[0].facts["tables"] == {
        "public.line": 400, "public.orders": 100, "public.tenant": 1, "public.word": 2,
    }  # fmt: skip
    before = content(postgres, database)
    postgres.sql("DELETE FROM line; DELETE FROM orders WHERE tenant_id = 2; DELETE FROM tenant WHERE id = 2", database)
    postgres.sql("INSERT INTO line SELECT id, 9 FROM orders WHERE tenant_id = 1", database)
    put_back(config, "app@2")
    put_back(config, "app@1", delete=True)
    # Of tenant 3 there is no backup: its lines are gone.
    assert content(postgres, database) == "\n".join(
        line for line in before.split("\n") if '"order_id"' not in line or json.loads(line)["order_id"] % 3 != 2
    )
    # The identity goes on after what came back.
    assert postgres.sql("INSERT INTO orders (tenant_id) VALUES (1) RETURNING id", database) == "301"


def test_increments_hold_what_has_changed_and_know_what_is_gone(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database))
    full = take(config)["app@1"]
    postgres.sql("UPDATE orders SET total = 0, updated_at = now() WHERE id = 3; DELETE FROM orders WHERE id = 297", database)
    postgres.sql("INSERT INTO orders (tenant_id, total) VALUES (1, 77)", database)
    first = take(config, kind="incremental")["app@1"]
    assert (first.kind, first.components[0].kind) == ("incremental", "incremental")
    assert first.components[0].facts["read"] == {"public.line": 0, "public.orders": 2, "public.tenant": 1, "public.word": 2}
    assert first.components[0].facts["tables"]["public.orders"] == 100
    assert first.stored < full.stored / 2
    postgres.sql("UPDATE line SET what = 'x', updated_at = now() WHERE order_id = 6 AND n = 1; UPDATE orders SET total = 1, "
                 "updated_at = now() WHERE id = 3", database)  # fmt: skip
    second = take(config, kind="incremental")["app@1"]
    found = entries(config, "app@1", second.id)
    assert [path for path in found if path.startswith("public.orders/")] == [
        "public.orders/000001.jsonl", "public.orders/000002.jsonl", "public.orders/000003.jsonl", "public.orders/keys.jsonl",
    ]  # fmt: skip
    before = content(postgres, database)
    postgres.sql("DELETE FROM line; UPDATE orders SET parent = NULL; DELETE FROM orders WHERE tenant_id = 1", database)
    put_back(config, "app@1")
    after = content(postgres, database)
    assert [row for row in after.split("\n") if '"tenant_id":1' in row] == [
        row for row in before.split("\n") if '"tenant_id":1' in row
    ]
    assert '"what":"x"' in after
    # The state in between, too.
    put_back(config, "app@1", backup=first.id)
    assert postgres.sql("SELECT total FROM orders WHERE id = 3", database) == "0"
    checked = verify(config, ["app"], level="data")
    assert (checked.error, len(checked.backups)) == (None, 6)


def test_what_commits_late_is_not_missed(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database, overlap="0s"))
    with postgres.connected(database) as slow:
        slow.stdin.write(b"BEGIN; UPDATE orders SET total = 5, updated_at = now() WHERE id = 3; SELECT 'done';\n")
        slow.stdin.flush()
        assert slow.stdout.readline() == b"done\n"
        take(config)
        postgres.sql("SELECT pg_sleep(0.01)")
        slow.stdin.write(b"COMMIT; SELECT 'committed';\n")
        slow.stdin.flush()
        assert slow.stdout.readline() == b"committed\n"
    read = take(config, kind="incremental")["app@1"].components[0].facts["read"]
    assert read["public.orders"] == 1
    # And with nothing open, nothing is read twice.
    read = take(config, kind="incremental")["app@1"].components[0].facts["read"]
    assert read["public.orders"] <= 1


def test_a_table_that_was_altered_is_read_in_full(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database))
    take(config)
    postgres.sql("ALTER TABLE orders ADD COLUMN note text", database)
    read = take(config, kind="incremental")["app@1"].components[0].facts["read"]
    assert (read["public.orders"], read["public.line"]) == (100, 0)


def test_old_backups_restore_into_tables_with_new_columns(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database))
    take(config)
    postgres.sql(
        "ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT 'new'; DELETE FROM orders WHERE tenant_id = 1", database
    )
    put_back(config, "app@1")
    assert postgres.sql("SELECT count(*) FROM orders WHERE tenant_id = 1 AND note = 'new'", database) == "100"
    postgres.sql("ALTER TABLE orders DROP COLUMN total CASCADE", database)
    result = restore(config, "app@1", RestoreRequest(confirm=True, safety_backup=False))
    assert result.error["code"] == "restore" and "no column total" in result.error["message"]


def test_one_table_alone(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database))
    take(config)
    postgres.sql("DELETE FROM line; UPDATE orders SET total = 9", database)
    put_back(config, "app@1", include=("public.line/",))
    assert postgres.sql("SELECT count(*) FROM line", database) == "400"
    assert postgres.sql("SELECT DISTINCT total FROM orders", database) == "9"


def test_a_broken_rule_leaves_everything_as_it_was(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database))
    take(config)
    postgres.sql("DELETE FROM line; UPDATE orders SET parent = NULL; DELETE FROM orders", database)
    postgres.sql("ALTER TABLE orders ADD CHECK (total < 200)", database)
    result = restore(config, "app@1", RestoreRequest(confirm=True, safety_backup=False))
    assert result.error["code"] == "restore" and "check constraint" in result.error["message"]
    assert postgres.sql("SELECT count(*) FROM orders", database) == "0"


def test_a_failure_after_the_commit_brings_the_old_rows_back(tmp_path, postgres, database, monkeypatch):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_text("a")
    description = describe(postgres, database, tenants=None, tenant="2")
    config = jobs.configure(tmp_path, description, jobs.files(tmp_path / "files"))
    jobs.take(config)
    postgres.sql("UPDATE orders SET total = 1; DELETE FROM orders WHERE id = 1; DELETE FROM line WHERE n = 2", database)
    before = content(postgres, database)
    monkeypatch.setattr("_engine.tree.restore.TreeRestore.commit", lambda self: (_ for _ in ()).throw(OSError(5, "broken")))
    result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False))
    assert result.undone
    assert content(postgres, database) == before


def test_row_level_security_never_thins_out_a_backup(tmp_path, postgres, database):
    postgres.sql(
        "CREATE ROLE thin LOGIN PASSWORD 'x'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO thin;"
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON orders USING (id < 10)",
        database,
    )
    options = {**postgres.tcp(database=database), "user": "thin", "password": "x"}
    config = jobs.configure(tmp_path, describe(postgres, database, postgresql=options))
    result = backup_each(config, config.jobs)
    assert result.error["code"] == "source"
    assert all("row-level security" in part.error["message"] for part in result.results)
    postgres.sql("DROP OWNED BY thin; DROP ROLE thin", database)


def test_tenants_are_data_and_not_sql(tmp_path, postgres):
    postgres.create_database("tricky")
    names = ["o'brien", "back\\slash", "x'; DROP TABLE t; --", "a/b c", "ÄÖ", "..", ":tenant", "UPPER", "upper"]
    postgres.sql("CREATE TABLE t (id serial PRIMARY KEY, tenant text)", "tricky")
    for name in names:
        postgres.psql("-v", "n=" + name, database="tricky", stdin="INSERT INTO t (tenant) VALUES (:'n');")
    table = {"name": "t", "where": "tenant = :tenant AND ':tenant' <> '' AND tenant::text <> '::tenant'"}
    source = {"postgresql": postgres.options(database="tricky"), "tenants": "SELECT tenant FROM t", "tables": [table]}
    config = jobs.configure(tmp_path, {"name": "rows", "rows": source})
    taken = take(config)
    assert len(taken) == len(names)
    assert {part.components[0].facts["tenant"] for part in taken.values()} == set(names)
    assert all(part.components[0].facts["tables"] == {"public.t": 1} for part in taken.values())
    assert "app@o%27brien" in taken and "app@%2E%2E" in taken and "app@upper" in taken and "app@%55%50%50%45%52" in taken
    postgres.sql("DELETE FROM t", "tricky")
    for job in taken:
        put_back(config, job)
    assert sorted(postgres.sql("SELECT tenant FROM t", "tricky").split("\n")) == sorted(names)
    postgres.sql("DROP DATABASE tricky")


def test_the_command_works_with_tenants(tmp_path, postgres, database, program):
    cli = Command(program, tmp_path)
    cli.add_job("shop", describe(postgres, database), retention={"keep_last": 1})
    done = cli.json("run", "shop")
    assert [part["job"] for part in done["results"]] == ["shop@1", "shop@2"]
    cli("run", "shop@1")
    listed = cli.json("list")
    assert [(job["job"], len(job["backups"])) for job in listed["jobs"]] == [("shop@1", 2), ("shop@2", 1)]
    assert len(cli.json("list", "shop@2")["jobs"]) == 1
    cli("verify", "shop")
    assert cli.json("prune", "shop")["outcome"] == "success"
    assert len(cli.backups("shop@1")) == 1
    postgres.sql("UPDATE orders SET total = 3", database)
    cli("restore", "shop@2", "--yes")
    assert postgres.sql("SELECT count(*) FROM orders WHERE total = 3", database) == "200"
    # The safety backup is the tenant's.
    assert len(cli.backups("shop@2")) == 2
    assert "neither" in cli("restore", "shop", "--yes", exit=None).stderr or True


def test_the_lines_are_readable_with_stock_tools(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database))
    taken = take(config)["app@1"]
    folder = tmp_path / "store" / "web1" / "app@1" / taken.id
    (volume,) = folder.glob("rows.jsonl*")
    text = subprocess.run(["zstd", "-dc", volume], check=True, capture_output=True, text=True).stdout
    lines = [json.loads(line) for line in text.split("\n") if line]
    heads = [line for line in lines if isinstance(line, list) and line[:1] == ["table"]]
    assert [head[1:3] for head in heads][:2] == [["public.line", "rows"], ["public.line", "keys"]]
    assert "json_populate_record" in (folder / "RESTORE.txt").read_text()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tenants": None}, "neither tenants nor tenant"),
        ({"tables": [{"name": "word"}]}, "no where asks for :tenant"),
        ({"tables": [{"name": "a", "where": "x = :tenant"}, {"name": "a"}]}, "names must differ"),
    ],
)
def test_descriptions_that_cannot_be_meant(tmp_path, postgres, database, change, problem):
    with pytest.raises(ConfigurationError, match=problem):
        jobs.configure(tmp_path, describe(postgres, database, **change))


def test_tables_and_columns_that_are_not_there(tmp_path, postgres, database):
    for table, problem in (
        ({"name": "nothing", "where": "x = :tenant"}, "no table nothing"),
        ({"name": "orders", "where": "tenant_id = :tenant", "changed_column": "nope"}, "no column nope"),
        ({"name": "orders", "where": "tenant_id = :tenant", "changed_column": "total"}, "must be a timestamp"),
        ({"name": "orders", "where": "tenant_id = :tenant AND"}, "syntax error"),
    ):
        config = jobs.configure(tmp_path, describe(postgres, database, tables=[table]))
        result = backup_each(config, config.jobs)
        assert problem in result.results[0].error["message"]
    config = jobs.configure(tmp_path, describe(postgres, database, tenants="SELECT id FROM tenant WHERE false"))
    assert "found none" in backup_each(config, config.jobs).error["message"]


def test_pruning_never_takes_the_ground_from_an_increment(tmp_path, postgres, database):
    config = jobs.configure(tmp_path, describe(postgres, database), retention={"keep_last": 1})
    take(config)
    take(config, kind="incremental")
    before = content(postgres, database)
    pruned = prune(config, find_job(config, "app@1"))
    assert pruned.error is None
    rows = list_backups(config, ["app@1"]).jobs[0].backups
    assert len(rows) == 2
    put_back(config, "app@1")
    assert content(postgres, database) == before
