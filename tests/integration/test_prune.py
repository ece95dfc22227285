# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning real folders: what goes, what stays, what is told."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from handmade import local_store, put, write_backup

from _engine.catalog import Catalog
from _engine.errors import ConfigurationError, IntegrityError, LockedError
from _engine.job import parse_config
from _engine.lock import JobLock
from _engine.operations.prune import prune
from _engine.options import amount
from _engine.progress import Progress
from _engine.stores.local import LocalStore

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.timezone.utc)
IDS = ["202611%02dT020000Z-full-daily-00%02d" % (day, day) for day in range(14, 24)]


def configuration(tmp_path, timezone="UTC", **retention):
    return parse_config(
        {
            "host": "web1",
            "state_dir": str(tmp_path / "state"),
            "stores": [{"name": n, "local": {"path": str(tmp_path / n)}} for n in ("disk", "offsite")],
            "jobs": [
                {
                    "name": "shop",
                    "timezone": timezone,
                    "sources": [{"name": "app", "files": {"paths": ["/srv/app"]}}],
                    "stores": ["disk", "offsite"],
                    "retention": retention,
                }
            ],
        }
    )


@pytest.fixture
def stores(tmp_path):
    stores = [local_store(tmp_path / name, name) for name in ("disk", "offsite")]
    for store in stores:
        for backup_id in IDS:
            write_backup(store, backup_id)
    return stores


def run(tmp_path, *, retention, timezone="UTC", **options):
    config = configuration(tmp_path, timezone, **retention)
    return prune(config, config.job("shop"), now=NOW, **options)


def complete(store):
    return Catalog(store, "web1/shop").scan().complete


def tree(path):
    return sorted((str(p.relative_to(path)), p.stat().st_mtime_ns) for p in path.rglob("*"))


def size_of(path):
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def test_it_deletes_what_the_rules_do_not_keep(tmp_path, stores):
    before = size_of(tmp_path / "disk") + size_of(tmp_path / "offsite")
    result = run(tmp_path, retention={"keep_last": 3})
    assert result.exit_code == 0 and result.changed
    assert complete(stores[0]) == complete(stores[1]) == IDS[-3:]
    assert result.deleted == IDS[:-3]
    after = size_of(tmp_path / "disk") + size_of(tmp_path / "offsite")
    assert result.freed == before - after == sum(s.freed for s in result.stores)
    for pruning in result.stores:
        assert [v.id for v in pruning.verdicts] == IDS[::-1]
        assert all(v.reasons for v in pruning.verdicts)
        assert [v.id for v in pruning.verdicts if v.deleted] == IDS[-4::-1]
        assert pruning.freed == sum(v.bytes for v in pruning.verdicts if v.deleted)
    for backup_id in IDS[:-3]:
        assert not list((tmp_path / "disk").rglob("*%s*" % backup_id))


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path, stores):
    before = tree(tmp_path)
    planned = run(tmp_path, retention={"keep_last": 3}, dry_run=True)
    assert tree(tmp_path) == before
    assert planned.changed and planned.dry_run
    done = run(tmp_path, retention={"keep_last": 3})
    assert planned.deleted == done.deleted
    for plan, deed in zip(planned.stores, done.stores):
        assert [(v.id, v.keep, v.reasons) for v in plan.verdicts] == [(v.id, v.keep, v.reasons) for v in deed.verdicts]
        assert not any(v.deleted for v in plan.verdicts)
        # The plan counts what the manifests tell; the manifest and its hash come on top.
        assert 0 < plan.freed <= deed.freed


def test_again_there_is_nothing_to_do(tmp_path, stores):
    run(tmp_path, retention={"keep_last": 3})
    result = run(tmp_path, retention={"keep_last": 3})
    assert not result.changed and result.deleted == [] and result.freed == 0 and result.exit_code == 0


def test_without_rules_nothing_goes(tmp_path, stores):
    assert not run(tmp_path, retention={}).changed
    assert complete(stores[0]) == IDS


