# SPDX-License-Identifier: GPL-3.0-or-later
"""Making an identity file: for its owner alone, never over another one, and nothing secret in the result."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from _engine.age.keys import parse_identities, read_identities
from _engine.operations.keygen import keygen

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"


def test_the_identity_file_is_for_its_owner_and_fits_the_recipient(tmp_path):
    path = tmp_path / "key.txt"
    result = keygen(str(path))
    assert (result.outcome, result.changed, result.exit_code, result.path) == ("success", True, 0, str(path))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    (identity,) = read_identities(str(path))
    assert identity.recipient == result.recipient
    assert "# public key: %s\n" % result.recipient in path.read_text()


def test_nothing_secret_is_in_the_result(tmp_path):
    for result in (keygen(str(tmp_path / "key.txt")), keygen()):
        assert "AGE-SECRET" not in json.dumps(result.to_dict()).upper() + repr(result).upper()


def test_without_a_path_the_text_is_handed_to_the_caller_alone():
    result = keygen()
    assert (result.path, result.changed) == (None, False)
    (identity,) = parse_identities(result.identity_text(), "standard output")
    assert identity.recipient == result.recipient


def test_a_relative_path_is_told_as_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = keygen("key.txt")
    assert result.path == str(tmp_path / "key.txt") and os.path.exists(result.path)
    assert result.identity_text() is None


@pytest.mark.parametrize("what", ["file", "empty", "link", "dangling", "folder"])
def test_nothing_that_exists_is_overwritten(what, tmp_path):
    path, other = tmp_path / "key.txt", tmp_path / "other"
    other.write_text("precious")
    if what == "folder":
        path.mkdir()
    elif what in ("link", "dangling"):
        path.symlink_to(other if what == "link" else tmp_path / "missing")
    else:
        path.write_text("precious" if what == "file" else "")
    result = keygen(str(path))
    assert (result.outcome, result.error["code"], result.changed) == ("failure", "configuration", False)
    assert "exists already" in result.error["message"] and str(path) in result.error["message"]
    assert result.recipient is None and result.path is None
    assert other.read_text() == "precious" and not (tmp_path / "missing").exists()
    if what == "file":
        assert path.read_text() == "precious"


def test_a_folder_that_is_missing_is_said(tmp_path):
    result = keygen(str(tmp_path / "missing" / "key.txt"))
    assert result.error["code"] == "configuration"
    assert "cannot be written: No such file or directory" in result.error["message"]


def test_half_an_identity_file_is_not_left_behind(tmp_path):
    program = """
import resource, signal, sys
from _engine.operations.keygen import keygen
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
result = keygen(sys.argv[1])
sys.stdout.write(result.error["message"])
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(tmp_path / "key.txt")],
        env={"PYTHONPATH": str(MODULE_UTILS)}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert "cannot be written: File too large" in done.stdout
    assert os.listdir(tmp_path) == []
