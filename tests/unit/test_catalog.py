# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups on a store: what is told of them, what is chosen, what is deleted. On a real folder."""

from __future__ import annotations

import datetime
import hashlib
import shutil
from pathlib import Path

import pytest
from handmade import local_store, put, write_backup

from _engine.catalog import Catalog, hosts, jobs
from _engine.errors import IntegrityError, NotFoundError, StoreFullError, StoreRefusedError
from _engine.manifest import Manifest
from _engine.operations.place import bare_catalog
from _engine.stores.local import LocalStore

FIRST, SECOND, THIRD = (
    "20261120T020000Z-full-daily-0a01",
    "20261121T020000Z-full-daily-0a02",
    "20261122T020000Z-incremental-daily-0a03",
)
OTHER = "20261122T020000Z-full-manual-0b01"


def utc(day, hour=0, minute=0):
    return datetime.datetime(2026, 11, day, hour, minute, tzinfo=datetime.timezone.utc)


@pytest.fixture
def store(tmp_path):
    return local_store(tmp_path / "store")


@pytest.fixture
def catalog(store):
    return Catalog(store, "web1/shop")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store" / "web1" / "shop"


class CountingStore(LocalStore):
    """A store that remembers what was asked of it."""

    def __init__(self, path):
        super().__init__("disk", {"path": str(path)})
        self.listed, self.deleted = [], []

    def list(self, folder):
        self.listed.append(folder)
        return super().list(folder)

    def delete(self, key):
        self.deleted.append(key)
        super().delete(key)


class TestScan:
    def test_a_job_without_backups(self, catalog):
        scan = catalog.scan()
        assert (scan.complete, scan.failed, scan.unfinished, scan.damaged) == ([], [], [], {})

    def test_complete_backups_oldest_first_from_one_listing(self, store, tmp_path):
        for backup_id in (SECOND, FIRST):
            write_backup(store, backup_id)
        counting = CountingStore(tmp_path / "store")
        assert Catalog(counting, "web1/shop").scan().complete == [FIRST, SECOND]
        assert counting.listed == ["web1/shop"]

    def test_a_run_under_way(self, store, catalog, folder):
        put(store, "web1/shop/%s/app.tar.gz" % FIRST, b"x")
        (folder / SECOND).mkdir()
        (folder / SECOND / ".uploading-1-app.tar.gz").write_bytes(b"x")
        scan = catalog.scan()
        assert scan.unfinished == [FIRST, SECOND] and not scan.complete and not scan.damaged

    def test_a_failed_run(self, store, catalog):
        put(store, "web1/shop/%s.failed.json" % FIRST, b"{}")
        assert catalog.scan().failed == [FIRST]
        assert not catalog.scan().unfinished

    def test_a_failed_run_that_left_data(self, store, catalog):
        put(store, "web1/shop/%s.failed.json" % FIRST, b"{}")
        put(store, "web1/shop/%s/app.tar.gz" % FIRST, b"x")
        assert catalog.scan().failed == catalog.scan().unfinished == [FIRST]
        put(store, "web1/shop/%s/SHA256SUMS" % FIRST, b"x")
        put(store, "web1/shop/%s.json.sha256" % FIRST, b"x")
        assert catalog.scan().failed == catalog.scan().unfinished == [FIRST] and not catalog.scan().damaged
        catalog.delete_orphan(FIRST)
        assert catalog.scan().failed == [FIRST] and not catalog.scan().unfinished

    @pytest.mark.parametrize("missing", [(".json",), (".json", ".json.sha256"), (".json", "/app.tar.gz", "/run.log")])
    def test_sums_or_a_hash_without_a_manifest_are_damage(self, store, catalog, folder, missing):
        write_backup(store, FIRST)
        for ending in missing:
            Path(str(folder / FIRST) + ending).unlink()
        scan = catalog.scan()
        assert list(scan.damaged) == [FIRST] and "manifest is missing" in scan.damaged[FIRST]
        assert not scan.complete and not scan.unfinished

    @pytest.mark.parametrize("ending", [".json.sha256", ".json.sig"])
    def test_a_hash_or_a_signature_alone_is_damage(self, store, catalog, ending):
        put(store, "web1/shop/%s%s" % (FIRST, ending), b"x")
        assert list(catalog.scan().damaged) == [FIRST]

    def test_a_manifest_without_data_is_damage(self, store, catalog, folder):
        write_backup(store, FIRST)
        shutil.rmtree(folder / FIRST)
        assert "its data is not" in catalog.scan().damaged[FIRST]
        assert not catalog.scan().complete

    def test_what_is_no_backup_is_not_told(self, store, catalog, folder):
        write_backup(store, FIRST)
        for name in ("notes.txt", "x.json", "20269999T000000Z-full-daily-0000.json", ".uploading-1-%s.json" % SECOND):
            (folder / name).touch()
        (folder / "lost+found").mkdir()
        scan = catalog.scan()
        assert (scan.complete, scan.failed, scan.unfinished, scan.damaged) == ([FIRST], [], [], {})


