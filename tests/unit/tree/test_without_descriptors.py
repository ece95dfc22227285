# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of systems that have no descriptors of folders, nor fifos: by paths."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import trees
from components import back_up, make_source

from _engine.sources import RestoreTarget
from _engine.sources.files import rules_of
from _engine.system import windows_folder
from _engine.tree.restore import TreeRestore, plan_restore


@pytest.fixture(autouse=True)
def by_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_engine.tree.compare.Folder", windows_folder.Folder)
    monkeypatch.setattr("_engine.tree.compare.mount_points", windows_folder.mount_points)
    monkeypatch.setattr("_engine.tree.compare.HAS_DIR_FD", False)
    monkeypatch.setattr("_engine.tree.write.HAS_DIR_FD", False)
    monkeypatch.setattr("_engine.tree.staging.HAS_DIR_FD", False)
    # All names are good here; which are not on Windows is another subject.
    monkeypatch.setattr(windows_folder.Folder, "fold", staticmethod(lambda name: name))


@pytest.mark.parametrize("seed", range(3))
def test_a_tree_comes_back_and_goes(tmp_path: Path, seed: int) -> None:
    tree = trees.make_tree(tmp_path / "tree", seed, 60)
    source = make_source("files", {"paths": [tree]}, "tree")
    reader = back_up(source, "files", tmp_path / "store")[1]
    fifos = {path for path, node in trees.snapshot(tree).items() if node.type in ("fifo", "character")}
    wanted = {path: node for path, node in trees.snapshot(tree).items() if path not in fifos}
    shutil.rmtree(tree)
    trees.make_tree(tmp_path / "tree", seed + 10, 40, odd=False)
    before = trees.snapshot(tree)
    target = RestoreTarget(set_ids=True, delete=True, options=source.options)
    planned = plan_restore(reader, target, rules_of(target))

    def carry_out(undo: bool):
        restoring = TreeRestore(reader, target, rules_of(target))
        restoring.stage(lambda _: None)
        notices = restoring.commit()
        if undo:
            restoring.undo()
        restoring.finish()
        assert restoring.plan == planned
        return {notice.code: notice.count for notice in notices}

    carry_out(undo=True)
    assert trees.differences(before, trees.snapshot(tree)) == []
    codes = carry_out(undo=False)
    assert sum(codes.values()) == len(fifos)
    # What is in the place of a fifo stays. Owners of links are numbers, which such systems do not have.
    after = trees.snapshot(tree)
    for path in [path for path in after if any((path + b"/").startswith(fifo + b"/") for fifo in fifos)]:
        del after[path]
    assert trees.differences(wanted, after, ignore={"uid", "gid"}) == []
