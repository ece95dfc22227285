# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small files in new folders: restored by the short way, they are what the long way makes of them."""

from __future__ import annotations

import os
import random
import shutil
import stat
from pathlib import Path

import components
import pytest
import trees
from archives import entry, forged

from _engine.errors import IntegrityError
from _engine.sources import RestoreTarget
from _engine.tree.restore import TreeRestore, plan_restore

NAMES = (
    "plain",
    "with space",
    "gr\u00f6\u00dfe",
    "\U0001f4be",
    'quo"te',
    "back\\slash",
    "new\nline",
    "~",
    "\x7f",
    "a",
    "a-b",
    "A",
    "-",
)


def restored(reader, to: Path, include=()):
    told = []
    restoring = TreeRestore(reader, RestoreTarget(to=str(to), include=tuple(include)))
    restoring.stage(told.append)
    notices = restoring.commit()
    restoring.finish()
    return sum(told), restoring.plan, notices


def small_files(tree: Path, rng: random.Random) -> None:
    """Names, sizes, modes, times and owners of all kinds, among things of other kinds."""
    for number in range(3):
        folder = tree / ("d%d" % number)
        folder.mkdir(parents=True)
        for name in rng.sample(NAMES, 9):
            path = folder / name
            path.write_bytes(rng.randbytes(rng.choice([0, 1, 511, 512, 513, 3000, 99_999, 100_000, 200_000])))
            if os.geteuid() == 0:
                os.chown(path, *rng.choice([(0, 0), (1000, 1000), (3_000_000_000, 7)]))
            path.chmod(rng.choice([0o644, 0o600, 0o444, 0o000, 0o755, 0o777]))
            when = rng.choice([0, -1_500_000_000, 1_700_000_000_123_456_789, 1 << 62])
            os.utime(path, ns=(when, when))
            if name == "plain":
                os.link(path, folder / "same")
        (folder / "link").symlink_to("plain")
        (folder / "z").mkdir()
        (folder / "z" / "below").write_bytes(b"below")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_the_short_way_makes_what_the_long_way_makes(tmp_path: Path, mask: int) -> None:
    tree = tmp_path / "tree"
    small_files(tree, random.Random(mask))
    source = components.make_source("files", {"paths": [str(tree)]}, "tree")
    reader = components.back_up(source, "files", tmp_path / "store")[1]
    wanted = trees.snapshot(tree)
    size = sum(entry.get("size", 0) for entry in reader.entries())
    before = os.umask(mask)
    try:
        short, long = (restored(reader, tmp_path / "to" / name, include) for name, include in (("short", ()), ("long", ("/**",))))
    finally:
        os.umask(before)
    for name in ("short", "long"):
        assert trees.differences(wanted, trees.snapshot(str(tmp_path / "to" / name) + str(tree))) == []
    assert short[0] == long[0] == size
    assert short[1].create_count == long[1].create_count
    assert [path.replace("/long/", "/short/") for path in long[1].create] == short[1].create
    assert short[2] == long[2] == []


def test_the_plan_counts_them(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    small_files(tree, random.Random(1))
    source = components.make_source("files", {"paths": [str(tree)]}, "tree")
    reader = components.back_up(source, "files", tmp_path / "store")[1]
    count = len(trees.snapshot(tree))
    shutil.rmtree(tree)
    plan = plan_restore(reader, RestoreTarget())
    assert (plan.create_count, len(plan.create)) == (count, count)
    assert str(tree / "d0" / "z" / "below") in plan.create
    assert not tree.exists()


@pytest.mark.parametrize("wrong", ["hash", "short"])
def test_a_file_that_is_not_what_was_backed_up(tmp_path: Path, wrong: str) -> None:
    contents = {"r__%d" % n: b"content %d" % n for n in range(5)}
    entries = [entry("r", "directory"), *(entry("r/%d" % n, content=b"content %d" % n) for n in range(5))]
    contents["r__3"] = {"hash": b"c0ntent 3", "short": b"content"}[wrong]
    restoring = TreeRestore(forged(str(tmp_path / "root"), *entries, **contents), RestoreTarget())
    with pytest.raises(IntegrityError, match="r/3"):
        restoring.stage(lambda _: None)
    restoring.undo()
    restoring.finish()
    assert os.listdir(tmp_path) == []


def test_set_ids_are_taken_off_and_told(tmp_path: Path) -> None:
    """The bits of a file among plain ones are as dear as of any other."""
    modes = {"a": "0644", "b": "4755", "c": "0644", "d": "2711", "e": "1644"}
    entries = [entry("r", "directory"), *(entry("r/%s" % name, mode=mode) for name, mode in modes.items())]
    restoring = TreeRestore(forged(str(tmp_path / "root"), *entries), RestoreTarget())
    restoring.stage(lambda _: None)
    notices = restoring.commit()
    restoring.finish()
    assert [(notice.code, notice.paths) for notice in notices] == [("set-id-dropped", ["r/b", "r/d"])]
    found = {name: stat.S_IMODE((tmp_path / "root" / name).stat().st_mode) for name in modes}
    assert found == {"a": 0o644, "b": 0o755, "c": 0o644, "d": 0o711, "e": 0o1644}
