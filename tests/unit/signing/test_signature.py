# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature that is not exactly what it must be is refused, and the reason given."""

from __future__ import annotations

import pytest

from _engine.signing import InvalidError, host_key, sign, verify
from _engine.signing.keys import PublicKey
from _engine.signing.signature import LARGEST_SIGNATURE, NAMESPACE, Signature
from _engine.signing.wire import armor, string, unarmor

DATA = b'{\n  "format": 1,\n  "host": "web1"\n}\n'


@pytest.fixture
def key(tmp_path):
    return host_key(str(tmp_path / "state"))


def flipped(data, at, bit):
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def test_every_flipped_bit_of_a_signature_is_noticed(key):
    signature = sign(DATA, key)
    assert verify(DATA, signature) == key.public
    for at in range(len(signature)):
        for bit in range(8):
            with pytest.raises(InvalidError):
                verify(DATA, flipped(signature, at, bit))


def test_every_flipped_bit_of_the_data_is_noticed(key):
    signature = sign(DATA, key)
    for at in range(len(DATA)):
        for bit in range(8):
            with pytest.raises(InvalidError, match="altered"):
                verify(flipped(DATA, at, bit), signature)


def test_flipped_bits_are_noticed_by_both_implementations(way, key):
    signature = Signature.from_bytes(sign(DATA, key))
    for at in range(0, 64, 9):
        with pytest.raises(InvalidError, match="altered"):
            verify(DATA, Signature(signature.public, flipped(signature.raw, at, at % 8)).to_bytes())
        with pytest.raises(InvalidError, match="altered"):
            # Some of these are no points of the curve.
            verify(DATA, Signature(PublicKey(flipped(key.public.data, at // 2, at % 8)), signature.raw).to_bytes())
    with pytest.raises(InvalidError, match="altered"):
        verify(flipped(DATA, 7, 0), signature.to_bytes())


@pytest.mark.parametrize("length", [0, 1, 30, 100, 250])
def test_a_signature_that_is_cut_off(key, length):
    with pytest.raises(InvalidError):
        verify(DATA, sign(DATA, key)[:length])


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s + b"\n",
        lambda s: b"\n" + s,
        lambda s: s + s,
        lambda s: s[:-1],
        lambda s: s.replace(b"\n", b"\r\n"),
        lambda s: s.replace(b"SSH SIGNATURE", b"PGP SIGNATURE"),
        lambda s: s.replace(b"END SSH SIGNATURE", b"END SSH SIGNATUR"),
        lambda s: s.replace(b"\n", b"\n\n", 1),
        lambda s: s.replace(b"U1NI", b"U1N-"),
    ],
)
def test_a_wrong_armor(key, change):
    with pytest.raises(InvalidError, match="BEGIN SSH SIGNATURE"):
        verify(DATA, change(sign(DATA, key)))


def test_another_width_of_the_armor_is_fine(key):
    lines = sign(DATA, key).split(b"\n")
    text = b"".join(lines[1:-2])
    other = b"\n".join([lines[0], *(text[n : n + 76] for n in range(0, len(text), 76)), *lines[-2:]])
    assert verify(DATA, other) == key.public


def test_base64_with_bits_that_mean_nothing(key):
    # The last letter of a group of one byte has four bits that Python's decoder ignores.
    blob = unarmor(sign(DATA, key), "SSH SIGNATURE")
    padded = armor(blob + b"\0" * (-len(blob) % 3 + 1), "SSH SIGNATURE")
    assert padded.count(b"AA==\n") == 1
    with pytest.raises(InvalidError, match="base64 is damaged"):
        verify(DATA, padded.replace(b"AA==\n", b"AB==\n"))


def blob_of(key, **changes):
    """The blob of a real signature with some of its fields replaced, armored."""
    real = Signature.from_bytes(sign(DATA, key))
    fields = {
        "magic": b"SSHSIG",
        "version": (1).to_bytes(4, "big"),
        "public": string(real.public.blob),
        "namespace": string(NAMESPACE.encode()),
        "reserved": string(b""),
        "hash": string(b"sha512"),
        "proof": string(string(b"ssh-ed25519") + string(real.raw)),
        "end": b"",
    }
    assert changes.keys() <= fields.keys()
    return armor(b"".join({**fields, **changes}.values()), "SSH SIGNATURE")


def test_the_parts_of_a_signature_are_as_this_test_thinks(key):
    assert verify(DATA, blob_of(key)) == key.public


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": b"SSHSIX"}, "not an SSH signature"),
        ({"version": (2).to_bytes(4, "big")}, "version 2; only version 1"),
        ({"version": (0).to_bytes(4, "big")}, "version 0; only version 1"),
        ({"namespace": string(b"git")}, r"made for git, not for fleet\.backup"),
        ({"namespace": string(b"a\n\x1b[31m")}, r"made for a\\n\\x1b\[31m, not"),
        ({"reserved": string(b"x")}, "reserved data"),
        ({"hash": string(b"sha256")}, "over sha256; it must be sha512"),
        ({"end": b"\0"}, "more data behind its end"),
        ({"public": string(string(b"ssh-rsa") + string(b"\1\0\1"))}, "of the type ssh-rsa; only ed25519"),
        ({"public": string(string(b"sk-ssh-ed25519@openssh.com") + string(b"x" * 32))}, "type sk-ssh-ed25519@openssh.com; only"),
        ({"public": string(string(b"ssh-ed25519") + string(b"x" * 31))}, "31 bytes; an ed25519 key has 32"),
        ({"public": string(string(b"ssh-ed25519") + string(b"x" * 32) + b"x")}, "more data behind its end"),
        ({"proof": string(string(b"rsa-sha2-512") + string(b"x" * 64))}, "type rsa-sha2-512; only"),
        ({"proof": string(string(b"ssh-ed25519") + string(b"x" * 65))}, "65 bytes; an ed25519 signature has 64"),
        ({"proof": string(string(b"ssh-ed25519") + string(b"x" * 64) + b"x")}, "more data behind its end"),
        ({"proof": b"\xff\xff\xff\xff"}, "cut off, or a length in it is wrong"),
    ],
)
def test_a_part_that_is_wrong(key, changes, message):
    with pytest.raises(InvalidError, match=message):
        verify(DATA, blob_of(key, **changes))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_signatures_by_keys_of_other_types_are_refused(kind, make_key, ssh_keygen):
    signature = ssh_keygen("-Y", "sign", "-f", make_key(kind=kind), "-n", NAMESPACE, data=DATA).stdout
    with pytest.raises(InvalidError, match=r"of the type (ssh-rsa|ecdsa-sha2-nistp256); only ed25519"):
        verify(DATA, signature)


def test_a_signature_for_another_purpose_is_refused(make_key, ssh_keygen):
    signature = ssh_keygen("-Y", "sign", "-f", make_key(), "-n", "file", data=DATA).stdout
    with pytest.raises(InvalidError, match="made for file"):
        verify(DATA, signature)


def test_a_signature_over_another_hash_is_refused(make_key, ssh_keygen):
    signature = ssh_keygen("-Y", "sign", "-O", "hashalg=sha256", "-f", make_key(), "-n", NAMESPACE, data=DATA).stdout
    with pytest.raises(InvalidError, match="sha256"):
        verify(DATA, signature)


def test_a_large_file_is_no_signature():
    with pytest.raises(InvalidError, match="too large"):
        verify(DATA, b"x" * (LARGEST_SIGNATURE + 1))
