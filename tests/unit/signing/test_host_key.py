# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's key: made once, never changed, and refused when it could not do its work or is no secret."""

from __future__ import annotations

import base64
import grp
import os
import socket
import tempfile
import traceback

import pytest

from _engine.errors import ConfigurationError
from _engine.signing import host_key, sign, verify
from _engine.signing.keys import read_private_key, write_private_key

RACER = """
from _engine.signing import host_key
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.read()
sys.stdout.write(host_key(sys.argv[1]).public.text)
"""


def test_the_key_is_made_once(way, tmp_path):
    state = tmp_path / "state"
    key = host_key(str(state))
    content = (state / "signing_key").read_bytes()
    assert host_key(str(state)) == key
    assert (state / "signing_key").read_bytes() == content
    assert sorted(p.name for p in state.iterdir()) == ["locks", "signing_key", "signing_key.pub"]


def test_only_the_owner_may_read_the_key(way, tmp_path):
    old = os.umask(0)
    try:
        host_key(str(tmp_path / "state"))
    finally:
        os.umask(old)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "signing_key").stat().st_mode & 0o777 == 0o600


def test_each_host_has_a_key_of_its_own(way, tmp_path):
    assert host_key(str(tmp_path / "a")).public != host_key(str(tmp_path / "b")).public


@pytest.mark.parametrize("without", ["", "cryptography"])
def test_runs_that_start_at_once_get_the_same_key(tmp_path, python, without):
    racers = [python(RACER, tmp_path / "state", without=[without]) for _ in range(4)]
    for racer in racers:
        assert racer.stdout.readline() == b"ready\n"
    for racer in racers:
        racer.stdin.close()
        racer.stdin = None
    answers = [racer.communicate(timeout=60) for racer in racers]
    assert {error for _, error in answers} == {b""}
    assert {output for output, _ in answers} == {host_key(str(tmp_path / "state")).public.text.encode()}


def test_a_public_half_left_by_a_run_that_was_killed_is_replaced(tmp_path):
    (tmp_path / "signing_key.pub").write_text("ssh-ed25519 of nobody\n")
    key = host_key(str(tmp_path))
    assert (tmp_path / "signing_key.pub").read_text() == key.public.text + " fleet-backup\n"


def test_another_key_may_be_named(make_key, tmp_path):
    path = make_key("ssh_host_ed25519_key")
    key = host_key(str(tmp_path / "state"), str(path))
    assert path.with_suffix(".pub").read_text().startswith(key.public.text)
    assert verify(b"data", sign(b"data", key)) == key.public
    assert not (tmp_path / "state").exists()


def test_a_link_to_a_key_is_followed(make_key, tmp_path):
    (tmp_path / "link").symlink_to(make_key())
    assert host_key("/nowhere", str(tmp_path / "link")).public == host_key("/nowhere", str(tmp_path / "key")).public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601, 0o644, 0o666])
def test_a_key_that_others_may_use_is_refused(mode, make_key):
    path = make_key()
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=r"others than its owner may .*\(mode %04o\).*chmod 600" % mode):
        host_key("/nowhere", str(path))


def test_the_group_ssh_keys_may_read_a_host_key(make_key, monkeypatch):
    path = make_key()
    path.chmod(0o640)
    name = grp.getgrgid(path.stat().st_gid).gr_name
    monkeypatch.setattr("_engine.system.posix.group_name", {path.stat().st_gid: "ssh_keys"}.get)
    assert host_key("/nowhere", str(path))
    path.chmod(0o660)
    with pytest.raises(ConfigurationError, match="others"):
        host_key("/nowhere", str(path))
    assert name != "ssh_keys"


def test_a_key_with_a_passphrase_is_refused(make_key):
    with pytest.raises(ConfigurationError, match="key: it is encrypted with a passphrase"):
        host_key("/nowhere", str(make_key(passphrase="correct horse")))


