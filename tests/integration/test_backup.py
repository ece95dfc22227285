# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of a backup: its stores, ids, hooks and records."""

from __future__ import annotations

import datetime
import json
import os
import typing as t
from pathlib import Path

import jobs
import pytest
import trees

from _engine.errors import ConfigurationError
from _engine.job import parse_config
from _engine.operations.backup import backup
from _engine.operations.prune import prune
from _engine.operations.verify import verify
from _engine.result import utc_now
from _engine.state import State


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return Path(trees.make_tree(tmp_path / "tree", 5))


def with_two_stores(tmp_path: Path, tree: Path) -> t.Dict[str, t.Any]:
    description = jobs.describe(tmp_path, jobs.files(tree))
    description["stores"].append({"name": "second", "local": {"path": str(tmp_path / "second")}})
    description["jobs"][0]["stores"].append("second")
    return description


def test_two_stores_get_the_same_bytes(tmp_path: Path, tree: Path) -> None:
    config = parse_config(with_two_stores(tmp_path, tree))
    result = jobs.take(config)
    assert result.outcome == "success"
    assert [c.outcome for c in result.copies] == ["success", "success"]
    first, second = trees.snapshot(tmp_path / "store"), trees.snapshot(tmp_path / "second")
    assert trees.differences(first, second, ignore=["mtime_ns"]) == []
    assert len(first) > 5


def test_a_store_that_fails_spoils_the_success_but_not_the_other(tmp_path: Path, tree: Path) -> None:
    config = parse_config(with_two_stores(tmp_path, tree))
    (tmp_path / "second").write_text("no folder")
    result = backup(config, config.jobs[0])
    assert result.outcome == "failure" and result.error is not None
    assert "store second" in result.error["message"]
    assert [(c.store, c.outcome) for c in result.copies] == [("disk", "success"), ("second", "failure")]
    assert jobs.catalog(config).scan().complete == [result.id]
    manifest = jobs.catalog(config).manifest(result.id or "")
    assert [s["name"] for s in manifest.stores] == ["disk"]


