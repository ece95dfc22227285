# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing and showing what lies on real folders."""

from __future__ import annotations

import dataclasses
import datetime
import json
import shutil

import pytest
from handmade import local_store, put, write_backup
from troubled import Troubled

from _engine.errors import IntegrityError
from _engine.job import parse_config
from _engine.operations.listing import list_backups
from _engine.operations.place import bare_catalog
from _engine.operations.show import show
from _engine.signing import host_key
from _engine.signing.signers import signer_line

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.timezone.utc)
OLD, NEW = "20261122T020000Z-full-daily-0a01", "20261123T020000Z-full-weekly-0a02"


@pytest.fixture
def config(tmp_path):
    def job(name):
        sources = [{"name": "app", "files": {"paths": ["/srv/app"]}}]
        return {"name": name, "sources": sources, "stores": ["disk", "offsite"], "max_age": "26h"}

    return parse_config(
        {
            "host": "web1",
            "state_dir": str(tmp_path / "state"),
            "stores": [{"name": n, "local": {"path": str(tmp_path / n)}} for n in ("disk", "offsite")],
            "jobs": [job("shop"), job("blog")],
        }
    )


@pytest.fixture
def stores(tmp_path):
    return [local_store(tmp_path / name, name) for name in ("disk", "offsite")]


def listed(config, *jobs, **options):
    result = list_backups(config, list(jobs), now=NOW, **options)
    json.dumps(result.to_dict())
    return result


