# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of one file, there and back, with many requests under way at once."""

from __future__ import annotations

import collections
import struct
import typing as t

from . import wire
from .session import Session
from .wire import Parser, ProtocolError, StatusError

#: Bytes and requests that are under way at most: what a fast line over some distance holds.
_AHEAD_BYTES = 8 << 20
_AHEAD = 64


class Writer:
    """Writes one file from ``size`` bytes on. Raises as Session does; what the server says no to comes up some writes later.

    ``confirmed``: so many bytes from the beginning on the server has taken.
    """

    def __init__(self, session: Session, handle: bytes, size: int = 0) -> None:
        self._session = session
        self._handle = wire.string(handle)
        #: id and end of each request under way
        self._waiting: t.Deque[t.Tuple[int, int]] = collections.deque()
        self._most = max(2, min(_AHEAD, _AHEAD_BYTES // session.write_size))
        self._kept = bytearray()
        self.size = self.confirmed = size

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Send ``data`` in requests as large as the server takes them; a rest is kept until more comes."""
        full = self._session.write_size
        with memoryview(data) as rest:
            at = 0
            if self._kept:
                at = full - len(self._kept)
                self._kept += rest[:at]
                if len(self._kept) < full:
                    return
                self._send(self._kept)
                self._kept = bytearray()
            while len(rest) - at >= full:
                with rest[at : at + full] as part:
                    self._send(part)
                at += full
            self._kept += rest[at:]

    def finish(self) -> None:
        """Wait until the server has taken everything."""
        if self._kept:
            self._send(self._kept)
            self._kept = bytearray()
        while self._waiting:
            self._confirm()

    def forget(self) -> None:
        """Take the replies that are still to come, whatever they say."""
        while self._waiting:
            self._session.reply(self._waiting.popleft()[0])

    def _send(self, data: t.Union[bytearray, memoryview]) -> None:
        body = b"%s%s" % (self._handle, struct.pack(">QI", self.size, len(data)))
        number = self._session.request(wire.WRITE, body, data)
        self.size += len(data)
        self._waiting.append((number, self.size))
        while len(self._waiting) >= self._most:
            self._confirm()

    def _confirm(self) -> None:
        number, end = self._waiting.popleft()
        self._session.status(number)
        self.confirmed = end


class Reader:
    """Reads one file from ``offset`` on, at most ``size`` bytes, ever further ahead of who asks."""

    def __init__(self, session: Session, handle: bytes, offset: int = 0, size: t.Optional[int] = None) -> None:
        self._session = session
        self._handle = handle
        self._next = offset
        self._end = None if size is None else offset + size
        self._most = max(2, min(_AHEAD, _AHEAD_BYTES // session.read_size))
        self._ahead = 2
        #: id, offset and size of each request under way
        self._waiting: t.Deque[t.Tuple[int, int, int]] = collections.deque()
        self._chunk = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``; returns 0 at the end."""
        if not self._chunk:
            self._chunk = memoryview(self._fetch())
        count = min(len(buffer), len(self._chunk))
        buffer[:count] = self._chunk[:count]
        self._chunk = self._chunk[count:]
        return count

    def read(self, size: int = -1) -> bytes:
        """Some bytes, at most ``size``; all that follow when it is negative."""
        if size < 0:
            parts: t.List[bytes] = []
            while True:
                part = self.read(_AHEAD_BYTES)
                if not part:
                    return b"".join(parts)
                parts.append(part)
        if not self._chunk:
            self._chunk = memoryview(self._fetch())
        data = bytes(self._chunk[:size])
        self._chunk = self._chunk[size:]
        return data

    def forget(self) -> None:
        """Take the replies that are still to come."""
        while self._waiting:
            self._session.reply(self._waiting.popleft()[0])

    def _fetch(self) -> bytes:
        while len(self._waiting) < self._ahead and (self._end is None or self._next < self._end):
            size = self._session.read_size
            if self._end is not None:
                size = min(size, self._end - self._next)
            self._request(self._next, size)
            self._next += size
        # One request is answered for each one that is sent, so that the server never waits for us to read.
        self._ahead = min(self._ahead * 2, self._most)
        if not self._waiting:
            return b""
        number, offset, size = self._waiting.popleft()
        data = self._data(number)
        if len(data) > size:
            raise ProtocolError("it sent more than was asked for")
        if not data:
            # What was asked for beyond the end is answered likewise.
            self.forget()
            self._end = self._next
        elif len(data) < size:
            # A server may send less than was asked for; the gap comes first, before what is under way.
            self._request(offset + len(data), size - len(data))
            self._waiting.rotate(1)
        return data

    def _request(self, offset: int, size: int) -> None:
        number = self._session.request(wire.READ, wire.string(self._handle) + struct.pack(">QI", offset, size))
        self._waiting.append((number, offset, size))

    def _data(self, number: int) -> bytes:
        kind, body = self._session.reply(number)
        if kind == wire.DATA:
            return Parser(body).string()
        try:
            self._session.expect(wire.DATA, kind, body)
        except StatusError as error:
            if error.code != wire.EOF:
                raise
        return b""
