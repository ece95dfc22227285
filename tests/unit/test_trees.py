# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparer that other tests trust must itself see every kind of difference."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
import trees


@pytest.mark.parametrize("seed", range(4))
def test_a_seed_means_one_tree(tmp_path: Path, seed: int) -> None:
    made = [trees.snapshot(trees.make_tree(tmp_path / name / "t", seed)) for name in ("a", "b")]
    # Links to absolute paths within the tree differ with its place.
    assert trees.differences(made[0], made[1], ignore={"target"}) == []
    assert len(made[0]) > 20


def test_seeds_differ_and_odd_things_appear(tmp_path: Path) -> None:
    types: t.Set[str] = set()
    snapshots = [trees.snapshot(trees.make_tree(tmp_path / str(seed), seed, 120), sockets=True) for seed in range(6)]
    for nodes in snapshots:
        types.update(node.type for node in nodes.values())
    assert types >= {"file", "directory", "symlink", "fifo", "socket"}
    everything = [node for nodes in snapshots for node in nodes.values()]
    assert any(node.sparse for node in everything)
    assert any(node.first is not None for node in everything)
    assert any(path.endswith(b"not UTF-8") for nodes in snapshots for path in nodes)
    assert trees.differences(snapshots[0], snapshots[1]) != []


def _swap_content(path: Path) -> None:
    (path / "file").write_bytes(b"aXa")


def _swap_target(path: Path) -> None:
    (path / "link").unlink()
    (path / "link").symlink_to("elsewhere")


def _split_links(path: Path) -> None:
    (path / "two").unlink()
    (path / "two").write_bytes(b"linked")


CHANGES: t.Dict[str, t.Tuple[t.Callable[[Path], None], str]] = {
    "content": (_swap_content, "content"),
    "size": (lambda p: os.truncate(p / "file", 2), "size"),
    "mode": (lambda p: os.chmod(p / "file", 0o600), "mode"),
    "time": (lambda p: os.utime(p / "file", ns=(1, 1)), "mtime_ns"),
    "folder time": (lambda p: os.utime(p / "folder", ns=(1, 1)), "mtime_ns"),
    "target": (_swap_target, "target"),
    "hard link": (_split_links, "first"),
    "xattr": (lambda p: os.setxattr(p / "file", "user.x", b"2"), "xattrs"),
    "holes": (lambda p: (p / "sparse").write_bytes(bytes(1 << 20)), "sparse"),
    "gone": (lambda p: os.unlink(p / "file"), "missing"),
    "new": (lambda p: (p / "more").write_bytes(b""), "not there before"),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_every_difference_is_seen(tmp_path: Path, change: str) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    os.setxattr(tmp_path / "file", "user.x", b"1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "one").write_bytes(b"linked")
    os.link(tmp_path / "one", tmp_path / "two")
    trees.make_sparse(tmp_path / "sparse", [], 1 << 20)
    before = trees.snapshot(tmp_path)
    assert trees.differences(before, trees.snapshot(tmp_path)) == []
    make, word = CHANGES[change]
    make(tmp_path)
    assert any(word in line for line in trees.differences(before, trees.snapshot(tmp_path)))


def test_zeros_and_holes_are_the_same_content(tmp_path: Path) -> None:
    trees.make_sparse(tmp_path / "holes", [(1 << 20, b"x")], 2 << 20)
    (tmp_path / "zeros").write_bytes(bytes(1 << 20) + b"x" + bytes((1 << 20) - 1))
    nodes = trees.snapshot(tmp_path)
    assert nodes[b"holes"].content == nodes[b"zeros"].content
    assert nodes[b"holes"].sparse and not nodes[b"zeros"].sparse