@pytest.mark.parametrize(("kind", "name"), [("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256")])
def test_a_key_of_another_type_is_refused(kind, name, make_key):
    with pytest.raises(ConfigurationError, match="of the type %s; only ed25519" % name):
        host_key("/nowhere", str(make_key(kind=kind)))


def test_a_key_in_another_format_is_refused(make_key, ssh_keygen):
    path = make_key(kind="rsa")
    ssh_keygen("-q", "-p", "-m", "PEM", "-N", "", "-f", path)
    with pytest.raises(ConfigurationError, match="BEGIN OPENSSH PRIVATE KEY"):
        host_key("/nowhere", str(path))


def test_a_public_key_is_refused(make_key):
    path = make_key().with_suffix(".pub")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="it is a public key; the private one lies beside it"):
        host_key("/nowhere", str(path))


def test_a_key_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match=r"signing_key: /nowhere/key: it cannot be read: No such file"):
        host_key(str(tmp_path), "/nowhere/key")


def test_a_folder_or_a_fifo_is_no_key(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(ConfigurationError, match="it is no file"):
            host_key("/nowhere", str(path))


def test_a_damaged_key_of_the_host_is_not_replaced(tmp_path):
    host_key(str(tmp_path))
    path = tmp_path / "signing_key"
    path.write_bytes(path.read_bytes()[:-60])
    content = path.read_bytes()
    with pytest.raises(ConfigurationError, match="move it away: then the next run makes a new one"):
        host_key(str(tmp_path))
    assert path.read_bytes() == content


def test_a_link_to_nothing_in_the_place_of_the_key_is_not_replaced(tmp_path):
    (tmp_path / "signing_key").symlink_to("/nowhere/key")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        host_key(str(tmp_path))
    assert (tmp_path / "signing_key").is_symlink()


def test_a_state_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="state_dir"):
        host_key(str(tmp_path / "file" / "state"))


def test_a_key_whose_halves_do_not_belong_together_signs_nothing(way, make_key, tmp_path):
    public = read_private_key(make_key("one").read_bytes())[0]
    seed = read_private_key(make_key("two").read_bytes())[1]
    mixed = tmp_path / "mixed"
    mixed.write_bytes(write_private_key(seed, public, ""))
    mixed.chmod(0o600)
    key = host_key("/nowhere", str(mixed))
    with pytest.raises(ConfigurationError, match="cannot be checked with its own public key"):
        sign(b"data", key)


def secrets_of(path):
    """What must not be told: the seed, and every line of the file's base64 that holds it."""
    seed = read_private_key(path.read_bytes())[1]
    return [repr(seed), seed.hex(), base64.b64encode(seed).decode()] + path.read_text().split("\n")[2:-2]


def test_no_error_tells_the_key(way, make_key, tmp_path, monkeypatch):
    path = make_key()
    secrets = secrets_of(path)
    content = path.read_bytes()
    key = host_key("/nowhere", str(path))
    told = [repr(key), str(key)]
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            sign(b"data", host_key("/nowhere", str(path)))
        except ConfigurationError:
            told.append(traceback.format_exc())
    path.write_bytes(content[:200])
    with pytest.raises(ConfigurationError):
        host_key("/nowhere", str(path))
    assert len(told) > 20
    for text in told:
        for secret in secrets:
            assert secret not in text


def test_a_persons_agent_is_not_asked(make_key, monkeypatch):
    monkeypatch.setattr("_engine.signing.library.available", lambda: False)
    key = host_key("/nowhere", str(make_key()))
    # A socket's path must be short.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as agent:
        agent.bind(os.path.join(folder, "agent"))
        agent.listen()
        agent.setblocking(False)
        monkeypatch.setenv("SSH_AUTH_SOCK", os.path.join(folder, "agent"))
        assert verify(b"data", sign(b"data", key)) == key.public
        with pytest.raises(BlockingIOError):
            agent.accept()
