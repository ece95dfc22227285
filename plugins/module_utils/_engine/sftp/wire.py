# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) as bytes, and back."""

from __future__ import annotations

import stat
import struct
import typing as t

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT = 3, 4, 5, 6, 7, 8
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME = 11, 12, 13, 14, 15, 16, 17, 18
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
EXTENDED, EXTENDED_REPLY = 200, 201

#: Status codes. FAILURE is all that OpenSSH says of a full disk, a quota, a name that is taken, a folder that is not empty.
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, OP_UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8

#: How a file is opened.
FOR_READING, FOR_WRITING, CREATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x20

_SIZE, _IDS, _PERMISSIONS, _TIMES, _EXTENDED_ATTRS = 0x01, 0x02, 0x04, 0x08, 0x80000000


class ProtocolError(Exception):
    """The other side does not speak SFTP as it should."""


class StatusError(Exception):
    """The server's answer to a request: no."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message or "status %d" % code)
        self.code = code


class Attributes(t.NamedTuple):
    """What the server says of a file; None for what it does not say."""

    size: t.Optional[int]
    mode: t.Optional[int]
    #: When it was last changed, in seconds since 1970.
    mtime: t.Optional[int] = None

    @property
    def is_folder(self) -> bool:
        return self.mode is not None and stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return self.mode is not None and stat.S_ISLNK(self.mode)


def string(data: bytes) -> bytes:
    """``data`` with its length before it."""
    return struct.pack(">I", len(data)) + data


def mode(permissions: int) -> bytes:
    """The attributes of a new file or folder: its permissions only."""
    return struct.pack(">II", _PERMISSIONS, permissions)


class Parser:
    """Takes the fields of one packet apart. Raises ProtocolError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def rest(self) -> bool:
        return self._at < len(self._data)

    def integer(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def long(self) -> int:
        return int.from_bytes(self._take(8), "big")

    def string(self) -> bytes:
        return self._take(self.integer())

    def attributes(self) -> Attributes:
        flags = self.integer()
        size = self.long() if flags & _SIZE else None
        if flags & _IDS:
            self._take(8)
        permissions = self.integer() if flags & _PERMISSIONS else None
        mtime = None
        if flags & _TIMES:
            self._take(4)
            mtime = self.integer()
        if flags & _EXTENDED_ATTRS:
            for _pair in range(self.integer()):
                self.string()
                self.string()
        return Attributes(size, permissions, mtime)

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ProtocolError("a packet is shorter than it says")
        data = self._data[self._at : end]
        self._at = end
        return data