def test_ids_increase_and_each_manifest_names_the_one_before(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    ids = [jobs.take(config).id or "" for _ in range(4)]
    assert ids == sorted(set(ids), key=lambda i: i[:16])
    assert len({i[:16] for i in ids}) == 4
    catalog = jobs.catalog(config)
    for earlier, later in zip(ids, ids[1:]):
        assert catalog.manifest(later).previous == {"id": earlier, "sha256": catalog.manifest_sha256(earlier)}
    assert catalog.manifest(ids[0]).previous is None


def test_nothing_is_done_while_a_backup_is_new_enough(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    first = jobs.take(config, unless_newer_than=3600)
    before = trees.snapshot(tmp_path / "store")
    second = jobs.take(config, unless_newer_than=3600)
    assert (first.changed, second.changed) == (True, False)
    assert (second.id, second.newer) == (None, first.id)
    assert trees.differences(before, trees.snapshot(tmp_path / "store")) == []
    assert jobs.take(config, unless_newer_than=0).changed


def test_a_backup_of_the_future_stands_in_for_none(tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that was wrong once must not keep backups from being taken, or from being full, for years."""
    config = jobs.configure(tmp_path, jobs.files(tree))
    with monkeypatch.context() as wrong:
        wrong.setattr("_engine.operations.backup.utc_now", lambda: utc_now() + datetime.timedelta(days=4000))
        first = jobs.take(config)
    second = jobs.take(config, kind="incremental", unless_newer_than=3600)
    assert (second.newer, second.kind, second.outcome) == (None, "full", "warning")
    assert [w.code for w in second.warnings] == ["clock"]
    assert first.id and second.id and first.id < second.id


def test_what_nothing_can_follow_is_not_followed(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    first = jobs.take(config)
    (jobs.backup_folder(config, first.id).parent / "99991231T235959Z-full-manual-0000").mkdir()
    assert jobs.take(config).outcome == "success"


def test_a_name_that_is_no_utf8_can_be_told(tmp_path: Path) -> None:
    root = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"\xff"))
    config = jobs.configure(tmp_path, jobs.files(root))
    result = backup(config, config.jobs[0])
    assert result.error is not None and result.error["code"] == "source"
    told = json.loads(json.dumps(result.to_dict(), ensure_ascii=False).encode("utf-8"))["error"]["message"]
    assert "\\udcff: does not exist" in told
    (note,) = (tmp_path / "store").rglob("*.failed.json")
    assert json.loads(note.read_bytes())["error"]["message"] == told


def test_a_dry_run_says_what_would_be_read_and_writes_nothing(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    before = trees.snapshot(tmp_path)
    result = backup(config, config.jobs[0], dry_run=True)
    assert result.outcome == "success" and result.changed and result.id is None
    state = trees.snapshot(tree)
    assert result.entries == len(state)
    assert trees.differences(before, trees.snapshot(tmp_path)) == []


def hook(tmp_path: Path, name: str, status: int = 0) -> t.Dict[str, t.Any]:
    script = 'echo "$FLEET_BACKUP_POINT $FLEET_BACKUP_OUTCOME" >> %s/hooks; exit %d' % (tmp_path, status)
    return {name: [{"command": ["/bin/sh", "-c", script]}]}


def told(tmp_path: Path) -> t.List[str]:
    return (tmp_path / "hooks").read_text().splitlines()


def test_hooks_run_around_the_backup(tmp_path: Path, tree: Path) -> None:
    hooks = {**hook(tmp_path, "before"), **hook(tmp_path, "after"), **hook(tmp_path, "on_failure")}
    config = jobs.configure(tmp_path, jobs.files(tree), hooks=hooks)
    jobs.take(config)
    assert told(tmp_path) == ["before ", "after success"]


def test_a_before_hook_that_fails_stops_the_backup(tmp_path: Path, tree: Path) -> None:
    hooks = {**hook(tmp_path, "before", 3), **hook(tmp_path, "after"), **hook(tmp_path, "on_failure")}
    config = jobs.configure(tmp_path, jobs.files(tree), hooks=hooks)
    result = backup(config, config.jobs[0])
    assert result.outcome == "failure" and result.error is not None and result.error["code"] == "hook"
    assert told(tmp_path) == ["before ", "on_failure failure"]
    assert jobs.catalog(config).scan().complete == []


def test_an_after_hook_that_fails_is_a_warning_and_the_backup_stands(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree), hooks=hook(tmp_path, "after", 1))
    result = jobs.take(config)
    assert result.outcome == "warning"
    assert jobs.catalog(config).scan().complete == [result.id]


def test_a_failure_leaves_a_note_a_status_and_no_data(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree), jobs.files(tmp_path / "gone", "more"))
    result = backup(config, config.jobs[0])
    assert result.exit_code == 5
    folder = tmp_path / "store/web1/app"
    (note,) = folder.iterdir()
    assert json.loads(note.read_text())["error"]["code"] == "source"
    status = State(config.state_dir).read_status("app")
    assert json.dumps(status).count("does not exist") >= 1


@pytest.mark.parametrize("killed", [True, False])
def test_a_run_that_was_killed_before_its_manifest_is_told_from_damage_by_the_next(
    tmp_path: Path, tree: Path, killed: bool
) -> None:  # fmt: skip
    """Or it would be damaged for good, and nothing older could ever be pruned."""
    config = jobs.configure(tmp_path, jobs.files(tree), retention={"keep_last": 1})
    first, second = jobs.take(config).id or "", jobs.take(config, kind="incremental").id or ""
    Path(str(jobs.backup_folder(config, second)) + ".json").unlink()
    if killed:
        status = json.loads((tmp_path / "state" / "app.json").read_bytes())
        status["confirmed"]["disk"].remove(second)
        (tmp_path / "state" / "app.json").write_text(json.dumps(status))
    assert verify(config).outcome == "failure"
    third = jobs.take(config).id or ""
    scan = jobs.catalog(config).scan()
    assert (scan.complete, scan.failed, list(scan.damaged)) == ([first, third], [second] * killed, [second] * (not killed))
    assert verify(config).outcome == ("success" if killed else "failure")
    later = utc_now() + datetime.timedelta(days=8)
    pruned = prune(config, config.jobs[0], orphans=True, now=later)
    assert pruned.deleted == [first] * killed
    left = [path.name for path in jobs.backup_folder(config, second).parent.glob(second + "*")]
    assert not killed or left == [second + ".failed.json"]


def test_a_store_with_less_room_than_the_last_backup_took_is_told_at_once(
    tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from _engine.stores.local import LocalStore

    config = jobs.configure(tmp_path, jobs.files(tree))
    jobs.take(config)
    monkeypatch.setattr(LocalStore, "free_space", lambda self: 10)
    result = backup(config, config.jobs[0])
    assert result.exit_code == 8 and result.error is not None
    assert "10 bytes are free" in result.error["message"]
    assert len(jobs.catalog(config).scan().complete) == 1


def test_reading_back_from_the_disk_is_recorded(tmp_path: Path, tree: Path) -> None:
    description = jobs.describe(tmp_path, jobs.files(tree))
    description["stores"][0]["local"]["read_back"] = True
    os.truncate(tree / "big", 0) if (tree / "big").exists() else None
    with open(tree / "big", "wb") as file:
        for _ in range(90):
            file.write(os.urandom(1 << 20))
    config = parse_config(description)
    result = jobs.take(config)
    manifest = jobs.catalog(config).manifest(result.id or "")
    assert manifest.stores == [{"name": "disk", "driver": "local", "confirms": "read"}]


@pytest.mark.parametrize(("options", "said"), [({"tag": "No Good"}, "no valid tag"), ({"kind": "huge"}, "is none of")])
def test_a_request_that_cannot_be_is_a_configuration_error(tmp_path: Path, tree: Path, options: t.Any, said: str) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    result = backup(config, config.jobs[0], **options)
    assert result.exit_code == ConfigurationError.exit_code and result.error is not None
    assert said in result.error["message"]