class TestList:
    def test_a_job_s_backups_newest_first_and_where_they_are(self, config, stores):
        manifest = write_backup(stores[0], OLD, outcome="warning")
        for store in stores:
            write_backup(store, NEW)
        (job,) = listed(config, "shop").jobs
        assert [(b.id, b.stores, b.missing) for b in job.backups] == [
            (NEW, ["disk", "offsite"], []),
            (OLD, ["disk"], ["offsite"]),
        ]
        row = job.backups[1]
        assert (row.kind, row.tag, row.outcome, row.components, row.entries) == ("full", "daily", "warning", ["app"], 1)
        assert (row.bytes, row.stored, row.finished) == (6, manifest.stored_bytes, manifest.finished)
        assert row.age == 34 * 3600
        assert (job.newest, job.age, job.stale) == (NEW, 10 * 3600, False)
        assert [(s.store, s.backups, s.newest) for s in job.stores] == [("disk", 2, NEW), ("offsite", 1, NEW)]

    def test_all_jobs_unless_some_are_named(self, config, stores):
        assert [j.job for j in listed(config).jobs] == ["shop", "blog"]
        assert [j.job for j in listed(config, "blog").jobs] == ["blog"]
        assert listed(config, "blog").job == "blog"

    def test_an_unknown_job_or_store(self, config, stores):
        assert listed(config, "shop", "other").exit_code == 12
        assert listed(config, "shop", store="tape").exit_code == 12

    def test_nothing_there_is_stale(self, config, stores):
        result = listed(config, "shop")
        assert result.jobs[0].stale and result.jobs[0].newest is None
        assert [w.code for w in result.warnings] == ["stale", "stale"] and result.exit_code == 3

    def test_a_store_that_fell_behind_is_told_though_the_job_is_fresh(self, config, stores):
        write_backup(stores[0], NEW)
        write_backup(stores[1], OLD)
        result = listed(config, "shop")
        assert not result.jobs[0].stale
        assert [s.stale for s in result.jobs[0].stores] == [False, True]
        assert "store offsite" in result.warnings[0].message and OLD in result.warnings[0].message

    def test_one_store_alone(self, config, stores):
        for store in stores:
            write_backup(store, NEW)
        (job,) = listed(config, "shop", store="offsite").jobs
        assert job.backups[0].stores == ["offsite"] and [s.store for s in job.stores] == ["offsite"]

    def test_runs_that_failed_and_why(self, config, stores):
        for store in stores:
            write_backup(store, NEW)
        put(stores[0], "web1/shop/%s.failed.json" % OLD, b'{"error": {"code": "source", "message": "gone"}}')
        put(stores[1], "web1/shop/%s.failed.json" % OLD, b"garbage")
        put(stores[1], "web1/shop/20261121T020000Z-full-daily-0a00.failed.json", b'{"error": null}')
        result = listed(config, "shop")
        failed = result.jobs[0].failed
        assert [(f.id, f.stores, f.error) for f in failed] == [
            (OLD, ["disk", "offsite"], {"code": "source", "message": "gone"}),
            ("20261121T020000Z-full-daily-0a00", ["offsite"], None),
        ]
        assert result.exit_code == 0, "a failure of the past is no news"

    def test_only_the_newest_failures_are_told(self, config, stores):
        for n in range(120):
            put(stores[0], "web1/shop/20261122T%06dZ-full-daily-0000.failed.json" % (n // 60 * 100 + n % 60), b"{}")
        failed = listed(config, "shop").jobs[0].failed
        assert len(failed) == 100 and failed[-1].id == "20261122T000020Z-full-daily-0000"

    def test_what_a_restore_saved_makes_nothing_fresh(self, config, stores):
        for store in stores:
            write_backup(store, "20261120T020000Z-full-daily-0a00")
            write_backup(store, "20261123T110000Z-full-pre-restore-0a01")
        job = listed(config, "shop").jobs[0]
        assert len(job.backups) == 2
        assert job.newest == "20261120T020000Z-full-daily-0a00" and job.stale
        assert all(s.newest == job.newest and s.stale for s in job.stores)

    @pytest.mark.parametrize("minutes, stale", [(-30, False), (-90, True)])
    def test_a_backup_of_the_future_proves_nothing(self, config, stores, minutes, stale):
        for store in stores:
            write_backup(store, NEW, finished=NOW - datetime.timedelta(minutes=minutes))
        job = listed(config, "shop").jobs[0]
        assert job.age == minutes * 60 and job.stale is stale

    def test_what_is_damaged_or_unfinished(self, config, stores, tmp_path):
        for store in stores:
            write_backup(store, NEW)
            write_backup(store, OLD)
        (tmp_path / "disk" / "web1" / "shop" / (OLD + ".json")).write_bytes(b"{")
        (tmp_path / "offsite" / "web1" / "shop" / (NEW + ".json")).unlink()
        put(stores[0], "web1/shop/20261123T110000Z-full-daily-0a03/app.tar.gz", b"x")
        result = listed(config, "shop")
        job = result.jobs[0]
        assert [(b.id, b.stores, b.missing) for b in job.backups] == [(NEW, ["disk"], ["offsite"]), (OLD, ["offsite"], ["disk"])]
        assert [(d.id, d.store) for d in job.damaged] == [(OLD, "disk"), (NEW, "offsite")]
        assert [(u.id, u.store) for u in job.unfinished] == [("20261123T110000Z-full-daily-0a03", "disk")]
        assert [w.code for w in result.warnings] == ["damaged", "damaged", "stale"] and result.exit_code == 3

    def test_a_store_that_cannot_be_read_is_a_failure_after_the_others(self, config, stores, tmp_path):
        write_backup(stores[1], NEW)
        (tmp_path / "disk").rmdir()
        (tmp_path / "disk").touch()
        result = listed(config, "shop")
        assert result.exit_code == 6 and result.jobs[0].stores[0].error["code"] == "store-refused"
        assert [(b.id, b.missing) for b in result.jobs[0].backups] == [(NEW, [])]
        assert not result.jobs[0].stale


class Asked:
    """What a listing asks of each store, counted; ``folders`` are those of LocalStore."""

    def __init__(self, tmp_path, monkeypatch):
        self.stores = {name: Troubled(tmp_path / name, name=name) for name in ("disk", "offsite")}
        monkeypatch.setattr("_engine.operations.listing.open_store", lambda config: self.stores[config.name])

    def clear(self):
        """What was asked since the last time, of all stores."""
        calls = [call for store in self.stores.values() for call in store.calls]
        for store in self.stores.values():
            store.calls.clear()
        return calls


@pytest.fixture
def asked(tmp_path, monkeypatch):
    return Asked(tmp_path, monkeypatch)


class TestWhatAListingReads:
    """One request for each job and store, and each manifest once."""

    def test_a_manifest_is_read_once(self, config, stores, asked):
        for store in stores:
            write_backup(store, OLD)
            write_backup(store, NEW, outcome="warning")
        put(
            stores[0],
            "web1/shop/20261121T020000Z-full-daily-0a00.failed.json",
            b'{"error": {"code": "source", "message": "gone"}}',
        )
        first = listed(config, "shop")
        assert sorted(asked.clear()) == ["list"] * 2 + ["open"] * 3 and first.read == 3
        again = listed(config, "shop")
        assert asked.clear() == ["list"] * 2 and again.read == 0
        assert again.to_dict()["jobs"] == first.to_dict()["jobs"]
        write_backup(stores[0], "20261123T110000Z-full-daily-0a03")
        assert len(listed(config, "shop").jobs[0].backups) == 3
        assert asked.clear().count("open") == 1

    def test_a_manifest_that_is_another_one_is_read_again(self, config, stores, asked, tmp_path):
        for store in stores:
            write_backup(store, NEW)
        assert listed(config, "shop").exit_code == 0
        path = tmp_path / "disk" / "web1" / "shop" / (NEW + ".json")
        path.write_bytes(path.read_bytes().replace(b"full", b"FULL"))
        result = listed(config, "shop")
        assert [(d.id, d.store) for d in result.jobs[0].damaged] == [(NEW, "disk")]
        assert result.jobs[0].backups[0].stores == ["offsite"]

    def test_who_is_trusted_counts(self, config, stores, asked):
        write_backup(stores[0], NEW)
        assert listed(config, "shop").jobs[0].backups
        strict = dataclasses.replace(config, trusted_hosts=(signer_line("web1", host_key(config.state_dir, None).public),))
        result = listed(strict, "shop")
        assert not result.jobs[0].backups, "an unsigned backup was listed as good before that was asked for"

    @pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"version": 1, "trust": "", "stores": {"disk": {"%s": [1]}}}'])
    def test_a_damaged_memory_is_forgotten(self, config, stores, asked, tmp_path, content):
        write_backup(stores[0], NEW)
        first = listed(config, "shop")
        path = tmp_path / "state" / "listing" / "web1" / "shop.json"
        assert path.stat().st_mode & 0o777 == 0o600
        path.write_bytes(content.replace(b"%s", NEW.encode()))
        assert listed(config, "shop").to_dict()["jobs"] == first.to_dict()["jobs"]

    def test_many_unknown_ones_are_told_by_name(self, config, stores, asked, monkeypatch):
        monkeypatch.setattr("_engine.operations.listing.READ_UNASKED", 1)
        for store in stores:
            write_backup(store, OLD)
            write_backup(store, NEW, finished=NOW)
        result = listed(config, "shop")
        assert asked.clear() == ["list"] * 2 and (result.detailed, result.read) == (False, 0)
        row = result.jobs[0].backups[0]
        assert (row.id, row.kind, row.tag, row.stores) == (NEW, "full", "weekly", ["disk", "offsite"])
        assert (row.started, row.age) == ("2026-11-23T02:00:00.000Z", 10 * 3600)
        assert (row.finished, row.outcome, row.bytes, row.components) == (None, None, None, None)
        assert (result.jobs[0].newest, result.jobs[0].stale) == (NEW, False)
        whole = listed(config, "shop", details=True)
        assert asked.clear().count("open") == 2 and whole.detailed
        assert whole.jobs[0].backups[0].outcome == "success" and whole.jobs[0].backups[0].age == 0
        # And from now on it is known.
        assert listed(config, "shop").to_dict()["jobs"] == whole.to_dict()["jobs"]
        assert asked.clear() == ["list"] * 2

    def test_the_backups_of_all_hosts(self, config, stores, asked):
        for n in range(3):
            write_backup(stores[0], OLD, host="web%d" % n, job="shop")
        write_backup(stores[1], NEW, host="db1", job="base@tenant")
        result = listed(config, all_hosts=True)
        assert [(j.host, j.job, [s.store for s in j.stores], len(j.backups)) for j in result.jobs] == [
            ("db1", "base@tenant", ["offsite"], 1),
            *(("web%d" % n, "shop", ["disk"], 1) for n in range(3)),
        ]
        assert (result.host, result.exit_code) == (None, 0)
        calls = asked.clear()
        # The hosts of each store, the jobs of each host, the backups of each job.
        assert calls.count("list") == 2 + 4 + 4 and calls.count("open") == 4
        named = listed(config, "shop", all_hosts=True, store="disk")
        assert asked.clear() == ["list"] * 4 and [j.host for j in named.jobs] == ["web0", "web1", "web2"]


class TestShow:
    def test_a_backup_by_its_beginning_from_any_job_and_store(self, config, stores):
        write_backup(stores[0], OLD)
        manifest = write_backup(stores[1], NEW, job="blog")
        result = show(config, "20261123")
        assert result.exit_code == 0 and result.job == "blog" and result.store == "offsite" and result.copies == ["offsite"]
        assert result.backup["id"] == NEW and result.backup["components"][0]["facts"] == {"files": 1}
        assert (result.backup["bytes"], result.backup["stored"]) == (manifest.logical_bytes, manifest.stored_bytes)
        assert "entries" not in json.loads(json.dumps(result.to_dict()))

    def test_latest_of_a_job(self, config, stores):
        write_backup(stores[0], OLD)
        write_backup(stores[0], NEW)
        write_backup(stores[1], OLD)
        assert show(config, "latest", job="shop").backup["id"] == NEW
        assert show(config, "latest", job="shop").copies == ["disk"], "what another store has is not the latest"
        assert show(config, "latest", job="shop", store="offsite").backup["id"] == OLD

    def test_latest_of_several_jobs_is_ambiguous(self, config, stores):
        write_backup(stores[0], OLD)
        write_backup(stores[0], NEW, job="blog")
        result = show(config, "latest")
        assert result.exit_code == 12 and "each job and tenant; name which" in result.error["message"]

    def test_a_beginning_that_several_jobs_have(self, config, stores):
        write_backup(stores[0], OLD)
        write_backup(stores[0], NEW, job="blog")
        result = show(config, "202611")
        assert result.exit_code == 12 and OLD in result.error["message"] and NEW in result.error["message"]

    def test_both_copies(self, config, stores):
        for store in stores:
            write_backup(store, NEW)
        assert show(config, NEW).copies == ["disk", "offsite"]

    def test_a_damaged_copy_is_told_and_the_other_one_shown(self, config, stores, tmp_path):
        for store in stores:
            write_backup(store, NEW)
        path = tmp_path / "disk" / "web1" / "shop" / (NEW + ".json")
        path.write_bytes(path.read_bytes().replace(b"full", b"FULL"))
        result = show(config, NEW)
        assert result.store == "offsite" and [w.code for w in result.warnings] == ["damaged"]
        shutil.rmtree(tmp_path / "offsite" / "web1")
        assert show(config, NEW).exit_code == 9

    def test_no_such_backup(self, config, stores):
        write_backup(stores[0], NEW)
        result = show(config, "2019")
        assert result.exit_code == 12 and result.backup is None and list(result.rows()) == []

    def test_a_store_that_cannot_be_asked_may_have_it(self, config, stores, tmp_path):
        (tmp_path / "offsite").rmdir()
        (tmp_path / "offsite").touch()
        assert show(config, NEW).exit_code == 6
        write_backup(stores[0], NEW)
        result = show(config, NEW)
        assert result.backup["id"] == NEW and [w.code for w in result.warnings] == ["store"]

    def test_the_entries(self, config, stores):
        write_backup(stores[0], NEW)
        result = show(config, NEW, files=True)
        (entry,) = result.rows()
        assert entry["component"] == "app" and entry["path"] == "srv/app/hello.txt" and entry["size"] == 6
        assert result.to_dict()["entries"] == [entry]

    def test_the_entries_of_one_component(self, config, stores):
        write_backup(stores[0], NEW)
        assert len(list(show(config, NEW, files=True, component="app").rows())) == 1
        result = show(config, NEW, files=True, component="database")
        assert result.exit_code == 12 and "its components are: app" in result.error["message"]

    def test_a_damaged_index_is_a_failure(self, config, stores, tmp_path):
        write_backup(stores[0], NEW)
        path = tmp_path / "disk" / "web1" / "shop" / NEW / "app.index.gz"
        path.write_bytes(path.read_bytes()[:-20])
        result = show(config, NEW, files=True)
        with pytest.raises(IntegrityError):
            list(result.rows())
        assert result.to_dict()["error"]["code"] == "integrity" and result.exit_code == 9

    def test_a_bare_folder(self, tmp_path):
        write_backup(local_store(tmp_path / "copy"), NEW, host="", job="")
        result = show(None, "latest", catalog=bare_catalog(str(tmp_path / "copy")), files=True)
        assert result.backup["id"] == NEW and (result.host, result.job) == ("web1", "shop")
        assert len(list(result.rows())) == 1

    def test_nowhere_to_look(self):
        assert show(None, "latest").exit_code == 12
