# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs a key to read encrypted backups, and what must not; the ways in which a key is given."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import command
import jobs
import pytest
import trees
from terminal import Terminal

from _engine.age.keys import keygen
from _engine.job import Config
from _engine.keyring import Keyring, open_keyring
from _engine.operations.listing import list_backups
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.show import show
from _engine.operations.verify import verify

PHRASE = "correct horse battery staple"


def identity_file(path: Path) -> t.Tuple[Path, str]:
    text, recipient = keygen()
    path.write_text(text)
    return path, recipient


class Host(t.NamedTuple):
    config: Config
    identity: Path
    tree: Path
    id: str

    @property
    def keyring(self) -> Keyring:
        return open_keyring([str(self.identity)])


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with one encrypted backup."""
    identity, recipient = identity_file(tmp_path / "identity.txt")
    tree = Path(trees.make_tree(tmp_path / "tree", 4, entries=30))
    config = jobs.configure(tmp_path, jobs.files(tree), encryption={"recipients": [recipient]}, retention={"keep_last": 1})
    return Host(config, identity, tree, str(jobs.take(config).id))


def restored(host: Host, to: Path, **request: t.Any) -> t.Any:
    return restore(host.config, "app", RestoreRequest(to=str(to), **request))


def same(host: Host, to: Path) -> bool:
    there = trees.snapshot(to / str(host.tree).lstrip("/"))
    return trees.differences(trees.snapshot(host.tree), there, ignore=["mode"]) == []


class TestWithoutAKey:
    def test_listing_and_showing(self, host):
        assert list_backups(host.config).outcome == "success"
        shown = show(host.config, "latest")
        assert (shown.outcome, shown.backup["components"][0]["facts"]) == ("success", None)

    @pytest.mark.parametrize("level", ["quick", "hashes"])
    def test_verifying_sizes_and_hashes(self, host, level):
        assert verify(host.config, level=level).outcome == "success"
        volume = jobs.backup_folder(host.config, host.id) / "files.tar.zst.age"
        volume.write_bytes(volume.read_bytes()[:-1])
        result = verify(host.config, level=level)
        assert result.error["objects"] == [volume.name]

    def test_pruning(self, host):
        newer = jobs.take(host.config).id
        result = prune(host.config, host.config.jobs[0])
        assert result.error is None
        assert list_backups(host.config).jobs[0].backups[0].id == newer
        assert len(list_backups(host.config).jobs[0].backups) == 1

    def test_what_reads_content_says_that_it_needs_one(self, host, tmp_path):
        for result in (restored(host, tmp_path / "out"), restored(host, tmp_path / "out", include=("*",))):
            assert result.exit_code == 16 and "identity" in result.error["message"]
        entries = show(host.config, "latest", files=True)
        assert entries.to_dict()["error"]["code"] == "decryption"
        assert not (tmp_path / "out").exists()

    def test_every_store_needs_it(self, host, tmp_path):
        """A key that is missing is no damage of the stores, however many there are."""
        description = jobs.describe(tmp_path, jobs.files(host.tree))
        description["stores"].append({"name": "copy", "local": {"path": str(tmp_path / "copy")}})
        description["jobs"][0].update(stores=["disk", "copy"], encryption={"recipients": [identity_file(tmp_path / "i")[1]]})
        from _engine.job import parse_config

        config = parse_config(description)
        jobs.take(config)
        result = restore(config, "app", RestoreRequest(to=str(tmp_path / "out")))
        assert (result.error["code"], result.warnings) == ("decryption", [])


class TestWithAKey:
    def test_restoring_and_showing(self, host, tmp_path):
        assert restored(host, tmp_path / "out", keyring=host.keyring).error is None
        assert same(host, tmp_path / "out")
        shown = show(host.config, "latest", files=True, keyring=host.keyring)
        assert shown.backup["components"][0]["facts"] is not None
        assert len(shown.to_dict()["entries"]) == len(trees.snapshot(host.tree))

    def test_a_bare_folder(self, host, tmp_path):
        folder = str(jobs.backup_folder(host.config, host.id))
        result = restore(None, None, RestoreRequest(from_dir=folder, to=str(tmp_path / "out"), keyring=host.keyring))
        assert result.error is None
        assert same(host, tmp_path / "out")

    def test_a_wrong_one_is_told_before_anything_is_read(self, host, tmp_path):
        other = open_keyring([str(identity_file(tmp_path / "other")[0])])
        volume = jobs.backup_folder(host.config, host.id) / "files.tar.zst.age"
        volume.unlink()
        result = restored(host, tmp_path / "out", keyring=other)
        assert result.exit_code == 16 and "none of the identities" in result.error["message"]
        assert restored(host, tmp_path / "out", keyring=host.keyring).exit_code == 9


@pytest.fixture
def fleet(tmp_path_factory, tmp_path):
    return command.Command(command.build(tmp_path_factory.mktemp("agent") / "fleet-backup.pyz"), tmp_path)


class TestTheCommand:
    def test_an_identity_by_option_or_variable(self, fleet, tmp_path):
        identity, recipient = identity_file(tmp_path / "identity.txt")
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "a").write_text("a")
        fleet.add_job("shop", jobs.files(tmp_path / "app"), encryption={"recipients": [recipient]})
        fleet("run", "shop")
        told = fleet("restore", "shop", "--to", str(tmp_path / "out"), exit=16)
        assert "identity" in told.stderr
        fleet("restore", "shop", "--to", str(tmp_path / "out"), "--identity", str(identity))
        assert (tmp_path / "out" / str(tmp_path / "app" / "a").lstrip("/")).read_text() == "a"
        env = {"FLEET_BACKUP_IDENTITY": str(identity)}
        shown = json.loads(fleet("show", "latest", "--files", "--json", env=env).stdout)
        assert [e["type"] for e in shown["entries"]] == ["directory", "file"]
        assert "app/a" in fleet("show", "latest", "--files", env=env).stdout
        fleet("show", "latest", "--files", exit=16)
        fleet("list")
        fleet("verify", "--hashes")

    def test_a_passphrase_by_file_variable_or_question(self, fleet, tmp_path):
        secret = tmp_path / "phrase"
        secret.write_text(PHRASE + "\n")
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "a").write_text("a")
        fleet.add_job("shop", jobs.files(tmp_path / "app"), encryption={"passphrase_file": str(secret)})
        fleet("run", "shop")
        told = fleet("show", "latest", "--files", exit=16)
        assert "passphrase" in told.stderr
        assert "app/a" in fleet("show", "latest", "--files", "--passphrase-file", str(secret)).stdout
        assert "app/a" in fleet("show", "latest", "--files", env={"FLEET_BACKUP_PASSPHRASE": PHRASE}).stdout
        wrong = fleet("show", "latest", "--files", env={"FLEET_BACKUP_PASSPHRASE": PHRASE + "!"}, exit=16)
        assert "wrong" in wrong.stderr and PHRASE not in wrong.stderr
        terminal = Terminal(fleet.argv("show", "latest", "--files"), env=fleet.environment())
        terminal.expect("passphrase of the backup: ")
        terminal.type(PHRASE)
        assert "horse" not in terminal.expect("app/a")
        assert terminal.finish() == 0

    def test_file_keys_that_are_none(self, fleet, tmp_path):
        (tmp_path / "app").mkdir()
        fleet.add_job("shop", jobs.files(tmp_path / "app"))
        for text in ("[]", "no JSON", '{"a/b": 7}', '{"a/b": "short"}'):
            (tmp_path / "keys").write_text(text)
            fleet("show", "latest", "--file-keys", str(tmp_path / "keys"), exit=2)
        assert os.path.exists(tmp_path / "keys")
