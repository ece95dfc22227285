# SPDX-License-Identifier: GPL-3.0-or-later
"""Real backups of real files from the first run to their pruning, through the operations alone."""

from __future__ import annotations

import dataclasses
import json

import pytest

from _engine.catalog import Catalog
from _engine.job import Hook, parse_config
from _engine.operations.backup import backup
from _engine.operations.listing import list_backups
from _engine.operations.place import bare_catalog, open_catalog
from _engine.operations.prune import prune
from _engine.operations.show import show


@pytest.fixture
def config(tmp_path):
    app = tmp_path / "app"
    (app / "uploads").mkdir(parents=True)
    (app / "page.html").write_text("hello")
    for n in range(20):
        (app / "uploads" / ("%02d.bin" % n)).write_bytes(bytes([n]) * 10000)
    return parse_config(
        {
            "host": "web1",
            "state_dir": str(tmp_path / "state"),
            "stores": [{"name": n, "local": {"path": str(tmp_path / n)}} for n in ("disk", "offsite")],
            "jobs": [
                {
                    "name": "shop",
                    "sources": [
                        {"name": "page", "files": {"paths": [str(app / "page.html")]}},
                        {"name": "uploads", "files": {"paths": [str(app / "uploads")]}},
                    ],
                    "stores": ["disk", "offsite"],
                    "retention": {"keep_last": 2, "tags": [{"name": "manual", "keep_last": 1}]},
                    "max_age": "1h",
                }
            ],
        }
    )


def test_from_the_first_run_to_pruning(config, tmp_path):
    job = config.job("shop")
    taken = [backup(config, job, tag=tag) for tag in ("manual", "daily", "daily", "manual", "daily")]
    assert [t.exit_code for t in taken] == [0] * 5, [t.error or t.warnings for t in taken]
    ids = [t.id for t in taken]
    assert ids == sorted(ids), "ids increase, however fast the runs follow each other"

    result = list_backups(config)
    assert result.exit_code == 0
    (listing,) = result.jobs
    assert [(b.id, b.stores, b.missing) for b in listing.backups] == [(i, ["disk", "offsite"], []) for i in reversed(ids)]
    assert [b.entries for b in listing.backups] == [taken[0].entries] * 5
    assert not (listing.failed or listing.unfinished or listing.damaged)

    shown = show(config, ids[0], files=True)
    paths = {(entry["component"], entry["path"].rpartition("/")[2]) for entry in shown.rows()}
    assert {("page", "page.html"), ("uploads", "00.bin"), ("uploads", "19.bin")} <= paths
    assert len(shown.to_dict()["entries"]) == taken[0].entries

    pruned = prune(config, job)
    assert pruned.exit_code == 0, pruned.error or pruned.warnings
    assert pruned.deleted == sorted([ids[0], ids[1]])
    for name in job.stores:
        catalog = open_catalog(config, "shop", name)
        assert catalog.scan().complete == ids[2:]
        assert all(catalog.lacking(i) == [] for i in ids[2:])
    assert not [p for i in pruned.deleted for n in ("disk", "offsite") for p in (tmp_path / n).rglob("*%s*" % i)]

    assert show(None, "latest", catalog=bare_catalog(str(tmp_path / "disk" / "web1" / "shop"))).backup["id"] == ids[-1]
    status = json.loads((tmp_path / "state" / "shop.json").read_text())
    assert status["newest_id"] == ids[-1] and status["confirmed"]["offsite"] == ids
    assert set(status["operations"]) == {"backup", "prune"}


def test_a_source_that_is_gone_leaves_the_record_of_a_failed_run(config, tmp_path):
    job = config.job("shop")
    good = backup(config, job).id
    (tmp_path / "app" / "page.html").unlink()
    failed = backup(config, job)
    assert failed.exit_code == 5
    (listing,) = list_backups(config).jobs
    assert [b.id for b in listing.backups] == [good]
    (row,) = listing.failed
    assert row.stores == ["disk", "offsite"] and row.error["code"] == "source"
    assert not listing.unfinished and not listing.damaged
    assert Catalog(open_catalog(config, "shop", "disk").store, "web1/shop").choose() == good
    assert not prune(config, job).changed


def test_a_hook_that_fails_keeps_the_run_from_storing_anything(config, tmp_path):
    hook = Hook(("sh", "-c", "echo no >&2; exit 4"), 60)
    job = config.job("shop")
    job = dataclasses.replace(job, hooks={**job.hooks, "before": (hook,)})
    result = backup(config, job)
    assert result.exit_code == 13 and "exit code 4: no" in result.error["message"]
    scan = open_catalog(config, "shop", "disk").scan()
    assert not scan.complete and not scan.unfinished and len(scan.failed) == 1
