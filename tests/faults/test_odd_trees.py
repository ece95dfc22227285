# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees at the edge of what a file system can hold, and random ones: backed up, destroyed, restored, compared."""

from __future__ import annotations

import os
import random
import shutil
import sys
import typing as t
from pathlib import Path

import pytest
import trees

from .engine import Host
from .promises import check_store

MIB, GIB = 1 << 20, 1 << 30


def _deep(tree: Path) -> None:
    path = str(tree)
    for n in range(300):
        path += "/%d" % n
        os.mkdir(path)
    Path(path, "at the bottom").write_bytes(b"deep")


def _longer_than_path_max(tree: Path) -> None:
    """40 levels of 200 bytes: no system call takes such a path as a whole."""
    fd = os.open(tree, os.O_RDONLY)
    for n in range(40):
        name = ("%03d" % n).ljust(200, "x")
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    file = os.open("bottom", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=fd)
    os.write(file, b"deep")
    os.close(file)
    os.close(fd)


def _odd_names(tree: Path) -> None:
    root = os.fsencode(tree)
    for n, name in enumerate(trees.ODD_NAMES):
        with open(os.path.join(root, name), "wb") as file:
            file.write(b"%d" % n)
        os.symlink(name, os.path.join(root, b"to%d" % n))
        os.link(os.path.join(root, name), os.path.join(root, b"same%d" % n))
    os.mkdir(os.path.join(root, b"d\n\xff"))
    with open(os.path.join(root, b"d\n\xff", b"\xfe"), "wb") as file:
        file.write(b"inside")


def _order(tree: Path) -> None:
    """Names around the separator: "a" with its content sorts before "a-b", though "-" is less than "/"."""
    for name in ("a", "a-b", "a.b", "a0", "a b", "A"):
        (tree / name).mkdir()
        (tree / name / "x").write_bytes(name.encode())
    (tree / "a+").write_bytes(b"")


def _crowd(tree: Path) -> None:
    for n in range(10_000):
        (tree / ("f%d" % n)).write_bytes(b"%d" % n)


def _edges(tree: Path) -> None:
    rng = random.Random(1)
    for n, size in enumerate(trees.EDGE_SIZES):
        (tree / ("random%d" % n)).write_bytes(rng.randbytes(size))
        (tree / ("text%d" % n)).write_bytes(trees.text(rng, size))
        (tree / ("zeros%d" % n)).write_bytes(bytes(size))
    for n, when in enumerate(trees.EDGE_TIMES):
        os.utime(tree / ("text%d" % n), ns=(when, when))


def _links(tree: Path) -> None:
    (tree / "loop").symlink_to("loop")
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    (tree / "up").symlink_to("..")
    (tree / "root").symlink_to("/")
    (tree / "long").symlink_to("x" * 4000)
    (tree / "dir").mkdir()
    (tree / "dir" / "self").symlink_to("../dir")
    (tree / "one").write_bytes(b"one")
    for n in range(50):
        os.link(tree / "one", tree / "dir" / ("link%d" % n))


def _sparse(tree: Path) -> None:
    trees.make_sparse(tree / "only a hole", [], 32 * MIB)
    trees.make_sparse(tree / "data at the end", [(64 * MIB - 5, b"end")], 64 * MIB)
    trees.make_sparse(tree / "some", [(n * 2 * MIB, b"piece %d" % n) for n in range(40)], 100 * MIB)
    trees.make_sparse(tree / "begins with data", [(0, b"x" * 5000)], 1 << 20)


def _attributes(tree: Path) -> None:
    (tree / "file").write_bytes(b"x")
    (tree / "folder").mkdir()
    for name in ("file", "folder"):
        os.setxattr(tree / name, "user.plain", b"value")
        os.setxattr(tree / name, "user.empty", b"")
        os.setxattr(tree / name, "user.binary", bytes(range(256)) * 3)
        os.setxattr(tree / name, b"user.not-utf8-\xff", b"1")
        os.setxattr(tree / name, "user.%s" % ("n" * 250), b"long")
        os.setxattr(tree / name, "system.posix_acl_access", trees.acl({0: 7, 12345: 4}))
    os.setxattr(tree / "folder", "system.posix_acl_default", trees.acl({54321: 5}))


def _specials(tree: Path) -> None:
    os.mkfifo(tree / "fifo", 0o640)
    trees._make_socket(os.fsencode(tree / "socket"))
    if os.geteuid() == 0:
        os.mknod(tree / "null", 0o020666, os.makedev(1, 3))
        os.mknod(tree / "block", 0o060660, os.makedev(7, 200))
        (tree / "suid").write_bytes(b"#!")
        os.chown(tree / "suid", 3_000_000, 4_000_000_000)
        os.chmod(tree / "suid", 0o6755)
        (tree / "sticky").mkdir()
        os.chmod(tree / "sticky", 0o3777)


def _empty(tree: Path) -> None:
    """Nothing at all."""


BUILDERS: t.Dict[str, t.Callable[[Path], None]] = {
    "deep": _deep,
    "longer than PATH_MAX": _longer_than_path_max,
    "odd names": _odd_names,
    "order": _order,
    "crowd": _crowd,
    "edges": _edges,
    "links": _links,
    "sparse": _sparse,
    "attributes": _attributes,
    "specials": _specials,
    "empty": _empty,
}


