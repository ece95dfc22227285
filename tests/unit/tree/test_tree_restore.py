# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees: backed up, changed or destroyed, restored, compared."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import components
import pytest
import trees

from _engine.errors import RestoreError
from _engine.sources import RestoreTarget
from _engine.sources.files import rules_of
from _engine.tree.restore import TreeRestore, plan_restore

# Sub-second times of the tree at hand are compared exactly; only what a restore changes on purpose is left out.
PREFIX = ".fleet-backup-restore-"


def back_up(paths, store, **options):
    if not isinstance(paths, list):
        paths = [paths]
    source = components.make_source("files", {"paths": [str(p) for p in paths], **options}, "tree")
    return source, components.back_up(source, "files", store)[1]


def restore(reader, **target):
    """Restore all the way; return what it found to do and what it told."""
    restoring = TreeRestore(reader, RestoreTarget(**target), rules_of(RestoreTarget(**target)))
    restoring.stage(lambda _: None)
    notices = restoring.commit()
    restoring.finish()
    return restoring.plan, notices


def counts(plan):
    return plan.create_count, plan.overwrite_count, plan.remove_count, plan.unchanged_count


def no_leftovers(folder):
    return [name for _, folders, _ in os.walk(folder) for name in folders if name.startswith(PREFIX)] == []


