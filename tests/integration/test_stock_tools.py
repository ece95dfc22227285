# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written is read by the programs and libraries that everybody has."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import jobs
import pytest
import trees

_UNPACK = {"zstd": ["zstd", "-dc"], "gzip": ["gzip", "-dc"], "none": ["cat"]}


def _extract(volume: Path, algorithm: str, target: Path) -> None:
    target.mkdir()
    unpack = subprocess.Popen([*_UNPACK[algorithm], str(volume)], stdout=subprocess.PIPE)
    # As root, GNU tar restores owners, and with --xattrs-include='*' also what is not of the user's name space.
    tar = ["tar", "-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-C", str(target), "-f", "-"]
    subprocess.run(tar, stdin=unpack.stdout, check=True)
    assert unpack.wait() == 0


def _in_seconds(state: trees.Snapshot) -> trees.Snapshot:
    """A tar holds whole seconds; the fractions are in the index."""
    return {path: type(n)(**{**vars(n), "mtime_ns": n.mtime_ns // 10**9 * 10**9}) for path, n in state.items()}


@pytest.mark.parametrize("algorithm", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gnu_tar_brings_back_everything_of_an_odd_tree(tmp_path: Path, seed: int, algorithm: str) -> None:
    source = trees.make_tree(tmp_path / "tree", seed, big=seed == 1)
    before = trees.snapshot(source)
    config = jobs.configure(tmp_path, jobs.files(source), compression={"algorithm": algorithm})
    result = jobs.take(config)
    (volume,) = jobs.backup_folder(config, result.id).glob("files.tar*")
    _extract(volume, algorithm, tmp_path / "out")
    after = trees.snapshot(os.path.join(tmp_path / "out", source.lstrip("/")))
    assert trees.differences(_in_seconds(before), _in_seconds(after)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_pythons_tarfile_lists_the_same_names(tmp_path: Path, seed: int) -> None:
    source = trees.make_tree(tmp_path / "tree", seed)
    config = jobs.configure(tmp_path, jobs.files(source), compression={"algorithm": "none"})
    result = jobs.take(config)
    prefix = os.fsencode(source).strip(b"/")
    expected = {prefix + (b"/" + path if path else b"") for path in trees.snapshot(source)}
    with tarfile.open(jobs.backup_folder(config, result.id) / "files.tar", errors="surrogateescape") as tar:
        assert {os.fsencode(member.name) for member in tar} == expected


@pytest.mark.parametrize("algorithm", ["gzip", "none"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_unzip_and_zipfile_read_a_zip(tmp_path: Path, seed: int, algorithm: str) -> None:
    source = trees.make_tree(tmp_path / "tree", seed, odd=seed != 1, big=True)
    config = jobs.configure(tmp_path, jobs.files(source), format="zip", compression={"algorithm": algorithm})
    result = jobs.take(config)
    volume = jobs.backup_folder(config, result.id) / "files.zip"
    with zipfile.ZipFile(volume) as archive:
        assert archive.testzip() is None
        stored = [info.file_size for info in archive.infolist() if info.external_attr >> 28 == stat.S_IFREG >> 12]
    files = [n.size for n in trees.snapshot(source).values() if n.type == "file"]
    assert sorted(stored) == sorted(files)
    subprocess.run(["unzip", "-tq", str(volume)], check=True, stdout=subprocess.DEVNULL)
    if seed == 1:
        subprocess.run(["unzip", "-q", str(volume), "-d", str(tmp_path / "out")], check=True)
        after = trees.snapshot(os.path.join(tmp_path / "out", source.lstrip("/")))
        assert trees.differences(_in_seconds(trees.snapshot(source)), _in_seconds(after), ignore=["mtime_ns", "uid", "gid"]) == []


def test_a_zip_of_more_members_than_the_old_fields_hold(tmp_path: Path) -> None:
    source = tmp_path / "tree"
    source.mkdir()
    for number in range(66_000):
        (source / ("f%05d" % number)).touch()
    config = jobs.configure(tmp_path, jobs.files(source), format="zip", compression={"level": 1})
    result = jobs.take(config)
    with zipfile.ZipFile(jobs.backup_folder(config, result.id) / "files.zip") as archive:
        assert len(archive.infolist()) == 66_001


@pytest.mark.soak
def test_a_zip_of_more_bytes_than_the_old_fields_hold(tmp_path: Path) -> None:
    source = tmp_path / "tree"
    source.mkdir()
    trees.make_sparse(source / "huge", [(0, b"begin"), (5 << 30, b"end")], (5 << 30) + 3)
    (source / "next").write_text("after it")
    config = jobs.configure(tmp_path, jobs.files(source), format="zip", compression={"algorithm": "none"})
    result = jobs.take(config)
    with zipfile.ZipFile(jobs.backup_folder(config, result.id) / "files.zip") as archive:
        huge, after = [m for m in archive.infolist() if not m.is_dir()]
        assert huge.file_size == (5 << 30) + 3
        assert archive.read(after) == b"after it"
        with archive.open(huge) as file:
            assert file.read(5) == b"begin"
