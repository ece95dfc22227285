# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging whether something that exists is what an entry describes."""

from __future__ import annotations

import enum
import hashlib
import os
import stat

from ..archive.content import hash_zeros, segments
from ..archive.index import Entry, entry_target
from ..system import device_numbers, device_of, list_xattrs, read_into
from ..system.folder import Folder
from .listing import FIFO, FILE, LINK, SYMLINK
from .metadata import Permissions

_BLOCK = 1 << 20


class Verdict(enum.Enum):
    SAME = 1
    #: The content is right, mode, owner, time or attributes are not.
    CORRECT = 2
    REPLACE = 3


class Judge:
    """Compares with the disk, which it reads: a time or a size proves nothing about content."""

    def __init__(self, permissions: Permissions) -> None:
        self._permissions = permissions
        self._buffer = memoryview(bytearray(_BLOCK))

    def other(self, folder: Folder, name: bytes, info: os.stat_result, path: bytes, entry: Entry) -> Verdict:
        """Judge anything but a folder. What cannot be read is to be replaced."""
        try:
            if entry["type"] in (FILE, LINK):
                return self._file(folder, name, info, entry)
            return self._special(folder, name, info, entry)
        except OSError:
            return Verdict.REPLACE

    @staticmethod
    def target(entry: Entry) -> bytes:
        """The archive path of the entry that a hard link is another name of."""
        return entry_target(entry)

    def _file(self, folder: Folder, name: bytes, info: os.stat_result, entry: Entry) -> Verdict:
        if not stat.S_ISREG(info.st_mode) or info.st_size != entry["size"]:
            return Verdict.REPLACE
        fd = folder.read(name)
        try:
            if entry["size"] and self._sha256(fd, info) != entry["sha256"]:
                return Verdict.REPLACE
            if self._permissions.agrees(info, list_xattrs(fd), entry):
                return Verdict.SAME
        finally:
            os.close(fd)
        # Another name of it may lie where this restore has no business.
        return Verdict.CORRECT if info.st_nlink == 1 else Verdict.REPLACE

    def _special(self, folder: Folder, name: bytes, info: os.stat_result, entry: Entry) -> Verdict:
        kind = entry["type"]
        if kind == SYMLINK:
            alike = stat.S_ISLNK(info.st_mode) and folder.link_target(name) == entry_target(entry)
        elif kind == FIFO:
            alike = stat.S_ISFIFO(info.st_mode)
        else:
            is_kind = stat.S_ISCHR if kind == "character" else stat.S_ISBLK
            alike = is_kind(info.st_mode) and device_numbers(device_of(info)) == tuple(entry["rdev"])
        if alike and self._permissions.agrees(info, list_xattrs(folder.handle_of(name)), entry):
            return Verdict.SAME
        return Verdict.REPLACE

    def _sha256(self, fd: int, info: os.stat_result) -> str:
        """The SHA-256 of a file as it was when looked at; holes are not read. An empty text when it has become shorter."""
        digest = hashlib.sha256()
        position = 0
        runs = segments(fd, info)
        for start, length in [(0, info.st_size)] if runs is None else runs:
            hash_zeros(start - position, digest.update)
            os.lseek(fd, start, os.SEEK_SET)
            while length:
                count = read_into(fd, self._buffer[:length])
                if not count:
                    return ""
                digest.update(self._buffer[:count])
                length -= count
            position = os.lseek(fd, 0, os.SEEK_CUR)
        hash_zeros(info.st_size - position, digest.update)
        return digest.hexdigest()