@pytest.mark.parametrize("seed", range(6))
def test_an_odd_tree_comes_back_as_it_was(tmp_path: Path, seed: int) -> None:
    tree = trees.make_tree(tmp_path / "tree", seed, 80)
    before = trees.snapshot(tree)
    _, reader = back_up(tree, tmp_path / "store")
    shutil.rmtree(tree)
    plan, notices = restore(reader, set_ids=True, devices=True)
    assert trees.differences(before, trees.snapshot(tree)) == []
    assert notices == []
    assert counts(plan) == (len(before), 0, 0, 0)
    assert no_leftovers(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_elsewhere(tmp_path: Path, seed: int) -> None:
    tree = trees.make_tree(tmp_path / "tree", seed, 50)
    before = trees.snapshot(tree)
    _, reader = back_up(tree, tmp_path / "store")
    restore(reader, set_ids=True, devices=True, to=str(tmp_path / "else" / "where"))
    there = str(tmp_path / "else" / "where") + tree
    assert trees.differences(before, trees.snapshot(there)) == []
    assert trees.differences(before, trees.snapshot(tree)) == []


@pytest.mark.parametrize("seed", range(6))
def test_over_another_tree(tmp_path: Path, seed: int) -> None:
    """Whatever is there, with delete the archived state is there afterwards, and undo brings the other one back."""
    tree = trees.make_tree(tmp_path / "tree", seed, 60)
    before = trees.snapshot(tree)
    source, reader = back_up(tree, tmp_path / "store")
    shutil.rmtree(tree)
    # Half of the names of the old tree are in the new one too, often as something else.
    trees.make_tree(tmp_path / "tree", seed + 1, 60)
    restore(reader, to=str(tmp_path / "copy"), set_ids=True, devices=True)
    graft(str(tmp_path / "copy") + tree, tree, seed)
    # Sockets are not backed up, so they stay, and the folders that they are in.
    remove_sockets(tree)
    other = trees.snapshot(tree, sockets=True)
    inodes = all_inodes(tree)

    target = RestoreTarget(set_ids=True, devices=True, delete=True, options=source.options)
    restoring = TreeRestore(reader, target, rules_of(target))
    planned = plan_restore(reader, target, rules_of(target))
    restoring.stage(lambda _: None)
    # While staged, a file that is in place already may have a further name in the staging folder.
    staged = without_staging(trees.snapshot(tree, sockets=True))
    assert trees.differences(other, staged, ignore={"first"}) == ignored_root_time(other, tree)
    restoring.commit()
    assert restoring.plan == planned
    restoring.undo()
    restoring.finish()
    assert trees.differences(other, trees.snapshot(tree, sockets=True)) == []
    assert all_inodes(tree) == inodes

    plan, notices = restore(reader, set_ids=True, devices=True, delete=True, options=source.options)
    after = trees.snapshot(tree)
    assert trees.differences(before, after) == []
    assert notices == []
    again, _ = restore(reader, set_ids=True, devices=True, delete=True, options=source.options)
    assert counts(again) == (0, 0, 0, len(before))


def graft(source, target, seed):
    """Copy a part of ``source`` over ``target``: some entries are then the same, some missing, some of another type."""
    for n, name in enumerate(sorted(os.listdir(source))):
        there = os.path.join(target, name)
        if (n + seed) % 3 == 0 and not os.path.lexists(there):
            # GNU cp: with everything, also links among the copied.
            assert os.spawnlp(os.P_WAIT, "cp", "cp", "-a", "--sparse=always", os.path.join(source, name), there) == 0


def remove_sockets(tree):
    for path, node in trees.snapshot(tree, sockets=True).items():
        if node.type == "socket":
            os.unlink(os.path.join(os.fsencode(tree), path))


def all_inodes(tree):
    found = {}
    for folder, folders, files in os.walk(os.fsencode(tree)):
        for name in [b"."] + folders + files:
            found[os.path.join(folder, name)] = os.lstat(os.path.join(folder, name)).st_ino
    return found


def without_staging(snapshot):
    return {path: node for path, node in snapshot.items() if not path.startswith(os.fsencode(PREFIX))}


def ignored_root_time(before, tree):
    """The staging folder has changed the time of the folder that it lies in, until the end."""
    now = os.stat(tree).st_mtime_ns
    was = before[b""].mtime_ns
    return [] if now == was else ["b'': mtime_ns was %r, is %r" % (was, now)]


def test_unchanged_things_are_left_alone(tmp_path: Path) -> None:
    tree = trees.make_tree(tmp_path / "tree", 3, 60)
    _, reader = back_up(tree, tmp_path / "store")
    before, inodes, parent = trees.snapshot(tree), all_inodes(tree), os.stat(tmp_path).st_mtime_ns
    plan, notices = restore(reader, devices=True, set_ids=True)
    assert counts(plan) == (0, 0, 0, len(before))
    assert notices == []
    assert (trees.snapshot(tree), all_inodes(tree), os.stat(tmp_path).st_mtime_ns) == (before, inodes, parent)


def test_content_is_compared_not_times(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    file = tmp_path / "tree" / "file"
    file.write_bytes(b"right")
    stamp = os.stat(file).st_mtime_ns
    _, reader = back_up(tmp_path / "tree", tmp_path / "store")
    file.write_bytes(b"wrong")
    os.utime(file, ns=(stamp, stamp))
    plan, _ = restore(reader)
    assert plan.overwrite == [str(file)]
    assert file.read_bytes() == b"right"
    assert os.stat(file).st_mtime_ns == stamp


def test_only_metadata_is_corrected_in_place(tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    file = tmp_path / "tree" / "sub" / "file"
    file.write_bytes(b"right")
    os.setxattr(file, "user.kept", b"1")
    _, reader = back_up(tmp_path / "tree", tmp_path / "store")
    before, inodes = trees.snapshot(tmp_path / "tree"), all_inodes(tmp_path / "tree")
    os.chmod(file, 0o600)
    os.setxattr(file, "user.more", b"1")
    os.removexattr(file, "user.kept")
    os.utime(file)
    os.chmod(tmp_path / "tree" / "sub", 0o700)
    changed = trees.snapshot(tmp_path / "tree")
    restoring = TreeRestore(reader, RestoreTarget())
    restoring.stage(lambda _: None)
    restoring.commit()
    restoring.undo()
    restoring.finish()
    assert trees.differences(changed, trees.snapshot(tmp_path / "tree")) == []
    plan, _ = restore(reader)
    assert plan.overwrite == [str(file.parent), str(file)]
    assert trees.differences(before, trees.snapshot(tmp_path / "tree")) == []
    assert all_inodes(tmp_path / "tree") == inodes


def test_a_file_with_another_name_elsewhere_is_not_corrected_in_place(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    file = tmp_path / "tree" / "file"
    file.write_bytes(b"right")
    _, reader = back_up(tmp_path / "tree", tmp_path / "store")
    os.link(file, tmp_path / "snapshot")
    os.chmod(file, 0o600)
    restore(reader)
    assert (os.stat(file).st_mode & 0o777, os.stat(tmp_path / "snapshot").st_mode & 0o777) == (0o644, 0o600)


def test_without_delete_nothing_else_goes(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(b"1")
    _, reader = back_up(tmp_path / "tree", tmp_path / "store")
    (tmp_path / "tree" / "more").write_bytes(b"2")
    (tmp_path / "tree" / "file").unlink()
    plan, _ = restore(reader)
    assert counts(plan) == (1, 0, 0, 1)
    assert sorted(os.listdir(tmp_path / "tree")) == ["file", "more"]


def test_delete_takes_what_the_source_would_have_backed_up(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("keep/file", "cache/x", "both/old.txt", "both/old.tmp", "old/deep/a", "old/deep/b", "store/backups", "a.tmp"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"1")
    (tree / "cache" / ".nobackup").write_bytes(b"")
    options = {"exclude": ["*.tmp"], "exclude_if_present": [".nobackup"]}
    shutil.move(tree, tmp_path / "aside")
    (tree / "keep").mkdir(parents=True)
    (tree / "keep" / "file").write_bytes(b"1")
    source, reader = back_up(tree, tmp_path / "store", **options)
    shutil.rmtree(tree)
    shutil.move(tmp_path / "aside", tree)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tree / "socket"))
    before = trees.snapshot(tree, sockets=True)

    target = RestoreTarget(delete=True, options=source.options, leave_out=(str(tree / "store"),))
    restoring = TreeRestore(reader, target, rules_of(target))
    restoring.stage(lambda _: None)
    restoring.commit()
    restoring.undo()
    restoring.finish()
    assert trees.differences(before, trees.snapshot(tree, sockets=True)) == []

    plan, _ = restore(reader, delete=True, options=source.options, leave_out=(str(tree / "store"),))
    left = sorted(path.decode() for path in trees.snapshot(tree, sockets=True))
    # The folder "cache" itself is backed up, with the mark in it; its other content is not.
    assert left == [
        "",
        "a.tmp",
        "both",
        "both/old.tmp",
        "cache",
        "cache/x",
        "keep",
        "keep/file",
        "socket",
        "store",
        "store/backups",
    ]
    assert plan.remove == [str(tree / name) for name in ("both/old.txt", "cache/.nobackup", "old")]


def test_delete_needs_to_know_the_source(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    _, reader = back_up(tmp_path / "tree", tmp_path / "store")
    with pytest.raises(RestoreError, match="job's description"):
        TreeRestore(reader, RestoreTarget(delete=True), None)


def test_delete_in_a_partial_restore_stays_in_the_part(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("one/a", "two/a"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_bytes(b"1")
    source, reader = back_up(tree, tmp_path / "store")
    for name in ("one/b", "two/b", "b"):
        (tree / name).write_bytes(b"1")
    plan, _ = restore(reader, delete=True, options=source.options, include=("one/",))
    assert plan.remove == [str(tree / "one" / "b")]
    assert sorted(os.listdir(tree)) == ["b", "one", "two"]


def test_a_folder_with_content_does_not_make_way_for_a_file(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "name").write_bytes(b"1")
    source, reader = back_up(tree, tmp_path / "store", exclude=["*.tmp"])
    (tree / "name").unlink()
    (tree / "name").mkdir()
    (tree / "name" / "precious").write_bytes(b"2")
    before = trees.snapshot(tree)
    restoring = TreeRestore(reader, RestoreTarget())
    with pytest.raises(RestoreError, match="move it away"):
        restoring.stage(lambda _: None)
    restoring.undo()
    restoring.finish()
    assert trees.differences(before, trees.snapshot(tree)) == []
    # With delete it does, unless something in it is none of the source's business.
    (tree / "name" / "other.tmp").write_bytes(b"3")
    with pytest.raises(RestoreError, match="move it away"):
        restore(reader, delete=True, options=source.options)
    (tree / "name" / "other.tmp").unlink()
    restore(reader, delete=True, options=source.options)
    assert (tree / "name").read_bytes() == b"1"


def test_a_part_of_a_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "wanted.txt").write_bytes(b"1")
    (tree / "a" / "b" / "other").write_bytes(b"2")
    os.chmod(tree / "a", 0o751)
    _, reader = back_up(tree, tmp_path / "store")
    before = trees.snapshot(tree)
    shutil.rmtree(tree)
    restore(reader, include=("*.txt",))
    after = trees.snapshot(tree)
    assert sorted(after) == [b"", b"a", b"a/b", b"a/b/wanted.txt"]
    assert trees.differences({path: before[path] for path in after}, after) == []
    # Folders that are there already and only lead to what was chosen keep what they have.
    os.chmod(tree / "a", 0o700)
    (tree / "a" / "b" / "wanted.txt").unlink()
    restore(reader, include=("*.txt",))
    assert os.stat(tree / "a").st_mode & 0o777 == 0o700
    assert (tree / "a" / "b" / "wanted.txt").read_bytes() == b"1"


def test_links_whose_file_was_not_chosen(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_bytes(b"content")
    for name in ("b.x", "c.x"):
        os.link(tree / "a", tree / name)
    _, reader = back_up(tree, tmp_path / "store")
    shutil.rmtree(tree)
    restore(reader, include=("*.x",))
    assert sorted(os.listdir(tree)) == ["b.x", "c.x"]
    assert (tree / "c.x").read_bytes() == b"content"
    assert os.path.samefile(tree / "b.x", tree / "c.x")


def test_links_to_a_file_that_is_there(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_bytes(b"content")
    os.link(tree / "a", tree / "b")
    _, reader = back_up(tree, tmp_path / "store")
    before = trees.snapshot(tree)
    (tree / "b").unlink()
    restore(reader)
    assert trees.differences(before, trees.snapshot(tree)) == []
    # Two files with the same content are not two names of one file.
    (tree / "b").unlink()
    shutil.copy2(tree / "a", tree / "b")
    plan, _ = restore(reader)
    assert plan.overwrite == [str(tree / "b")]
    assert trees.differences(before, trees.snapshot(tree)) == []


def test_several_roots_files_and_folders_whose_parent_is_gone(tmp_path: Path) -> None:
    base = tmp_path / "srv" / "app"
    (base / "static" / "up").mkdir(parents=True)
    for name in ("app.py", "models.py", "static/up/x"):
        (base / name).write_bytes(name.encode())
    _, reader = back_up([base / "app.py", base / "models.py", base / "static" / "up"], tmp_path / "store")
    before = trees.snapshot(base)
    shutil.rmtree(tmp_path / "srv")
    plan, _ = restore(reader)
    assert trees.differences(before, trees.snapshot(base), ignore={"mtime_ns"}) == []
    assert plan.create_count == 4
    (base / "app.py").write_bytes(b"changed")
    (base / "other").write_bytes(b"not in the backup")
    plan, _ = restore(reader)
    assert plan.overwrite == [str(base / "app.py")]
    assert (base / "other").exists() and no_leftovers(tmp_path)


def test_a_root_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    _, reader = back_up(tmp_path / "link", tmp_path / "store")
    (tmp_path / "real" / "file").write_bytes(b"2")
    restore(reader)
    assert (tmp_path / "real" / "file").read_bytes() == b"1"
    assert (tmp_path / "link").is_symlink()


def test_folders_that_inherit_pass_nothing_on_to_what_is_restored(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_bytes(b"1")
    (tree / "file").write_bytes(b"1")
    _, reader = back_up(tree, tmp_path / "store")
    before = trees.snapshot(tree)
    shutil.rmtree(tree)
    os.setxattr(tmp_path, "system.posix_acl_default", trees.acl({1000: 7}))
    os.chmod(tmp_path, 0o2755)
    os.chown(tmp_path, -1, 1)
    restore(reader)
    assert trees.differences(before, trees.snapshot(tree)) == []


@pytest.mark.parametrize("mask", [0, 0o027, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, mask: int) -> None:
    tree = tmp_path / "tree"
    for folder in (tree, tree / "below"):
        folder.mkdir(exist_ok=True)
        for mode in (0o600, 0o644, 0o664, 0o777, 0o444, 0o000, 0o1644):
            for number in range(2):
                file = folder / ("%04o-%d" % (mode, number))
                file.write_bytes(b"x")
                file.chmod(mode)
    before = trees.snapshot(tree)
    _, reader = back_up(tree, tmp_path / "store")
    old = os.umask(mask)
    try:
        restore(reader, to=str(tmp_path / "to"))
    finally:
        os.umask(old)
    assert trees.differences(before, trees.snapshot(str(tmp_path / "to") + str(tree))) == []
