# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of age files: what is accepted, what is refused and why. The cases follow the kinds of the public test vectors.

Each malformed header is also given to the tool age, which must refuse it as well: the cases are right, not only the code.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from agefiles import (
    LOW_ORDER,
    V1,
    age_decrypts,
    b64,
    head,
    needs_age,
    new_identity,
    opened,
    payload,
    scrypt,
    stanza,
    wrapped,
    x25519,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from _engine.age import header as age
from _engine.age.keys import Identity, Passphrase
from _engine.errors import ConfigurationError, DecryptionError, IntegrityError

ME = Identity(b"\x42" * 32)
KEY = bytes(range(100, 116))
TEXT = b"what was backed up"
MINE = x25519(KEY, ME.public)
ARGS, BODY = MINE.split(b"\n", 1)
SHARE = ARGS.split(b" ")[2]
GREASE = stanza(b"x-grease", b"!", b"~", body=bytes(50))
MODULE_UTILS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"


def whole(header):
    return header + b"".join(payload(KEY, TEXT))


def noncanonical(text):
    """The same bytes to a sloppy decoder: the last character has bits that count for nothing."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1 :][:1]


GOOD = {
    "one recipient": head(KEY, MINE),
    "several recipients": head(KEY, x25519(KEY, new_identity().public), MINE, x25519(KEY, new_identity().public)),
    "the same recipient twice": head(KEY, MINE, MINE),
    "an unknown stanza before": head(KEY, GREASE, MINE),
    "an unknown stanza after": head(KEY, MINE, GREASE),
    "an unknown stanza with an empty body": head(KEY, MINE, b"-> stanza\n\n"),
    "an unknown stanza with a full line": head(KEY, MINE, stanza(b"stanza", body=bytes(48))),
    "an unknown stanza with many lines": head(KEY, stanza(b"stanza", body=bytes(1000)), MINE),
    "an unknown stanza that looks like another": head(KEY, x25519(KEY, ME.public, kind=b"x25519"), MINE),
    "all characters that an argument may have": head(KEY, stanza(bytes(range(0x21, 0x7F)), body=b"x"), MINE),
    "an unknown stanza that begins like the end": head(KEY, stanza(b"---", b"->", body=b""), MINE),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_the_specification_allows_is_opened(case, tmp_path):
    assert opened(whole(GOOD[case]), ME).read() == TEXT
    assert opened(whole(GOOD[case]), new_identity(), Passphrase("x"), ME).read() == TEXT


MALFORMED = {
    "nothing": (b"", "does not begin with"),
    "an empty line": (b"\n" + head(KEY, MINE), "does not begin with"),
    "something else": (b"-----BEGIN PGP MESSAGE-----\n\n" + b"x" * 200, "does not begin with"),
    "no version": (head(KEY, MINE, version=b"age-encryption.org/\n"), "does not begin with"),
    "carriage returns": (head(KEY, MINE).replace(b"\n", b"\r\n"), "does not begin with"),
    "a carriage return": (V1 + head(KEY, MINE)[len(V1) :].replace(b"\n", b"\r\n", 1), "after one space"),
    "a space after the version": (head(KEY, MINE, version=b"age-encryption.org/v1 \n"), "does not begin with"),
    "no stanza": (head(KEY), "no stanza"),
    "no space after the arrow": (head(KEY, MINE.replace(b"-> ", b"->", 1)), "after one space"),
    "an arrow alone": (head(KEY, MINE, b"->\n\n"), "after one space"),
    "an arrow and a space": (head(KEY, MINE, b"-> \n\n"), "after one space"),
    "two spaces": (head(KEY, MINE, b"-> stanza  argument\n\n"), "after one space"),
    "a space at the end of the arguments": (head(KEY, MINE, b"-> stanza argument \n\n"), "after one space"),
    "a tab": (head(KEY, MINE, b"-> stanza\targument\n\n"), "after one space"),
    "a control character": (head(KEY, MINE, b"-> stanza \x7f\n\n"), "after one space"),
    "an argument that is not ASCII": (head(KEY, MINE, "-> stanza caf\u00e9\n\n".encode()), "after one space"),
    "a bad start": (head(KEY, b"--> stanza\n\n", MINE), "neither a stanza nor the last line"),
    "a line between stanzas": (head(KEY, MINE, b"\n"), "neither a stanza nor the last line"),
    "a full last line": (head(KEY, MINE, b"-> stanza\n" + b"A" * 64 + b"\n"), "not base64"),
    "no body": (head(KEY, b"-> stanza\n", MINE), "not base64"),
    "a long line": (head(KEY, MINE, b"-> stanza\n" + b"A" * 68 + b"\n"), "longer than 64"),
    "a body in short lines": (head(KEY, MINE, b"-> stanza\nAAAA\nAAAA\n"), "neither a stanza nor the last line"),
    "padding": (head(KEY, MINE, b"-> stanza\nAA==\n"), "not base64"),
    "a space in a body": (head(KEY, MINE, b"-> stanza\nAA AA\n"), "not base64"),
    "a body that is not canonical": (head(KEY, MINE, b"-> stanza\nAB\n"), "no encoder writes"),
    "a body with a lone character": (head(KEY, MINE, b"-> stanza\nAAAAA\n"), "not base64"),
    "url-safe base64": (head(KEY, MINE, b"-> stanza\n-_-_\n"), "not base64"),
    "no mac": (head(KEY, MINE).split(b"---")[0] + b"---\n", "neither a stanza nor the last line"),
    "no mac but a space": (head(KEY, MINE).split(b"---")[0] + b"--- \n", "its MAC has 0 bytes"),
    "no space before the mac": (head(KEY, MINE).replace(b"--- ", b"---"), "neither a stanza nor the last line"),
    "two spaces before the mac": (head(KEY, MINE).replace(b"--- ", b"---  "), "not base64"),
    "a space after the mac": (head(KEY, MINE)[:-1] + b" \n", "not base64"),
    "garbage after the mac": (head(KEY, MINE)[:-1] + b" AAA\n", "not base64"),
    "padding of the mac": (head(KEY, MINE)[:-1] + b"=\n", "not base64"),
    "a short mac": (head(KEY, MINE)[:-5] + b"\n", "its MAC has|no encoder writes"),
    "a long mac": (head(KEY, MINE)[:-1] + b"AAAA\n", "its MAC has|no encoder writes"),
    "a mac that is not canonical": (noncanonical(head(KEY, MINE)[:-1]) + b"\n", "no encoder writes"),
    "an X25519 stanza without a share": (head(KEY, b"-> X25519\n" + BODY), "1 arguments instead of 2"),
    "an X25519 stanza with more arguments": (head(KEY, x25519(KEY, ME.public, arguments=[b"x"])), "3 arguments instead of 2"),
    "a long share": (head(KEY, x25519(KEY, ME.public, share=bytes(33))), "has not 32 bytes"),
    "a short share": (head(KEY, x25519(KEY, ME.public, share=bytes(31))), "has not 32 bytes"),
    "a share that is not canonical": (head(KEY, b"-> X25519 " + noncanonical(SHARE) + b"\n" + BODY), "no encoder writes"),
    "a padded share": (head(KEY, b"-> X25519 " + SHARE + b"=\n" + BODY), "not base64"),
    "a wrapped key that is not canonical": (head(KEY, ARGS + b"\n" + noncanonical(BODY[:-1]) + b"\n"), "no encoder writes"),
    "a long file key": (head(bytes(17), x25519(bytes(17), ME.public)), "has 33 bytes instead of 32"),
    "a short file key": (head(bytes(15), x25519(bytes(15), ME.public)), "has 31 bytes instead of 32"),
    "a passphrase beside a recipient": (head(KEY, MINE, scrypt(KEY, "x")), "must be the only one"),
    "a recipient beside a passphrase": (head(KEY, scrypt(KEY, "x"), MINE), "must be the only one"),
}
MALFORMED.update(
    ("the share %s of low order" % point.hex(), (head(KEY, x25519(KEY, ME.public, share=point)), "low order"))
    for point in LOW_ORDER
)


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_malformed_is_refused_with_its_name_and_the_reason(case):
    data, why = MALFORMED[case]
    with pytest.raises(IntegrityError, match="x.age: its age header is damaged: .*(%s)" % why) as caught:
        opened(whole(data) if data else data, ME)
    assert caught.value.objects == ["x.age"]


# age 1.1 looks at what stands beside a passphrase only when it is asked to use one.
@needs_age
@pytest.mark.parametrize("case", [case for case in MALFORMED if "beside" not in case])
def test_the_tool_age_refuses_the_same(case, tmp_path):
    data, _why = MALFORMED[case]
    assert age_decrypts(whole(data) if data else data, ME, tmp_path) is None


@needs_age
@pytest.mark.parametrize("case", GOOD)
def test_the_tool_age_opens_the_same(case, tmp_path):
    assert age_decrypts(whole(GOOD[case]), ME, tmp_path) == TEXT


PASSPHRASE_MALFORMED = {
    "two passphrases": (head(KEY, scrypt(KEY, "x"), scrypt(KEY, "y")), "must be the only one"),
    "something unknown beside a passphrase": (head(KEY, scrypt(KEY, "x"), GREASE), "must be the only one"),
    "more arguments": (head(KEY, scrypt(KEY, "x", arguments=[b"x"])), "4 arguments instead of 3"),
    "no work factor": (head(KEY, stanza(b"scrypt", b64(bytes(16)), body=bytes(32))), "2 arguments instead of 3"),
    "no salt": (head(KEY, stanza(b"scrypt", b"10", body=bytes(32))), "2 arguments instead of 3"),
    "a long salt": (head(KEY, scrypt(KEY, "x", salt=bytes(17))), "has not 16 bytes"),
    "a short salt": (head(KEY, scrypt(KEY, "x", salt=bytes(15))), "has not 16 bytes"),
    "a salt that is not canonical": (
        head(KEY, scrypt(KEY, "x", salt=bytes(16)).replace(b64(bytes(16)), noncanonical(b64(bytes(16))))),
        "no encoder writes",
    ),
    "a long file key": (head(bytes(24), scrypt(bytes(24), "x")), "has 40 bytes instead of 32"),
    "the work factor 0": (head(KEY, scrypt(KEY, "x", written=b"0")), "is no number"),
    "a leading zero": (head(KEY, scrypt(KEY, "x", written=b"010")), "is no number"),
    "a hexadecimal work factor": (head(KEY, scrypt(KEY, "x", written=b"0xa")), "is no number"),
    "letters in the work factor": (head(KEY, scrypt(KEY, "x", written=b"1a")), "is no number"),
    "garbage before the work factor": (head(KEY, scrypt(KEY, "x", written=b"$10")), "is no number"),
    "a negative work factor": (head(KEY, scrypt(KEY, "x", written=b"-10")), "is no number"),
    "a positive work factor": (head(KEY, scrypt(KEY, "x", written=b"+10")), "is no number"),
    "digits that are not ASCII": (head(KEY, scrypt(KEY, "x", written="\u0661\u0660".encode())), "after one space"),
}


@pytest.mark.parametrize("case", PASSPHRASE_MALFORMED)
def test_a_malformed_passphrase_stanza_is_refused(case):
    data, why = PASSPHRASE_MALFORMED[case]
    for identity in (Passphrase("x"), ME):
        with pytest.raises(IntegrityError, match="x.age: its age header is damaged: .*%s" % why):
            opened(whole(data), identity)


def test_a_passphrase_opens_what_it_closed():
    assert opened(whole(head(KEY, scrypt(KEY, "x"))), ME, Passphrase("y"), Passphrase("x")).read() == TEXT
    for passphrase in ("correct horse battery staple", "\u00e9\u4e2d\U0001f40e", " "):
        header, key = age.for_passphrase(Passphrase(passphrase), 4)
        assert age.file_key(age.parse(header, "x"), [Passphrase(passphrase)]) == key


@pytest.mark.parametrize("factor", [b"23", b"64", b"99999999999999999999999"])
def test_a_work_factor_that_would_take_the_machine_down_is_refused(factor):
    data = head(KEY, scrypt(KEY, "x", written=factor))
    with pytest.raises(DecryptionError, match="work factor %s; more than 22 is refused" % factor[:20].decode()):
        opened(whole(data), Passphrase("x"))


def test_another_work_factor_is_another_key():
    with pytest.raises(DecryptionError, match="passphrase is wrong"):
        opened(whole(head(KEY, scrypt(KEY, "x", factor=10, written=b"11"))), Passphrase("x"))


def test_too_little_memory_for_a_passphrase_is_said(tmp_path):
    program = """
import resource, sys
from _engine.age import header
from _engine.age.keys import Passphrase
from _engine.errors import FleetBackupError
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    header.for_passphrase(Passphrase("secret words"), 21)
except FleetBackupError as error:
    sys.stdout.write(str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(MODULE_UTILS)}, capture_output=True, text=True, check=True
    )
    assert "takes 2048 MiB of memory" in done.stdout and "secret words" not in done.stdout


