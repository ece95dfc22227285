# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring onto a host that never sees the identity: it gets the file keys of one backup, and no others."""

from __future__ import annotations

import json
import os
import stat
import typing as t
from pathlib import Path

import command
import jobs
import pytest
import trees

from _engine.age.keys import keygen
from _engine.errors import FleetBackupError
from _engine.job import Config
from _engine.keyring import Keyring, open_keyring
from _engine.operations.place import bare_catalog
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.unwrap import unwrap, unwrap_given
from _engine.operations.verify import verify
from _engine.stores.local import LocalStore


class Host(t.NamedTuple):
    config: Config
    identity: Path
    tree: Path
    ids: t.List[str]

    @property
    def keyring(self) -> Keyring:
        return open_keyring([str(self.identity)])


@pytest.fixture
def host(tmp_path: Path, ahead: None) -> Host:
    """A host with a full backup, and an increment whose data lies in both."""
    text, recipient = keygen()
    identity = tmp_path / "identity.txt"
    identity.write_text(text)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "old").write_text("old")
    config = jobs.configure(tmp_path, jobs.files(tree), encryption={"recipients": [recipient]})
    ids = [str(jobs.take(config).id)]
    (tree / "new").write_text("new")
    ids.append(str(jobs.take(config, kind="incremental").id))
    return Host(config, identity, tree, ids)


def test_the_keys_of_one_backup_restore_it_and_no_other(host, tmp_path):
    later = jobs.take(host.config).id
    unwrapped = unwrap(host.config, host.ids[1], job="app", keyring=host.keyring)
    keys = unwrapped.file_keys()
    assert unwrapped.error is None and set(keys) == set(unwrapped.headers)
    assert {name.partition("/")[0] for name in keys} == set(host.ids)
    assert [name for name in keys if name.startswith(host.ids[0])] == [host.ids[0] + "/files.tar.zst.age"]
    keyring = open_keyring(file_keys=keys)
    result = restore(host.config, "app", RestoreRequest(backup=host.ids[1], to=str(tmp_path / "out"), keyring=keyring))
    assert result.error is None
    there = trees.snapshot(tmp_path / "out" / str(host.tree).lstrip("/"))
    assert trees.differences(trees.snapshot(host.tree), there, ignore=["mode"]) == []
    assert verify(host.config, ["app"], [host.ids[1]], keyring=keyring).outcome == "success"
    refused = restore(host.config, "app", RestoreRequest(backup=later, to=str(tmp_path / "out2"), keyring=keyring))
    assert refused.exit_code == 16 and "not passed on" in refused.error["message"]


def test_only_manifests_are_read(host, monkeypatch):
    read = []
    real = LocalStore.open
    monkeypatch.setattr(LocalStore, "open", lambda self, key, *range: (read.append(key), real(self, key, *range))[1])
    assert unwrap(host.config, host.ids[1], keyring=host.keyring).error is None
    assert read and all(key.endswith(".json") and key.count("/") == 2 for key in read), read


def test_no_key_is_in_the_result(host):
    unwrapped = unwrap(host.config, "latest", keyring=host.keyring)
    text = json.dumps(unwrapped.to_dict()) + repr(unwrapped)
    assert unwrapped.file_keys() and not [key for key in unwrapped.file_keys().values() if key in text]


def test_headers_without_a_key_and_keys_without_a_store(host):
    told = unwrap(host.config, host.ids[1])
    assert told.error is None and told.file_keys() == {}
    keys = unwrap_given(json.loads(json.dumps(told.to_dict()))["headers"], host.keyring).file_keys()
    assert keys == unwrap(host.config, host.ids[1], keyring=host.keyring).file_keys()
    assert unwrap_given({"a/b": "no base64!"}, host.keyring).exit_code == 2
    swapped = dict(zip(told.headers, reversed(list(told.headers.values()))))
    wrong = open_keyring(file_keys=unwrap_given(swapped, host.keyring).file_keys())
    assert verify(host.config, ["app"], [host.ids[1]], keyring=wrong).outcome == "failure"


