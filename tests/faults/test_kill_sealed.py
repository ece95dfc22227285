# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL in an increment that is signed, and encrypted to a key that the host lacks: what it keeps for the next is at stake."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import trees

from _engine.age.keys import keygen

from .injection import Injection, kill_at
from .promises import SHARES, Scene, check_store, chosen, complete


@pytest.fixture
def scene(folder: Path, monkeypatch: pytest.MonkeyPatch, ahead: None) -> Scene:
    """A host that has a full backup, and an application that has changed since. Who verifies and restores has the key."""
    identity, recipient = keygen()
    key, signing_key = folder / "identity", folder / "signing-key"
    key.write_text(identity + "\n")
    monkeypatch.setenv("FLEET_BACKUP_IDENTITY", str(key))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", signing_key], check=True)
    scene = Scene(folder, entries=12, encryption={"recipients": [recipient]})
    scene.host.settings = {
        "sign": True,
        "signing_key": str(signing_key),
        "trusted_hosts": ["host " + signing_key.with_suffix(".pub").read_text().strip()],
    }
    scene.host.write_config()
    scene.host.call("run", "app").expect(0)
    (scene.tree / "new").write_bytes(b"since then" * 1000)
    scene.before = trees.snapshot(scene.tree)
    scene.keep()
    return scene


@pytest.mark.parametrize("share", SHARES)
def test_a_sealed_increment_killed_at_every_io_call(scene: Scene, share: str) -> None:
    argv = ("run", "app", "--kind", "incremental")
    older = complete(scene.host)
    counter = Injection([scene.folder])
    scene.host.call(*argv, inside=counter.install).expect(0)
    assert counter.count > 50
    outcomes = set()
    for number in chosen(counter.count, share, seed=4):
        scene.begin_again()
        assert scene.host.call(*argv, inside=Injection([scene.folder], kill_at(number)).install).killed, number
        new = check_store(scene.host, older)
        outcomes.add(len(new))
        again = scene.host.call(*argv).expect(0).result
        assert [part["kind"] for part in again["components"] if part["name"] == "tree"] == ["incremental"], number
        assert complete(scene.host) == [*older, *new, again["id"]]
        scene.host.call("verify", again["id"]).expect(0)
    scene.check_restore(again["id"])
    assert 0 in outcomes
    if share == "all":
        assert outcomes == {0, 1}
