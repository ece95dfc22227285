# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool age reads what this writes, and this reads what the tool writes."""

from __future__ import annotations

import random
import subprocess

import pytest
from agefiles import CHUNK, needs_age, opened
from terminal import Terminal

from _engine.age import header as age
from _engine.age import keys
from _engine.age.stream import AgeWriter

pytestmark = needs_age

DATA = random.Random(2).randbytes(40 * CHUNK + 123)
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 16 * CHUNK, 17 * CHUNK, len(DATA)]
PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Three identity files, by our keygen and theirs, and their recipients."""
    folder = tmp_path_factory.mktemp("keys")
    found = []
    for n in range(3):
        path = folder / ("%d.txt" % n)
        if n == 1:
            subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
        else:
            path.write_text(keys.keygen()[0])
        (identity,) = keys.read_identities(str(path))
        found.append((path, identity))
    return found


def write(path, header, data):
    with open(path, "wb") as file:
        writer = AgeWriter(file, *header)
        writer.write(data)
        writer.close()


@pytest.mark.parametrize("size", SIZES)
def test_age_decrypts_what_is_written_for_several_recipients(size, people, tmp_path):
    write(tmp_path / "x.age", age.for_recipients([identity.recipient for _path, identity in people]), DATA[:size])
    for path, _identity in people:
        done = subprocess.run(["age", "-d", "-i", str(path), str(tmp_path / "x.age")], check=True, capture_output=True)
        assert done.stdout == DATA[:size]


@pytest.mark.parametrize("size", SIZES)
def test_what_age_encrypts_for_several_recipients_is_read(size, people):
    to = [argument for _path, identity in people for argument in ("-r", identity.recipient)]
    done = subprocess.run(["age", "-e", *to], input=DATA[:size], check=True, capture_output=True)
    for _path, identity in people:
        assert opened(done.stdout, identity).read() == DATA[:size]


def test_age_decrypts_what_a_passphrase_closes(tmp_path):
    write(tmp_path / "x.age", age.for_passphrase(keys.Passphrase(PASSPHRASE)), DATA)
    with Terminal(["age", "-d", "-o", str(tmp_path / "x"), str(tmp_path / "x.age")]) as terminal:
        terminal.expect("Enter passphrase")
        terminal.type(PASSPHRASE)
        assert terminal.finish() == 0
    assert (tmp_path / "x").read_bytes() == DATA


def test_what_age_closes_with_a_passphrase_is_read(tmp_path):
    (tmp_path / "x").write_bytes(DATA)
    with Terminal(["age", "-p", "-o", str(tmp_path / "x.age"), str(tmp_path / "x")]) as terminal:
        terminal.expect("Enter passphrase")
        terminal.type(PASSPHRASE)
        terminal.expect("Confirm passphrase")
        terminal.type(PASSPHRASE)
        assert terminal.finish() == 0
    assert opened((tmp_path / "x.age").read_bytes(), keys.Passphrase(PASSPHRASE)).read() == DATA


def test_a_recipient_of_another_kind_beside_ours_does_no_harm(people, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "ssh")], check=True, capture_output=True)
    _path, identity = people[0]
    to = ["-R", str(tmp_path / "ssh.pub"), "-r", identity.recipient]
    done = subprocess.run(["age", "-e", *to], input=DATA, check=True, capture_output=True)
    assert opened(done.stdout, identity).read() == DATA
