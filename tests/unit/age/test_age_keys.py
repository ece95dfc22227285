# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipients and identities as text; what is wrong with them is said, what they are is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from agefiles import needs_age
from hypothesis import given
from hypothesis import strategies as st

from _engine.age import bech32, keys
from _engine.errors import ConfigurationError

# From the age specification.
SECRET = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

MODULE_UTILS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"


def test_the_keys_of_the_specification_are_understood():
    identity = keys.parse_identity(SECRET)
    assert identity.secret == b"\x42" * 32
    assert identity.recipient == RECIPIENT
    assert keys.parse_recipient(RECIPIENT) == identity.public


@needs_age
def test_age_keygen_and_this_know_each_other(tmp_path):
    path = tmp_path / "theirs.txt"
    subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    (theirs,) = keys.read_identities(str(path))
    asked = subprocess.run(["age-keygen", "-y", str(path)], check=True, capture_output=True, text=True)
    assert asked.stdout.strip() == theirs.recipient

    text, recipient = keys.keygen()
    asked = subprocess.run(["age-keygen", "-y"], input=text, check=True, capture_output=True, text=True)
    assert asked.stdout.strip() == recipient
    assert [line.split(":")[0] for line in text.splitlines()[:2]] == ["# created", "# public key"]
    assert text.splitlines()[1] == "# public key: " + recipient


def test_every_generated_key_is_another_one():
    assert len({keys.keygen()[1] for _ in range(50)}) == 50


@given(st.binary(max_size=80), st.sampled_from(["age", "age-secret-key-", "a1b"]))
def test_bech32_round_trips(data, prefix):
    text = bech32.encode(prefix, data)
    assert bech32.decode(text) == (prefix, data)
    assert bech32.decode(text.upper()) == (prefix.upper(), data)


