# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that grow, shrink, vanish, become unreadable or something else while they are read: the run goes on and says which."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import typing as t
from pathlib import Path

import pytest
import trees

from .engine import Finished, Host
from .injection import Mutation
from .promises import check_store, entries

MIB = 1 << 20
BODY = bytes(range(256)) * 4096  # 1 MiB
BIG = b"".join(bytes([n]) * MIB for n in range(1, 10))  # 9 MiB, so that it is read in parts


@pytest.fixture(params=["tar", "zip"])
def host(folder: Path, request: pytest.FixtureRequest) -> Host:
    tree = folder / "tree"
    tree.mkdir()
    for name in ("a", "target", "z"):
        (tree / name).write_bytes(BODY)
    (tree / "big").write_bytes(BIG)
    trees.make_sparse(tree / "sparse", [(0, b"x" * 70000), (8 * MIB, b"y" * 70000)], 10 * MIB)
    (tree / "inner").mkdir()
    (tree / "inner" / "below").write_bytes(b"below")
    os.utime(tree / "target", (10**9, 10**9))
    return Host(folder, [{"name": "tree", "files": {"paths": [str(tree)]}}], format=request.param)


def _path(host: Host, name: str) -> bytes:
    return os.fsencode(str(host.folder / "tree" / name).lstrip("/"))


def _run(host: Host, name: str, moment: str, what: t.Callable[[Path], t.Any], status: int = 3) -> Finished:
    mutation = Mutation(os.fsencode(name), moment, lambda: what(host.folder / "tree" / name))
    return host.call("run", "app", inside=mutation.install).expect(status)


def _check_notice(host: Host, finished: Finished, code: str, name: str) -> None:
    """The result and the manifest name the file, and only that one."""
    assert finished.result["outcome"] == "warning"
    (warning,) = finished.result["warnings"]
    assert (warning["code"], warning["count"], warning["component"]) == (code, 1, "tree")
    assert [path.lstrip("/") for path in warning["paths"]] == [os.fsdecode(_path(host, name))]
    (manifest,) = host.manifests()
    assert manifest["outcome"] == "warning"
    assert manifest["components"][0]["warnings"] == {code: 1}
    assert [w["code"] for w in manifest["warnings"]] == [code]


def _restored(host: Host) -> Path:
    """The tree as it comes back; everything else in it is as it was."""
    check_store(host, [])
    target = host.folder / "restored"
    shutil.rmtree(target, ignore_errors=True)
    host.call("restore", "app", "--to", str(target), "--yes").expect(0, 3)
    tree = target / str(host.folder / "tree").lstrip("/")
    assert (tree / "z").read_bytes() == BODY
    assert (tree / "a").read_bytes() == BODY
    return tree


