# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small files in new folders: restored by the short way, they are what the long way makes of them."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import stat
from pathlib import Path

import components
import pytest
import trees
from archives import entry, forged

from _engine.errors import IntegrityError
from _engine.sources import RestoreTarget
from _engine.tree.restore import TreeRestore, plan_restore
from _engine.tree.second_writer import SecondWriter

ALONE, TWO = False, True

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


@pytest.fixture(params=[ALONE, TWO], ids=["alone", "two processes"])
def several(request, monkeypatch) -> bool:
    """Whether a second process makes files too, whatever machine this is and however few they are."""
    monkeypatch.setattr("_engine.second_process.cores", lambda: 2 if request.param else 1)
    monkeypatch.setattr("_engine.tree.plain_files._MANY", 0)
    monkeypatch.setattr("_engine.tree.plain_files._FEW", 1)
    return request.param


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
            path.write_bytes(rng.randbytes(rng.choice([0, 1, 511, 512, 513, 3000, 99_999, 300_000, 999_999, 1_000_000])))
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
def test_the_short_way_makes_what_the_long_way_makes(tmp_path: Path, mask: int, several: bool) -> None:
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
def test_a_file_that_is_not_what_was_backed_up(tmp_path: Path, wrong: str, several: bool) -> None:
    contents = {"r__%d" % n: b"content %d" % n for n in range(5)}
    entries = [entry("r", "directory"), *(entry("r/%d" % n, content=b"content %d" % n) for n in range(5))]
    contents["r__3"] = {"hash": b"c0ntent 3", "short": b"content"}[wrong]
    restoring = TreeRestore(forged(str(tmp_path / "root"), *entries, **contents), RestoreTarget())
    with pytest.raises(IntegrityError, match="r/3"):
        restoring.stage(lambda _: None)
    restoring.undo()
    restoring.finish()
    assert os.listdir(tmp_path) == []


def test_set_ids_are_taken_off_and_told(tmp_path: Path, several: bool) -> None:
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


@pytest.fixture
def second(monkeypatch) -> None:
    monkeypatch.setattr("_engine.second_process.cores", lambda: 2)
    monkeypatch.setattr("_engine.tree.plain_files._MANY", 0)


@pytest.fixture
def many(tmp_path: Path):
    """A reader of a tree of many small files, and what the tree was."""
    tree = tmp_path / "tree"
    for number in range(40):
        (tree / ("d%02d" % number)).mkdir(parents=True)
        for name in range(20):
            path = tree / ("d%02d" % number) / ("f%02d" % name)
            path.write_bytes(b"%d %d\n" % (number, name) * (name % 7 * 50))
            os.utime(path, ns=(1, 1_600_000_000_000_000_000 + name))
        os.utime(tree / ("d%02d" % number), ns=(1, 1_500_000_000_000_000_000 + number))
    for number in range(40):  # names of files that the second process may still have in hand
        os.link(tree / ("d%02d" % number) / "f19", tree / ("d%02d" % number) / "f20")
    source = components.make_source("files", {"paths": [str(tree)]}, "tree")
    reader = components.back_up(source, "files", tmp_path / "store")[1]
    wanted = trees.snapshot(tree)
    shutil.rmtree(tree)
    return reader, tree, wanted


def restored_with(reader, meanwhile) -> int:
    """Restore, calling ``meanwhile`` with the number of the second process at each run of files that it took."""
    restoring = TreeRestore(reader, RestoreTarget())
    taken = 0
    plain = restoring._plain
    offered = SecondWriter.offer

    def offer(self, *run):
        nonlocal taken
        accepted = offered(self, *run)
        if accepted:
            taken += 1
            meanwhile(self._child, taken)
        return accepted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecondWriter, "offer", offer)
        restoring.stage(lambda _: None)
    assert plain._second is not None
    restoring.commit()
    restoring.finish()
    return taken


def test_the_second_process_makes_a_part_of_them(many, second) -> None:
    reader, tree, wanted = many
    children = set()

    def look(child: int, taken: int) -> None:
        children.add(child)
        # A lock that it kept would outlive a run that is killed.
        if taken > 8:  # it has answered, so it has begun
            # The socket, the folder and the file at hand.
            assert len(os.listdir("/proc/%d/fd" % child)) <= 3

    assert restored_with(reader, look) > 8
    assert trees.differences(wanted, trees.snapshot(tree)) == []
    (child,) = children
    assert not os.path.exists("/proc/%d" % child)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("when", [1, 4, 7])
def test_a_second_process_that_fails_is_missed_by_nobody(many, second, monkeypatch, number: int, when: int) -> None:
    """Dead, or saying nothing any more: what it had in hand is made again."""
    monkeypatch.setattr("_engine.tree.second_writer.PATIENCE", 0.3)
    reader, tree, wanted = many
    restored_with(reader, lambda child, taken: os.kill(child, number) if taken == when else None)
    assert trees.differences(wanted, trees.snapshot(tree)) == []


def test_it_ends_with_its_parent(many, second) -> None:
    reader, _tree, _wanted = many
    begun, told = os.pipe()

    def killed() -> None:
        def tell(child: int, taken: int) -> None:
            if taken == 3:
                os.write(told, b"%d" % child)
                os.kill(os.getpid(), signal.SIGKILL)

        restored_with(reader, tell)

    parent = os.fork()
    if parent == 0:
        try:
            killed()
        finally:
            os._exit(1)
    os.close(told)
    assert os.WTERMSIG(os.waitpid(parent, 0)[1]) == signal.SIGKILL
    child = int(os.read(begun, 20))
    os.close(begun)
    try:
        handle = os.pidfd_open(child)
    except ProcessLookupError:
        return
    with open(handle) as ended:
        assert select.select([ended], [], [], 60)[0], "the second process goes on without its parent"