def test_a_copy_of_a_store_and_what_cannot_be_opened(host, tmp_path):
    folder = str(tmp_path / "store" / "web1" / "app")
    assert unwrap(None, host.ids[1], catalog=bare_catalog(folder), keyring=host.keyring).file_keys()
    assert unwrap(host.config, host.ids[1], keyring=Keyring()).exit_code == 16
    (tmp_path / "other").write_text(keygen()[0])
    assert unwrap(host.config, host.ids[1], keyring=open_keyring([str(tmp_path / "other")])).exit_code == 16
    older = tmp_path / "store" / "web1" / "app" / (host.ids[0] + ".json")
    older.unlink()
    assert unwrap(host.config, host.ids[1], keyring=host.keyring).exit_code == 12
    plain = jobs.configure(tmp_path / "plain", jobs.files(host.tree))
    jobs.take(plain)
    assert unwrap(plain, "latest", keyring=host.keyring).exit_code == 12


def test_a_restore_takes_an_encrypted_safety_backup_and_is_undone_without_the_identity(host, tmp_path, monkeypatch):
    keys = open_keyring(file_keys=unwrap(host.config, host.ids[1], keyring=host.keyring).file_keys())
    (host.tree / "old").write_text("changed since")
    before = trees.snapshot(host.tree)
    from _engine.tree.restore import TreeRestore

    real = TreeRestore.commit

    def failing(self):
        real(self)
        raise FleetBackupError("the very last step failed")

    request = RestoreRequest(backup=host.ids[1], confirm=True, keyring=keys)
    monkeypatch.setattr(TreeRestore, "commit", failing)
    failed = restore(host.config, "app", request)
    assert failed.undone and failed.outcome == "failure"
    assert trees.differences(before, trees.snapshot(host.tree)) == []
    monkeypatch.undo()
    result = restore(host.config, "app", request)
    assert result.error is None and (host.tree / "old").read_text() == "old"
    safety = jobs.backup_folder(host.config, result.safety_backup)
    assert sorted(p.name for p in safety.iterdir() if p.suffix == ".age") == [
        "files.facts.json.age", "files.index.zst.age", "files.tar.zst.age", "run.log.age",
    ]  # fmt: skip
    assert not [p for p in safety.iterdir() if b"changed since" in p.read_bytes()]
    back = RestoreRequest(backup=result.safety_backup, confirm=True, keyring=host.keyring)
    assert restore(host.config, "app", back).error is None
    assert (host.tree / "old").read_text() == "changed since"


def test_the_command(tmp_path, tmp_path_factory):
    fleet = command.Command(command.build(tmp_path_factory.mktemp("agent") / "fleet-backup.pyz"), tmp_path)
    recipient = fleet("keygen", str(tmp_path / "key")).stdout.split("age1")[1].split()[0]
    assert stat.S_IMODE(os.stat(tmp_path / "key").st_mode) == 0o600
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a").write_text("a")
    fleet.add_job("shop", jobs.files(tmp_path / "app"), encryption={"recipients": ["age1" + recipient]})
    fleet("run", "shop")
    (backup_id,) = fleet.backups("shop")
    (tmp_path / "headers").write_text(fleet("unwrap", backup_id, "--headers-only").stdout)
    env = {"FLEET_BACKUP_CONFIG": str(tmp_path / "nothing"), "FLEET_BACKUP_IDENTITY": str(tmp_path / "key")}
    keys = fleet("unwrap", "--headers", str(tmp_path / "headers"), env=env).stdout
    assert keys == fleet("unwrap", backup_id, "--identity", str(tmp_path / "key")).stdout
    (tmp_path / "keys").write_text(keys)
    fleet("cat", backup_id, str(tmp_path / "app" / "a"), exit=16)
    assert fleet("cat", backup_id, str(tmp_path / "app" / "a"), "--file-keys", str(tmp_path / "keys")).stdout == "a"
    fleet("restore", "shop", "--to", str(tmp_path / "out"), "--file-keys", str(tmp_path / "keys"))
    fleet("unwrap", backup_id, exit=16)
    fleet("unwrap", exit=2)
    fleet("unwrap", backup_id, "--json", exit=2)
    audit = (tmp_path / "state" / "audit.log").read_text()
    assert '"operation": "unwrap"' in audit and not [key for key in json.loads(keys).values() if key in audit]
