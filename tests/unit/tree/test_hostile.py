# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that somebody wrote to do harm: refused, by name, with nothing changed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import trees
from archives import Forged, entry, forged

from _engine.errors import FleetBackupError, IntegrityError, RestoreError
from _engine.sources import RestoreTarget
from _engine.tree.restore import TreeRestore, plan_restore

NUL = {"path": "r/a\0b"}


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """A root with something in it, and something outside that must stay as it is."""
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "file").write_bytes(b"mine")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"precious")
    return tmp_path


def attempt(archive, **target) -> FleetBackupError:
    """Restore an archive that must be refused; what it did meanwhile is taken back."""
    with pytest.raises((IntegrityError, RestoreError)) as planned:
        plan_restore(archive, RestoreTarget(**target))
    restoring = TreeRestore(archive, RestoreTarget(**target))
    with pytest.raises((IntegrityError, RestoreError)) as caught:
        restoring.stage(lambda _: None)
        restoring.commit()
    restoring.undo()
    restoring.finish()
    assert str(planned.value) == str(caught.value)
    return caught.value


ROOT = entry("r", "directory")
LINK = {"target": "../outside"}
BYTES = entry("r/a", content=b"abcdef")["bytes"]

BAD_LISTINGS = {
    "two dots": ([ROOT, entry("r/../x")], "r/.."),
    "two dots as a name": ([ROOT, entry("r/..", "directory")], "r/.."),
    "a dot": ([ROOT, entry("r/.", "directory")], "r/."),
    "an empty name": ([ROOT, entry("r/")], "r/"),
    "two slashes": ([ROOT, entry("r//x")], "r//x"),
    "absolute": ([ROOT, entry("/etc/passwd")], "/etc/passwd"),
    "a leading slash": ([ROOT, entry("/r/x")], "/r/x"),
    "NUL": ([ROOT, entry("r/a\0b")], "r/a\\x00b"),
    "outside every root": ([ROOT, entry("s")], "s"),
    "outside every root, first": ([entry("s/x")], "s/x"),
    "a root's neighbour": ([ROOT, entry("rr", "directory")], "rr"),
    "the same name twice": ([ROOT, entry("r/a"), entry("r/a")], "r/a"),
    "the root twice": ([ROOT, ROOT], "r"),
    "the root twice, with things between": ([ROOT, entry("r/a", "directory"), entry("r/a/b"), ROOT], "r"),
    "out of order": ([ROOT, entry("r/b"), entry("r/a")], "r/a"),
    "out of order, later": ([ROOT, entry("r/a", "directory"), entry("r/a/x"), entry("r/A")], "r/A"),
    "a file that holds something": ([ROOT, entry("r/a"), entry("r/a/b")], "r/a/b"),
    "a link that holds something": ([ROOT, entry("r/a", "symlink", **LINK), entry("r/a/precious")], "r/a/precious"),
    "a root that is a link and holds something": ([entry("r", "symlink", **LINK), entry("r/precious")], "r"),
    "a folder that is missing": ([ROOT, entry("r/a/b")], "r/a/b"),
    "a folder that was left": ([ROOT, entry("r/a", "directory"), entry("r/b"), entry("r/a/c")], "r/a/c"),
    "a type of a stream": ([ROOT, entry("r/a", "stream")], "r/a"),
    "a type of nothing": ([ROOT, entry("r/a", "door")], "r/a"),
    "a type that is a list": ([ROOT, entry("r/a", type=["file"])], "r/a"),
    "a link to a later entry": ([ROOT, entry("r/a", "link", b"x", target="r/b"), entry("r/b", content=b"x")], "r/a"),
    "a link to itself": ([ROOT, entry("r/a", "link", b"x", target="r/a")], "r/a"),
    "a symbolic link to nothing": ([ROOT, entry("r/a", "symlink", target="")], "r/a"),
    "a symbolic link with NUL": ([ROOT, entry("r/a", "symlink", target="a\0b")], "r/a"),
    "no mode": ([ROOT, entry("r/a", mode=None)], "r/a"),
    "a mode that is a number": ([ROOT, entry("r/a", mode=420)], "r/a"),
    "a mode with a type": ([ROOT, entry("r/a", mode="100644")], "r/a"),
    "a mode below nothing": ([ROOT, entry("r/a", mode="-644")], "r/a"),
    "an owner that means none": ([ROOT, entry("r/a", uid=0xFFFFFFFF)], "r/a"),
    "an owner below nothing": ([ROOT, entry("r/a", gid=-1)], "r/a"),
    "an owner that is a text": ([ROOT, entry("r/a", uid="0")], "r/a"),
    "no time": ([ROOT, entry("r/a", mtime=None)], "r/a"),
    "a time beyond all": ([ROOT, entry("r/a", mtime=1 << 100)], "r/a"),
    "a time that is a fraction": ([ROOT, entry("r/a", mtime=1.5)], "r/a"),
    "a size below nothing": ([ROOT, entry("r/a", size=-1)], "r/a"),
    "a size beyond all": ([ROOT, entry("r/a", size=1 << 64)], "r/a"),
    "a size and no bytes": ([ROOT, entry("r/a", size=10)], "r/a"),
    "more bytes than its size": ([ROOT, entry("r/a", content=b"abcdef", size=5)], "r/a"),
    "fewer bytes than its size": ([ROOT, entry("r/a", content=b"abcdef", size=7)], "r/a"),
    "bytes that are no place": ([ROOT, entry("r/a", content=b"abcdef", bytes=[1])], "r/a"),
    "bytes before the first": ([ROOT, entry("r/a", content=b"abcdef", bytes=["x", -1, -1, 6])], "r/a"),
    "no hash": ([ROOT, entry("r/a", content=b"abcdef", sha256=None)], "r/a"),
    "segments that overlap": ([ROOT, entry("r/a", content=b"abcdef", size=9, segments=[[0, 3], [2, 3]])], "r/a"),
    "segments backwards": ([ROOT, entry("r/a", content=b"abcdef", size=9, segments=[[3, 3], [0, 3]])], "r/a"),
    "segments beyond the end": ([ROOT, entry("r/a", content=b"abcdef", size=9, segments=[[0, 3], [7, 3]])], "r/a"),
    "an empty segment": ([ROOT, entry("r/a", content=b"abcdef", size=9, segments=[[0, 6], [7, 0]])], "r/a"),
    "segments below nothing": ([ROOT, entry("r/a", content=b"abcdef", size=9, segments=[[-3, 3], [3, 3]])], "r/a"),
    "segments that are none": ([ROOT, entry("r/a", content=b"abcdef", size=9, segments="all")], "r/a"),
    "a device without numbers": ([ROOT, entry("r/a", "block")], "r/a"),
    "a device with too large numbers": ([ROOT, entry("r/a", "character", rdev=[1 << 40, 0])], "r/a"),
    "no path": ([ROOT, {"type": "file"}], "no path"),
    "a path that is a number": ([ROOT, {"path": 1, "type": "file"}], "no path"),
    "base64 that is none": ([ROOT, {"path_b64": "\u00e4", "type": "file"}], "no path"),
    "a surrogate": ([ROOT, entry("r/\ud800")], "no path"),
    "no type": ([ROOT, {"path": "r/a"}], "no path or type"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(BAD_LISTINGS))
@pytest.mark.parametrize("to", [False, True])
def test_what_no_writer_of_ours_would_write(ground: Path, case: str, to: bool) -> None:
    entries, named = BAD_LISTINGS[case]
    before = trees.snapshot(ground)
    archive = Forged([(str(ground / "root"), "r")], entries, {e["path"]: b"abcdef" for e in entries if "bytes" in e})
    error = attempt(archive, **({"to": str(ground / "elsewhere")} if to else {}))
    assert named in str(error)
    assert str(error).isprintable()
    assert trees.differences(before, trees.snapshot(ground)) == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/abs", "a//b", "."])
def test_a_root_with_an_impossible_name(ground: Path, name: str) -> None:
    before = trees.snapshot(ground)
    archive = Forged([(str(ground / "root"), name)], [entry(name, "directory")], {})
    attempt(archive, to=str(ground / "elsewhere"))
    assert trees.differences(before, trees.snapshot(ground)) == []


@pytest.mark.parametrize("path", ["relative", "", "/a\0b", "/"])
def test_a_root_at_an_impossible_place(ground: Path, path: str) -> None:
    attempt(Forged([(path, "r")], [entry("r", "directory")], {}))


def test_a_link_on_the_disk_below_the_root_is_not_followed(ground: Path) -> None:
    (ground / "root" / "sub").rmdir()
    (ground / "root" / "sub").symlink_to(ground / "outside")
    archive = forged(
        str(ground / "root"),
        ROOT,
        entry("r/sub", "directory"),
        entry("r/sub/precious", content=b"evil"),
        r__sub__precious=b"evil",
    )
    restoring = TreeRestore(archive, RestoreTarget())
    restoring.stage(lambda _: None)
    restoring.commit()
    restoring.finish()
    # The link made way for the folder; what it led to is untouched.
    assert not (ground / "root" / "sub").is_symlink()
    assert (ground / "root" / "sub" / "precious").read_bytes() == b"evil"
    assert (ground / "outside" / "precious").read_bytes() == b"precious"


def test_a_link_on_the_way_to_a_place_below_another_folder_is_refused(ground: Path) -> None:
    (ground / "to").mkdir()
    (ground / "to" / "srv").symlink_to(ground / "outside")
    archive = Forged([("/srv/app", "srv/app")], [entry("srv/app", "directory"), entry("srv/app/x")], {})
    error = attempt(archive, to=str(ground / "to"))
    assert "nothing is restored through links" in str(error)
    assert os.listdir(ground / "outside") == ["precious"]


def test_a_link_of_the_archive_is_not_written_through(ground: Path) -> None:
    """Links of the archive are made; nothing else of the archive can lie behind one (see above), nor be linked through one."""
    archive = forged(
        str(ground / "root"),
        ROOT,
        entry("r/a", "symlink", target="../outside/precious"),
        entry("r/b", "link", b"precious", target="r/a"),
        r__b=b"precious",
    )
    restoring = TreeRestore(archive, RestoreTarget())
    restoring.stage(lambda _: None)
    restoring.commit()
    restoring.finish()
    assert os.readlink(ground / "root" / "a") == "../outside/precious"
    # What claimed to be the same file as a link is a file of its own.
    assert (ground / "root" / "b").stat().st_nlink == 1
    assert not os.path.samefile(ground / "root" / "b", ground / "outside" / "precious")


def test_a_hard_link_to_what_the_archive_does_not_hold(ground: Path) -> None:
    (ground / "root" / "a-secret").write_bytes(b"secret")
    archive = forged(str(ground / "root"), ROOT, entry("r/b", "link", b"public", target="r/a-secret"), r__b=b"public")
    restoring = TreeRestore(archive, RestoreTarget())
    restoring.stage(lambda _: None)
    restoring.commit()
    restoring.finish()
    assert (ground / "root" / "b").read_bytes() == b"public"
    assert (ground / "root" / "b").stat().st_nlink == (ground / "root" / "a-secret").stat().st_nlink == 1


@pytest.mark.parametrize("target", ["../outside/precious", "/etc/passwd", "outside", "r/../../outside/precious"])
def test_a_hard_link_to_outside(ground: Path, target: str) -> None:
    archive = forged(str(ground / "root"), ROOT, entry("r/z", "link", b"public", target=target), r__z=b"public")
    restoring = TreeRestore(archive, RestoreTarget())
    try:
        restoring.stage(lambda _: None)
        restoring.commit()
    except (IntegrityError, RestoreError):
        restoring.undo()
    restoring.finish()
    assert (ground / "outside" / "precious").stat().st_nlink == 1
    if (ground / "root" / "z").exists():
        assert (ground / "root" / "z").read_bytes() == b"public"


def test_a_bomb_ends_where_the_entry_ends(ground: Path) -> None:
    archive = forged(str(ground / "root"), ROOT, entry("r/a", content=b"x" * 10), r__a=b"x" * 10_000_000)
    told = []
    restoring = TreeRestore(archive, RestoreTarget())
    with pytest.raises(IntegrityError, match="r/a.*more of it"):
        restoring.stage(told.append)
    restoring.undo()
    restoring.finish()
    assert sum(told) <= 10
    assert sorted(os.listdir(ground / "root")) == ["file", "sub"]


def test_content_that_falls_short(ground: Path) -> None:
    archive = forged(str(ground / "root"), ROOT, entry("r/a", content=b"x" * 10), r__a=b"x" * 9)
    restoring = TreeRestore(archive, RestoreTarget())
    with pytest.raises(IntegrityError, match="r/a"):
        restoring.stage(lambda _: None)
    restoring.finish()


def test_other_content_than_the_hash_says(ground: Path) -> None:
    archive = forged(str(ground / "root"), ROOT, entry("r/a", content=b"x" * 10), r__a=b"y" * 10)
    restoring = TreeRestore(archive, RestoreTarget())
    with pytest.raises(IntegrityError, match="r/a"):
        restoring.stage(lambda _: None)
    restoring.finish()
    assert not (ground / "root" / "a").exists()


def restored(archive, **target):
    restoring = TreeRestore(archive, RestoreTarget(**target))
    restoring.stage(lambda _: None)
    notices = restoring.commit()
    restoring.finish()
    return {notice.code: notice.count for notice in notices}


def test_set_ids_come_back_only_when_asked_for(ground: Path) -> None:
    entries = [ROOT, entry("r/a", mode="4755"), entry("r/b", mode="2755"), entry("r/d", "directory", mode="2775")]
    archive = forged(str(ground / "root"), *entries)
    assert restored(archive) == {"set-id-dropped": 2}
    modes = [stat.S_IMODE(os.stat(ground / "root" / name).st_mode) for name in ("a", "b", "d")]
    # A folder's set-gid bit gives nobody a right.
    assert modes == [0o755, 0o755, 0o2775]
    assert restored(archive, set_ids=True) == {}
    modes = [stat.S_IMODE(os.stat(ground / "root" / name).st_mode) for name in ("a", "b", "d")]
    assert modes == [0o4755, 0o2755, 0o2775]
    # Bits that are there already, and in the archive too, are not taken off.
    assert restored(archive) == {}
    assert stat.S_IMODE(os.stat(ground / "root" / "a").st_mode) == 0o4755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can set capabilities")
def test_capabilities_are_like_set_ids(ground: Path) -> None:
    # cap_net_bind_service+ep, VFS_CAP_REVISION_2 (linux/capability.h)
    value = "AQAAAgAEAAAAAAAAAAAAAAAAAAA="
    archive = forged(str(ground / "root"), ROOT, entry("r/a", xattrs={"security.capability": value}))
    assert restored(archive) == {"set-id-dropped": 1}
    assert os.listxattr(ground / "root" / "a") == []
    assert restored(archive, set_ids=True) == {}
    assert os.listxattr(ground / "root" / "a") == ["security.capability"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make device nodes")
def test_device_nodes_come_back_only_when_asked_for(ground: Path) -> None:
    archive = forged(str(ground / "root"), ROOT, entry("r/null", "character", rdev=[1, 3], mode="0666"))
    assert restored(archive) == {"device-skipped": 1}
    assert not (ground / "root" / "null").exists()
    assert restored(archive, devices=True) == {}
    info = os.lstat(ground / "root" / "null")
    assert (stat.S_ISCHR(info.st_mode), info.st_rdev, stat.S_IMODE(info.st_mode)) == (True, os.makedev(1, 3), 0o666)


def test_a_depth_that_uses_up_all_descriptors_is_an_error(ground: Path) -> None:
    path, entries = "r", [ROOT]
    for _ in range(3000):
        path += "/d"
        entries.append(entry(path, "directory"))
    error = attempt_stage(forged(str(ground / "root"), *entries))
    assert "too many open files" in str(error).lower()
    assert sorted(os.listdir(ground / "root")) == ["file", "sub"]


def attempt_stage(archive):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    restoring = TreeRestore(archive, RestoreTarget())
    try:
        with pytest.raises(RestoreError) as caught:
            restoring.stage(lambda _: None)
        restoring.undo()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    restoring.finish()
    return caught.value


def test_what_another_user_left_is_not_obeyed(ground: Path) -> None:
    """A staging folder of an interrupted restore is undone by the next one: never somebody else's, never with a way out."""
    planted = ground / "root" / ".fleet-backup-restore-00000000"
    (planted / "old").mkdir(parents=True)
    (planted / "new").mkdir()
    (planted / "lock").write_bytes(b"")
    unit = "0" * 32
    (planted / "old" / unit).write_bytes(b"evil")
    lines = [{"version": 1, "holder": "/", "times": [0, 0]}, {"do": "replace", "unit": unit, "path": "../outside/precious"}]
    (planted / "commit.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    archive = forged(str(ground / "root"), ROOT, entry("r/a"))
    restoring = TreeRestore(archive, RestoreTarget())
    with pytest.raises(RestoreError, match="cannot be put back"):
        restoring.stage(lambda _: None)
    restoring.finish()
    assert (ground / "outside" / "precious").read_bytes() == b"precious"
    if os.geteuid() == 0:
        os.chown(planted, 65534, 65534)
        with pytest.raises(RestoreError, match="belongs to somebody else"):
            TreeRestore(archive, RestoreTarget()).stage(lambda _: None)
        assert (ground / "outside" / "precious").read_bytes() == b"precious"