def test_bech32_is_that_of_bip_173():
    assert bech32.decode("A12UEL5L") == ("A", b"")
    assert bech32.decode("?1ezyfcl") == ("?", b"")
    assert bech32.encode("a", b"") == "a12uel5l"
    for wrong in ("pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "A1G7SGD8", "10a06t8", "1qzzfhee", "\x7f1axkwrx"):
        with pytest.raises(ValueError):
            bech32.decode(wrong)


def test_stray_bits_at_the_end_of_a_key_are_refused():
    # Five bits too many, which are zero; then padding that is not.
    for groups in ([0, 0, 0], [0, 1]):
        text = "a1" + "".join(bech32._ALPHABET[g] for g in groups)
        check = bech32._checksum(bech32._expand("a") + groups + [0] * 6) ^ 1
        text += "".join(bech32._ALPHABET[check >> 5 * (5 - n) & 31] for n in range(6))
        with pytest.raises(ValueError, match="end"):
            bech32.decode(text)


@given(st.integers(0, len(RECIPIENT) - 1), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_a_slip_in_a_recipient_is_noticed(place, letter):
    text = RECIPIENT[:place] + letter + RECIPIENT[place + 1 :]
    if text != RECIPIENT:
        with pytest.raises(ConfigurationError):
            keys.parse_recipient(text)


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "no recipient"),
        (RECIPIENT[:-1] + "q", "checksum"),
        (RECIPIENT[:-3], "checksum"),
        (RECIPIENT[:-1] + "b", "character"),
        (RECIPIENT[:20] + RECIPIENT[20:].upper(), "small and capital"),
        (RECIPIENT.upper(), "small letters"),
        (" " + RECIPIENT, "no recipient"),
        (bech32.encode("age", bytes(31)), "no recipient"),
        (bech32.encode("bc", bytes(32)), "no recipient"),
        (bech32.encode("age1pq", bytes(1216)), "not supported"),
        (bech32.encode("age1yubikey", bytes(33)), "not supported"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH6v5v5v5v5v5v5v5v5v5v5v5v5v5v5v5v5v5v5v5v5v", "SSH key"),
        (SECRET, "secret key"),
        (SECRET.lower(), "secret key"),
        ("AGE-PLUGIN-YUBIKEY-1GFPYYSJZGFPYYSJZ", "secret key"),
    ],
)
def test_what_is_no_recipient_is_refused(text, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        keys.parse_recipient(text)
    assert not shows(text, caught.value)


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "no identity"),
        (SECRET[:-1] + "Q", "checksum"),
        (SECRET[:-3], "checksum"),
        (SECRET[:30] + SECRET[30:].lower(), "small and capital"),
        (SECRET.lower(), "capital letters"),
        (bech32.encode("age-secret-key-", bytes(33)).upper(), "no identity"),
        (bech32.encode("nsec", bytes(32)), "no identity"),
        (bech32.encode("age-secret-key-pq-", bytes(32)).upper(), "not supported"),
        ("AGE-PLUGIN-YUBIKEY-1GFPYYSJZGFPYYSJZ", "not supported"),
        (RECIPIENT, "public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "SSH key"),
        ("age-encryption.org/v1", "encrypted"),
    ],
)
def test_what_is_no_identity_is_refused(text, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        keys.parse_identity(text)
    if text.startswith("AGE-SECRET") or text.startswith("nsec"):
        assert not shows(text, caught.value)


@given(st.integers(0, len(SECRET) - 1), st.characters(codec="ascii", exclude_categories=["Cc"]))
def test_no_message_repeats_a_secret_key(place, letter):
    text = SECRET[:place] + letter + SECRET[place + 1 :]
    for parse in (keys.parse_recipient, keys.parse_identity, lambda text: keys.parse_identities(text, "keys.txt")):
        try:
            parse(text)
        except ConfigurationError as error:
            assert not shows(SECRET, error)


def test_neither_identities_nor_passphrases_show_themselves():
    identity = keys.parse_identity(SECRET)
    assert repr(identity) == "<identity of %s>" % RECIPIENT
    assert not shows(SECRET, repr(identity)) and repr(identity.secret) not in repr([identity])
    assert repr(keys.Passphrase("correct horse")) == str(keys.Passphrase("correct horse")) == "<passphrase>"


def test_an_identity_file_may_hold_comments_and_several_identities(tmp_path):
    others = [keys.keygen() for _ in range(2)]
    path = tmp_path / "keys.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(["# mine", SECRET, "", "  ", *(text for text, _ in others)]).encode())
    assert [i.recipient for i in keys.read_identities(str(path))] == [RECIPIENT, *(recipient for _, recipient in others)]


def test_a_damaged_identity_file_is_named_with_the_line(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text("# created: yesterday\n%s\n%s\n" % (SECRET, SECRET[:-1] + "Q"))
    with pytest.raises(ConfigurationError, match="keys.txt: line 3: .*checksum") as caught:
        keys.read_identities(str(path))
    assert not shows(SECRET, caught.value)


def test_a_file_without_identities_is_refused(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text("# public key: %s\n" % RECIPIENT)
    with pytest.raises(ConfigurationError, match="no identity"):
        keys.read_identities(str(path))
    path.write_text(RECIPIENT + "\n")
    with pytest.raises(ConfigurationError, match="line 1: .*public key"):
        keys.read_identities(str(path))
    path.write_bytes(os.urandom(1000))
    with pytest.raises(ConfigurationError, match="keys.txt"):
        keys.read_identities(str(path))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        keys.read_identities(str(tmp_path / "missing.txt"))


def test_an_empty_passphrase_is_refused():
    with pytest.raises(ConfigurationError, match="empty"):
        keys.Passphrase("")


def test_without_the_library_only_what_needs_it_fails():
    program = """
import sys
sys.modules["cryptography"] = None
from _engine.age import keys
from _engine.errors import MissingDependencyError
keys.parse_recipient(%r)
for act in (lambda: keys.parse_identity(%r), keys.keygen):
    try:
        act()
    except MissingDependencyError as error:
        sys.stdout.write("%%s\\n" %% error)
""" % (RECIPIENT, SECRET)
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(MODULE_UTILS)}, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "cryptography" in line and "encryption" in line and not shows(SECRET, line)


def shows(secret, said):
    """True when eight characters in a row of what stands behind the prefix of a key are in a message."""
    tail = secret.rpartition("1")[2].lower()
    text = str(said).lower()
    return any(tail[n : n + 8] in text for n in range(len(tail) - 7))