class TestManifest:
    def test_it_is_what_was_written(self, store, catalog, folder):
        written = write_backup(store, FIRST)
        assert catalog.manifest(FIRST) == written
        assert catalog.manifest_sha256(FIRST) == hashlib.sha256((folder / (FIRST + ".json")).read_bytes()).hexdigest()

    def test_every_flipped_bit_is_refused(self, store, folder):
        write_backup(store, FIRST)
        path = folder / (FIRST + ".json")
        good = path.read_bytes()
        for place in range(0, len(good), 7):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
            with pytest.raises(IntegrityError) as error:
                Catalog(store, "web1/shop").manifest(FIRST)
            assert error.value.objects == ["web1/shop/%s.json" % FIRST]

    def test_one_of_an_absurd_size_is_not_read(self, store, catalog, folder):
        write_backup(store, FIRST)
        with open(folder / (FIRST + ".json"), "r+b") as file:
            file.truncate(1 << 40)
        with pytest.raises(IntegrityError, match="too large"):
            catalog.manifest(FIRST)

    def test_one_that_does_not_exist(self, catalog):
        with pytest.raises(NotFoundError):
            catalog.manifest(FIRST)

    @pytest.mark.parametrize("host, job, name", [("web2", "shop", FIRST), ("web1", "other", FIRST), ("web1", "shop", SECOND)])
    def test_one_that_belongs_elsewhere_is_refused(self, store, tmp_path, host, job, name):
        write_backup(store, FIRST)
        target = tmp_path / "store" / host / job
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "store" / "web1" / "shop" / (FIRST + ".json"), target / (name + ".json"))
        with pytest.raises(IntegrityError, match="job shop of web1; it was moved or swapped"):
            Catalog(store, "%s/%s" % (host, job)).manifest(name)

    @pytest.mark.parametrize(
        "change",
        [
            {"finished": "yesterday"},
            {"finished": "0001-01-01T00:00:00.000Z"},
            {"finished": None},
            {"references": [{"id": "../x"}]},
            {"references": None},
        ],
    )
    def test_one_that_is_well_formed_but_makes_no_sense_is_refused(self, store, catalog, folder, change):
        manifest = write_backup(store, FIRST)
        vars(manifest).update(change)
        (folder / (FIRST + ".json")).write_bytes(manifest.to_bytes())
        with pytest.raises(IntegrityError, match="is not a manifest"):
            catalog.manifest(FIRST)

    def test_one_whose_lists_hold_something_else_is_refused(self, store, catalog, folder):
        manifest = write_backup(store, FIRST)
        data = manifest.to_bytes().replace(b'"volumes": [\n        {', b'"volumes": [ 5, {')
        head = data[: data.rindex(b'  "checksum"')]
        data = head + b'  "checksum": "%s"\n}\n' % hashlib.sha256(head).hexdigest().encode()
        (folder / (FIRST + ".json")).write_bytes(data)
        with pytest.raises(IntegrityError, match="is not a manifest"):
            catalog.manifest(FIRST)

    @pytest.mark.parametrize("name", ["../../x", "a/b", "..", ".uploading-x", "a\\b", "a\0b", "/etc/passwd"])
    def test_a_name_that_leads_out_of_the_folder_is_refused(self, catalog, name):
        with pytest.raises(IntegrityError):
            catalog.key(FIRST, name)

    def test_keys(self, catalog, store):
        assert catalog.key(FIRST, "run.log") == "web1/shop/%s/run.log" % FIRST
        assert catalog.key(FIRST) == "web1/shop/%s" % FIRST
        assert Catalog(store, "").key(FIRST, "run.log") == FIRST + "/run.log"
        assert Catalog(store, "").manifest_key(FIRST) == FIRST + ".json"


