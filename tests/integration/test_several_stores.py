# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole backups to several stores side by side, some of which fail: what the result says is true of each."""

from __future__ import annotations

import random
import shutil
import time
import typing as t
from pathlib import Path

import jobs
import pytest
import trees
from troubled import Fails, Troubled, objects

from _engine import copying, lanes, spool
from _engine.age.keys import keygen
from _engine.errors import StoreRefusedError, StoreUnavailableError
from _engine.job import Config, StoreConfig, parse_config
from _engine.operations.backup import backup
from _engine.operations.backup_result import BackupResult
from _engine.operations.place import open_store
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify
from _engine.stores.local import LocalStore


class Far:
    """The store ``far``, which is as troubled as a test wishes, instead of one of the registry."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = Troubled(folder / "far")
        real = open_store

        def opened(config: StoreConfig) -> t.Any:
            return self.store if config.name == "far" else real(config)

        monkeypatch.setattr("_engine.operations.backup.open_store", opened)
        monkeypatch.setattr("_engine.operations.place.open_store", opened)
        monkeypatch.setattr(lanes, "_PAUSE", 0.001)
        monkeypatch.setattr(copying, "_PAUSE", 0.001)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    return Far(tmp_path, monkeypatch)


def configured(folder: Path, *names: str, far: t.Optional[t.Dict[str, t.Any]] = None, **job: t.Any) -> Config:
    root = folder / "tree"
    if not root.exists():
        trees.make_tree(root, 3, odd=False)
        (root / "picture").write_bytes(random.Random(3).randbytes(9 << 20))
    described = jobs.describe(folder, jobs.files(root), **job)
    described["stores"] = [{"name": name, "local": {"path": str(folder / name)}} for name in names]
    for store in described["stores"]:
        store.update(far or {} if store["name"] == "far" else {})
    described["jobs"][0]["stores"] = list(names)
    return parse_config(described)


def take(config: Config, **options: t.Any) -> BackupResult:
    return backup(config, config.jobs[0], **options)


def check(config: Config, store: str, result: BackupResult, folder: Path) -> None:
    """The backup is on the store, whole, and restores."""
    assert verify(config, ["app"], [result.id or ""], level="hashes", store=store).outcome == "success"
    out = folder / ("out-%s-%s" % (store, result.id))
    request = RestoreRequest(backup=result.id or "", to=str(out), set_ids=True, store=store)
    restored = restore(config, "app", request)
    assert restored.error is None, restored.error
    before = trees.snapshot(folder / "tree")
    assert trees.differences(before, trees.snapshot(out / str(folder / "tree").lstrip("/"))) == []


@pytest.mark.parametrize("job", [{}, {"volume_size": "8MiB"}, {"encryption": {}, "volume_size": "8MiB"}, {"format": "zip"}])
def test_every_store_gets_the_same_bytes(tmp_path: Path, job: t.Dict[str, t.Any]) -> None:
    if "encryption" in job:
        job = {**job, "encryption": {"recipients": [keygen()[1]]}}
    config = configured(tmp_path, "one", "two", "three", **job)
    result = take(config)
    assert result.error is None, result.error
    stores = [objects(open_store(config.store(name)), "web1") for name in ("one", "two", "three")]
    assert stores[0] == stores[1] == stores[2]
    copies = {c.store: c for c in result.copies}
    assert all(c.bytes == sum(map(len, stores[0].values())) and c.retries == 0 for c in copies.values())
    if "encryption" not in job:
        for name in copies:
            check(config, name, result, tmp_path)
    assert list((tmp_path / "state" / "spool").iterdir()) == []


@pytest.mark.parametrize("step", ["put", "write", "commit", "committed"])
@pytest.mark.parametrize("word", ["files.0002", "index", "frames", "SHA256SUMS", ".json.sha256", "full-manual"])
def test_a_store_that_stumbles_gets_its_copy_all_the_same(tmp_path: Path, far: Far, step: str, word: str) -> None:
    far.store.trouble = Fails(step, word)
    config = configured(tmp_path, "disk", "far", volume_size="8MiB")
    result = take(config)
    assert (result.outcome, result.error) == ("success", None)
    assert {c.store: (c.outcome, c.retries) for c in result.copies} == {"disk": ("success", 0), "far": ("success", 1)}
    assert objects(far.store, "web1") == objects(open_store(config.store("disk")), "web1")
    check(config, "far", result, tmp_path)


def test_one_far_store_alone_gets_its_volumes_again(tmp_path: Path, far: Far) -> None:
    far.store.trouble = Fails("write", "files.0001", times=2, after=4 << 20)
    config = configured(tmp_path, "far", volume_size="8MiB")
    result = take(config)
    assert result.outcome == "success" and result.copies[0].retries == 2
    check(config, "far", result, tmp_path)


@pytest.mark.parametrize("word", ["files.tar", "frames", "SHA256SUMS", "full-manual"])
def test_a_run_with_a_missing_copy_is_no_success(tmp_path: Path, far: Far, word: str) -> None:
    far.store.trouble = Fails("commit", word, times=100, error=StoreRefusedError("store far: not allowed"))
    config = configured(tmp_path, "disk", "far")
    result = take(config)
    assert result.outcome == "failure" and result.error is not None
    assert "far" in result.error["message"] and result.error["code"] == "store-refused"
    assert {c.store: c.outcome for c in result.copies} == {"disk": "success", "far": "failure"}
    check(config, "disk", result, tmp_path)
    assert objects(far.store, "web1") == {}
    # The next run, with the trouble gone, succeeds.
    far.store.trouble = lambda _step, _key, _size: None
    again = take(config)
    assert again.outcome == "success"
    check(config, "far", again, tmp_path)


def test_no_store_left_fails_the_run_and_leaves_nothing(tmp_path: Path, far: Far) -> None:
    far.store.trouble = Fails("write", "files.tar", times=100, error=StoreRefusedError("store far: not allowed"))
    config = configured(tmp_path, "far")
    result = take(config)
    assert result.error is not None and result.error["code"] == "store-refused"
    assert [key for key in objects(far.store, "web1") if not key.endswith(".failed.json")] == []


@pytest.mark.parametrize("direction", ["backup", "restore"])
def test_no_more_bytes_a_second_than_allowed(tmp_path: Path, direction: str) -> None:
    """9 MiB that do not compress, at 6 MB/s: whatever else is going on, it cannot take less."""
    config = configured(tmp_path, "one", "two")
    described = StoreConfig("one", "local", config.store("one").options, bandwidth_limit=6_000_000)
    config = t.cast(Config, config.__class__(config.host, (described, config.store("two")), config.jobs, config.state_dir))
    began = time.monotonic()
    result = take(config)
    assert result.error is None
    if direction == "restore":
        began = time.monotonic()
        check(config, "one", result, tmp_path)
    assert time.monotonic() - began > 0.9 * (9 << 20) / 6_000_000


@pytest.mark.parametrize("write_only", [False, True])
def test_the_next_run_makes_up_for_missing_copies(tmp_path: Path, far: Far, write_only: bool) -> None:
    """So that an increment can build upon what the store had missed."""
    config = configured(tmp_path, "disk", "far", far={"write_only": write_only})
    sound = far.store.trouble
    assert take(config).outcome == "success"
    missed = []
    far.store.trouble = Fails("put", times=1000, error=StoreUnavailableError("store far: not today"))
    for number in range(2):
        (tmp_path / "tree" / ("new%d" % number)).write_text("new")
        result = take(config, kind="incremental")
        assert result.outcome == "failure"
        missed.append(result.id)
    assert "still has no copy of %s" % missed[0] in str([w.message for w in result.warnings])
    far.store.trouble = sound
    result = take(config, kind="incremental")
    assert (result.error, result.kind) == (None, "incremental")
    assert [(c.id, c.store, c.source) for c in result.completed] == [(i, "far", "disk") for i in missed]
    assert objects(far.store, "web1").keys() >= objects(open_store(config.store("disk")), "web1").keys()
    assert not take(config, kind="incremental").completed
    reading = configured(tmp_path, "disk", "far")
    for backup_id in missed:
        assert verify(reading, ["app"], [backup_id or ""], level="data", store="far").outcome == "success"
    check(reading, "far", result, tmp_path)
    if write_only:
        assert set(far.store.calls[: far.store.calls.index("list")]) == {"put"}


def test_a_store_that_falls_behind_gets_its_copy_from_the_next_run(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing until the other store has the whole volume, of which the spool holds a part only."""
    monkeypatch.setattr(spool, "CHUNK", 1 << 18)
    monkeypatch.setattr(spool, "MEMORY", 1 << 20)
    monkeypatch.setattr(lanes, "MEMORY", 1 << 20)
    config = configured(tmp_path, "disk", "far", spool_size="2MiB", compression={"algorithm": "gzip"})
    sound = far.store.trouble

    def late(step: str, key: str, _size: int) -> None:
        deadline = time.monotonic() + 60
        while step == "write" and "files.tar" in key and not (tmp_path / "disk" / key).exists():
            assert time.monotonic() < deadline, "the other store waits for this one"
            time.sleep(0.005)

    far.store.trouble = late
    result = take(config)
    assert {c.store: c.outcome for c in result.copies} == {"disk": "success", "far": "failure"}
    assert result.error is not None and "more than the spool keeps" in result.error["message"], result.error
    check(config, "disk", result, tmp_path)
    assert objects(far.store, "web1") == {}
    far.store.trouble = sound
    # With room for all of it, for on a busy machine any store falls behind.
    config = configured(tmp_path, "disk", "far", spool_size="1GiB", compression={"algorithm": "gzip"})
    again = take(config)
    assert ([c.id for c in again.completed], again.error) == ([result.id], None)
    check(config, "far", result, tmp_path)