def _append(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more" * 1000)


def _overwrite(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(b"other")


def test_grows(host: Host) -> None:
    finished = _run(host, "target", "read", _append)
    _check_notice(host, finished, "file-changed", "target")
    entry = entries(host)[_path(host, "target")]
    assert entry["size"] == len(BODY) and entry["changed"] is True and "padded" not in entry
    assert (_restored(host) / "target").read_bytes() == BODY


def test_shrinks_before_it_is_read(host: Host) -> None:
    finished = _run(host, "target", "read", lambda path: os.truncate(path, 1000))
    _check_notice(host, finished, "file-changed", "target")
    entry = entries(host)[_path(host, "target")]
    assert entry["size"] == len(BODY) and entry["changed"] is True and entry["padded"] == len(BODY) - 1000
    assert (_restored(host) / "target").read_bytes() == BODY[:1000] + bytes(len(BODY) - 1000)


def test_shrinks_in_the_middle(host: Host) -> None:
    finished = _run(host, "big", "middle", lambda path: os.truncate(path, 5 * MIB))
    _check_notice(host, finished, "file-changed", "big")
    entry = entries(host)[_path(host, "big")]
    assert entry["size"] == 9 * MIB and entry["padded"] == 4 * MIB
    assert (_restored(host) / "big").read_bytes() == BIG[: 5 * MIB] + bytes(4 * MIB)


def test_sparse_file_shrinks(host: Host) -> None:
    finished = _run(host, "sparse", "read", lambda path: os.truncate(path, 50000))
    _check_notice(host, finished, "file-changed", "sparse")
    entry = entries(host)[_path(host, "sparse")]
    assert entry["size"] == 10 * MIB and entry["changed"] is True and entry["padded"] > 0
    assert (_restored(host) / "sparse").read_bytes() == b"x" * 50000 + bytes(10 * MIB - 50000)


def test_hole_is_filled_while_read(host: Host) -> None:
    def fill(path: Path) -> None:
        with open(path, "r+b") as file:
            file.seek(4 * MIB)
            file.write(b"z" * 100)

    finished = _run(host, "sparse", "read", fill)
    _check_notice(host, finished, "file-changed", "sparse")
    assert (_restored(host) / "sparse").stat().st_size == 10 * MIB


def test_is_written_to_in_place(host: Host) -> None:
    finished = _run(host, "big", "middle", _overwrite)
    _check_notice(host, finished, "file-changed", "big")
    entry = entries(host)[_path(host, "big")]
    assert entry["changed"] is True and "padded" not in entry
    assert (_restored(host) / "big").read_bytes() in (BIG, b"other" + BIG[5:])


def test_vanishes_before_it_is_opened(host: Host) -> None:
    finished = _run(host, "target", "open", os.unlink)
    _check_notice(host, finished, "file-vanished", "target")
    assert _path(host, "target") not in entries(host)
    assert not (_restored(host) / "target").exists()


def test_is_removed_while_read(host: Host) -> None:
    finished = _run(host, "target", "read", os.unlink)
    _check_notice(host, finished, "file-changed", "target")
    assert (_restored(host) / "target").read_bytes() == BODY


def test_is_replaced_by_a_new_file_while_read(host: Host) -> None:
    def replace(path: Path) -> None:
        path.with_name("new").write_bytes(b"new")
        os.replace(path.with_name("new"), path)

    finished = _run(host, "target", "read", replace)
    _check_notice(host, finished, "file-changed", "target")
    assert (_restored(host) / "target").read_bytes() == BODY


def test_fails_in_the_middle(host: Host) -> None:
    def fail(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    finished = _run(host, "big", "middle", fail)
    _check_notice(host, finished, "file-unreadable", "big")
    entry = entries(host)[_path(host, "big")]
    padded = entry["padded"]
    assert entry["size"] == 9 * MIB and 0 < padded < 9 * MIB
    assert (_restored(host) / "big").read_bytes() == BIG[:-padded] + bytes(padded)


def test_cannot_be_opened(host: Host) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    finished = _run(host, "target", "open", refuse)
    _check_notice(host, finished, "file-unreadable", "target")
    assert _path(host, "target") not in entries(host)
    assert not (_restored(host) / "target").exists()


def _become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "child").write_bytes(b"child")


def _become_symlink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _become_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


BECOME = {"directory": _become_folder, "symlink": _become_symlink, "fifo": _become_fifo, "socket": _become_socket}


@pytest.mark.parametrize("kind", sorted(BECOME))
def test_becomes_something_else(host: Host, kind: str) -> None:
    """Whatever it has become is never followed, never waited for, and archived as what it is."""
    _run(host, "target", "open", BECOME[kind], status=3 if kind == "directory" else 0)
    entry = entries(host).get(_path(host, "target"))
    tree = _restored(host)
    if kind == "socket":
        assert entry is None
        return
    assert entry is not None and entry["type"] == kind
    restored = tree / "target"
    assert restored.is_symlink() == (kind == "symlink")
    assert restored.is_fifo() == (kind == "fifo")
    assert restored.is_dir() == (kind == "directory")


def test_folder_vanishes(host: Host) -> None:
    finished = _run(host, "inner", "open", shutil.rmtree)
    _check_notice(host, finished, "file-vanished", "inner")
    assert not (_restored(host) / "inner").exists()


def test_folder_becomes_a_link_elsewhere(host: Host) -> None:
    """Nobody can lead a walk out of its tree."""
    secret = host.folder / "secret"
    secret.mkdir()
    (secret / "below").write_bytes(b"secret")

    def swap(path: Path) -> None:
        shutil.rmtree(path)
        path.symlink_to(secret)

    _run(host, "inner", "open", swap, status=3)
    tree = _restored(host)
    assert not (tree / "inner" / "below").exists()


@pytest.mark.parametrize("meaning", ["ignore", "warning", "failure"])
def test_the_job_says_what_a_change_means(host: Host, meaning: str) -> None:
    host.job["sources"][0]["files"]["on_changed"] = meaning
    host.write_config()
    status = {"ignore": 0, "warning": 3, "failure": 5}[meaning]
    finished = _run(host, "target", "read", _append, status)
    assert finished.result["outcome"] == {0: "success", 3: "warning", 5: "failure"}[status]
    assert len(host.manifests()) == (0 if meaning == "failure" else 1)
    if meaning == "failure":
        assert "target" in finished.result["error"]["message"]


def test_the_job_can_fail_for_what_is_unreadable(host: Host) -> None:
    host.job["sources"][0]["files"]["on_unreadable"] = "failure"
    host.write_config()

    def refuse(path: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    finished = _run(host, "target", "open", refuse, status=5)
    assert "target" in finished.result["error"]["message"]
    assert host.manifests() == []