class TestChoose:
    @pytest.fixture(autouse=True)
    def backups(self, store):
        write_backup(store, FIRST, finished=utc(20, 2, 30))
        write_backup(store, SECOND, finished=utc(21, 2, 30))
        write_backup(store, THIRD, finished=utc(22, 2, 30), references=[SECOND])
        put(store, "web1/shop/20261123T020000Z-full-daily-0a04.failed.json", b"{}")
        put(store, "web1/shop/20261124T020000Z-full-daily-0a05/app.tar.gz", b"x")
        put(store, "web1/shop/20261125T020000Z-full-daily-0a06/SHA256SUMS", b"x")

    def test_latest_is_the_newest_complete_one(self, catalog):
        assert catalog.choose() == THIRD

    def test_an_id_or_its_beginning(self, catalog):
        assert catalog.choose(FIRST) == FIRST
        assert catalog.choose("20261121") == SECOND

    def test_a_beginning_of_several(self, catalog):
        with pytest.raises(NotFoundError, match="beginning of 3 backups of web1/shop"):
            catalog.choose("202611")

    def test_a_whole_id_is_meant_though_another_one_begins_with_it(self, store, catalog):
        longer = FIRST + "-1234"  # its tag is daily-0a01
        write_backup(store, longer)
        assert catalog.choose(FIRST) == FIRST and catalog.choose(longer) == longer

    def test_the_newest_that_had_finished_by_a_time(self, catalog):
        assert catalog.choose(at=utc(22, 2, 30)) == THIRD
        assert catalog.choose(at=utc(22, 2, 29)) == SECOND
        assert catalog.choose(at=utc(21, 2, 15)) == FIRST, "the second had begun, but not finished"

    def test_before_the_first(self, catalog):
        with pytest.raises(NotFoundError, match="the oldest is %s" % FIRST):
            catalog.choose(at=utc(19))

    def test_a_damaged_manifest_is_not_silently_passed_over(self, catalog, folder):
        (folder / (THIRD + ".json")).write_bytes(b"{}")
        assert catalog.choose() == THIRD
        with pytest.raises(IntegrityError):
            catalog.choose(at=utc(25))

    def test_an_id_and_a_time_are_one_too_many(self, catalog):
        with pytest.raises(NotFoundError, match="one of them"):
            catalog.choose(FIRST, at=utc(25))

    @pytest.mark.parametrize(
        "wanted, why",
        [
            ("20261123T020000Z-full-daily-0a04", "that run failed"),
            ("20261124T020000Z-full-daily-0a05", "under way or was killed"),
            ("20261125T020000Z-full-daily-0a06", "damaged: its manifest is missing"),
            ("20260101", "there are %s" % FIRST),
            ("", "beginning of 3"),
        ],
    )
    def test_what_is_no_backup_is_not_chosen(self, catalog, wanted, why):
        with pytest.raises(NotFoundError, match=why):
            catalog.choose(wanted)

    def test_nothing_to_choose_from(self, store):
        with pytest.raises(NotFoundError, match="no complete backup in web1/none of store disk"):
            Catalog(store, "web1/none").choose()


class TestDelete:
    def test_it_goes_whole_and_nothing_else_does(self, store, catalog, folder):
        write_backup(store, FIRST)
        write_backup(store, SECOND)
        put(store, "web1/shop/%s.mark-pinned.json" % FIRST, b"{}")
        put(store, "web1/shop/%s.json.sig" % FIRST, b"sig")
        (folder / FIRST / ".uploading-1-x").write_bytes(b"x")
        mine = [p for p in folder.rglob("*") if p.is_file() and FIRST in str(p) and not p.name.startswith(".")]
        kept = sorted(p for p in folder.rglob("*") if SECOND in str(p))
        size = sum(p.stat().st_size for p in mine)
        catalog.manifest(FIRST)
        assert catalog.delete(FIRST) == size > 0
        assert sorted(folder.rglob("*")) == kept
        with pytest.raises(NotFoundError):
            catalog.manifest(FIRST)

    def test_the_documented_order(self, store, tmp_path):
        write_backup(store, FIRST)
        put(store, "web1/shop/%s.mark-pinned.json" % FIRST, b"{}")
        put(store, "web1/shop/%s.json.sig" % FIRST, b"sig")
        counting = CountingStore(tmp_path / "store")
        Catalog(counting, "web1/shop").delete(FIRST)
        names = [key.replace("web1/shop/" + FIRST, "") for key in counting.deleted]
        assert names[:4] == [".json", ".json.sig", ".json.sha256", "/SHA256SUMS"]
        assert sorted(names[4:-2]) == ["/RESTORE.txt", "/app.frames.json", "/app.index.gz", "/app.tar.gz", "/run.log"]
        assert names[-2:] == [".mark-pinned.json", ".mark-deleted.json"]

    def test_interrupted_anywhere_it_is_never_complete_and_can_be_finished(self, store, tmp_path, folder):
        class Interrupted(CountingStore):
            def delete(self, key):
                if len(self.deleted) == self.left:
                    raise StoreRefusedError("no more")
                super().delete(key)

        for left in range(1, 8):
            write_backup(store, FIRST)
            broken = Interrupted(tmp_path / "store")
            broken.left = left
            with pytest.raises(StoreRefusedError):
                Catalog(broken, "web1/shop").delete(FIRST)
            scan = Catalog(store, "web1/shop").scan()
            assert not scan.complete
            assert not scan.damaged and not scan.unfinished
            assert scan.deleted == [FIRST]
            Catalog(store, "web1/shop").delete(FIRST)
            assert list(folder.iterdir()) == []

    def test_a_removal_that_was_only_begun_leaves_a_backup(self, store, tmp_path):
        write_backup(store, FIRST)
        put(store, "web1/shop/%s.mark-deleted.json" % FIRST, b"{}")
        catalog = Catalog(store, "web1/shop")
        assert catalog.scan().complete == catalog.scan().deleted == [FIRST]
        catalog.keep(FIRST)
        assert catalog.scan().complete == [FIRST] and not catalog.scan().deleted

    def test_a_full_store_can_be_made_room_on(self, tmp_path, folder):
        class Full(CountingStore):
            def put(self, key):
                raise StoreFullError("no room")

        write_backup(local_store(tmp_path / "store"), FIRST)
        Catalog(Full(tmp_path / "store"), "web1/shop").delete(FIRST)
        assert list(folder.iterdir()) == []

    def test_on_a_full_store_the_mark_comes_as_soon_as_there_is_room(self, store, tmp_path, folder):
        class Full(CountingStore):
            def put(self, key):
                if not self.deleted:
                    raise StoreFullError("no room")
                return super().put(key)

            def delete(self, key):
                if len(self.deleted) == 2:
                    raise StoreRefusedError("no more")
                super().delete(key)

        write_backup(store, FIRST)
        with pytest.raises(StoreRefusedError):
            Catalog(Full(tmp_path / "store"), "web1/shop").delete(FIRST)
        scan = Catalog(store, "web1/shop").scan()
        assert scan.deleted == [FIRST] and not scan.damaged
        Catalog(store, "web1/shop").delete(FIRST)
        assert list(folder.iterdir()) == []

    def test_the_record_of_a_failed_run_stays(self, store, catalog, folder):
        put(store, "web1/shop/%s.failed.json" % FIRST, b"{}")
        put(store, "web1/shop/%s/app.tar.gz" % FIRST, b"xyz")
        assert catalog.delete(FIRST) == 3
        assert catalog.scan().failed == [FIRST] and not catalog.scan().unfinished