def missed(config: Config, far: Far, count: int) -> t.List[t.Optional[str]]:
    """The ids of so many full backups that the store ``far`` has missed."""
    sound = far.store.trouble
    far.store.trouble = Fails("put", times=1000, error=StoreRefusedError("store far: not today"))
    ids = [take(config).id for _ in range(count)]
    far.store.trouble = sound
    return ids


def test_one_run_makes_up_for_so_many_copies_at_most(tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_engine.operations.completing.AT_ONCE", 2)
    config = configured(tmp_path, "disk", "far")
    ids = missed(config, far, 3)
    first, second, third = take(config), take(config), take(config)
    assert [c.id for c in first.completed] == ids[1:]
    assert [w.code for w in first.warnings] == ["copy-missing"] and "1 copies more" in first.warnings[0].message
    assert ([c.id for c in second.completed], second.outcome) == (ids[:1], "success")
    assert third.completed == []


def test_without_a_rule_only_what_is_missing_is_read(tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, "disk", "far", guard={"enabled": False})
    before = [take(config).id, take(config).id]
    ids = missed(config, far, 1)
    opened: t.List[str] = []
    real = LocalStore.open
    monkeypatch.setattr(LocalStore, "open", lambda store, key, *more: opened.append(key) or real(store, key, *more))
    assert [c.id for c in take(config, kind="full").completed] == ids
    manifests = [key for key in opened if key.endswith(".json") and key.count("/") == 2]
    assert [key for key in manifests if any(i in key for i in before)] == [], manifests
    assert manifests


def test_what_a_store_would_not_keep_is_not_made_up_for(tmp_path: Path, far: Far) -> None:
    config = configured(tmp_path, "disk", "far", far={"retention": {"keep_last": 1}})
    ids = missed(config, far, 3)
    result = take(config)
    # The newest, and the newest of a run that had nothing to warn of.
    assert ([c.id for c in result.completed], result.outcome) == ([ids[0], ids[2]], "success")
    again = take(config)
    assert (again.completed, again.outcome) == ([], "success")


def test_what_was_pruned_everywhere_is_not_missed_any_more(tmp_path: Path, far: Far) -> None:
    config = configured(tmp_path, "disk", "far", retention={"keep_last": 1})
    sound = far.store.trouble
    far.store.trouble = Fails("put", times=1000, error=StoreRefusedError("store far: not today"))
    first = take(config)
    far.store.trouble = sound
    shutil.rmtree(jobs.backup_folder(config, first.id))
    for path in (tmp_path / "disk/web1/app").glob("*%s*" % first.id):
        path.unlink()
    result = take(config)
    assert result.outcome == "success" and result.completed == []
    assert take(config).outcome == "success"


def test_a_damaged_source_completes_nothing(tmp_path: Path, far: Far) -> None:
    config = configured(tmp_path, "disk", "far")
    sound = far.store.trouble
    far.store.trouble = Fails("put", times=1000, error=StoreRefusedError("store far: not today"))
    first = take(config)
    far.store.trouble = sound
    volume = jobs.backup_folder(config, first.id) / "files.tar.zst"
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.write_bytes(data)
    result = take(config)
    assert result.outcome == "warning" and "is not what was stored" in result.warnings[0].message
    assert [key for key in objects(far.store, "web1") if key.endswith("%s.json" % first.id)] == []
    check(config, "far", result, tmp_path)


def test_what_a_store_that_is_away_may_have_is_still_missed(tmp_path: Path, far: Far) -> None:
    config = configured(tmp_path, "disk", "far")
    sound = far.store.trouble
    far.store.trouble = Fails("put", times=1000, error=StoreRefusedError("store far: not today"))
    first = take(config)
    far.store.trouble = sound
    (tmp_path / "disk").rename(tmp_path / "away")
    (tmp_path / "disk").write_text("not a folder")
    assert take(config).outcome == "failure"
    (tmp_path / "disk").unlink()
    (tmp_path / "away").rename(tmp_path / "disk")
    result = take(config)
    assert {c.id for c in result.completed if c.store == "far"} == {first.id}
    assert {c.store for c in result.completed} == {"far", "disk"}


def test_a_store_has_its_own_retention(tmp_path: Path) -> None:
    config = configured(tmp_path, "disk", "far", far={"retention": {"keep_last": 3}}, retention={"keep_last": 1})
    ids = [take(config).id for _ in range(4)]
    pruned = prune(config, config.jobs[0])
    assert pruned.error is None
    kept = {s.store: [v.id for v in s.verdicts if v.keep] for s in pruned.stores}
    assert sorted(kept["disk"]) == ids[-1:] and sorted(kept["far"]) == ids[-3:]
    assert len(list((tmp_path / "far/web1/app").glob("*-*.json"))) == 3
