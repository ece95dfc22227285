# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full, or fails: a clear error, the older backups kept, nothing left behind, and the next run works."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import typing as t
from pathlib import Path

import pytest

from _engine.age.keys import keygen

from .engine import Finished, Host
from .injection import Injection, fail_at, full_from
from .promises import SHARES, Scene, check_clean, check_failure, check_store, chosen, complete

MIB = 1 << 20
KIB = 1 << 10

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system for this test")


class SmallDisk:
    """A file system in memory of a few MiB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "none", path], check=False, stderr=subprocess.PIPE, text=True
        )
        if made.returncode != 0:
            pytest.skip("a small file system cannot be mounted here: %s" % made.stderr.strip())

    def resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", "remount,size=%d" % size, self.path], check=True)

    @property
    def used(self) -> int:
        info = os.statvfs(self.path)
        return (info.f_blocks - info.f_bfree) * info.f_frsize

    def fill(self) -> Path:
        """Fill it to the last byte."""
        filler = self.path / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC
        return filler

    def umount(self) -> None:
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk(folder: Path) -> t.Iterator[SmallDisk]:
    disk = SmallDisk(folder / "disk")
    yield disk
    disk.umount()


def _full(finished: Finished) -> None:
    check_failure(finished, "store-full", 8)
    assert "disk" in finished.result["error"]["message"]


@needs_root
def test_store_is_full(folder: Path, disk: SmallDisk) -> None:
    scene = Scene(folder)
    scene.host.store = disk.path / "store"
    scene.host.write_config()
    older = [scene.host.call("run", "app").expect(0).result["id"]]
    big = scene.tree / "picture"
    big.write_bytes(random.Random(1).randbytes(16 * MIB))
    _full(scene.host.call("run", "app"))
    check_store(scene.host, older, new_at_most=0)
    check_clean(scene.host, older)
    assert len(list(scene.host.backups.glob("*.failed.json"))) == 1
    # Too little room even for what the last one took: seen before anything is written.
    filler = disk.fill()
    _full(scene.host.call("run", "app"))
    check_store(scene.host, older, new_at_most=0)
    filler.unlink()
    big.unlink()
    os.utime(scene.tree, ns=(scene.before[b""].mtime_ns, scene.before[b""].mtime_ns))
    again = scene.host.call("run", "app").expect(0).result["id"]
    assert complete(scene.host) == [*older, again]
    scene.check_restore(again)


@needs_root
@pytest.mark.parametrize("step", [24 * KIB, pytest.param(4 * KIB, marks=pytest.mark.soak)])
def test_store_fills_up_at_any_place(folder: Path, disk: SmallDisk, step: int) -> None:
    """Disks a little larger each time, so that another object is the first that does not fit."""
    scene = Scene(folder)
    scene.host.store = disk.path / "store"
    scene.host.write_config()
    older = [scene.host.call("run", "app").expect(0).result["id"]]
    # No one shall notice beforehand.
    manifest = disk.used
    statuses = []
    for size in range(manifest, 2 * manifest + 256 * KIB, step):
        disk.resize(size)
        finished = scene.host.call("run", "app")
        statuses.append(finished.status)
        if finished.status == 0:
            break
        _full(finished)
        disk.resize(8 * MIB)
        check_store(scene.host, older, new_at_most=0)
        check_clean(scene.host, older)
        for note in scene.host.backups.glob("*.failed.json"):
            note.unlink()
    assert statuses[-1] == 0 and len(statuses) > 3
    check_store(scene.host, older)


@needs_root
def test_state_folder_is_full(folder: Path, disk: SmallDisk) -> None:
    """The host cannot even write down what it does; then it must not claim more than it did."""
    scene = Scene(folder)
    scene.host.state = disk.path / "state"
    scene.host.write_config()
    older = [scene.host.call("run", "app").expect(0).result["id"]]
    filler = disk.fill()
    finished = scene.host.call("run", "app").expect(3, 8, 1, 5)
    assert finished.result["outcome"] == ("warning" if finished.status == 3 else "failure")
    new = check_store(scene.host, older)
    assert len(new) == (finished.status == 3)
    assert str(scene.host.state) in finished.stdout
    filler.unlink()
    again = scene.host.call("run", "app").expect(0).result["id"]
    scene.check_restore(again)


@needs_root
def test_increments_do_without_what_a_full_state_folder_cannot_keep(folder: Path, disk: SmallDisk) -> None:
    """An encrypted index is kept on the host for the next increment; no room for it is no reason to take no backup."""
    tree = folder / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(b"content")
    recipients = [keygen()[1]]
    host = Host(folder, [{"name": "tree", "files": {"paths": [str(tree)]}}], encryption={"recipients": recipients})
    host.state = disk.path / "state"
    host.write_config()
    host.call("run", "app").expect(0)
    filler = disk.fill()
    second = host.call("run", "app", "--kind", "incremental").expect(3).result
    assert (second["kind"], second["outcome"]) == ("incremental", "warning")
    filler.unlink()
    third = host.call("run", "app", "--kind", "incremental").expect(3).result
    assert (third["kind"], [warning["code"] for warning in third["warnings"]]) == ("full", ["no-parent"])
    assert host.call("run", "app", "--kind", "incremental").expect(0).result["kind"] == "incremental"
    host.call("verify", "app", "--hashes").expect(0)


@pytest.mark.parametrize("share", SHARES)
def test_store_is_full_from_any_call_on(folder: Path, share: str) -> None:
    scene = Scene(folder)
    older = [scene.host.call("run", "app").expect(0).result["id"]]
    scene.keep()
    counter = Injection([scene.host.store])
    scene.host.call("run", "app", inside=counter.install).expect(0)
    for number in chosen(counter.count, share, seed=4):
        scene.begin_again()
        injection = Injection([scene.host.store], full_from(number))
        finished = scene.host.call("run", "app", inside=injection.install)
        if finished.status:
            _full(finished)
        new = check_store(scene.host, older)
        assert len(new) == (finished.status == 0), number
        check_clean(scene.host, older + new)
        scene.host.call("run", "app").expect(0)


@pytest.mark.parametrize("share", SHARES)
def test_any_call_fails_once(folder: Path, share: str) -> None:
    """EIO anywhere, in the application, in the store or in the state: what the result says is true."""
    scene = Scene(folder)
    older = [scene.host.call("run", "app").expect(0).result["id"]]
    scene.keep()
    counter = Injection([folder])
    scene.host.call("run", "app", inside=counter.install).expect(0)
    for number in chosen(counter.count, share, seed=5):
        scene.begin_again()
        injection = Injection([folder], fail_at(number, errno.EIO))
        finished = scene.host.call("run", "app", inside=injection.install)
        assert "defect" not in finished.stderr, (number, finished.stderr)
        new = check_store(scene.host, older)
        assert finished.result["outcome"] == {0: "success", 3: "warning"}.get(finished.status, "failure")
        assert len(new) == (finished.status in (0, 3)), number
        again = scene.host.call("run", "app").expect(0).result["id"]
        assert complete(scene.host) == [*older, *new, again]
