# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores that a host may only write to: it never lists, reads or deletes there, and takes increments all the same."""

from __future__ import annotations

import random
import shutil
import sqlite3
import typing as t
from pathlib import Path

import jobs
import pytest
import trees
from seaweedfs import ADMIN, HOST
from test_several_stores import Far, far, take
from troubled import Fails, objects

from _engine.age.keys import keygen
from _engine.archive.codec import zstd_module
from _engine.errors import StoreRefusedError
from _engine.job import Config, parse_config
from _engine.keyring import open_keyring
from _engine.operations.check import check as check_all
from _engine.operations.listing import list_backups
from _engine.operations.place import open_store
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify

__all__ = ["far"]  # a fixture

pytestmark = pytest.mark.usefixtures("ahead")


def sources(folder: Path) -> t.List[t.Dict[str, t.Any]]:
    """A tree and a database, made when they are not there yet."""
    root = folder / "tree"
    if not root.exists():
        trees.make_tree(root, 5, odd=False)
        (root / "picture").write_bytes(random.Random(5).randbytes(1 << 20))
        with sqlite3.connect(folder / "shop.db") as base:
            base.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT)")
            base.executemany("INSERT INTO item (text) VALUES (?)", [("%032x" % n**5,) for n in range(20_000)])
        base.close()
    return [jobs.files(root), {"name": "shop", "sqlite": {"path": str(folder / "shop.db")}}]


def configured(folder: Path, *names: str, write_only: bool = True, **job: t.Any) -> Config:
    described = jobs.describe(folder, *sources(folder), guard={"enabled": False}, **job)
    described["stores"] = [{"name": name, "local": {"path": str(folder / name)}} for name in names]
    for store in described["stores"]:
        store["write_only"] = write_only and store["name"] == "far"
    described["jobs"][0]["stores"] = list(names)
    return parse_config(described)


def change(folder: Path, number: int) -> None:
    (folder / "tree" / ("new%d" % number)).write_text("in run %d" % number)
    with sqlite3.connect(folder / "shop.db") as base:
        base.execute("UPDATE item SET text = 'changed' WHERE id = ?", (number * 100 + 1,))
    base.close()


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("names", [("far",), ("disk", "far")])
def test_increments_without_a_look_at_the_store(tmp_path: Path, far: Far, names: t.Sequence[str], sealed: bool) -> None:
    job = {"encryption": {"recipients": [keygen()[1]]}} if sealed else {}
    config = configured(tmp_path, *names, **job)
    full = take(config)
    moments = {full.id: trees.snapshot(tmp_path / "tree")}
    kinds = []
    for number, kind in enumerate(("incremental", "differential", "incremental")):
        change(tmp_path, number)
        result = take(config, kind=kind)
        assert (result.error, result.warnings, result.kind) == (None, [], kind)
        assert result.stored < 0.2 * full.stored
        kinds += [c.kind for c in result.components]
        moments[result.id] = trees.snapshot(tmp_path / "tree")
    if zstd_module() is not None:
        assert "full" not in kinds
    assert set(far.store.calls) == {"put"}
    assert {c.store: c.known_by for c in result.copies} == {name: "record" if name == "far" else "store" for name in names}
    # Somebody who may read the store finds everything there.
    reading = configured(tmp_path, *names, write_only=False, **job)
    assert verify(reading, ["app"], level="hashes", store="far").outcome == "success"
    for backup_id, moment in moments.items() if not sealed else ():
        out = tmp_path / ("out%s" % backup_id)
        request = RestoreRequest(backup=backup_id or "", to=str(out), set_ids=True, store="far", components=["files"])
        assert restore(reading, "app", request).error is None
        assert trees.differences(moment, trees.snapshot(out / str(tmp_path / "tree").lstrip("/"))) == []


