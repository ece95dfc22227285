# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of a server: read whole, its end recognised, checked by Redis' own program while it is stored."""

from __future__ import annotations

import contextlib
import posixpath
import re
import time
import typing as t

from ..connections import Connection
from ..errors import MissingDependencyError, SourceError
from .server import Server

if t.TYPE_CHECKING:
    from ..streaming import Streaming

Write = t.Callable[[memoryview], t.Any]

_READ = 1 << 20

_MAGIC = (b"REDIS", b"VALKEY")
# The last bytes of an RDB file: the opcode of its end and eight bytes of checksum.
_END, _TRAILER = 0xFF, 9
# A server that does not know the size beforehand sends a mark of 40 bytes at the end, which redis-cli passes on to its output.
_MARK = 40
_HELD = _MARK + _TRAILER

_KEYS = re.compile(rb"\[info\] (\d+) keys read")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Check:
    """Feeds what is copied to redis-check-rdb, which compares the checksum and reads every key. Without it, finish() is None.

    ``program`` may be missing: then the end of the copy is all that is checked.
    """

    def __init__(self, connection: Connection, program: str, timeout: float) -> None:
        self._stack = contextlib.ExitStack()
        self._running: t.Optional[Streaming] = None
        with contextlib.suppress(MissingDependencyError):
            connection.run([program, "--version"], timeout=timeout)
            self._running = self._stack.enter_context(connection.input([program, "/dev/stdin"], timeout=timeout))

    def write(self, data: memoryview) -> None:
        if self._running is not None:
            self._running.write(data)

    def finish(self) -> t.Optional[int]:
        """The number of keys; None when nothing was checked. Raises SourceError when the copy is damaged."""
        if self._running is None:
            return None
        finished = self._running.finish("checking the copy of redis")
        found = _KEYS.search(finished.stdout)
        return int(found.group(1)) if found else None

    def close(self) -> None:
        self._stack.close()


class Tail:
    """Passes a copy on to ``write`` but for what may be no part of it any more, and looks at its beginning and its end."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._held = bytearray()
        self.bytes = 0

    def add(self, data: memoryview) -> None:
        if not self.bytes and not self._held and not bytes(data[:6]).startswith(_MAGIC) and len(data) >= 6:
            raise SourceError("redis: what came is no RDB file: it begins with %r" % bytes(data[:6]))
        self._held += data
        self._pass_on(len(self._held) - _HELD)

    def end(self, marked: bool) -> None:
        """Pass on the rest; ``marked``: a mark follows the copy. Raises SourceError when it is cut off."""
        if marked:
            del self._held[max(0, len(self._held) - _MARK) :]
        if len(self._held) < _TRAILER or self._held[-_TRAILER] != _END:
            raise SourceError(
                "redis: the copy is cut off after %d bytes; no backup of it is kept" % (self.bytes + len(self._held))
            )
        self._pass_on(len(self._held))

    def _pass_on(self, count: int) -> None:
        if count > 0:
            with memoryview(self._held) as view, view[:count] as part:
                self._write(part)
            del self._held[:count]
            self.bytes += count


def replicate(server: Server, tail: Tail) -> None:
    """Read the copy that the server makes for a new replica."""
    with server.replicate() as running:
        _read(running, tail)
        finished = running.finish("copying redis by replication (method: save does without it)")
    # Told by every version that can write to its output at all.
    tail.end(b"until EOF mark" in finished.stderr)


def save(server: Server, tail: Tail, timeout: float) -> None:
    """Let the server save its data into its own folder, and read that file."""
    folder, name = server.setting("dir"), server.setting("dbfilename")
    if not folder or not name:
        raise SourceError("redis: the server does not tell where it saves (CONFIG GET dir)")
    deadline = time.monotonic() + timeout
    # One that is under way already began too early.
    _until(deadline, lambda: _begins(server))
    _until(deadline, lambda: server.info().get("rdb_bgsave_in_progress") == "0")
    if server.info().get("rdb_last_bgsave_status") != "ok":
        raise SourceError("redis: the server could not save its data; its log tells why")
    with server.connection.output(["cat", posixpath.join(folder, name)], timeout=timeout) as running:
        _read(running, tail)
        running.finish("reading the file that redis saved")
    tail.end(False)


def _begins(server: Server) -> bool:
    try:
        server.ask("BGSAVE")
    except SourceError as error:
        if "in progress" in str(error) or "active" in str(error):
            return False
        raise
    return True


def _until(deadline: float, done: t.Callable[[], bool]) -> None:
    pause = _FIRST_PAUSE
    while not done():
        if time.monotonic() > deadline:
            raise SourceError("redis: the server has not saved its data in time; a longer timeout allows more")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _read(running: Streaming, tail: Tail) -> None:
    buffer = memoryview(bytearray(_READ))
    while True:
        count = running.readinto(buffer)
        if not count:
            return
        tail.add(buffer[:count])