def test_manifests_are_read_side_by_side(tmp_path, stores, monkeypatch):
    """Two are being read at once, on each store; one after the other, the first would wait in vain."""
    together = threading.Barrier(2, timeout=60)
    real = LocalStore.open

    def slow(self, key, *what):
        if key.endswith("daily-0015.json") or key.endswith("daily-0016.json"):
            together.wait()
        return real(self, key, *what)

    monkeypatch.setattr(LocalStore, "open", slow)
    assert len(run(tmp_path, retention={"keep_last": 3}).deleted) == 7


def test_one_store_alone(tmp_path, stores):
    run(tmp_path, retention={"keep_last": 1}, store="offsite")
    assert complete(stores[0]) == IDS and complete(stores[1]) == IDS[-1:]


def test_each_store_keeps_its_own_last_good_backup(tmp_path):
    disk, offsite = (local_store(tmp_path / name, name) for name in ("disk", "offsite"))
    for backup_id in IDS[-3:]:
        write_backup(disk, backup_id)
    for backup_id in IDS[:3]:
        write_backup(offsite, backup_id)
    run(tmp_path, retention={"keep_within": "2d"})
    assert complete(disk) == IDS[-2:] and complete(offsite) == IDS[2:3]


def test_other_jobs_and_hosts_are_not_touched(tmp_path, stores):
    write_backup(stores[0], IDS[0], job="other")
    write_backup(stores[0], IDS[0], host="web2")
    run(tmp_path, retention={"keep_last": 1})
    assert Catalog(stores[0], "web1/other").scan().complete == IDS[:1]
    assert Catalog(stores[0], "web2/shop").scan().complete == IDS[:1]


def test_what_a_kept_one_uses_stays(tmp_path, stores):
    increment = "20261123T030000Z-incremental-daily-0a01"
    write_backup(stores[0], increment, references=[IDS[0], IDS[4]])
    result = run(tmp_path, retention={"keep_last": 1})
    assert complete(stores[0]) == [IDS[0], IDS[4], IDS[9], increment]
    (verdict,) = (v for v in result.stores[0].verdicts if v.id == IDS[4])
    assert verdict.reasons == ["needed by %s" % increment]


@pytest.mark.parametrize("timezone, days", [("UTC", 2), ("Europe/Madrid", 1)])
def test_days_are_those_of_the_job(tmp_path, timezone, days):
    store = local_store(tmp_path / "disk")
    for backup_id in ("20261122T233000Z-full-daily-0001", "20261123T003000Z-full-daily-0002"):
        write_backup(store, backup_id)
    run(tmp_path, retention={"keep_daily": 5}, timezone=timezone, store="disk")
    assert len(complete(store)) == days


def test_without_a_time_zone_days_are_those_of_the_host(tmp_path):
    store = local_store(tmp_path / "disk")
    for backup_id in ("20261122T233000Z-full-daily-0001", "20261123T003000Z-full-daily-0002"):
        write_backup(store, backup_id)
    assert in_a_process(tmp_path, {"keep_daily": 5}, TZ="Europe/Madrid") == 0
    assert len(complete(store)) == 1


def test_it_says_what_it_deletes_as_it_does(tmp_path, stores):
    told = []

    class Telling(Progress):
        def message(self, text):
            told.append(text)

        def close(self):
            told.append("closed")

    run(tmp_path, retention={"keep_last": 9}, progress=Telling())
    assert ["disk: removed %s" % IDS[0] in told[0], "offsite: removed %s" % IDS[0] in told[1], told[2:]] == [
        True,
        True,
        ["closed"],
    ]


def test_a_status_file_that_was_damaged_is_told(tmp_path, stores):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "shop.json").write_text("{")
    result = run(tmp_path, retention={"keep_last": 3})
    assert [w.code for w in result.warnings] == ["state"] and result.changed


