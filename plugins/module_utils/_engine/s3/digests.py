# SPDX-License-Identifier: GPL-3.0-or-later
"""The checksums by which a server confirms what it received."""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t
import zlib

from ..errors import StoreRefusedError, StoreUnavailableError

#: What a request sends: bytes, or a file at its beginning.
Body = t.Union[bytes, bytearray, t.BinaryIO]

NAMES = ("sha256", "crc32", "md5")

_PIECE = 1 << 20
_MD5_TAG = re.compile(r'"?([0-9a-f]{32})"?\Z')


class Digest:
    """The checksum of one object or part: sent with it, so that the server compares it, and compared with its answer."""

    def __init__(self, algorithm: str, data: Body) -> None:
        self._algorithm = algorithm
        self._data = data
        self.text = base64.b64encode(_digest(algorithm, data)).decode("ascii")

    def arguments(self) -> t.Dict[str, str]:
        """What is added to a request."""
        return {argument(self._algorithm): self.text}

    def check(self, answer: t.Mapping[str, t.Any], what: str) -> None:
        """Raise unless an answer confirms the checksum. ``what`` begins the message.

        A server that knows nothing of newer checksums ignores them; it says the MD5 of what it holds (ETag) all the same.
        """
        if not answer.get("ETag"):
            raise StoreUnavailableError("%sthe answer ended early" % what)
        if self._algorithm == "md5":
            # Compared by every server since the protocol exists. An encrypted object's tag is something else.
            tag = md5_tag(answer)
            if tag and not answer.get("ServerSideEncryption") and tag != base64.b64decode(self.text).hex():
                raise StoreUnavailableError("%sthe server holds something else than what was sent" % what)
            return
        echo = answer.get(argument(self._algorithm))
        if echo == self.text:
            return
        if echo is None and md5_tag(answer) == _digest("md5", self._data).hex():
            return
        if echo is None:
            raise StoreRefusedError(
                "%sthe server does not confirm the checksum %s; with checksum: md5 it compares an older one, but does not say so"
                % (what, self._algorithm)
            )
        raise StoreUnavailableError("%sthe server holds something else than what was sent" % what)


def argument(algorithm: str) -> str:
    """The name of a checksum in requests and answers."""
    return "ContentMD5" if algorithm == "md5" else "Checksum" + algorithm.upper()


def composite(algorithm: str, parts: t.Sequence[str]) -> str:
    """The checksum of an object of several parts: that of the parts' checksums."""
    joined = b"".join(base64.b64decode(part) for part in parts)
    return "%s-%d" % (base64.b64encode(_digest(algorithm, joined)).decode("ascii"), len(parts))


def md5_tag(answer: t.Mapping[str, t.Any]) -> t.Optional[str]:
    """The MD5 that an ETag is, if it is one."""
    found = _MD5_TAG.match(str(answer.get("ETag") or ""))
    return found.group(1) if found else None


def _digest(algorithm: str, data: Body) -> bytes:
    try:
        state = _Crc32() if algorithm == "crc32" else hashlib.new(algorithm, usedforsecurity=False)
    except ValueError:
        raise StoreRefusedError("the checksum %s cannot be used on this host, whose system forbids it" % algorithm) from None
    if isinstance(data, (bytes, bytearray)):
        state.update(data)
    else:
        while True:
            piece = data.read(_PIECE)
            if not piece:
                break
            state.update(piece)
        data.seek(0)
    return state.digest()


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: t.Union[bytes, bytearray]) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")
