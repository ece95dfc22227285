# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: host keys that are unknown or changed, keys that are locked or refused, on a real OpenSSH server."""

from __future__ import annotations

import subprocess

import pytest
from fault_proxy import FaultProxy
from ssh_servers import Sshd

from _engine.errors import ConfigurationError, StoreRefusedError, StoreUnavailableError
from _engine.options import check
from _engine.stores.sftp import SftpStore

from .place import get, put

BOTH = pytest.mark.parametrize("connection", ["paramiko", "ssh"])


@pytest.fixture
def server():
    running = Sshd()
    yield running
    running.close()


def opened(server, **changes):
    options = {**server.options(server.data / "store"), **changes}
    return SftpStore("vault", check({k: v for k, v in options.items() if v is not None}, SftpStore.OPTIONS, "sftp"))


@BOTH
def test_a_host_key_that_changed(server, connection):
    store = opened(server, connection=connection)
    put(store, "web1/one", b"1")
    known = server.host_key
    server.replace_host_key()
    with pytest.raises(StoreRefusedError, match="its host key is not the one that is known"):
        opened(server, connection=connection, host_key=known).list("")
    assert get(opened(server, connection=connection), "web1/one") == b"1"


@BOTH
def test_a_host_that_is_not_known(server, connection, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text("")
    with pytest.raises(StoreRefusedError, match="its host key is not known"):
        opened(server, connection=connection, host_key=None, known_hosts=str(known)).check()


@BOTH
def test_a_hashed_file_of_known_hosts(server, connection, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text("[127.0.0.1]:%d %s\n" % (server.port, server.host_key))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    opened(server, connection=connection, host_key=None, known_hosts=str(known)).check()


@BOTH
def test_a_revoked_host_key(server, connection, tmp_path):
    known = tmp_path / "known_hosts"
    name = "[127.0.0.1]:%d" % server.port
    known.write_text("@revoked %s %s\n%s %s\n" % (name, server.host_key, name, server.host_key))
    with pytest.raises(StoreRefusedError):
        opened(server, connection=connection, host_key=None, known_hosts=str(known)).check()


def test_a_locked_key(server):
    locked = str(server.folder / "locked")
    opened(server, key_file=locked, passphrase="open sesame").check()
    with pytest.raises(ConfigurationError, match="passphrase"):
        opened(server, key_file=locked).check()
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        opened(server, key_file=locked, passphrase="swordfish").check()
    assert "swordfish" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="does not exist"):
        opened(server, key_file=str(server.folder / "none")).check()


@BOTH
def test_a_folder_that_may_not_be_written(server, connection):
    folder = server.data / "closed"
    folder.mkdir()
    folder.chmod(0o755)
    if server.chroot:
        with pytest.raises(StoreRefusedError, match="Permission denied"):
            opened(server, connection=connection, path=server.visible(folder)).check()


@BOTH
def test_a_server_that_is_restarted_meanwhile(server, connection):
    """The store finds its way back by itself, once the failure was told."""
    store = opened(server, connection=connection)
    put(store, "web1/one", b"1")
    upload = store.put("web1/two")
    upload.write(b"2" * 5_000_000)
    server.hang_up()
    with pytest.raises(StoreUnavailableError, match="vault"):
        upload.write(b"2" * 5_000_000)
        upload.commit()
    upload.abort()
    put(store, "web1/two", b"2")
    assert get(store, "web1/two") == b"2"
    assert store.leftover_bytes("web1") == 0


def test_a_connection_whose_loss_nobody_noticed_yet_is_made_anew(server, monkeypatch):
    """paramiko's own thread learns of it a moment after the channels do."""
    paramiko = pytest.importorskip("paramiko")
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        store = opened(server, host=proxy.address[0], port=proxy.address[1], host_key=server.host_key)
        upload = store.put("web1/data")
        upload.write(bytes(1 << 20))
        proxy.cut_all()
        late, real = [True], paramiko.Transport.is_active
        monkeypatch.setattr(paramiko.Transport, "is_active", lambda transport: late.pop() if late else real(transport))
        upload.abort()
    assert not late
    assert list((server.data / "store" / "web1").iterdir()) == []


def test_a_host_key_that_is_none(server):
    for key in ("ssh-ed25519 AAAA", "ssh-what AAAAC3NzaC1lZDI1NTE5AAAAI", "ssh-ed25519 ????"):
        with pytest.raises(ConfigurationError, match="host_key"):
            opened(server, host_key=key).check()


def test_what_cannot_be():
    base = {"host": "-oProxyCommand=true", "path": "x", "connection": "ssh", "password": "p", "host_key": "AAAA"}
    problems = SftpStore.check_options(base)
    assert [problem.partition(":")[0] for problem in problems] == ["host", "host_key", "connection"]


def test_it_is_durable_once_it_was_seen(server):
    store = opened(server)
    put(store, "web1/one", b"1")
    assert store.confirms == "sync"
    assert store.free_space() > 0