class TestBareFolder:
    def test_a_folder_of_backups(self, tmp_path):
        store = local_store(tmp_path / "copy")
        write_backup(store, FIRST, host="", job="")
        write_backup(store, SECOND, host="", job="")
        catalog = bare_catalog(str(tmp_path / "copy"))
        assert catalog.scan().complete == [FIRST, SECOND]
        assert isinstance(catalog.manifest(catalog.choose()), Manifest)

    @pytest.mark.parametrize("ending", ["", "/", ".json"])
    def test_one_backup_of_several(self, tmp_path, ending):
        store = local_store(tmp_path)
        write_backup(store, FIRST, host="", job="")
        write_backup(store, SECOND, host="", job="")
        catalog = bare_catalog(str(tmp_path / FIRST) + ending)
        assert catalog.scan().complete == [FIRST] and catalog.choose() == FIRST

    def test_a_relative_path(self, tmp_path, monkeypatch):
        write_backup(local_store(tmp_path), FIRST, host="", job="")
        monkeypatch.chdir(tmp_path / FIRST)
        assert bare_catalog(".").choose() == FIRST

    def test_a_whole_store_gets_a_hint(self, store, tmp_path):
        write_backup(store, FIRST)
        for path in (tmp_path / "store", tmp_path / "store" / "web1"):
            with pytest.raises(NotFoundError, match="name one of these: %s" % (tmp_path / "store" / "web1" / "shop")):
                bare_catalog(str(path))

    def test_no_backup_there(self, tmp_path):
        with pytest.raises(NotFoundError, match="holds no backup"):
            bare_catalog(str(tmp_path))
        with pytest.raises(NotFoundError, match="no such folder"):
            bare_catalog(str(tmp_path / "none"))

    def test_the_data_alone_without_its_manifest(self, tmp_path):
        write_backup(local_store(tmp_path), FIRST, host="", job="")
        (tmp_path / (FIRST + ".json")).unlink()
        with pytest.raises(NotFoundError, match="manifest is missing"):
            bare_catalog(str(tmp_path / FIRST)).choose()


def test_who_has_backups_on_a_store(store, tmp_path):
    write_backup(store, FIRST)
    write_backup(store, FIRST, host="db.example.org", job="books@acme%20ltd")
    (tmp_path / "store" / "lost+found").mkdir()
    assert hosts(store) == ["db.example.org", "web1"]
    assert jobs(store, "db.example.org") == ["books@acme%20ltd"]
