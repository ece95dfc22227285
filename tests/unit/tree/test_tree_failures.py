# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that fail or are killed, at every step; restores by users who may not do everything."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
import trees
from archives import entry, forged
from children import NOBODY, Saboteur, in_child
from components import back_up, make_source

from _engine.errors import LockedError, RestoreError
from _engine.sources import RestoreTarget
from _engine.sources.files import rules_of
from _engine.system.folder import Folder
from _engine.tree import staging
from _engine.tree.metadata import Permissions
from _engine.tree.restore import TreeRestore
from _engine.tree.staging import recover

PREFIX = ".fleet-backup-restore-"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, or mount")


def restoring(reader, source=None, **target) -> TreeRestore:
    if source is not None:
        target.update(options=source.options, delete=True)
    request = RestoreTarget(**target)
    return TreeRestore(reader, request, rules_of(request))


def leftovers(folder) -> list[str]:
    return [name for _, folders, _ in os.walk(folder) for name in folders if name.startswith(PREFIX)]


def inodes(tree: Path) -> dict[str, int]:
    return {str(p): os.lstat(p).st_ino for p in [tree, *tree.rglob("*")]}


@pytest.fixture
def changed(tmp_path: Path):
    """A backup of a tree, and the tree as it became since: every kind of step is needed to restore it."""
    tree = tmp_path / "tree"
    for name in ("file", "same", "folder/a", "folder/b", "gone/deep/x", "becomes-folder", "meta"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(name.encode())
    (tree / "becomes-file").mkdir()
    (tree / "link").symlink_to("file")
    os.link(tree / "file", tree / "hard")
    source = make_source("files", {"paths": [str(tree)]}, "tree")
    reader = back_up(source, "files", tmp_path / "store")[1]
    wanted = trees.snapshot(tree)
    shutil.rmtree(tree / "gone")
    (tree / "file").write_bytes(b"changed")
    (tree / "folder" / "a").unlink()
    (tree / "folder" / "extra").mkdir()
    (tree / "folder" / "extra" / "y").write_bytes(b"y")
    (tree / "becomes-folder").unlink()
    (tree / "becomes-folder").mkdir()
    (tree / "becomes-file").rmdir()
    (tree / "becomes-file").write_bytes(b"z")
    (tree / "link").unlink()
    (tree / "link").symlink_to("elsewhere")
    os.chmod(tree / "meta", 0o600)
    os.utime(tree / "meta", ns=(5, 5))
    return tree, source, reader, wanted


def test_every_step_that_fails_is_undone(changed) -> None:
    tree, source, reader, wanted = changed
    before, numbers = trees.snapshot(tree), inodes(tree)

    def attempt(number: int):
        def run() -> bool:
            restore = restoring(reader, source)
            restore.stage(lambda _: None)
            saboteur = Saboteur(number, kill=False)
            saboteur.start()
            try:
                restore.commit()
            except RestoreError as error:
                assert "sabotage" in str(error), error
                saboteur.stop()
                restore.undo()
                restore.undo()
                restore.finish()
                return False
            saboteur.stop()
            restore.undo()
            restore.finish()
            return True

        return run

    number = 1
    while not in_child(attempt(number)):
        assert trees.differences(before, trees.snapshot(tree)) == []
        assert inodes(tree) == numbers
        assert leftovers(tree) == []
        number += 1
    assert number > 12
    assert trees.differences(before, trees.snapshot(tree)) == []
    assert inodes(tree) == numbers


def test_undoing_that_is_killed_is_finished_by_the_next(changed) -> None:
    tree, source, reader, wanted = changed
    before, numbers = trees.snapshot(tree), inodes(tree)

    def attempt(number: int):
        def run() -> bool:
            restore = restoring(reader, source)
            restore.stage(lambda _: None)
            restore.commit()
            saboteur = Saboteur(number, kill=True)
            saboteur.start()
            restore.undo()
            restore.finish()
            saboteur.stop()
            return True

        return run

    number = 1
    while in_child(attempt(number)) is None:
        known = knows_times(tree)
        told = recover(Folder.at(os.fsencode(tree)), os.fsencode(tree), Permissions(False, False))
        assert len(told) == 1
        lines = trees.differences(before, trees.snapshot(tree))
        assert [line for line in lines if known or not line.startswith("b'': mtime_ns")] == []
        assert inodes(tree) == numbers
        number += 1
    assert number > 12


def knows_times(tree: Path) -> bool:
    """Whether what was left tells the times that the root must have: all of it but the empty folder does."""
    (name,) = leftovers(tree)
    return os.listdir(tree / name) != []


def test_killed_at_every_step_it_is_undone_by_the_next_restore(changed, tmp_path: Path) -> None:
    tree, source, reader, wanted = changed
    template = tmp_path / "template"
    assert subprocess.run(["cp", "-a", tree, template], check=False).returncode == 0
    before = trees.snapshot(template)

    def attempt(number: int):
        def run() -> bool:
            saboteur = Saboteur(number, kill=True)
            restore = restoring(reader, source)
            saboteur.start()
            restore.stage(lambda _: None)
            restore.commit()
            restore.finish()
            saboteur.stop()
            return True

        return run

    number, ends = 1, set()
    while in_child(attempt(number)) is None:
        known = knows_times(tree)
        told = recover(Folder.at(os.fsencode(tree)), os.fsencode(tree), Permissions(False, False))
        assert len(told) == 1
        after = trees.snapshot(tree)
        # All of the old or all of the new; which, depends on whether the end had begun.
        ends.add("new" if (tree / "folder" / "a").exists() else "old")
        lines = trees.differences(wanted if (tree / "folder" / "a").exists() else before, after)
        assert [line for line in lines if known or not line.startswith("b'': mtime_ns")] == []
        assert leftovers(tree) == []
        shutil.rmtree(tree)
        assert subprocess.run(["cp", "-a", template, tree], check=False).returncode == 0
        number += 1
    assert number > 20
    assert ends == {"old", "new"}
    assert trees.differences(wanted, trees.snapshot(tree)) == []


def test_the_next_restore_says_that_it_undid_an_interrupted_one(changed) -> None:
    tree, source, reader, wanted = changed

    def run() -> None:
        saboteur = Saboteur(9, kill=True)
        restore = restoring(reader, source)
        restore.stage(lambda _: None)
        saboteur.start()
        restore.commit()

    assert in_child(run) is None
    assert leftovers(tree) != []
    restore = restoring(reader, source)
    restore.stage(lambda _: None)
    notices = restore.commit()
    restore.finish()
    assert [notice.code for notice in notices] == ["interrupted-restore"]
    assert trees.differences(wanted, trees.snapshot(tree)) == []
    assert leftovers(tree) == []


@pytest.mark.parametrize("spoilt", [b"", b"\0\0", b"{\n\0\0"], ids=["empty", "zeros", "torn"])
def test_a_plan_that_a_power_failure_spoilt(changed, spoilt: bytes) -> None:
    """What gives nothing up is not waited for, so its plan may be lost; one that does must never be passed over."""
    tree, source, reader, wanted = changed

    def killed(archive, **target) -> None:
        def run() -> None:
            restore = restoring(archive, **target)
            restore.stage(lambda _: None)
            saboteur = Saboteur(8 if target else 2, kill=True)
            saboteur.start()
            restore.commit()

        assert in_child(run) is None
        (name,) = leftovers(tree)
        (tree / name / "commit.jsonl").write_bytes(spoilt)

    new = forged(str(tree / "new"), entry("r", "directory"), entry("r/a"))
    killed(new)
    restore = restoring(new)
    restore.stage(lambda _: None)
    restore.commit()
    restore.finish()
    assert leftovers(tree) == []
    killed(reader, source=source)
    (name,) = leftovers(tree)
    kept = os.listdir(tree / name / "old")
    with pytest.raises(RestoreError, match="damaged"):
        restoring(reader).stage(lambda _: None)
    assert os.listdir(tree / name / "old") == kept != []


def test_a_restore_that_is_running_is_not_taken_for_an_interrupted_one(changed) -> None:
    tree, source, reader, _ = changed
    first = restoring(reader, source)
    first.stage(lambda _: None)

    def second() -> str:
        staging._own.clear()  # a forked process is another one
        restore = restoring(reader, source)
        with pytest.raises(LockedError) as caught:
            restore.stage(lambda _: None)
        restore.finish()
        return str(caught.value)

    assert "another restore is under way" in in_child(second)
    first.commit()
    first.finish()
    assert leftovers(tree) == []


def test_what_lies_in_the_staging_folder_tells_a_person_what_to_do(changed) -> None:
    tree, source, reader, _ = changed
    restore = restoring(reader, source)
    restore.stage(lambda _: None)
    (name,) = leftovers(tree)
    assert stat.S_IMODE(os.stat(tree / name).st_mode) == 0o700
    assert sorted(os.listdir(tree / name)) == ["README.txt", "lock", "new", "old", "staged.jsonl"]
    text = (tree / name / "README.txt").read_text()
    assert all(word in text for word in ("commit.jsonl", "staged.jsonl", "done.jsonl", "old/<unit>"))
    restore.commit()
    assert "commit.jsonl" in os.listdir(tree / name)
    restore.finish()


def test_something_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    archive = forged(str(tmp_path / "root"), entry("r", "directory"), entry("r/a", content=b"new"), r__a=b"new")
    (tmp_path / "root").mkdir()
    restore = restoring(archive)
    restore.stage(lambda _: None)
    (tmp_path / "root" / "a").write_bytes(b"written by the application")
    with pytest.raises(RestoreError, match="a: cannot be put in place: it appeared"):
        restore.commit()
    restore.undo()
    restore.finish()
    assert (tmp_path / "root" / "a").read_bytes() == b"written by the application"


def test_what_the_application_writes_meanwhile_comes_back_with_undo(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    file = tmp_path / "root" / "a"
    file.write_bytes(b"old")
    archive = forged(str(tmp_path / "root"), entry("r", "directory"), entry("r/a", content=b"new"), r__a=b"new")
    restore = restoring(archive)
    restore.stage(lambda _: None)
    file.unlink()
    file.write_bytes(b"newer than what was compared")
    restore.commit()
    assert file.read_bytes() == b"new"
    restore.undo()
    restore.finish()
    assert file.read_bytes() == b"newer than what was compared"


@pytest.fixture
def open_folder():
    """A folder that every user can reach; the test's own lies in one that only root may enter."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-backup-test-"))
    os.chmod(folder, 0o755)
    yield folder
    subprocess.run(["rm", "-rf", "--", folder], check=True)


@root_only
@pytest.mark.parametrize("seed", range(3))
def test_without_root_everything_but_owners_comes_back(open_folder: Path, seed: int) -> None:
    tree = Path(trees.make_tree(open_folder / "tree", seed, 60))
    # What root alone may read cannot be read back by the test's other user either.
    reader = back_up(make_source("files", {"paths": [str(tree)]}, "tree"), "files", open_folder / "store")[1]
    subprocess.run(["chmod", "-R", "a+rX", open_folder / "store"], check=True)
    wanted = trees.snapshot(tree)
    (open_folder / "mine").mkdir()
    os.chown(open_folder / "mine", NOBODY, NOBODY)

    def run():
        restore = restoring(reader, to=str(open_folder / "mine"), set_ids=True, devices=True)
        restore.stage(lambda _: None)
        notices = restore.commit()
        restore.finish()
        return {notice.code: notice.count for notice in notices}, notices

    codes, notices = in_child(run, NOBODY)
    found = trees.snapshot(str(open_folder / "mine") + str(tree))
    devices = {path for path, node in wanted.items() if node.type in ("character", "block")}
    wanted = {path: node for path, node in wanted.items() if path not in devices}
    foreign = {path for path, node in wanted.items() if (node.uid, node.gid) != (NOBODY, NOBODY)}
    # Extra names of a file are no second owner.
    firsts = {path for path, node in wanted.items() if node.first not in (None, path)}
    assert codes.pop("owner-not-set") == len(foreign - firsts)
    assert codes.pop("device-skipped", 0) == len(devices)
    assert codes.pop("set-id-dropped", 0) >= 0
    assert codes == {}, notices
    dropped = {path: node for path, node in wanted.items()}
    lines = trees.differences(dropped, found, ignore={"uid", "gid", "mode"})
    assert lines == []
    assert not any(found[path].mode & 0o4000 for path in found)
    for path, node in wanted.items():
        if node.type not in ("symlink",):
            assert found[path].mode & 0o1777 == node.mode & 0o1777, path


@root_only
def test_without_root_folders_that_may_not_be_written_are_restored_and_undone(open_folder: Path) -> None:
    tree = open_folder / "mine" / "tree"
    (tree / "module" / "sub").mkdir(parents=True)
    (tree / "module" / "sub" / "file").write_bytes(b"1")
    for folder in (tree / "module" / "sub", tree / "module"):
        os.chmod(folder, 0o555)
    reader = back_up(make_source("files", {"paths": [str(tree)]}, "tree"), "files", open_folder / "store")[1]
    subprocess.run(["chmod", "-R", "a+rX", open_folder / "store"], check=True)
    subprocess.run(["chown", "-R", "%d:%d" % (NOBODY, NOBODY), open_folder / "mine"], check=True)
    wanted = trees.snapshot(tree)
    subprocess.run(["rm", "-rf", tree / "module"], check=True)
    # In its place a file; and the other way round.
    (tree / "module").write_bytes(b"x")
    os.chown(tree / "module", NOBODY, NOBODY)
    before = trees.snapshot(tree)

    def run(undo: bool):
        def carry_out() -> None:
            restore = restoring(reader)
            restore.stage(lambda _: None)
            restore.commit()
            if undo:
                restore.undo()
            restore.finish()

        return carry_out

    in_child(run(undo=True), NOBODY)
    assert trees.differences(before, trees.snapshot(tree)) == []
    in_child(run(undo=False), NOBODY)
    assert trees.differences(wanted, trees.snapshot(tree), ignore={"uid", "gid"}) == []
    assert leftovers(open_folder) == []


@root_only
def test_without_root_what_may_not_be_written_fails_whole(open_folder: Path) -> None:
    tree = open_folder / "mine" / "tree"
    for name in ("a/file", "b/file", "c/file"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_bytes(b"1")
    reader = back_up(make_source("files", {"paths": [str(tree)]}, "tree"), "files", open_folder / "store")[1]
    subprocess.run(["chmod", "-R", "a+rX", open_folder / "store"], check=True)
    for name in ("a/file", "b/file", "c/file"):
        (tree / name).write_bytes(b"2")
    subprocess.run(["chown", "-R", "%d:%d" % (NOBODY, NOBODY), open_folder / "mine"], check=True)
    # One of the folders is root's: staging succeeds, the swap in it does not.
    os.chown(tree / "c", 0, 0)
    before, numbers = trees.snapshot(tree), inodes(tree)

    def run() -> str:
        restore = restoring(reader)
        restore.stage(lambda _: None)
        with pytest.raises(RestoreError) as caught:
            restore.commit()
        restore.undo()
        restore.finish()
        return str(caught.value)

    message = in_child(run, NOBODY)
    assert "c/file: cannot be put in place: Permission denied" in message
    assert trees.differences(before, trees.snapshot(tree)) == []
    assert inodes(tree) == numbers
    assert leftovers(open_folder) == []

    os.chown(tree, 0, 0)

    def refused() -> str:
        restore = restoring(reader)
        with pytest.raises(RestoreError) as caught:
            restore.stage(lambda _: None)
        restore.undo()
        restore.finish()
        return str(caught.value)

    assert "no staging folder can be made" in in_child(refused, NOBODY)


def test_a_staging_folder_that_cannot_be_made_leaves_no_trace(changed, monkeypatch) -> None:
    tree, source, reader, _wanted = changed
    before = trees.snapshot(tree)

    def no_room(self: staging.Staging) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(staging.Staging, "_fill", no_room)
    restore = restoring(reader, source)
    with pytest.raises(RestoreError, match="no staging folder can be made there: No space left"):
        restore.stage(lambda _: None)
    restore.undo()
    restore.finish()
    assert trees.differences(before, trees.snapshot(tree)) == []


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 1 MiB and 40 names."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=40", "tmpfs", place], check=False).returncode
    if mounted:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@root_only
def test_too_little_room_is_said_before_anything_is_written(small_disk: Path, tmp_path: Path) -> None:
    (small_disk / "kept").write_bytes(b"kept")
    content = os.urandom(2 << 20)
    archive = forged(str(small_disk / "root"), entry("r", "directory"), entry("r/a", content=content), r__a=content)
    restore = restoring(archive)
    with pytest.raises(RestoreError, match=r"\d+ bytes are needed .* \d+ are free"):
        restore.stage(lambda _: None)
    restore.undo()
    restore.finish()
    assert os.listdir(small_disk) == ["kept"]


@root_only
def test_holes_need_no_room(small_disk: Path) -> None:
    archive = forged(
        str(small_disk / "root"),
        entry("r", "directory"),
        entry("r/a", content=b"data", size=1 << 30, segments=[[1 << 20, 4]]),
        r__a=b"data",
    )
    archive.component.bytes = 1 << 30
    restore = restoring(archive)
    restore.stage(lambda _: None)
    restore.commit()
    restore.finish()
    assert os.stat(small_disk / "root" / "a").st_size == 1 << 30
    with open(small_disk / "root" / "a", "rb") as file:
        file.seek(1 << 20)
        assert file.read(8) == b"data\0\0\0\0"


@root_only
def test_a_disk_that_fills_up_meanwhile(small_disk: Path) -> None:
    (small_disk / "kept").write_bytes(b"kept")
    entries = [entry("r", "directory"), *(entry("r/%03d" % n) for n in range(100))]
    restore = restoring(forged(str(small_disk / "root"), *entries))
    with pytest.raises(RestoreError, match=r"root/0\d\d: cannot be restored: No space left"):
        restore.stage(lambda _: None)
    restore.undo()
    restore.finish()
    assert os.listdir(small_disk) == ["kept"]


@root_only
def test_a_disk_whose_blocks_run_out_meanwhile(small_disk: Path) -> None:
    content = os.urandom(50_000)
    entries = [entry("r", "directory"), *(entry("r/%02d" % n, content=content) for n in range(30))]
    archive = forged(str(small_disk / "root"), *entries, **{"r__%02d" % n: content for n in range(30)})
    archive.component.bytes = 0  # as if somebody else took the room
    restore = restoring(archive)
    with pytest.raises(RestoreError, match=r"root/[12]\d: cannot be restored: No space left"):
        restore.stage(lambda _: None)
    restore.undo()
    restore.finish()
    assert os.listdir(small_disk) == []


@root_only
def test_a_file_system_mounted_below_the_root_has_a_staging_folder_of_its_own(tmp_path: Path, small_disk: Path) -> None:
    assert small_disk.parent == tmp_path
    (small_disk / "sub").mkdir()
    (small_disk / "sub" / "file").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"1")
    store = Path(tempfile.mkdtemp(prefix="fleet-backup-test-"))
    try:
        reader = back_up(make_source("files", {"paths": [str(tmp_path)]}, "tree"), "files", store)[1]
        wanted = trees.snapshot(tmp_path)
        (small_disk / "sub" / "file").write_bytes(b"2")
        (tmp_path / "other").write_bytes(b"2")
        before = trees.snapshot(tmp_path)
        restore = restoring(reader)
        restore.stage(lambda _: None)
        assert len(leftovers(tmp_path)) == 2
        restore.commit()
        restore.undo()
        restore.finish()
        assert trees.differences(before, trees.snapshot(tmp_path)) == []
        restore = restoring(reader)
        restore.stage(lambda _: None)
        restore.commit()
        restore.finish()
        assert trees.differences(wanted, trees.snapshot(tmp_path)) == []
    finally:
        shutil.rmtree(store)
