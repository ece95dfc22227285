# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of sums: written for sha256sum(1) and read from it."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from _engine.operations.checksum import ALGORITHMS, checksum

NAMES = [
    b"plain",
    b"with space",
    b" leading",
    b"back\\slash",
    b"new\nline",
    b"carriage\rreturn",
    b"\\n",
    b"\xff\xfe",
    "ñandú".encode(),
]


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(NAMES):
        (tmp_path / os.fsdecode(name)).write_bytes(name * number)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_text("below")
    (tmp_path / "link").symlink_to("plain")
    return tmp_path


def test_sha256sum_checks_what_is_written(folder):
    sums = folder / "SHA256SUMS"
    result = checksum([str(folder)], sums=str(sums))
    assert (result.outcome, result.changed, len(result.files)) == ("success", True, len(NAMES) + 1)
    checked = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(b": OK\n") == len(NAMES) + 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sums_of_the_stock_tool_are_checked(folder, algorithm):
    tool = {"blake2b": "b2sum"}.get(algorithm, algorithm + "sum")
    with open(folder / "sums", "wb") as file:
        subprocess.run([tool, *[b"./" + name for name in NAMES]], cwd=folder, stdout=file, check=True)
    result = checksum([], sums=str(folder / "sums"), algorithm=algorithm)
    assert (result.outcome, len(result.files)) == ("success", len(NAMES))


def test_a_second_run_changes_nothing(folder):
    sums = str(folder / "SHA256SUMS")
    assert checksum([str(folder)], sums=sums).changed
    before = os.stat(sums)
    assert not checksum([str(folder)], sums=sums).changed
    assert (os.stat(sums).st_ino, os.stat(sums).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_dry_run_writes_nothing(folder):
    names = sorted(os.listdir(folder))
    assert checksum([str(folder)], sums=str(folder / "SHA256SUMS"), dry_run=True).changed
    assert sorted(os.listdir(folder)) == names


def test_damaged_and_missing_files_are_named(folder):
    sums = str(folder / "SHA256SUMS")
    checksum([str(folder)], sums=sums)
    (folder / "plain").write_text("other")
    (folder / "below" / "file").unlink()
    result = checksum([], sums=sums)
    assert result.outcome == "failure"
    assert result.error["code"] == "integrity"
    assert result.damaged == [str(folder / "plain")]
    assert result.missing == [str(folder / "below" / "file")]
    assert result.error["objects"] == result.damaged + result.missing


def test_the_mode_of_a_file_of_sums_is_kept(folder):
    sums = folder / "SHA256SUMS"
    sums.write_text("")
    sums.chmod(0o640)
    checksum([str(folder / "plain")], sums=str(sums))
    assert stat.S_IMODE(sums.stat().st_mode) == 0o640


@pytest.mark.parametrize("line", [b"nonsense", b"abc  name", b"0" * 64 + b"  ", b"g" * 64 + b"  name", b"0" * 63 + b"  name"])
def test_a_line_that_is_no_sum_is_an_error(tmp_path, line):
    (tmp_path / "sums").write_bytes(b"\n" + line + b"\n")
    result = checksum([], sums=str(tmp_path / "sums"))
    assert result.error["code"] == "configuration"
    assert "line 2" in result.error["message"]


def test_a_missing_path_is_an_error_and_nothing_is_written(tmp_path):
    result = checksum([str(tmp_path / "no")], sums=str(tmp_path / "sums"))
    assert result.error["code"] == "source"
    assert os.listdir(tmp_path) == []
