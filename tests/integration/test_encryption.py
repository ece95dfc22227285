# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups encrypted to a public key: readable by age alone, unreadable without the identity, keyless where they must be."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import jobs
import pytest
import trees

from _engine.age.keys import keygen
from _engine.job import Config
from _engine.keyring import open_keyring
from _engine.operations.backup import backup

CANARY = "nameless-canary"


class Keys(t.NamedTuple):
    identity: Path
    recipient: str


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    text, recipient = keygen()
    identity = tmp_path / "identity.txt"
    identity.write_text(text)
    identity.chmod(0o600)
    return Keys(identity, recipient)


def make(tmp_path: Path) -> Path:
    root = Path(trees.make_tree(tmp_path / "tree", 4))
    (root / CANARY).write_text("content %s" % CANARY)
    return root


def configured(tmp_path: Path, root: Path, keys: Keys, **job: t.Any) -> Config:
    return jobs.configure(tmp_path, jobs.files(root), encryption={"recipients": [keys.recipient]}, **job)


def entries(config: Config, backup_id: t.Optional[str], **keyring: t.Any) -> t.Dict[bytes, bytes]:
    """The content of every file of a backup."""
    reader = jobs.reader(config, backup_id, keyring=open_keyring(**keyring))
    return {repr(e["path" if "path" in e else "path_b64"]).encode(): b"".join(reader.read(e)) for e in reader.entries()}


def test_stock_age_zstd_and_tar_restore_a_backup(tmp_path: Path, keys: Keys) -> None:
    root = make(tmp_path)
    config = configured(tmp_path, root, keys)
    folder = jobs.backup_folder(config, jobs.take(config).id)
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    out = tmp_path / "out"
    out.mkdir()
    commands = [line[4:] for line in (folder / "RESTORE.txt").read_text().splitlines() if line.startswith("    ")]
    environment = {**os.environ, "IDENTITY": str(keys.identity)}
    for command in commands:
        subprocess.run(["sh", "-ec", command], cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL)
    after = trees.snapshot(os.path.join(folder, "restored/files", str(root).lstrip("/")))
    assert trees.differences(trees.snapshot(root), after, ignore=["mtime_ns", "xattrs"]) == []


@pytest.mark.parametrize("shape", [{}, {"format": "zip"}, {"compression": {"algorithm": "gzip"}}])
def test_every_entry_is_read_with_the_identity(tmp_path: Path, keys: Keys, shape: t.Any) -> None:
    root = make(tmp_path)
    config = configured(tmp_path, root, keys, **shape)
    content = entries(config, jobs.take(config).id, identity_files=[str(keys.identity)])
    assert b"content %s" % CANARY.encode() in content.values()


def test_nothing_on_the_store_tells_names_or_contents(tmp_path: Path, keys: Keys) -> None:
    root = make(tmp_path)
    config = configured(tmp_path, root, keys, compression={"algorithm": "none"})
    jobs.take(config)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert CANARY.encode() not in data and b"tree" not in data.replace(b'"shape": "tree"', b""), path


def test_a_wrong_identity_is_told_apart_from_damage(tmp_path: Path, keys: Keys) -> None:
    config = configured(tmp_path, make(tmp_path), keys)
    taken = jobs.take(config)
    other = tmp_path / "other.txt"
    other.write_text(keygen()[0])
    other.chmod(0o600)
    from _engine.errors import DecryptionError

    with pytest.raises(DecryptionError):
        entries(config, taken.id, identity_files=[str(other)])
    with pytest.raises(DecryptionError, match="identity"):
        entries(config, taken.id)


def test_a_passphrase_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n")
    root = make(tmp_path)
    config = jobs.configure(tmp_path, jobs.files(root), encryption={"passphrase_file": str(secret)})
    taken = jobs.take(config)
    assert entries(config, taken.id, passphrase="correct horse battery staple")
    assert "horse" not in repr(config)


def test_a_failed_run_of_an_encrypted_job_tells_no_more_than_a_code(tmp_path: Path, keys: Keys) -> None:
    config = configured(tmp_path, tmp_path / CANARY, keys)
    result = backup(config, config.jobs[0])
    assert result.outcome == "failure"
    notes = list((tmp_path / "store").rglob("*.failed.json"))
    assert len(notes) == 1 and CANARY not in notes[0].read_text()


def test_increments_of_a_host_that_cannot_read_its_own_backups(tmp_path: Path, keys: Keys, ahead: None) -> None:
    root = make(tmp_path)
    config = configured(tmp_path, root, keys)
    kinds = []
    for number in range(4):
        (root / ("new%d" % number)).write_text("new %d" % number)
        taken = jobs.take(config, kind="incremental")
        kinds.append(taken.kind)
    assert kinds == ["full", "incremental", "incremental", "incremental"]
    assert taken.components[0].stored < 40_000
    content = entries(config, taken.id, identity_files=[str(keys.identity)])
    assert {b"new %d" % n for n in range(4)} <= set(content.values())
    cache = list((tmp_path / "state" / "cache" / "app").iterdir())
    assert len(cache) == 2 and {p.stat().st_mode & 0o777 for p in cache} == {0o600}


def test_a_lost_cache_and_new_recipients_make_a_full_backup(tmp_path: Path, keys: Keys, ahead: None) -> None:
    root = make(tmp_path)
    config = configured(tmp_path, root, keys)
    jobs.take(config)
    for path in (tmp_path / "state" / "cache" / "app").iterdir():
        path.unlink()
    lost = jobs.take(config, kind="incremental")
    assert (lost.kind, [w.code for w in lost.warnings]) == ("full", ["no-parent"])
    changed = jobs.configure(tmp_path, jobs.files(root), encryption={"recipients": [keygen()[1]]})
    assert jobs.take(changed, kind="incremental").kind == "full"
