# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked example pedidolist: order lists of many tenants on PostgreSQL, a backup for each, full and incremental."""

from __future__ import annotations

import json
import shutil

import yaml
from command import ROOT, Command
from fixtures import pedidolist
from playing import Ansible
from seaweedfs import ADMIN


def test_each_tenant_of_pedidolist_comes_back(tmp_path, postgres, seaweedfs, program):
    """From S3, after the disk is lost."""
    pedidolist.make(postgres, "pedidolist")
    variables = yaml.safe_load((ROOT / "inventories" / "pedidolist" / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    (job,) = variables["fleet_backup_jobs"]
    job["sources"][0]["rows"]["postgresql"] = postgres.options(database="pedidolist")
    # Schedules are the controller's business.
    job.pop("schedules")
    cli = Command(program, tmp_path)
    cli.config["stores"].append({"name": "offsite", "s3": seaweedfs.options(ADMIN, prefix="pedidolist")})
    job["stores"] = variables["pedidolist_stores"]
    assert job["stores"] == [store["name"] for store in cli.config["stores"]]
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
    assert sorted(listed) == names
    for there in listed.values():
        assert [sorted(row["stores"]) for row in there["backups"]] == [["disk", "offsite"]] * 2

    full = cli.backups(names[1])[0]
    shutil.rmtree(cli.store)
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
    cli("restore", names[1], "--backup", full, "--delete", "--yes")
    cli("restore", names[2], "--yes", "--no-safety-backup")
    assert pedidolist.state(postgres, "pedidolist", 2) == before[2]
    assert pedidolist.state(postgres, "pedidolist", 3) == before[3]
    postgres.sql("DROP DATABASE pedidolist")


def test_the_playbooks_know_the_tenants(tmp_path, postgres):
    pedidolist.make(postgres, "pedidolist")
    variables = {
        "pedidolist_server": postgres.options(database="pedidolist"),
        "pedidolist_backups": str(tmp_path / "store"),
        "pedidolist_stores": ["disk"],
        "fleet_backup_state_dir": str(tmp_path / "state"),
        "poll_interval": 1,
    }
    (tmp_path / "store").mkdir()
    ansible = Ansible(tmp_path / "ansible")

    def play(name, **more):
        given = json.dumps({**variables, **more})
        return ansible.playbook("-i", ROOT / "inventories" / "pedidolist", ROOT / "playbooks" / (name + ".yml"), "-e", given)

    taken = play("backup")
    assert taken.returncode == 0, taken.stdout
    (host,) = (tmp_path / "store").iterdir()
    names = ["pedidolist@" + pedidolist.tenant(n) for n in (1, 2, 3)]
    assert sorted(folder.name for folder in host.iterdir()) == names and all(name in taken.stdout for name in names)
    before = pedidolist.state(postgres, "pedidolist", 2)
    postgres.sql("DELETE FROM order_items; DELETE FROM orders", "pedidolist")
    restored = play("restore", tenant=pedidolist.tenant(2), confirm="yes")
    assert restored.returncode == 0, restored.stdout
    assert pedidolist.state(postgres, "pedidolist", 2) == before
    assert not pedidolist.state(postgres, "pedidolist", 1)["orders"]
    # The backups of one tenant are lost: that one is named, the others are told to be well.
    shutil.rmtree(host / names[2])
    looked = play("status", fail="yes")
    assert looked.returncode != 0
    assert "no fresh backup: %s" % names[2] in looked.stdout and "%s: NO BACKUP" % names[2] in looked.stdout
    assert "%s: healthy" % names[0] in looked.stdout
    listed = play("list")
    assert listed.returncode == 0, listed.stdout
    assert "pedidolist: 3 tenants, 1 without a fresh backup" in listed.stdout
    postgres.sql("DROP DATABASE pedidolist")
