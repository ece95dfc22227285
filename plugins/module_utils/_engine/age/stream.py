# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload of an age file: chunks of 64 KiB, each encrypted on its own, so that any of them can be read alone.

Source of all rules: https://c2sp.org/age, "Payload". Chunks are counted from 0, here and in messages.
"""

from __future__ import annotations

import io
import os
import typing as t

from ..errors import IntegrityError
from .primitives import TAG, Bytes, Cipher, hkdf

#: Bytes of plaintext in every chunk but the last.
CHUNK = 1 << 16
_SEALED = CHUNK + TAG
_NONCE = 16

# Handed on together: a hash, a system call and a lock for each chunk would cost more than encrypting it.
_TOGETHER = 16

# A chunk that lies in another one's place is recognised up to this far from its own.
_NEAR = 256


class Output(t.Protocol):
    """Where the file goes."""

    def write(self, data: t.Union[bytes, memoryview]) -> None: ...


def plaintext_size(total: int, header_size: int, name: str) -> int:
    """How many bytes a file of ``total`` holds, by its size alone. Raises IntegrityError when no file has that size."""
    payload = total - header_size - _NONCE
    if payload < 0:
        raise IntegrityError("%s: is cut off before its first chunk" % name, [name])
    full, rest = divmod(payload, _SEALED)
    if 0 < rest < TAG or not payload:
        raise IntegrityError("%s: is cut off in chunk %d, of which %d bytes are left" % (name, full, rest), [name])
    if rest == TAG and full:
        raise IntegrityError("%s: ends with chunk %d, which is empty; no writer makes one" % (name, full), [name])
    return full * CHUNK + max(rest - TAG, 0)


def room_within(size: int) -> int:
    """How many bytes an age file can hold whose size without the header is at most ``size``."""
    full, rest = divmod(max(size - _NONCE, 0), _SEALED)
    return full * CHUNK + max(rest - TAG, 0)


class AgeWriter:
    """Writes an age file to ``output``: the header, then what is given to write(), encrypted. close() ends it.

    ``header`` and ``file_key`` come from header.for_recipients() or header.for_passphrase() and serve one file only.
    Closing ends the file, not ``output``; a file that was never closed is seen to be cut off by every reader.
    """

    def __init__(self, output: Output, header: bytes, file_key: bytes) -> None:
        nonce = os.urandom(_NONCE)
        self._cipher = _payload_cipher(file_key, nonce)
        self._output = output
        # What is not encrypted yet. A full chunk waits here too: only close() knows whether it is the last.
        self._rest = bytearray()
        # What is encrypted and not written yet. One buffer for all: to get memory and give it back takes longer than ChaCha20.
        self._sealed = memoryview(bytearray(_TOGETHER * _SEALED))
        self._used = 0
        self._count = 0
        output.write(header + nonce)

    def write(self, data: Bytes) -> None:
        """Encrypt ``data``, which may be reused as soon as this returns."""
        view = memoryview(data).cast("B")
        if self._rest:
            room = CHUNK - len(self._rest)
            self._rest += view[:room]
            view = view[room:]
            if not view:
                return
            self._seal(self._rest, False)
            self._rest.clear()
        while len(view) > CHUNK:
            self._seal(view[:CHUNK], False)
            view = view[CHUNK:]
        self._rest += view

    def close(self) -> None:
        """Write the last chunk."""
        self._seal(self._rest, True)
        self._flush()

    def _seal(self, data: Bytes, last: bool) -> None:
        sealed = self._cipher.seal(_chunk_nonce(self._count, last), data)
        self._count += 1
        end = self._used + len(sealed)
        self._sealed[self._used : end] = sealed
        self._used = end
        if end == len(self._sealed):
            self._flush()

    def _flush(self) -> None:
        if self._used:
            self._output.write(self._sealed[: self._used])
            self._used = 0


class AgeReader:
    """Reads an age file from any place on. Several threads may read at once.

    ``read_at(offset, size)`` returns that many bytes of the stored file, ``size`` is the size of the whole and
    ``header_size`` that of its header; ``name`` is used in messages. ``self.size`` is the number of bytes inside.
    All methods raise IntegrityError for a file that is not as it was written.
    """

    def __init__(self, read_at: t.Callable[[int, int], Bytes], size: int, file_key: bytes, header_size: int, name: str) -> None:
        self.size = plaintext_size(size, header_size, name)
        self._name = name
        self._read_at = read_at
        self._start = header_size + _NONCE
        self._end = size
        self._last = max(self.size - 1, 0) // CHUNK
        self._cipher = _payload_cipher(file_key, bytes(self._fetch(header_size, _NONCE)))
        # The chunk in which a read ended: the next one, of the bytes behind it, begins there.
        self._edge: t.Tuple[int, bytes] = (-1, b"")

    def read(self, offset: int = 0, size: t.Optional[int] = None) -> bytes:
        """Return ``size`` bytes from ``offset`` on; all that follow by default.

        Every byte is proven to be in its place. Reading up to the end proves that it is the end, too.
        """
        end = self.size if size is None else offset + size
        if not 0 <= offset <= end <= self.size:
            raise IntegrityError(
                "%s: holds %d bytes; there is nothing to read from %d to %d" % (self._name, self.size, offset, end), [self._name]
            )
        if offset == end < self.size:
            return b""
        first, last = min(offset // CHUNK, self._last), max(end - 1, 0) // CHUNK
        found = _memory(end - offset)
        for number, chunk in self._chunks(first, last):
            found.write(memoryview(chunk)[max(offset - number * CHUNK, 0) : end - number * CHUNK])
            if number == last:
                self._edge = (number, chunk)
        return found.getvalue()

    def _chunks(self, first: int, last: int) -> t.Iterator[t.Tuple[int, bytes]]:
        number, chunk = self._edge
        if number == first:
            yield first, chunk
            first += 1
        if first > last:
            return
        start = self._start + first * _SEALED
        sealed = memoryview(self._fetch(start, min(self._start + (last + 1) * _SEALED, self._end) - start))
        for number in range(first, last + 1):
            yield number, self._open(number, sealed[(number - first) * _SEALED : (number - first + 1) * _SEALED])

    def _open(self, number: int, sealed: memoryview) -> bytes:
        chunk = self._cipher.unseal(_chunk_nonce(number, number == self._last), sealed)
        if chunk is None:
            why = self._why(number, sealed)
            raise IntegrityError("%s: chunk %d of %d %s" % (self._name, number, self._last + 1, why), [self._name])
        return chunk

    def _why(self, number: int, sealed: memoryview) -> str:
        """What is wrong with a chunk that cannot be decrypted where it lies."""
        last = number == self._last
        if self._cipher.unseal(_chunk_nonce(number, not last), sealed) is not None:
            if last:
                return "is not marked as the last, and nothing follows: the file was cut off"
            return "is marked as the last, and more follows: something was appended to the file"
        for other in range(max(number - _NEAR, 0), number + _NEAR + 1):
            if any(self._cipher.unseal(_chunk_nonce(other, flag), sealed) is not None for flag in (False, True)):
                return "holds what was written as chunk %d: chunks were moved, repeated or left out" % other
        return "is damaged, cut off or of another file: it cannot be decrypted"

    def _fetch(self, offset: int, size: int) -> Bytes:
        data = self._read_at(offset, size)
        if len(data) != size:
            raise IntegrityError(
                "%s: is cut off: at byte %d, %d bytes are missing" % (self._name, offset, size - len(data)), [self._name]
            )
        return data


def _payload_cipher(file_key: bytes, nonce: bytes) -> Cipher:
    return Cipher(hkdf(file_key, nonce, b"payload"))


def _chunk_nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _memory(size: int) -> io.BytesIO:
    """A file in memory of which getvalue() costs nothing: as large from the start as it will be.

    To gather chunks as objects of their own and join them takes longer than decrypting them does.
    """
    memory = io.BytesIO()
    memory.seek(max(size - 1, 0))
    memory.write(bytes(min(size, 1)))
    memory.seek(0)
    return memory
