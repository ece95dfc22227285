# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked example pedidolist: order lists of many tenants on PostgreSQL, a backup for each, full and incremental."""

from __future__ import annotations

import yaml
from command import ROOT, Command
from fixtures import pedidolist


def test_each_tenant_of_pedidolist_comes_back(tmp_path, postgres, program):
    pedidolist.make(postgres, "pedidolist")
    variables = yaml.safe_load((ROOT / "inventories" / "pedidolist" / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    (job,) = variables["fleet_backup_jobs"]
    job["sources"][0]["rows"]["postgresql"] = postgres.options(database="pedidolist")
    # Schedules are the controller's business.
    job.pop("schedules")
    cli = Command(program, tmp_path)
    cli.config["jobs"].append(job)
    cli.save()
    names = ["pedidolist@" + pedidolist.tenant(n) for n in (1, 2, 3)]
    assert [part["job"] for part in cli.json("run", "pedidolist")["results"]] == names
    before = {n: pedidolist.state(postgres, "pedidolist", n) for n in (1, 2, 3, 4)}

    # A day's work: new orders, changed prices, something deleted.
    two = pedidolist.tenant(2)
    postgres.sql(
        "UPDATE products SET price = 99, updated_at = now() WHERE tenant_id = '%s' AND name LIKE '%%1';"
        "DELETE FROM orders WHERE id = (SELECT min(id) FROM orders WHERE tenant_id = '%s');"
        "INSERT INTO orders (tenant_id, note, updated_at) VALUES ('%s', 'new', now())" % (two, two, two),
        "pedidolist",
    )
    second = {n: pedidolist.state(postgres, "pedidolist", n) for n in (1, 2, 3, 4)}
    results = cli.json("run", "pedidolist", "--kind", "incremental", "--tag", "hourly")["results"]
    assert [part["kind"] for part in results] == ["incremental"] * 3
    assert results[1]["components"][0]["facts"]["read"]["public.orders"] == 1
    assert results[0]["components"][0]["facts"]["read"]["public.orders"] == 0
    listed = {job["job"]: job for job in cli.json("list", "pedidolist")["jobs"]}
    assert sorted(listed) == names and all(len(job["backups"]) == 2 for job in listed.values())

    # Everything of tenants 2 and 3 is lost; only tenant 2 is wanted back.
    for table in reversed(pedidolist.TABLES):
        condition = "id" if table == "tenants" else "tenant_id"
        if table != "order_items":
            postgres.sql("DELETE FROM %s WHERE %s IN ('%s', '%s')" % (table, condition, two, pedidolist.tenant(3)), "pedidolist")
    cli("restore", names[1], "--yes", "--no-safety-backup")
    after = {n: pedidolist.state(postgres, "pedidolist", n) for n in (1, 2, 3, 4)}
    assert after[2] == second[2] != before[2]
    assert (after[1], after[4]) == (second[1], second[4])
    assert not any(after[3].values())
    # The state before, and tenant 3.
    full = cli.backups(names[1])[0]
    cli("restore", names[1], "--backup", full, "--delete", "--yes")
    cli("restore", names[2], "--yes", "--no-safety-backup")
    assert pedidolist.state(postgres, "pedidolist", 2) == before[2]
    assert pedidolist.state(postgres, "pedidolist", 3) == before[3]
    postgres.sql("DROP DATABASE pedidolist")
