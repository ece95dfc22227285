# SPDX-License-Identifier: GPL-3.0-or-later
"""age files made by hand, piece by piece, so that any piece can be wrong; independent of the engine's own age code.

A stanza is the text of its lines; a chunk is what stands in the file.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from _engine.age import header as age
from _engine.age import keys
from _engine.age.stream import AgeReader

CHUNK = 65536
V1 = b"age-encryption.org/v1\n"

# Public keys of order 1, 2, 4 or 8, and those that are one of them modulo 2^255 - 19 (https://cr.yp.to/ecdh.html).
LOW_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
]

needs_age = pytest.mark.skipif(
    shutil.which("age") is None or shutil.which("age-keygen") is None, reason="the tools age and age-keygen are not installed"
)


def b64(data):
    return base64.b64encode(data).rstrip(b"=")


def wrapped(data):
    """Base64 in lines of 64 columns, the last of them shorter."""
    text = b64(data)
    return b"".join(text[n : n + 64] + b"\n" for n in range(0, len(text) + 1, 64))


def stanza(*arguments, body=b""):
    return b" ".join([b"->", *arguments]) + b"\n" + wrapped(body)


def x25519(file_key, public, share=None, arguments=(), kind=b"X25519"):
    """A stanza for a public key; ``share`` and the further ``arguments`` stand in it whatever is right."""
    secret = X25519PrivateKey.generate()
    own = raw(secret.public_key())
    shared = secret.exchange(X25519PublicKey.from_public_bytes(public))
    body = ChaCha20Poly1305(derive(shared, own + public, b"age-encryption.org/v1/X25519")).encrypt(bytes(12), file_key, None)
    return stanza(kind, b64(own if share is None else share), *arguments, body=body)


def scrypt(file_key, passphrase, factor=10, written=None, salt=None, arguments=(), kind=b"scrypt"):
    """A stanza for a passphrase; ``written`` is what it says that the work factor were."""
    salt = os.urandom(16) if salt is None else salt
    key = Scrypt(salt=b"age-encryption.org/v1/scrypt" + salt, length=32, n=1 << factor, r=8, p=1).derive(passphrase.encode())
    body = ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None)
    return stanza(kind, b64(salt), b"%d" % factor if written is None else written, *arguments, body=body)


def head(file_key, *stanzas, version=V1):
    """A header whose MAC is right, whatever else is not."""
    text = version + b"".join(stanzas) + b"---"
    mac = hmac.HMAC(derive(file_key, b"", b"header"), hashes.SHA256())
    mac.update(text)
    return text + b" " + b64(mac.finalize()) + b"\n"


def chunk(file_key, number, data, last=False):
    nonce = number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
    return ChaCha20Poly1305(derive(file_key, NONCE, b"payload")).encrypt(nonce, data, None)


NONCE = bytes(range(16))


def payload(file_key, data):
    """A nonce and all chunks of ``data``."""
    parts = [data[n : n + CHUNK] for n in range(0, len(data), CHUNK)] or [b""]
    return [NONCE] + [chunk(file_key, n, part, n == len(parts) - 1) for n, part in enumerate(parts)]


def derive(secret, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def raw(public):
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def opened(data, *identities, name="x.age"):
    """A reader of a whole file, opened with the engine."""
    found = age.parse(data[: age.LIMIT], name)
    return reader(data, age.file_key(found, identities), found.size, name)


def reader(data, file_key, header_size, name="x.age"):
    return AgeReader(lambda offset, size: data[offset : offset + size], len(data), file_key, header_size, name)


def new_identity():
    return keys.Identity(os.urandom(32))


def identity_file(identity, folder):
    from _engine.age import bech32

    path = folder / "identity.txt"
    path.write_text(bech32.encode("age-secret-key-", identity.secret).upper() + "\n")
    return path


def age_decrypts(data, identity, folder):
    """What the tool age makes of a file: its content, or None when it refuses it."""
    done = subprocess.run(
        ["age", "--decrypt", "--identity", str(identity_file(identity, folder))], input=data, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None
