# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine signs ssh-keygen accepts, and the other way round, whichever implementation the engine uses."""

from __future__ import annotations

import pytest

from _engine.signing import InvalidError, host_key, sign, signer_line, verify
from _engine.signing.keys import PublicKey, read_private_key, write_private_key

# A manifest is text with a newline at its end; a signature must not care.
DATA = [b"", b"x", b'{"format": 1}\n', b"\0\xff\r\n" * 70000]


@pytest.mark.parametrize("data", DATA, ids=len)
def test_ssh_keygen_verifies_what_the_engine_signs(way, data, tmp_path, ssh_keygen):
    key = host_key(str(tmp_path / "state"))
    (tmp_path / "sig").write_bytes(sign(data, key))
    (tmp_path / "signers").write_text(signer_line("web1", key.public) + "\n")
    arguments = ("-f", tmp_path / "signers", "-I", "web1", "-n", "fleet.backup", "-s", tmp_path / "sig")
    finished = ssh_keygen("-Y", "verify", *arguments, data=data)
    assert key.public.fingerprint.encode() in finished.stdout
    assert ssh_keygen("-Y", "verify", *arguments, data=data + b" ", check=False).returncode != 0


def test_ssh_keygen_finds_who_signed(way, tmp_path, ssh_keygen):
    key = host_key(str(tmp_path / "state"))
    (tmp_path / "sig").write_bytes(sign(b"data", key))
    (tmp_path / "signers").write_text("# hosts\n%s\n" % signer_line("web1", key.public))
    finished = ssh_keygen("-Y", "find-principals", "-f", tmp_path / "signers", "-s", tmp_path / "sig")
    assert finished.stdout == b"web1\n"
    ssh_keygen("-Y", "check-novalidate", "-n", "fleet.backup", "-s", tmp_path / "sig", data=b"data")
    assert ssh_keygen("-Y", "check-novalidate", "-n", "git", "-s", tmp_path / "sig", data=b"data", check=False).returncode != 0


@pytest.mark.parametrize("data", DATA, ids=len)
def test_the_engine_verifies_what_ssh_keygen_signs(way, data, make_key, ssh_keygen):
    path = make_key()
    signature = ssh_keygen("-Y", "sign", "-f", path, "-n", "fleet.backup", data=data).stdout
    key = verify(data, signature)
    assert path.with_suffix(".pub").read_text() == key.text + " made by ssh-keygen\n"
    assert key.fingerprint.encode() in ssh_keygen("-l", "-f", path).stdout
    with pytest.raises(InvalidError, match="altered"):
        verify(data + b"\n", signature)


def test_both_implementations_write_the_same_signature_as_ssh_keygen(way, make_key, ssh_keygen, tmp_path):
    # ed25519 leaves no choice (RFC 8032), nor does the armor as ssh-keygen writes it.
    path = make_key()
    expected = ssh_keygen("-Y", "sign", "-f", path, "-n", "fleet.backup", data=b"data").stdout
    assert sign(b"data", host_key(str(tmp_path), str(path))) == expected


def test_ssh_keygen_reads_keys_that_the_engine_makes(way, tmp_path, ssh_keygen):
    key = host_key(str(tmp_path))
    assert ssh_keygen("-y", "-f", key.path).stdout.decode() == key.public.text + " fleet-backup\n"
    assert (tmp_path / "signing_key.pub").read_text() == key.public.text + " fleet-backup\n"


@pytest.mark.parametrize("comment", ["", "a", "a\u00e9", *("x" * n for n in range(2, 10))])
def test_a_key_file_of_any_length_is_read_by_ssh_keygen_and_the_engine(comment, make_key, tmp_path, ssh_keygen):
    # The padding depends on the length of the comment.
    public, seed = read_private_key(make_key().read_bytes())
    again = tmp_path / "again"
    again.write_bytes(write_private_key(seed, public, comment))
    again.chmod(0o600)
    assert PublicKey.from_base64(ssh_keygen("-y", "-f", again).stdout.decode().split()[1]) == public
    assert read_private_key(again.read_bytes()) == (public, seed)


@pytest.mark.parametrize("comment", ["", *("x" * n for n in range(1, 10))])
def test_a_key_of_ssh_keygen_with_any_comment_is_read(comment, tmp_path, ssh_keygen):
    path = tmp_path / "key"
    ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    public, _seed = read_private_key(path.read_bytes())
    assert path.with_suffix(".pub").read_text().split()[:2] == public.text.split()
