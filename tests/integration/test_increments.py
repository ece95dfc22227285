# SPDX-License-Identifier: GPL-3.0-or-later
"""Increments: whatever happened between backups, each restores exactly the tree of its moment."""

from __future__ import annotations

import datetime
import os
import random
import shutil
import typing as t
from pathlib import Path

import jobs
import pytest
import trees

from _engine.age.keys import keygen
from _engine.job import Config, parse_config
from _engine.keyring import open_keyring
from _engine.operations.backup import backup
from _engine.operations.listing import list_backups
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify
from _engine.parents import choose_parent
from _engine.result import utc_now

YEAR = 365 * 86400 * 10**9
ACTIONS = ("create", "change", "edit", "grow", "rename", "delete", "chmod", "link", "hardlink", "replace", "folder", "touch")


def restored(config: Config, backup_id: t.Optional[str], to: Path, **options: t.Any) -> trees.Snapshot:
    result = restore(config, "app", RestoreRequest(backup=backup_id or "", to=str(to), set_ids=True, devices=True, **options))
    assert result.error is None, result.error
    (source,) = config.jobs[0].sources
    return trees.snapshot(os.path.join(to, source.options["paths"][0].lstrip("/")))


def stored(result: t.Any) -> int:
    return int(result.components[0].stored)


def mutate(root: Path, rng: random.Random) -> None:
    """Do one thing that people and programs do to their files."""
    everything = sorted(p for p in root.rglob("*"))
    files = [p for p in everything if p.is_file() and not p.is_symlink()]
    folders = [root] + [p for p in everything if p.is_dir() and not p.is_symlink()]
    name = "new%08x" % rng.getrandbits(32)
    action = rng.choice(ACTIONS)
    if action == "create" or not files:
        (rng.choice(folders) / name).write_bytes(rng.randbytes(rng.choice((0, 1, 511, 512, 70_000, 1_500_000))))
        return
    victim = rng.choice(files)
    if action == "change":
        data = bytearray(victim.read_bytes() or b"x")
        data[rng.randrange(len(data))] ^= 255
        victim.write_bytes(data)
    elif action == "edit":
        largest = max(files, key=lambda path: path.stat().st_size)
        data = bytearray(largest.read_bytes())
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(data) + 1)
            data[place : place + rng.randrange(5000)] = rng.randbytes(rng.randrange(5000))
        largest.write_bytes(data)
    elif action == "grow":
        with open(victim, "ab") as file:
            file.write(rng.randbytes(1000))
    elif action == "rename":
        victim.rename(rng.choice(folders) / name)
    elif action == "delete":
        victim.unlink()
        if rng.random() < 0.2 and len(folders) > 1:
            shutil.rmtree(rng.choice(folders[1:]))
    elif action == "chmod":
        victim.chmod(rng.choice((0o600, 0o644, 0o755)))
    elif action == "link":
        victim.unlink()
        victim.symlink_to(rng.choice(("/etc/passwd", "nowhere", "..")))
    elif action == "hardlink":
        os.link(victim, rng.choice(folders) / name)
    elif action == "replace":
        victim.unlink()
        victim.mkdir()
        (victim / "inside").write_text("a folder now")
    elif action == "folder":
        (rng.choice(folders) / name).mkdir()
    else:
        os.utime(victim, ns=(0, rng.randrange(YEAR)))


