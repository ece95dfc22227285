# SPDX-License-Identifier: GPL-3.0-or-later
"""One SFTP session: requests go out before the replies to earlier ones are there, from any thread.

There is no thread of its own: whoever waits for a reply reads the connection, and keeps what belongs to others for them.
"""

from __future__ import annotations

import struct
import threading
import typing as t

from ..errors import FleetBackupError, StoreUnavailableError
from . import wire
from .wire import Attributes, Parser, ProtocolError, StatusError

#: What every server takes in one request, and what is asked for where the server says that it takes more.
_SMALL = 1 << 15
_LARGE = 255 << 10
_LARGEST_PACKET = 1 << 24

_Data = t.Union[bytes, bytearray, memoryview]


class Connection(t.Protocol):
    """A stream of bytes to the server and back. All of it raises OSError (a timeout: TimeoutError)."""

    def send(self, header: bytes, data: _Data) -> None:
        """Send all of both."""

    def receive(self, size: int) -> bytes:
        """Some bytes, at most ``size``; none when the other side is gone."""

    def set_timeout(self, seconds: float) -> None:
        """How long send() and receive() wait without any progress."""

    def failure(self, error: Exception) -> FleetBackupError:
        """Why it failed, as the user should hear it. To be asked before close(), and not after."""

    def close(self) -> None: ...


