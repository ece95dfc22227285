# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring an encrypted backup in a play whose controller alone has the identity; and the modules for marks and questions."""

from __future__ import annotations

import base64
import json
import shutil
import typing as t
from pathlib import Path

import pytest
import trees
from playing import ROOT, Ansible

from _engine.age.keys import keygen
from _engine.job import parse_config
from _engine.keyring import open_keyring
from _engine.operations.unwrap import unwrap


class Host(t.NamedTuple):
    """A host with an encrypted job, and what the controller has besides."""

    ansible: Ansible
    folder: Path
    options: t.Dict[str, t.Any]
    identity: Path
    secret: str

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def do(self, module: str, **more: t.Any) -> t.Dict[str, t.Any]:
        return {"fleet.backup." + module: {**self.options, **more}}

    def keys_of(self, backup_id: str) -> t.Dict[str, str]:
        config = parse_config({**{k: v for k, v in self.options.items() if k != "job"}, "jobs": [self.options["job"]]})
        return unwrap(config, backup_id, keyring=open_keyring([str(self.identity)])).file_keys()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.delenv("FLEET_BACKUP_IDENTITY", raising=False)
    text, recipient = keygen()
    (tmp_path / "controller").mkdir()
    identity = tmp_path / "controller/identity.txt"
    identity.write_text(text)
    tree = tmp_path / "tree"
    trees.make_tree(tree, seed=3, entries=20, odd=False)
    (tmp_path / "store").mkdir()
    options = {
        "host": "here",
        "state_dir": str(tmp_path / "state"),
        "stores": [{"name": "disk", "local": {"path": str(tmp_path / "store")}}],
        "job": {
            "name": "app",
            "sources": [{"name": "files", "files": {"paths": [str(tree)]}}],
            "stores": ["disk"],
            "encryption": {"recipients": [recipient]},
        },
    }
    (secret,) = [line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-1")]
    return Host(Ansible(tmp_path / "ansible"), tmp_path, options, identity, secret)


def told(host: Host) -> bytes:
    """All that is in any file but the identity's own: what the play, the host and the store keep."""
    return b"".join(p.read_bytes() for p in host.folder.rglob("*") if p.is_file() and host.identity.parent not in p.parents)


def test_a_play_restores_with_an_identity_that_stays_on_the_controller(host: Host) -> None:
    before = trees.snapshot(host.tree)
    taken, newer = host.ansible.tasks(host.do("backup"), host.do("backup"))
    backup_id = taken["backup"]["id"]
    shutil.rmtree(host.tree / sorted(p.name for p in host.tree.iterdir() if p.is_dir())[0])
    lost = trees.snapshot(host.tree)
    mine = {"controller_identities": [str(host.identity)], "backup": backup_id}
    closed, planned = host.ansible.tasks(host.do("restore"), host.do("restore", **mine), options=["--check", "-vvv"])
    assert closed["error"]["code"] == "decryption", closed
    assert planned["restore"]["outcome"] == "success" and planned["restore"]["id"] == backup_id
    assert planned["restore"]["components"][0]["plan"]["create_count"] > 0
    assert trees.snapshot(host.tree) == lost
    # Also where Ansible puts the module and its options into a file.
    file = {"ANSIBLE_PIPELINING": "false"}
    (done,) = host.ansible.tasks(host.do("restore", confirm=True, delete=True, **mine), options=["-vvv"], environment=file)
    assert done["changed"], done
    assert trees.differences(before, trees.snapshot(host.tree)) == []
    # The host, its logs, what Ansible returned and left behind: no identity, and no file key either.
    kept = told(host) + json.dumps([closed, planned, done]).encode()
    assert host.secret.encode() not in kept
    keys = host.keys_of(backup_id)
    assert keys and not any(key.encode() in kept or base64.b64decode(key) in kept for key in keys.values())
    assert newer["backup"]["id"] != backup_id


def test_nothing_is_shown_by_the_playbook_however_talkative(host: Host) -> None:
    inventory = host.folder / "inventory.json"
    variables = {
        "fleet_backup_jobs": [host.options["job"]],
        "fleet_backup_stores": host.options["stores"],
        "fleet_backup_state_dir": host.options["state_dir"],
        "confirm": "yes",
        "poll_interval": 1,
        "to": str(host.folder / "out"),
        "identity": str(host.identity),
    }
    inventory.write_text(json.dumps({"all": {"hosts": {"here": None}}}))
    play = ["-i", inventory, "-e", json.dumps(variables), "-vvv"]
    taken = host.ansible.playbook(ROOT / "playbooks/backup.yml", *play)
    assert taken.returncode == 0, taken.stdout
    done = host.ansible.playbook(ROOT / "playbooks/restore.yml", *play)
    assert done.returncode == 0, done.stdout
    there = host.folder / "out" / str(host.tree).lstrip("/")
    assert trees.differences(trees.snapshot(host.tree), trees.snapshot(there), ignore=["mode"]) == []
    (manifest,) = [p for p in host.folder.glob("store/here/app/*.json")]
    shown = (done.stdout + done.stderr).encode() + told(host)
    assert host.secret.encode() not in shown
    assert not any(key.encode() in shown for key in host.keys_of(manifest.stem).values())


def test_the_environment_of_the_controller_may_name_the_identity(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.ansible.tasks(host.do("backup"))[0]["changed"]
    monkeypatch.setenv("FLEET_BACKUP_IDENTITY", str(host.identity))
    out = str(host.folder / "out")
    both = {"file_keys": {"a": "b"}, "controller_identities": ["/nowhere"]}
    opened, absent, twice, missing = host.ansible.tasks(
        host.do("restore", to=out),
        host.do("restore", to=out, backup="1999"),
        host.do("restore", to=out, **both),
        host.do("restore", to=out, controller_identities=["/nowhere"]),
    )
    assert opened["changed"], opened
    assert absent["error"]["code"] == "not-found"
    assert twice["error"]["code"] == missing["error"]["code"] == "configuration"
    assert "give one of them" in twice["msg"] and "/nowhere" in missing["msg"]


def test_an_identity_that_does_not_fit_is_told(host: Host) -> None:
    other = host.identity.with_name("other.txt")
    other.write_text(keygen()[0])
    _taken, wrong = host.ansible.tasks(
        host.do("backup"), host.do("restore", to=str(host.folder / "out"), controller_identities=[str(other)])
    )
    assert wrong["error"]["code"] == "decryption" and wrong["failed"]
    assert not (host.folder / "out").exists()


def test_a_clear_backup_needs_no_identity_though_there_is_one(host: Host) -> None:
    del host.options["job"]["encryption"]
    _taken, done = host.ansible.tasks(
        host.do("backup"), host.do("restore", to=str(host.folder / "out"), controller_identities=[str(host.identity)])
    )
    assert done["changed"], done


def test_backups_are_pinned_accepted_found_and_compared(host: Host) -> None:
    del host.options["job"]["encryption"]
    (first,) = host.ansible.tasks(host.do("backup"))
    (host.tree / "new.txt").write_text("new")
    second, changes, found, missing = host.ansible.tasks(
        host.do("backup"),
        host.do("backup_info", backup="latest", compare_with=first["backup"]["id"]),
        host.do("backup_info", find="new.txt"),
        host.do("backup_info", find="no-such-file"),
    )
    assert [row["change"] for row in changes["info"]["differences"] if row["path"].endswith("new.txt")] == ["added"]
    assert [row["backup"] for row in found["info"]["found"]] == [second["backup"]["id"]]
    assert missing["error"]["code"] == "not-found"
    oldest = {"backup": first["backup"]["id"], "note": "the first"}
    (planned,) = host.ansible.tasks(host.do("mark_backup", state="pinned", **oldest), options=["--check"])
    pinned, again, listed, unpinned, not_suspicious = host.ansible.tasks(
        host.do("mark_backup", state="pinned", **oldest),
        host.do("mark_backup", state="pinned", **oldest),
        host.do("backup_info"),
        host.do("mark_backup", state="unpinned", **oldest),
        host.do("mark_backup", state="accepted", **oldest),
    )
    assert [answer["changed"] for answer in (planned, pinned, again, unpinned)] == [True, True, False, True]
    assert pinned["mark"]["stores"] == ["disk"] and pinned["mark"]["marked"]
    assert [row["pinned"] for row in listed["info"]["jobs"][0]["backups"]] == [False, True]
    assert "not suspicious" in not_suspicious["msg"]


def test_a_bare_folder_answers_questions_too(host: Host) -> None:
    del host.options["job"]["encryption"]
    (taken,) = host.ansible.tasks(host.do("backup"))
    folder = str(host.folder / "store/here/app")
    shown, found, neither = host.ansible.tasks(
        {"fleet.backup.backup_info": {"from_dir": folder, "backup": "latest", "entries": True}},
        {"fleet.backup.backup_info": {"from_dir": folder, "find": "tree"}},
        {"fleet.backup.backup_info": {"from_dir": folder}},
    )
    assert shown["info"]["backup"]["id"] == taken["backup"]["id"] and shown["info"]["entries"] and found["info"]["found"]
    assert neither["error"]["code"] == "configuration"