def live_through(tmp_path: Path, seed: int, steps: int) -> None:
    rng = random.Random(seed)
    root = tmp_path / "tree"
    trees.make_tree(root, seed, odd=False, entries=30)
    shape = dict(rng.choice(({"format": "zip"}, {"compression": {"algorithm": "gzip"}}, {}, {})))
    identity, recipient = keygen()
    (tmp_path / "identity").write_text(identity)
    (tmp_path / "identity").chmod(0o600)
    keyring = open_keyring(identity_files=[str(tmp_path / "identity")])
    if rng.random() < 0.3:
        shape["encryption"] = {"recipients": [recipient]}
    shape["retention"] = rng.choice(({"keep_last": 2}, {"keep_last": 4, "min_keep": 3}, {"keep_daily": 1, "keep_last": 1}, {}))
    detect = rng.choice(("times", "times", "checksum"))
    shape["delta_from"] = "64KiB"
    if rng.random() < 0.2:
        shape["delta_cache"] = rng.choice(("1MB", 0))
    # Trees as small as these lose most of their bytes with one file.
    config = jobs.configure(tmp_path, jobs.files(root, detect=detect), guard={"enabled": False}, **shape)
    config = rng.choice((config, jobs.split(config, 100_000)))
    moments: t.Dict[str, trees.Snapshot] = {}
    for _ in range(steps):
        for _ in range(rng.randrange(6)):
            mutate(root, rng)
        result = jobs.take(config, kind=rng.choice(("full", "differential", "incremental", "incremental")))
        assert result.outcome == "success", result.warnings
        moments[result.id or ""] = trees.snapshot(root)
        if rng.random() < 0.3:
            pruned = prune(config, config.jobs[0])
            assert pruned.error is None, pruned.error
            for backup_id in pruned.deleted:
                del moments[backup_id]
    assert verify(config, keyring=keyring).outcome == "success"
    assert [b.id for b in list_backups(config).jobs[0].backups] == sorted(moments, reverse=True)
    for number, (backup_id, moment) in enumerate(moments.items()):
        assert trees.differences(moment, restored(config, backup_id, tmp_path / ("out%d" % number), keyring=keyring)) == []


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes of small trees have several frames, too, and a scout looks at their files."""
    monkeypatch.setattr("_engine.archive.scout._FEW", 0)
    monkeypatch.setattr("_engine.archive.index._GROUP", 3000)
    monkeypatch.setattr("_engine.archive.index._ENOUGH", 1500)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.usefixtures("ahead", "small_frames")
def test_every_backup_of_a_history_restores_the_tree_of_its_moment(tmp_path: Path, seed: int) -> None:
    live_through(tmp_path, seed, 6)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 300))
@pytest.mark.usefixtures("ahead", "small_frames")
def test_long_histories(tmp_path: Path, seed: int) -> None:
    live_through(tmp_path, seed, 12)


@pytest.mark.parametrize("seed", range(3))
def test_young_files_are_not_trusted(tmp_path: Path, seed: int) -> None:
    """With the true clock: a file that is written twice within the resolution of its times is stored twice."""
    live_through(tmp_path, 1000 + seed, 5)


def test_an_increment_costs_what_changed(tmp_path: Path, ahead: None) -> None:
    root = trees.make_tree(tmp_path / "tree", 2, big=True)
    config = jobs.configure(tmp_path, jobs.files(root))
    full = jobs.take(config, kind="incremental")
    assert (full.kind, full.reason) == ("full", "there is no backup yet")
    nothing = jobs.take(config, kind="incremental")
    assert nothing.kind == "incremental" and nothing.bytes == full.bytes
    assert stored(nothing) < 20_000 < stored(full)
    Path(root, "new").write_bytes(os.urandom(100_000))
    assert 100_000 < stored(jobs.take(config, kind="incremental")) < 120_000
    assert 100_000 < stored(jobs.take(config, kind="differential")) < 120_000
    assert stored(jobs.take(config, kind="incremental")) < 20_000


def test_a_new_mode_or_owner_costs_no_content(tmp_path: Path, ahead: None) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "big").write_bytes(os.urandom(1 << 20))
    config = jobs.configure(tmp_path, jobs.files(root))
    jobs.take(config)
    (root / "big").chmod(0o640)
    result = jobs.take(config, kind="incremental")
    assert stored(result) < 2000
    after = restored(config, result.id, tmp_path / "out")
    assert trees.differences(trees.snapshot(root), after) == []


def test_a_parent_that_is_gone_makes_the_run_full_and_says_so(tmp_path: Path, ahead: None) -> None:
    root = trees.make_tree(tmp_path / "tree", 2)
    config = jobs.configure(tmp_path, jobs.files(root))
    first = jobs.take(config)
    second = jobs.take(config, kind="incremental")
    catalog = jobs.catalog(config)
    catalog.delete(first.id or "")
    third = backup(config, config.jobs[0], kind="incremental")
    assert (third.outcome, third.kind) == ("warning", "full")
    assert [w.code for w in third.warnings] == ["no-parent"]
    assert second.id and "no full backup" in third.reason


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(("algorithm", "left"), [("zstd", 0), ("zstd", 0.6), ("none", 0.3)])
def test_what_is_unreadable_of_the_index_before_is_stored_again(
    tmp_path: Path, ahead: None, small_frames: None, algorithm: str, left: float, sealed: bool
) -> None:  # fmt: skip
    """A damaged index costs room, once; it neither ends this run nor all that follow it."""
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(100):
        (root / ("file%02d" % number)).write_bytes(os.urandom(10_000))
    identity, recipient = keygen()
    (tmp_path / "identity").write_text(identity)
    (tmp_path / "identity").chmod(0o600)
    encryption = {"encryption": {"recipients": [recipient]}} if sealed else {}
    config = jobs.configure(tmp_path, jobs.files(root), compression={"algorithm": algorithm}, **encryption)
    first = jobs.take(config)
    folder = tmp_path / "state" / "cache" / "app" if sealed else jobs.backup_folder(config, first.id)
    (index,) = folder.glob("*.index" if sealed else "*.index*")
    data = bytearray(index.read_bytes())
    # The table comes last, and without it nothing can be read. Without compression one digit is as good as another.
    place = int(left * len(data)) if left else len(data) - 40
    while algorithm == "none" and not data[place : place + 1].isdigit():
        place += 1
    data[place] ^= 1
    index.write_bytes(data)
    second = backup(config, config.jobs[0], kind="incremental")
    assert ([w.code for w in second.warnings], second.error) == (["base-unreadable"], None)
    partly = left and algorithm == "zstd"
    assert (200_000 if partly else 1_000_000) < stored(second) < (800_000 if partly else 1_100_000)
    keyring = open_keyring(identity_files=[str(tmp_path / "identity")])
    after = restored(config, second.id, tmp_path / "out", keyring=keyring)
    assert trees.differences(trees.snapshot(root), after) == []
    assert verify(config, backup_ids=[second.id or ""], keyring=keyring).outcome == "success"
    third = jobs.take(config, kind="incremental")
    assert (third.outcome, third.kind) == ("success", "incremental") and stored(third) < 40_000


def test_a_parent_must_be_on_every_store(tmp_path: Path, ahead: None) -> None:
    root = trees.make_tree(tmp_path / "tree", 2)
    description = jobs.describe(tmp_path, jobs.files(root))
    jobs.take(parse_config(description))
    description["stores"].append({"name": "second", "local": {"path": str(tmp_path / "second")}})
    description["jobs"][0]["stores"].append("second")
    config = parse_config(description)
    assert jobs.take(config, kind="incremental").kind == "full"
    assert jobs.take(config, kind="incremental").kind == "incremental"


def test_a_source_that_is_new_is_full_inside_an_increment(tmp_path: Path, ahead: None) -> None:
    first = trees.make_tree(tmp_path / "tree", 2)
    second = trees.make_tree(tmp_path / "more", 3)
    jobs.take(jobs.configure(tmp_path, jobs.files(first)))
    result = jobs.take(jobs.configure(tmp_path, jobs.files(first), jobs.files(second, "more")), kind="incremental")
    assert [(c.name, c.kind) for c in result.components] == [("files", "incremental"), ("more", "full")]


def test_increments_are_limited_in_number_and_age(tmp_path: Path, ahead: None) -> None:
    root = trees.make_tree(tmp_path / "tree", 2)
    config = jobs.configure(tmp_path, jobs.files(root), max_increments=2)
    kinds = [jobs.take(config, kind="incremental").kind for _ in range(5)]
    assert kinds == ["full", "incremental", "incremental", "full", "incremental"]
    catalog = jobs.catalog(config)

    def kind_after(days: int) -> str:
        now = utc_now() + datetime.timedelta(days=days)
        return choose_parent(
            "incremental", [catalog], [catalog.scan()], now, full_every=config.jobs[0].full_every, max_increments=None
        ).kind

    assert (kind_after(29), kind_after(31)) == ("incremental", "full")


def test_hard_links_survive_increments(tmp_path: Path, ahead: None) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "m").write_text("one inode")
    os.link(root / "m", root / "z")
    config = jobs.configure(tmp_path, jobs.files(root))
    jobs.take(config)
    os.link(root / "m", root / "a")
    second = jobs.take(config, kind="incremental")
    assert trees.differences(trees.snapshot(root), restored(config, second.id, tmp_path / "out")) == []
    os.unlink(root / "a")
    third = jobs.take(config, kind="incremental")
    assert trees.differences(trees.snapshot(root), restored(config, third.id, tmp_path / "out3")) == []
