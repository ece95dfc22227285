# SPDX-License-Identifier: GPL-3.0-or-later
"""The data types of SSH (RFC 4251, section 5) and the armor around OpenSSH's keys and signatures, read strictly."""

from __future__ import annotations

import base64
import re
import struct

# As ssh-keygen writes it; readers take any width.
_WIDTH = 70


class InvalidError(ValueError):
    """Bytes are no valid key or signature. The text says why, as the end of a sentence, and never what they hold."""


def string(data: bytes) -> bytes:
    """``data`` with its length before it."""
    return struct.pack(">I", len(data)) + data


class Reader:
    """Takes values off the front of ``data``. Raises InvalidError when there is less than they need."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise InvalidError("it is cut off, or a length in it is wrong")
        self._at, begin = end, self._at
        return self._data[begin:end]

    def number(self) -> int:
        value: int = struct.unpack(">I", self.take(4))[0]
        return value

    def string(self) -> bytes:
        return self.take(self.number())

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Raises InvalidError when anything is left."""
        if self._at != len(self._data):
            raise InvalidError("there is more data behind its end")


def armor(blob: bytes, label: str) -> bytes:
    """``blob`` in lines of base64 between the two lines that name it."""
    text = base64.b64encode(blob).decode("ascii")
    lines = [text[n : n + _WIDTH] for n in range(0, len(text), _WIDTH)]
    return "\n".join(["-----BEGIN %s-----" % label, *lines, "-----END %s-----" % label, ""]).encode("ascii")


def unarmor(data: bytes, label: str) -> bytes:
    """The bytes in an armor, which must be all of ``data``. Raises InvalidError."""
    name = label.encode("ascii")
    found = re.match(rb"-----BEGIN %s-----\n((?:[A-Za-z0-9+/=]+\n)+)-----END %s-----\n\Z" % (name, name), data)
    if not found:
        raise InvalidError(
            "it is not lines of base64 between '-----BEGIN %s-----' and '-----END %s-----' and nothing else" % (label, label)
        )
    return decode_base64(found.group(1).replace(b"\n", b""))


def decode_base64(text: bytes) -> bytes:
    """The bytes that ``text`` stands for, where it is the one way to write them. Raises InvalidError."""
    try:
        blob = base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidError("its base64 is damaged") from None
    # Python ignores unused bits at the end: two texts for the same bytes.
    if base64.b64encode(blob) != text:
        raise InvalidError("its base64 is damaged")
    return blob