@pytest.fixture
def tree(folder: Path) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    return tree


def _host(folder: Path, paths: t.Sequence[Path], **job: t.Any) -> Host:
    return Host(folder, [{"name": "tree", "files": {"paths": [str(path) for path in paths]}}], **job)


def _round_trip(host: Host, tree: Path) -> None:
    # A zip knows no holes: they come back as zeros.
    ignore = {"sparse"} if host.job.get("format") == "zip" else set()
    before = trees.snapshot(tree)
    host.call("run", "app").expect(0)
    (backup_id,) = check_store(host, [])
    options = ["--yes", "--set-ids", "--devices", "--backup", backup_id]
    elsewhere = host.folder / "elsewhere"
    host.call("restore", "app", "--to", str(elsewhere), *options).expect(0)
    assert trees.differences(before, trees.snapshot(str(elsewhere / str(tree).lstrip("/"))), ignore) == []
    shutil.rmtree(os.fsencode(tree))
    host.call("restore", "app", *options).expect(0)
    assert trees.differences(before, trees.snapshot(tree), ignore) == []
    # Once more over what is there already: nothing changes.
    host.call("restore", "app", *options).expect(0)
    assert trees.differences(before, trees.snapshot(tree), ignore) == []


@pytest.mark.parametrize("archive", ["tar", "zip"])
@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_round_trip(tree: Path, folder: Path, builder: str, archive: str) -> None:
    BUILDERS[builder](tree)
    _round_trip(_host(folder, [tree], format=archive), tree)


def test_huge_sparse_file(tree: Path, folder: Path) -> None:
    """Its holes are neither stored nor written back. (They are hashed, as zeros; so it is not larger here.)"""
    trees.make_sparse(tree / "huge", [(0, b"begin"), (GIB, b"middle"), (3 * GIB - 10, b"end")], 3 * GIB)
    host = _host(folder, [tree])
    _round_trip(host, tree)
    assert host.manifests()[0]["components"][0]["stored"] < MIB


@pytest.mark.soak
def test_gigantic(tree: Path, folder: Path) -> None:
    """A file of 20 GiB with little in it, and 200,000 files in one folder."""
    trees.make_sparse(tree / "huge", [(0, b"begin"), (11 * GIB, b"middle"), (20 * GIB - 10, b"end")], 20 * GIB)
    for n in range(200_000):
        (tree / ("f%d" % n)).write_bytes(b"%d" % n)
    _round_trip(_host(folder, [tree]), tree)


def test_hard_links_across_roots(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "roots" / name).mkdir(parents=True)
    (tmp_path / "roots" / "one" / "file").write_bytes(b"the same")
    os.link(tmp_path / "roots" / "one" / "file", tmp_path / "roots" / "two" / "file")
    host = _host(tmp_path, [tmp_path / "roots" / "one", tmp_path / "roots" / "two"])
    before = {name: trees.snapshot(tmp_path / "roots" / name) for name in ("one", "two")}
    host.call("run", "app").expect(0)
    shutil.rmtree(tmp_path / "roots" / "one")
    shutil.rmtree(tmp_path / "roots" / "two")
    host.call("restore", "app", "--yes").expect(0)
    for name in ("one", "two"):
        assert trees.differences(before[name], trees.snapshot(tmp_path / "roots" / name)) == []
    inodes = {(tmp_path / "roots" / name / "file").stat().st_ino for name in ("one", "two")}
    assert len(inodes) == 1


def _forget_zstd() -> None:
    """As on a host that has no library for zstd."""
    for name in ("backports.zstd", "backports", "compression", "compression.zstd"):
        sys.modules[name] = None  # type: ignore[assignment]


COMPRESSIONS = [("tar", "zstd"), ("tar", "gzip"), ("tar", "none"), ("zip", "gzip"), ("zip", "none")]
SEEDS = [*range(3), *[pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 40)]]


@pytest.mark.parametrize(("archive", "algorithm"), COMPRESSIONS)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_trees(folder: Path, tmp_path: Path, seed: int, archive: str, algorithm: str) -> None:
    base = tmp_path if seed == 0 else folder  # also on the disk: its times, holes and attributes are others
    tree = Path(trees.make_tree(base / "app" / "tree", seed, 150, big=seed % 3 == 0))
    _round_trip(_host(base, [tree], format=archive, compression={"algorithm": algorithm}), tree)


def test_without_zstd(tmp_path: Path) -> None:
    """gzip instead, and the result says so; such a backup needs no zstd to come back."""
    tree = Path(trees.make_tree(tmp_path / "app" / "tree", 5, 80))
    before = trees.snapshot(tree)
    host = _host(tmp_path, [tree])
    finished = host.call("run", "app", inside=_forget_zstd).expect(3)
    assert [warning["code"] for warning in finished.result["warnings"]] == ["no-zstd"]
    (manifest,) = host.manifests()
    assert manifest["components"][0]["compression"] == "gzip"
    shutil.rmtree(os.fsencode(tree))
    host.call("restore", "app", "--yes", "--set-ids", "--devices", inside=_forget_zstd).expect(0)
    assert trees.differences(before, trees.snapshot(tree)) == []