class Session:
    """SFTP over a connection. Methods raise StatusError, OSError, EOFError and ProtocolError; after the last three, and after
    any exception that came in between (an interruption), the session is ``broken`` and of no further use."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._last_id = 0
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._replies: t.Dict[int, t.Tuple[int, bytes]] = {}
        self._ending = threading.Lock()
        self._closed = False
        self.broken = False
        connection.set_timeout(timeout)
        connection.send(struct.pack(">IBI", 5, wire.INIT, 3), b"")
        kind, body = self._read_packet()
        if kind != wire.VERSION:
            raise ProtocolError("it answered with packet type %d instead of its version" % kind)
        parser = Parser(body)
        parser.integer()
        self._extensions = set()
        while parser.rest:
            self._extensions.add(parser.string().decode("ascii", "replace"))
            parser.string()
        self.write_size = self.read_size = _SMALL
        if self.can("limits@openssh.com"):
            limits = Parser(self._extended("limits@openssh.com"))
            limits.long()  # of a packet
            self.read_size, self.write_size = (min(limits.long() or _SMALL, _LARGE) for _each in "rw")

    def can(self, extension: str) -> bool:
        """Whether the server offers an extension."""
        return extension in self._extensions

    def request(self, kind: int, body: bytes, data: _Data = b"") -> int:
        """Send a request; returns its id, for reply()."""
        with self._sending:
            self._last_id = number = (self._last_id + 1) & 0xFFFFFFFF
            sent = False
            try:
                self._connection.send(struct.pack(">IBI", 5 + len(body) + len(data), kind, number) + body, data)
                sent = True
            finally:
                self.broken = self.broken or not sent
        return number

    def reply(self, number: int, patience: float = 1) -> t.Tuple[int, bytes]:
        """The reply to a request: type and body. ``patience``: how many times the usual timeout it may take."""
        with self._receiving:
            received = False
            if patience != 1:
                self._connection.set_timeout(self._timeout * patience)
            try:
                while number not in self._replies:
                    kind, body = self._read_packet()
                    self._replies[int.from_bytes(body[:4], "big")] = kind, body[4:]
                if patience != 1:
                    self._connection.set_timeout(self._timeout)
                received = True
            finally:
                self.broken = self.broken or not received
            return self._replies.pop(number)

    def status(self, number: int, patience: float = 1) -> None:
        """Wait for a request that is answered by a status only."""
        self.expect(wire.STATUS, *self.reply(number, patience))

    def ask(self, kind: int, body: bytes, expected: int = wire.STATUS) -> bytes:
        """Send a request and return the body of its reply."""
        return self.expect(expected, *self.reply(self.request(kind, body)))

    def open(self, path: str, flags: int) -> bytes:
        """The handle of a file. A new one is for its owner alone."""
        body = wire.string(path.encode("utf-8")) + struct.pack(">I", flags)
        body += wire.mode(0o600) if flags & wire.CREATE else struct.pack(">I", 0)
        return Parser(self.ask(wire.OPEN, body, wire.HANDLE)).string()

    def on_path(self, kind: int, path: str, more: bytes = b"") -> None:
        """REMOVE, MKDIR or RMDIR."""
        self.ask(kind, wire.string(path.encode("utf-8")) + more)

    def stat(self, path: str) -> Attributes:
        return Parser(self.ask(wire.STAT, wire.string(path.encode("utf-8")), wire.ATTRS)).attributes()

    def attributes(self, number: int) -> t.Optional[Attributes]:
        """The attributes that an earlier request asked for; None when there is no such file."""
        kind, body = self.reply(number)
        try:
            return Parser(self.expect(wire.ATTRS, kind, body)).attributes()
        except StatusError as error:
            if error.code == wire.NO_SUCH_FILE:
                return None
            raise

    def rename(self, old: str, new: str) -> None:
        """As the protocol has it: a name that is taken is refused. (posix-rename@openssh.com would overwrite it.)"""
        self.ask(wire.RENAME, wire.string(old.encode("utf-8")) + wire.string(new.encode("utf-8")))

    def list(self, path: str) -> t.Iterator[t.Tuple[bytes, Attributes]]:
        """The names in a folder, but . and .., and their attributes (of a link: its own)."""
        handle = Parser(self.ask(wire.OPENDIR, wire.string(path.encode("utf-8")), wire.HANDLE)).string()
        reading = [self.request(wire.READDIR, wire.string(handle)) for _ahead in range(4)]
        names: t.List[t.Tuple[bytes, Attributes]] = []
        failed: t.Optional[StatusError] = None
        while reading:
            try:
                parser = Parser(self.expect(wire.NAME, *self.reply(reading.pop(0))))
            except StatusError as error:
                failed = failed or error
                continue
            for _name in range(parser.integer()):
                name, _long = parser.string(), parser.string()
                names.append((name, parser.attributes()))
            if failed is None:
                reading.append(self.request(wire.READDIR, wire.string(handle)))
        self.ask(wire.CLOSE, wire.string(handle))
        if failed is not None and failed.code != wire.EOF:
            raise failed
        return (entry for entry in names if entry[0] not in (b".", b".."))

    def file_system(self, path: str) -> t.Optional[t.Tuple[int, bool]]:
        """Free bytes for this account and whether it is mounted read-only; None where the server cannot tell."""
        if not self.can("statvfs@openssh.com"):
            return None
        parser = Parser(self._extended("statvfs@openssh.com", wire.string(path.encode("utf-8"))))
        _block, fragment, _blocks, _free, available, _files, _files_free, _files_available, _id, flags, _longest = (
            parser.long() for _field in range(11)
        )
        return fragment * available, bool(flags & 1)

    def failure(self, error: Exception) -> FleetBackupError:
        """What to raise after one of the errors that break a session."""
        with self._ending:
            self.broken = True
            # Others that share it, and come later, hear only that it is over.
            return StoreUnavailableError("the connection was lost") if self._closed else self._connection.failure(error)

    def close(self) -> None:
        with self._ending:
            self.broken = True
            if not self._closed:
                self._closed = True
                self._connection.close()

    def _extended(self, name: str, body: bytes = b"") -> bytes:
        return self.ask(wire.EXTENDED, wire.string(name.encode("ascii")) + body, wire.EXTENDED_REPLY)

    def expect(self, expected: int, kind: int, body: bytes) -> bytes:
        """The body of a reply of the type that was expected. Raises StatusError, ProtocolError."""
        if kind == wire.STATUS:
            parser = Parser(body)
            code = parser.integer()
            if expected == wire.STATUS and code == wire.OK:
                return b""
            raise StatusError(code, parser.string().decode("utf-8", "replace") if parser.rest else "")
        if kind != expected:
            self.broken = True
            raise ProtocolError("it answered with packet type %d instead of %d" % (kind, expected))
        return body

    def _read_packet(self) -> t.Tuple[int, bytes]:
        header = self._read(5)
        length = int.from_bytes(header[:4], "big") - 1
        if not 0 <= length <= _LARGEST_PACKET:
            raise ProtocolError("what it sends is not SFTP; does its shell print something at login?")
        return header[4], self._read(length)

    def _read(self, size: int) -> bytes:
        data = self._connection.receive(size)
        if len(data) == size:
            return data
        parts = [data]
        size -= len(data)
        while size:
            if not parts[-1]:
                raise EOFError("the connection was closed")
            parts.append(self._connection.receive(size))
            size -= len(parts[-1])
        return b"".join(parts)