def test_a_header_that_was_changed_is_told_from_a_wrong_identity():
    good = head(KEY, MINE, GREASE)
    changed = good.replace(b"x-grease", b"x-Grease")
    with pytest.raises(IntegrityError, match="x.age: its age header was changed after it was written"):
        opened(whole(changed), ME)
    without = good.replace(GREASE, b"")
    with pytest.raises(IntegrityError, match="was changed after it was written"):
        opened(whole(without), ME)
    mac = good[:-44] + b64(bytes(32)) + b"\n"
    with pytest.raises(IntegrityError, match="was changed after it was written"):
        opened(whole(mac), ME)


def test_who_cannot_open_a_file_hears_why():
    mine, theirs = whole(head(KEY, MINE)), new_identity()
    with pytest.raises(DecryptionError, match="x.age is encrypted, and no identity was given"):
        opened(mine)
    with pytest.raises(DecryptionError, match="x.age: none of the identities given can open it; .*%s" % theirs.recipient):
        opened(mine, theirs)
    with pytest.raises(DecryptionError, match="only a passphrase was given"):
        opened(mine, Passphrase("correct horse"))
    locked = whole(head(KEY, scrypt(KEY, "correct horse")))
    with pytest.raises(DecryptionError, match="encrypted with a passphrase, and none was given"):
        opened(locked, ME)
    with pytest.raises(DecryptionError, match="the passphrase is wrong") as caught:
        opened(locked, Passphrase("correct house"))
    assert "house" not in str(caught.value)
    with pytest.raises(DecryptionError, match=r"kinds that are not supported \(ssh-ed25519, x-grease\)"):
        opened(whole(head(KEY, GREASE, stanza(b"ssh-ed25519", b"YWJj", body=bytes(32)))), ME)
    with pytest.raises(DecryptionError, match=r"not supported \(x25519\)"):
        opened(whole(head(KEY, x25519(KEY, ME.public, kind=b"x25519"))), ME)
    with pytest.raises(DecryptionError, match=r"not supported \(Scrypt\)"):
        opened(whole(head(KEY, scrypt(KEY, "x", kind=b"Scrypt"))), Passphrase("x"))


