# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of docs/signatures.md, run as they stand there on a real backup, good and forged."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import jobs
import pytest

from _engine.signing import TrustedHosts, host_key, sign, signer_line

DOC = Path(__file__).resolve().parents[2] / "docs" / "signatures.md"
EXAMPLE = "20261122T020000Z-full-daily-3f9a"


def commands() -> t.List[str]:
    blocks = re.findall(r"^```sh\n(.+?)^```$", DOC.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()


@pytest.fixture
def signed(tmp_path: Path) -> t.Tuple[Path, str]:
    """The folder of a job with one signed backup and the list of who is trusted; the backup's id."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("content\n")
    config = jobs.configure(tmp_path, jobs.files(tmp_path / "tree"))
    backup_id = jobs.take(config).id or ""
    folder = jobs.backup_folder(config, backup_id).parent
    key = host_key(config.state_dir)
    (folder / "trusted_hosts").write_text(signer_line("web1", key.public) + "\n")
    (folder / (backup_id + ".json.sig")).write_bytes(sign((folder / (backup_id + ".json")).read_bytes(), key))
    return folder, backup_id


def succeeded(folder: Path, backup_id: str) -> t.List[bool]:
    """Which of the commands succeed."""
    texts = [command.replace(EXAMPLE, backup_id) for command in commands()[1:]]
    return [subprocess.run(["sh", "-c", text], cwd=folder, capture_output=True, check=False).returncode == 0 for text in texts]


def test_a_good_backup(signed: t.Tuple[Path, str]) -> None:
    assert succeeded(*signed) == [True] * 6


def test_a_backup_that_is_signed_later(signed: t.Tuple[Path, str], tmp_path: Path) -> None:
    folder, backup_id = signed
    written = folder / (backup_id + ".json.sig")
    by_the_engine = written.read_bytes()
    written.unlink()
    assert not succeeded(*signed)[0]
    command = commands()[0].replace(EXAMPLE, backup_id).replace("/var/lib/fleet-backup", str(tmp_path / "state"))
    subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=True)
    assert written.read_bytes() == by_the_engine
    assert succeeded(*signed) == [True] * 6


def test_an_altered_manifest(signed: t.Tuple[Path, str]) -> None:
    folder, backup_id = signed
    manifest = folder / (backup_id + ".json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"job": "app"', b'"job": "apq"'))
    assert succeeded(*signed) == [False, True, True, True, True, True]


def test_another_list_of_hashes(signed: t.Tuple[Path, str]) -> None:
    folder, backup_id = signed
    sums = folder / backup_id / "SHA256SUMS"
    sums.write_bytes(b"".join(sums.read_bytes().splitlines(keepends=True)[1:]))
    assert succeeded(*signed) == [True, True, True, False, True, True]


def test_altered_data(signed: t.Tuple[Path, str]) -> None:
    folder, backup_id = signed
    with (folder / backup_id / "RESTORE.txt").open("ab") as file:
        file.write(b"x")
    assert succeeded(*signed) == [True, True, True, True, False, True]


def test_a_host_that_is_not_in_the_list(signed: t.Tuple[Path, str]) -> None:
    folder, _ = signed
    (folder / "trusted_hosts").write_text((folder / "trusted_hosts").read_text().replace("web1", "web2"))
    assert succeeded(*signed) == [False, True, True, True, True, True]


def test_the_example_of_a_list_can_be_read() -> None:
    text = DOC.read_text(encoding="utf-8")
    (example,) = re.findall(r"^```\n(# host .+?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [s.principals for s in TrustedHosts.from_text(example).signers] == ["web1", "db?.example.com,!db9.example.com"]
