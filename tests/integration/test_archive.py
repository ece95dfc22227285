# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives for people: packed with stock tools in mind, and left alone when they hold the same already."""

from __future__ import annotations

import os
import subprocess

import pytest
import trees

from _engine.operations.archive import archive

NAMES = ("a.tar", "a.tar.gz", "a.tgz", "a.tar.zst", "a.zip")


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    trees.make_tree(source, seed=3, entries=60, odd=False)
    (source / "hard").hardlink_to(next(p for p in sorted(source.rglob("*")) if p.is_file() and p.stat().st_size > 100))
    (source / "link").symlink_to("hard")
    (source / "\u00e9 space").write_text("x")
    return source


def _unpack(path, to):
    to.mkdir()
    command = ["unzip", "-q", path] if path.endswith(".zip") else ["tar", "-xf", path]
    subprocess.run(command, cwd=to, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})


def _identity(path):
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("name", NAMES)
def test_stock_tools_unpack_it(tmp_path, folder, name):
    dest = str(tmp_path / name)
    result = archive({"paths": [str(folder)], "dest": dest})
    assert (result.outcome, result.changed) == ("success", True)
    assert result.size == os.path.getsize(dest)
    assert result.added_count == result.entries
    _unpack(dest, tmp_path / "out")
    after = trees.snapshot(tmp_path / "out" / str(folder).lstrip("/"))
    ignored = ("mtime_ns",) if "zip" not in name else ("mtime_ns", "first", "uid", "gid")
    assert trees.differences(trees.snapshot(folder), after, ignore=ignored) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_content_changes_nothing(tmp_path, folder, name):
    description = {"paths": [str(folder)], "dest": str(tmp_path / name)}
    assert archive(description).changed
    before = _identity(tmp_path / name)
    level = {"compression": {"level": 9}} if name not in ("a.tar",) else {}
    again = archive({**description, **level})
    assert (again.outcome, again.changed, again.updated, again.removed) == ("success", False, [], [])
    assert _identity(tmp_path / name) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, "source"]


@pytest.mark.parametrize("name", ["a.tar.zst", "a.zip"])
def test_each_kind_of_change_is_told(tmp_path, folder, name):
    description = {"paths": [str(folder)], "dest": str(tmp_path / name)}
    archive(description)
    prefix = str(folder).lstrip("/") + "/"
    (folder / "new").write_text("new")
    (folder / "link").unlink()
    os.utime(folder, ns=(0, 10**18))
    (folder / "\u00e9 space").chmod(0o600)
    plan = archive(description, dry_run=True)
    assert plan.changed
    assert plan.added == [prefix + "new"]
    assert plan.removed == [prefix + "link"]
    assert plan.updated == [prefix.rstrip("/"), prefix + "\u00e9 space"]
    done = archive(description)
    assert (done.added, done.updated, done.removed) == (plan.added, plan.updated, plan.removed)
    assert not archive(description).changed


def test_a_changed_byte_with_the_same_times_is_seen(tmp_path, folder):
    victim = folder / "hard"
    description = {"paths": [str(folder)], "dest": str(tmp_path / "a.tar.gz")}
    archive(description)
    stamp = victim.stat()
    with open(victim, "r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(victim, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert archive(description).changed


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_a_dry_run_writes_nothing(tmp_path, folder, name):
    assert archive({"paths": [str(folder)], "dest": str(tmp_path / name)}, dry_run=True).changed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_what_is_excluded_is_not_in_it(tmp_path, folder):
    (folder / "junk.tmp").write_text("junk")
    result = archive({"paths": [str(folder)], "exclude": ["*.tmp"], "dest": str(tmp_path / "a.tar")})
    assert not [name for name in result.added if name.endswith(".tmp")]
    assert result.added


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dest": "a.tar"}, "dest: 'a.tar' is not absolute"),
        ({"paths": []}, "paths: "),
        ({"compression": {"algorithm": "zstd"}, "format": "zip"}, "compression.algorithm: a zip"),
        ({"compresion": {}}, "compresion: unknown key; did you mean compression?"),
    ],
)
def test_wrong_options_are_named(tmp_path, folder, change, message):
    result = archive({"paths": [str(folder)], "dest": str(tmp_path / "a.tar"), **change})
    assert result.error["code"] == "configuration"
    assert message in result.error["message"]


def test_an_archive_inside_what_it_packs_is_refused(tmp_path, folder):
    result = archive({"paths": [str(folder)], "dest": str(folder / "a.tar")})
    assert "lies inside" in result.error["message"]
    assert not (folder / "a.tar").exists()


def test_a_failure_leaves_the_old_archive(tmp_path, folder):
    description = {"paths": [str(folder)], "dest": str(tmp_path / "a.tar")}
    archive(description)
    content = (tmp_path / "a.tar").read_bytes()
    result = archive({**description, "paths": [str(folder), str(tmp_path / "gone")]})
    assert result.error["code"] == "source"
    assert (tmp_path / "a.tar").read_bytes() == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "source"]


def test_something_else_in_its_place_is_replaced_with_a_warning(tmp_path, folder):
    (tmp_path / "a.tar.gz").write_text("no archive")
    result = archive({"paths": [str(folder)], "dest": str(tmp_path / "a.tar.gz")})
    assert (result.outcome, result.changed) == ("warning", True)
    assert subprocess.run(["gzip", "-t", tmp_path / "a.tar.gz"], check=False).returncode == 0
