# SPDX-License-Identifier: GPL-3.0-or-later
"""A private key file whose parts do not fit together is refused: what it signs could give the key away."""

from __future__ import annotations

import pytest

from _engine.signing import InvalidError
from _engine.signing.keys import PublicKey, read_private_key
from _engine.signing.wire import armor, string

SEED = bytes(range(32))
PUBLIC = PublicKey(bytes(range(100, 132)))


def key_file(**changes):
    """A private key file, put together here, with some of its parts replaced."""
    parts = {
        "magic": b"openssh-key-v1\0",
        "cipher": string(b"none"),
        "kdf": string(b"none"),
        "options": string(b""),
        "count": (1).to_bytes(4, "big"),
        "public": string(PUBLIC.blob),
    }
    secret = {
        "first": b"1234",
        "second": b"1234",
        "type": string(b"ssh-ed25519"),
        "again": string(PUBLIC.data),
        "pair": string(SEED + PUBLIC.data),
        "comment": string(b""),
        "padding": b"\1\2\3\4\5",
    }
    end = changes.pop("end", b"")
    assert changes.keys() <= parts.keys() | secret.keys()
    parts.update((name, value) for name, value in changes.items() if name in parts)
    secret.update((name, value) for name, value in changes.items() if name in secret)
    return armor(b"".join(parts.values()) + string(b"".join(secret.values())) + end, "OPENSSH PRIVATE KEY")


def test_the_parts_of_a_key_file_are_as_this_test_thinks():
    assert read_private_key(key_file()) == (PUBLIC, SEED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": b"openssh-key-v2\0"}, "openssh-key-v1"),
        ({"cipher": string(b"aes256-ctr"), "kdf": string(b"bcrypt")}, "encrypted with a passphrase"),
        ({"count": (2).to_bytes(4, "big")}, "2 keys instead of one"),
        ({"public": string(string(b"ssh-rsa") + string(b"x"))}, "type ssh-rsa; only ed25519"),
        ({"public": string(PublicKey(bytes(32)).blob)}, "do not fit together"),
        ({"first": b"1235"}, "do not fit together"),
        ({"type": string(b"ssh-ed25518")}, "type ssh-ed25518; only ed25519"),
        ({"again": string(bytes(32))}, "do not fit together"),
        ({"pair": string(SEED + bytes(32))}, "do not fit together"),
        ({"pair": string(SEED + PUBLIC.data + b"x"), "padding": b"\1\2\3\4"}, "do not fit together"),
        ({"padding": b"\1\2\3\4\6"}, "do not fit together"),
        ({"padding": b"\1\2\3\4"}, "do not fit together"),
        ({"padding": bytes(range(1, 14))}, "do not fit together"),
        ({"comment": b"\0\0\1\0"}, "cut off"),
        ({"end": b"\0"}, "more data behind its end"),
    ],
)
def test_a_part_that_is_wrong(changes, message):
    with pytest.raises(InvalidError, match=message) as error:
        read_private_key(key_file(**changes))
    assert SEED.hex() not in str(error.value) and repr(SEED) not in str(error.value)