def test_old_records_of_failed_runs_go_too(tmp_path, stores):
    failed = ["20261101T%06dZ-full-daily-0000" % (n // 60 * 100 + n % 60) for n in range(103)]
    for backup_id in failed:
        put(stores[0], "web1/shop/%s.failed.json" % backup_id, b"{}")
    assert not run(tmp_path, retention={}, dry_run=True).changed
    result = run(tmp_path, retention={})
    assert result.changed and [s.forgotten for s in result.stores] == [3, 0]
    assert Catalog(stores[0], "web1/shop").scan().failed == failed[3:]
    assert complete(stores[0]) == IDS


def test_records_of_failures_before_the_oldest_backup_go_after_a_month(tmp_path, stores):
    failed = ["202610%02dT030000Z-full-daily-00ff" % day for day in (23, 25)] + ["20261120T030000Z-full-daily-00ff"]
    for backup_id in failed:
        put(stores[0], "web1/shop/%s.failed.json" % backup_id, b"{}")
    run(tmp_path, retention={})
    assert Catalog(stores[0], "web1/shop").scan().failed == failed[1:]
    write_backup(stores[0], "20261001T020000Z-full-daily-0001")
    put(stores[0], "web1/shop/%s.failed.json" % failed[0], b"{}")
    assert not run(tmp_path, retention={}).changed, "an older backup stays, so they tell of its gaps"


class TestLimit:
    @pytest.mark.parametrize("limit", ["50%", 6, "0%"])
    def test_too_much_at_once_is_refused(self, tmp_path, stores, limit):
        before = tree(tmp_path / "disk")
        result = run(tmp_path, retention={"keep_last": 3, "max_delete": limit})
        assert result.exit_code == 11 and result.error["code"] == "confirmation-needed" and not result.changed
        assert "7 of 10" in result.error["message"] and str(limit) in result.error["message"]
        assert tree(tmp_path / "disk") == before and complete(stores[1]) == IDS

    @pytest.mark.parametrize("limit", ["70%", 7])
    def test_what_it_allows_goes(self, tmp_path, stores, limit):
        assert run(tmp_path, retention={"keep_last": 3, "max_delete": limit}).deleted == IDS[:-3]

    def test_one_run_may_be_allowed_more(self, tmp_path, stores):
        assert run(tmp_path, retention={"keep_last": 3, "max_delete": 1}, max_delete=amount("100%")).deleted == IDS[:-3]

    def test_a_dry_run_foretells_it(self, tmp_path, stores):
        result = run(tmp_path, retention={"keep_last": 3, "max_delete": 1}, dry_run=True)
        assert [w.code for w in result.warnings] == ["max-delete"] * 2 and result.deleted == IDS[:-3]

    @pytest.mark.parametrize("limit", ["101%", "half", -1, "5 %%", True])
    def test_what_is_no_amount(self, tmp_path, limit):
        with pytest.raises(ConfigurationError, match=r"jobs\[0\].retention.max_delete"):
            configuration(tmp_path, max_delete=limit)


class TestOrphans:
    OLD, YOUNG = "20261116T110000Z-full-daily-0c01", "20261116T130000Z-full-daily-0c02"

    @pytest.fixture
    def left(self, stores):
        """What two runs left, one of them cut off in the middle of its first object."""
        for backup_id in (self.OLD, self.YOUNG):
            put(stores[0], "web1/shop/%s/app.tar.gz" % backup_id, b"x" * 10)
            put(stores[0], "web1/shop/%s/.uploading-1234" % backup_id, b"y" * 100)
        return stores[0]

    def test_they_are_told_with_size_and_age(self, tmp_path, left):
        (orphan,) = run(tmp_path, retention={"keep_last": 1}, store="disk").stores[0].leftovers
        assert vars(orphan) == {"id": self.OLD, "age": 7 * 86400 + 3600, "bytes": 110, "deleted": False}
        assert Catalog(left, "web1/shop").scan().unfinished == [self.OLD, self.YOUNG]

    def test_they_are_removed_when_asked(self, tmp_path, left):
        planned = run(tmp_path, retention={}, store="disk", orphans=True, dry_run=True)
        assert planned.changed and planned.freed == 110 and Catalog(left, "web1/shop").scan().unfinished == [self.OLD, self.YOUNG]
        result = run(tmp_path, retention={}, store="disk", orphans=True)
        assert result.changed and result.freed == 110 and result.stores[0].leftovers[0].deleted
        assert Catalog(left, "web1/shop").scan().unfinished == [self.YOUNG]
        assert not (tmp_path / "disk" / "web1" / "shop" / self.OLD).exists()
        assert complete(left) == IDS
        assert not run(tmp_path, retention={}, store="disk", orphans=True).changed

    def test_small_objects_beside_the_backups_that_were_cut_off_go_too(self, tmp_path, stores):
        """A manifest, a mark of a backup that is whole; not what a run of this week may be writing."""
        folder = tmp_path / "disk" / "web1" / "shop"
        old = ["%s.json" % self.OLD, "%s.mark-pinned.json" % IDS[0]]
        for n, name in enumerate([*old, "%s.json" % self.YOUNG, "strange"]):
            (folder / (".uploading-0a1b2c3%d-%s" % (n, name))).write_bytes(b"y" * 100)
        assert run(tmp_path, retention={}, store="disk").freed == 0
        planned = run(tmp_path, retention={}, store="disk", orphans=True, dry_run=True)
        assert planned.changed and planned.freed == planned.stores[0].cut_off == 200 and len(list(folder.glob(".up*"))) == 4
        result = run(tmp_path, retention={}, store="disk", orphans=True)
        assert result.changed and result.freed == result.stores[0].cut_off == 200
        assert [path.name[20:] for path in sorted(folder.glob(".up*"))] == ["%s.json" % self.YOUNG, "strange"]
        assert complete(stores[0]) == IDS
        assert not run(tmp_path, retention={}, store="disk", orphans=True).changed

    @pytest.mark.parametrize("name", ["%s/SHA256SUMS", "%s.json.sha256", "%s.json.sig"])
    def test_what_was_a_backup_is_none(self, tmp_path, left, name):
        put(left, "web1/shop/" + name % self.OLD, b"")
        result = run(tmp_path, retention={}, store="disk", orphans=True)
        assert result.stores[0].leftovers == [] and list(result.stores[0].damaged) == [self.OLD]
        assert (tmp_path / "disk" / "web1" / "shop" / self.OLD / "app.tar.gz").exists()
        with pytest.raises(IntegrityError, match="nothing was removed"):
            Catalog(left, "web1/shop").delete_orphan(self.OLD)


class TestDamage:
    def test_what_cannot_be_read_stays_and_is_told(self, tmp_path, stores):
        path = tmp_path / "disk" / "web1" / "shop" / (IDS[1] + ".json")
        path.write_bytes(path.read_bytes()[:-1])
        result = run(tmp_path, retention={"keep_last": 1}, store="disk")
        assert complete(stores[0]) == [IDS[1], IDS[9]]
        assert list(result.stores[0].damaged) == [IDS[1]]
        assert [w.code for w in result.warnings] == ["damaged"] and result.exit_code == 3

    def test_an_unreadable_increment_keeps_all_that_it_may_need(self, tmp_path, stores):
        lost = "20261116T030000Z-incremental-daily-0a01"
        write_backup(stores[0], lost, references=[IDS[0]])
        (tmp_path / "disk" / "web1" / "shop" / (lost + ".json")).write_bytes(b"{}")
        run(tmp_path, retention={"keep_last": 1}, store="disk")
        assert complete(stores[0]) == [*IDS[:3], lost, IDS[9]]

    @pytest.mark.parametrize("damage", ["missing", "cut", "all"])
    def test_a_backup_that_lacks_data_does_not_count_as_the_last_good_one(self, tmp_path, stores, damage):
        folder = tmp_path / "disk" / "web1" / "shop" / IDS[9]
        if damage == "missing":
            (folder / "app.tar.gz").unlink()
        elif damage == "cut":
            os.truncate(folder / "app.tar.gz", 5)
        else:
            for path in folder.iterdir():
                path.unlink()
        result = run(tmp_path, retention={"keep_last": 1}, store="disk")
        assert complete(stores[0]) == [IDS[8], IDS[9]]
        assert IDS[9] in result.stores[0].damaged and result.exit_code == 3

    def test_one_after_another_until_there_is_a_whole_one(self, tmp_path, stores):
        for backup_id in IDS[5:]:
            (tmp_path / "disk" / "web1" / "shop" / backup_id / "app.index.gz").unlink()
        run(tmp_path, retention={"keep_last": 2}, store="disk")
        assert complete(stores[0]) == IDS[3:]

    def test_a_manifest_that_lies_elsewhere_than_it_says_stays(self, tmp_path, stores):
        foreign = "20261117T040000Z-full-daily-0b01"
        write_backup(stores[0], foreign, job="other")
        shop = tmp_path / "disk" / "web1" / "shop"
        (tmp_path / "disk" / "web1" / "other" / foreign).rename(shop / foreign)
        (tmp_path / "disk" / "web1" / "other" / (foreign + ".json")).rename(shop / (foreign + ".json"))
        run(tmp_path, retention={"keep_last": 1}, store="disk")
        assert complete(stores[0]) == [foreign, IDS[9]]

    def test_data_without_a_manifest_is_only_told(self, tmp_path, stores):
        old, young = "20261116T110000Z-full-daily-0c01", "20261116T130000Z-full-daily-0c02"
        for backup_id in (old, young):
            put(stores[0], "web1/shop/%s/app.tar.gz" % backup_id, b"x")
        result = run(tmp_path, retention={"keep_last": 1}, store="disk")
        assert [o.id for o in result.stores[0].leftovers] == [old]
        assert Catalog(stores[0], "web1/shop").scan().unfinished == [old, young]

    def test_a_damaged_one_without_a_manifest_is_told_and_stays(self, tmp_path, stores):
        (tmp_path / "disk" / "web1" / "shop" / (IDS[0] + ".json")).unlink()
        result = run(tmp_path, retention={"keep_last": 1}, store="disk")
        assert list(result.stores[0].damaged) == [IDS[0]]
        assert (tmp_path / "disk" / "web1" / "shop" / IDS[0] / "app.tar.gz").exists()


class TestTrouble:
    def test_a_store_that_cannot_be_read_does_not_stop_the_others(self, tmp_path, stores):
        (tmp_path / "disk").rename(tmp_path / "unplugged")
        (tmp_path / "disk").touch()
        result = run(tmp_path, retention={"keep_last": 1})
        assert complete(stores[1]) == IDS[-1:]
        assert result.outcome == "failure" and result.error["code"] == "store-refused"
        assert result.stores[0].error["code"] == "store-refused" and result.stores[1].error is None
        assert result.deleted == IDS[:-1]

    @pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/chattr").exists(), reason="root needs chattr")
    def test_what_the_store_refuses_to_delete_keeps_what_it_uses(self, tmp_path, stores):
        locked = "20261122T030000Z-incremental-daily-0a01"
        write_backup(stores[0], locked, references=[IDS[2]])
        write_backup(stores[0], "20261123T040000Z-full-daily-0a02")
        with immutable(tmp_path / "disk" / "web1" / "shop" / (locked + ".json")):
            result = run(tmp_path, retention={"keep_last": 1}, store="disk")
        assert complete(stores[0]) == [IDS[2], locked, "20261123T040000Z-full-daily-0a02"]
        assert [w.code for w in result.warnings] == ["not-deleted"] and result.exit_code == 3
        reasons = {v.id: v.reasons[0] for v in result.stores[0].verdicts if v.keep}
        assert "refused" in reasons[locked] and reasons[IDS[2]] == "needed by a backup that could not be removed"

    def test_another_run_has_the_lock(self, tmp_path, stores):
        with JobLock(str(tmp_path / "state"), "shop"):
            result = run(tmp_path, retention={"keep_last": 1})
        assert result.error["code"] == LockedError.code and result.exit_code == 10
        assert complete(stores[0]) == IDS

    def test_a_dry_run_needs_no_lock(self, tmp_path, stores):
        with JobLock(str(tmp_path / "state"), "shop"):
            assert run(tmp_path, retention={"keep_last": 1}, dry_run=True).exit_code == 0

    def test_an_unknown_store(self, tmp_path, stores):
        result = run(tmp_path, retention={"keep_last": 1}, store="tape")
        assert result.exit_code == 12 and "disk, offsite" in result.error["message"]


def test_the_status_file_tells_of_it(tmp_path, stores):
    result = run(tmp_path, retention={"keep_last": 3})
    status = json.loads((tmp_path / "state" / "shop.json").read_text())
    assert status["operations"]["prune"]["last_run"] == json.loads(json.dumps(result.to_dict()))


# Runs prune in a process of its own that is killed at the deletion of this number.
CHILD = """
import json, os, sys
left = int(sys.argv[1])
def count(event, arguments):
    global left
    if event in ("os.remove", "os.rmdir") and "/disk/" in os.fsdecode(arguments[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
sys.addaudithook(count)
from pathlib import Path
from test_prune import run
run(Path(sys.argv[2]), retention=json.loads(sys.argv[3]), timezone=None, store="disk")
"""


def in_a_process(tmp_path, retention, left=1000, **environment):
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here, here.parent, here.parents[1] / "plugins" / "module_utils")))
    arguments = [sys.executable, "-c", CHILD, str(left), str(tmp_path), json.dumps(retention)]
    return subprocess.run(arguments, env={**os.environ, "PYTHONPATH": path, **environment}, check=False).returncode