@pytest.mark.parametrize("sealed", [False, True])
def test_a_real_server_lets_the_host_do_no_more(tmp_path: Path, seaweedfs: t.Any, sealed: bool) -> None:
    """S3: the host's credentials are refused whatever is not putting; with others everything is listed, verified, restored."""
    text, recipient = keygen()
    job = {"encryption": {"recipients": [recipient]}} if sealed else {}

    def config_of(identity: t.Tuple[str, str], write_only: bool) -> Config:
        described = jobs.describe(tmp_path, *sources(tmp_path), guard={"enabled": False}, **job)
        options = seaweedfs.options(identity, prefix="write-only-%d" % sealed)
        described["stores"] = [{"name": "disk", "s3": options, "write_only": write_only}]
        described["state_dir"] = str(tmp_path / identity[0])
        return parse_config(described)

    host, owner = config_of(HOST, True), config_of(ADMIN, False)
    moments = {}
    for number, kind in enumerate(("full", "incremental", "incremental")):
        change(tmp_path, number)
        result = take(host, kind=kind)
        assert (result.error, result.warnings, result.kind) == (None, [], kind)
        moments[result.id] = trees.snapshot(tmp_path / "tree")
    for _again in range(2):
        (checked,) = (finding for finding in check_all(host).findings if finding.what == "store")
        assert (checked.outcome, checked.message) == ("success", "this host may not delete")
    refused = config_of((HOST[0], "wrong-secret-9876543210"), True)
    assert [f.error for f in check_all(refused).findings if f.what == "store"] == ["store-refused"]
    store = open_store(host.store("disk"))
    newest = "web1/app/%s.json" % result.id
    for forbidden in (lambda: store.list("web1/app"), lambda: store.open(newest), lambda: store.delete(newest)):
        with pytest.raises(StoreRefusedError):
            forbidden()
    (listed,) = list_backups(owner).jobs
    assert sorted(row.id for row in listed.backups) == sorted(str(i) for i in moments)
    (tmp_path / "identity").write_text(text)
    keyring = open_keyring([str(tmp_path / "identity")])
    verified = verify(owner, ["app"], level="data", keyring=keyring)
    assert (verified.outcome, len(verified.backups)) == ("success", 3)
    for backup_id, moment in moments.items():
        out = tmp_path / ("out-%s" % backup_id)
        request = RestoreRequest(backup_id or "", to=str(out), set_ids=True, components=["files"], keyring=keyring)
        assert restore(owner, "app", request).error is None
        assert trees.differences(moment, trees.snapshot(out / str(tmp_path / "tree").lstrip("/"))) == []


def test_without_its_record_the_next_backup_is_full(tmp_path: Path, far: Far) -> None:
    config = configured(tmp_path, "far")
    first = take(config)
    shutil.rmtree(tmp_path / "state" / "record")
    result = take(config, kind="incremental")
    assert (result.outcome, result.kind) == ("success", "full")
    assert (result.id or "") > (first.id or "")
    shutil.rmtree(tmp_path / "state" / "cache")
    result = take(config, kind="incremental")
    assert result.kind == "full" and "may not read" in result.reason
    assert set(far.store.calls) == {"put"}


def test_a_run_that_failed_there_is_not_built_upon(tmp_path: Path, far: Far) -> None:
    config = configured(tmp_path, "far")
    full = take(config)
    change(tmp_path, 1)
    far.store.trouble = Fails("commit", "files.tar", times=9, error=StoreRefusedError("store far: no"))
    failed = take(config, kind="incremental")
    assert failed.outcome == "failure" and any("written to only" in w.message for w in failed.warnings)
    far.store.trouble = lambda _step, _key, _size: None
    result = take(config, kind="incremental")
    assert result.outcome == "success" and result.kind == "incremental"
    assert set(far.store.calls) == {"put"}
    manifest = [key for key in objects(far.store, "web1") if key.endswith("%s.json" % result.id)]
    assert len(manifest) == 1
    reading = configured(tmp_path, "far", write_only=False)
    (shown,) = (m for m in verify(reading, ["app"], [result.id or ""], level="data", store="far").to_dict()["backups"])
    assert shown["id"] == result.id and full.id


def test_neither_pruning_nor_checking_touches_it(tmp_path: Path, far: Far) -> None:
    config = configured(tmp_path, "far", "disk", retention={"keep_last": 1})
    for _ in range(3):
        take(config)
    far.store.calls.clear()
    pruned = prune(config, config.jobs[0])
    assert pruned.outcome == "warning" and len(pruned.deleted) == 2
    assert "may only write" in pruned.warnings[0].message
    assert check_all(config).outcome in ("success", "warning")
    assert far.store.calls == []
    manifests = [key for key in objects(far.store, "web1") if key.endswith(".json") and key.count("/") == 2]
    assert len(manifests) == 3


def test_old_manifests_are_forgotten_and_needed_ones_are_not(tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_engine.record.KEPT", 2)
    config = configured(tmp_path, "far")
    ids = [take(config).id]
    for number in range(4):
        change(tmp_path, number)
        ids.append(take(config, kind="incremental").id)
    kept = sorted(p.name[: -len(".json")] for p in (tmp_path / "state/record/web1/app").iterdir())
    assert ids[0] in kept and kept[-2:] == ids[-2:]
    change(tmp_path, 9)
    assert take(config, kind="incremental").kind == "incremental"