def test_a_stanza_whose_tag_is_wrong_opens_nothing():
    body = bytearray(os.urandom(32))
    with pytest.raises(DecryptionError, match="none of the identities"):
        opened(whole(head(KEY, ARGS + b"\n" + wrapped(body))), ME)


def test_armor_and_other_versions_are_refused_by_name():
    with pytest.raises(IntegrityError, match="x.age: is an age file in ASCII armor"):
        opened(b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n", ME)
    with pytest.raises(DecryptionError, match="x.age: is an age file of version v2; this fleet.backup knows v1 only"):
        opened(b"age-encryption.org/v2\nwhatever \xff\n", ME)


def test_a_header_without_an_end_is_not_read_forever():
    endless = V1 + b"-> stanza\n" + (b"A" * 64 + b"\n") * 5000
    with pytest.raises(IntegrityError, match="does not end within 65536 bytes"):
        age.parse(endless, "x.age")
    with pytest.raises(IntegrityError, match="does not end within 65536 bytes"):
        age.parse(head(KEY, MINE, stanza(b"stanza", body=bytes(49_000))), "x.age")
    with pytest.raises(IntegrityError, match="does not begin with"):
        age.parse(b"A" * (1 << 20), "x.age")


@pytest.mark.parametrize("case", GOOD)
def test_a_header_cut_off_anywhere_is_refused(case):
    data = GOOD[case]
    assert age.parse(data + b"---", "x").size == len(data)
    for end in range(len(data)):
        with pytest.raises(IntegrityError):
            age.parse(data[:end], "x")


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_anywhere_in_a_header_never_goes_unnoticed(data):
    header = bytearray(GOOD["several recipients"])
    place = data.draw(st.integers(0, len(header) - 1))
    header[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((IntegrityError, DecryptionError)):
        opened(whole(bytes(header)), ME)


@given(st.binary(max_size=300))
def test_what_is_no_header_is_an_integrity_error_and_nothing_else(noise):
    for data in (noise, V1 + noise, V1 + b"-> " + noise, V1 + MINE + b"--- " + noise):
        try:
            age.parse(data, "x.age")
        except IntegrityError as error:
            assert "x.age" in str(error)


def test_what_is_written_is_what_the_specification_asks_for():
    them = [new_identity() for _ in range(3)]
    header, key = age.for_recipients([identity.recipient for identity in them])
    assert len(key) == 16
    assert header == head(key, *[b"-> X25519 " + part for part in header[:-48].split(b"-> X25519 ")[1:]])
    for identity in them:
        assert age.file_key(age.parse(header, "x"), [identity]) == key
    shares = [s.arguments[1] for s in age.parse(header, "x").stanzas]
    assert len(set(shares)) == 3

    again, other_key = age.for_recipients([them[0].recipient])
    assert other_key != key and not set(shares) & {s.arguments[1] for s in age.parse(again, "x").stanzas}

    header, key = age.for_passphrase(Passphrase("x"), 4)
    assert header.startswith(V1 + b"-> scrypt ") and header.split(b"\n")[1].endswith(b" 4")
    assert header != age.for_passphrase(Passphrase("x"), 4)[0]


def test_nobody_is_no_recipient():
    with pytest.raises(ValueError):
        age.for_recipients([])
    with pytest.raises(ConfigurationError, match="no recipient"):
        age.for_recipients([ME.recipient, "age1"])


def test_no_header_is_written_that_would_be_too_long_to_read():
    header, key = age.for_recipients([new_identity().recipient] * 599 + [ME.recipient])
    assert age.file_key(age.parse(header, "x"), [ME]) == key
    with pytest.raises(ConfigurationError, match="700 recipients are too many"):
        age.for_recipients([ME.recipient] * 700)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_nothing_is_encrypted_to_a_key_that_everybody_can_open(point):
    from _engine.age import bech32

    with pytest.raises(ConfigurationError, match="low order"):
        age.for_recipients([bech32.encode("age", point)])


def test_file_keys_are_unwrapped_by_name_for_somebody_else():
    written = {name: age.for_recipients([new_identity().recipient, ME.recipient]) for name in ("a.age", "b.age", "c.age")}
    keys = age.unwrap({name: header for name, (header, _key) in written.items()}, [new_identity(), ME])
    assert keys == {name: key for name, (_header, key) in written.items()}
    for name, (header, _key) in written.items():
        age.check_file_key(age.parse(header, name), keys[name])
    with pytest.raises(IntegrityError, match="b.age: .*the file key is that of another file"):
        age.check_file_key(age.parse(written["b.age"][0], "b.age"), keys["a.age"])


def test_unwrapping_names_the_header_that_is_wrong():
    header, _key = age.for_recipients([ME.recipient])
    with pytest.raises(IntegrityError, match="b.age: there is more than an age header") as caught:
        age.unwrap({"a.age": header, "b.age": header + b"x"}, [ME])
    assert caught.value.objects == ["b.age"]
    with pytest.raises(IntegrityError, match="b.age: its age header is damaged"):
        age.unwrap({"a.age": header, "b.age": header[:-1]}, [ME])
    with pytest.raises(DecryptionError, match="a.age: none of the identities"):
        age.unwrap({"a.age": header}, [new_identity()])