def test_killed_at_any_deletion_it_leaves_whole_backups_and_can_go_on(tmp_path):
    for step in range(200):
        base = tmp_path / str(step)
        store = local_store(base / "disk")
        for backup_id in IDS[:3]:
            write_backup(store, backup_id)
        code = in_a_process(base, {"keep_last": 1}, step)
        catalog = Catalog(store, "web1/shop")
        assert IDS[2] in complete(store)
        assert all(catalog.lacking(backup_id) == [] for backup_id in complete(store))
        if code == 0:
            break
        assert code == -9
        run(base, retention={"keep_last": 1}, store="disk")
        scan = Catalog(store, "web1/shop").scan()
        assert scan.complete == [IDS[2]] and not (scan.damaged or scan.unfinished or scan.deleted)
    assert step == 2 * (3 + 2 + 1 + 5 + 1), "two backups: the mark (three names), manifest, hash, sums, five objects, the folder"


@pytest.mark.parametrize("step", range(2, 60, 7))
def test_killed_among_increments_it_leaves_none_without_what_it_needs(tmp_path, step):
    ids = [
        "20261114T020000Z-full-daily-0001",
        "20261115T020000Z-incremental-daily-0002",
        "20261116T020000Z-incremental-daily-0003",
        "20261117T020000Z-differential-daily-0004",
        "20261118T020000Z-full-daily-0005",
    ]
    uses = {ids[1]: ids[:1], ids[2]: ids[:2], ids[3]: ids[:1]}
    store = local_store(tmp_path / "disk")
    for backup_id in ids:
        write_backup(store, backup_id, references=uses.get(backup_id, []))
    assert in_a_process(tmp_path, {"keep_last": 1}, step) in (0, -9)
    catalog = Catalog(store, "web1/shop")
    for backup_id in complete(store):
        assert catalog.lacking(backup_id) == [] and set(uses.get(backup_id, [])) <= set(complete(store))
    run(tmp_path, retention={"keep_last": 1}, store="disk")
    assert complete(store) == ids[-1:]


def test_what_goes_with_a_backup_is_told(tmp_path, stores):
    increment = "20261115T030000Z-incremental-daily-0a01"
    write_backup(stores[0], increment, references=[IDS[0]])
    result = run(tmp_path, retention={"keep_last": 1}, store="disk", dry_run=True)
    told = {v.id: v.used_by for v in result.stores[0].verdicts}
    assert told[IDS[0]] == [increment] and told[increment] == []


class immutable:
    """A file that not even root may remove."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        try:
            subprocess.run(["chattr", "+i", str(self.path)], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            pytest.skip("no immutable files here: %s" % error.stderr)

    def __exit__(self, *_):
        subprocess.run(["chattr", "-i", str(self.path)], check=True)
