# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as a zip (PKWARE APPNOTE 6.3.10; Info-ZIP's extra fields), in one pass.

Sizes follow the data in descriptors, since they are not known before; the central directory is collected in a temporary
file, so that a million members need no memory.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import tempfile
import time
import typing as t
import zlib

from . import content
from .frames import FRAME, FrameWriter
from .index import IndexWriter
from .tree_writer import TreeWriter, Xattrs

_STORED, _DEFLATED = 0, 8
_DESCRIPTOR_AND_UTF8 = 0x0808  # general purpose bits 3 and 11
_UTF8 = 0x0800
_VERSION = 45  # ZIP64
_UNIX = 3 << 8
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
# Deflate can grow data a little: from here on the 32-bit fields might not do.
_ZIP64_FROM = _MAX32 - (_MAX32 >> 8)
_SPOOL = 1 << 20
_CHUNK = 1 << 20


class _Member:
    """What the central directory will say of a member; the writer's thread fills in offsets and stored size."""

    def __init__(self, name: bytes, st: os.stat_result, method: int, size: int) -> None:
        try:
            name.decode("utf-8")
            self.flags = _UTF8
        except UnicodeDecodeError:
            self.flags = 0
        self.name = name
        self.method = method
        self.size = size
        self.crc = 0
        self.stored = 0
        self.offset = 0
        self.date = _dos_time(st.st_mtime)
        self.attributes = (st.st_mode & 0xFFFF) << 16 | (0x10 if stat.S_ISDIR(st.st_mode) else 0)
        mtime = st.st_mtime_ns // 1_000_000_000
        stamp = struct.pack("<HHBi", 0x5455, 5, 1, mtime) if -(1 << 31) <= mtime < 1 << 31 else b""
        self.extra = stamp + struct.pack("<HHBBIBI", 0x7875, 11, 1, 4, st.st_uid & _MAX32, 4, st.st_gid & _MAX32)

    @property
    def wide(self) -> bool:
        return self.size >= _ZIP64_FROM

    def local_header(self, offset: int) -> t.Iterable[bytes]:
        self.offset = offset
        extra = self.extra
        descriptor = self.flags & 8
        crc, stored, size = (0, 0, 0) if descriptor else (self.crc, self.stored, self.size)
        if self.wide:
            extra = struct.pack("<HHQQ", 1, 16, 0, 0) + extra
            stored = size = _MAX32
        yield (
            struct.pack(
                "<4sHHHIIIIHH",
                b"PK\3\4", _VERSION, self.flags, self.method, self.date, crc, stored, size, len(self.name), len(extra),
            )
            + self.name
            + extra
        )  # fmt: skip

    def descriptor(self, offset: int) -> t.Iterable[bytes]:
        header = 30 + len(self.name) + len(self.extra) + (20 if self.wide else 0)
        self.stored = offset - self.offset - header
        yield struct.pack("<4sIQQ" if self.wide else "<4sIII", b"PK\7\10", self.crc, self.stored, self.size)

    def central_header(self) -> bytes:
        wide = b""
        size, stored, offset = self.size, self.stored, self.offset
        if size >= _MAX32 or self.wide:
            wide += struct.pack("<Q", size)
            size = _MAX32
        if stored >= _MAX32 or self.wide:
            wide += struct.pack("<Q", stored)
            stored = _MAX32
        if offset >= _MAX32:
            wide += struct.pack("<Q", offset)
            offset = _MAX32
        extra = (struct.pack("<HH", 1, len(wide)) + wide if wide else b"") + self.extra
        return (
            struct.pack(
                "<4sHHHHIIIIHHHHHII",
                b"PK\1\2", _VERSION | _UNIX, _VERSION, self.flags, self.method, self.date, self.crc, stored, size,
                len(self.name), len(extra), 0, 0, 0, self.attributes, offset,
            )
            + self.name
            + extra
        )  # fmt: skip


class ZipWriter(TreeWriter):
    """The entries as a zip. It has no hard links, devices, extended attributes or ACLs; the index has them."""

    format = "zip"

    def __init__(self, frames: FrameWriter, index: IndexWriter, backup_id: str, stored: bool) -> None:
        super().__init__(frames, index, backup_id)
        self._method = _STORED if stored else _DEFLATED
        self._directory = tempfile.SpooledTemporaryFile(_SPOOL)
        self._members = 0

    def file(
        self, path: bytes, fd: int, st: os.stat_result, xattrs: Xattrs, before: t.Optional[bytes] = None
    ) -> t.Tuple[t.Optional[str], bytes]:  # fmt: skip
        digest = hashlib.sha256()
        frame, padded, error = self._member(path, fd, st, digest.update)
        where = b',"bytes":["%s",%d,0,%d]' % (self._id, frame, st.st_size) if st.st_size else b""
        what = b'%s,"sha256":"%s"' % (where, digest.hexdigest().encode("ascii"))
        return self._add_file(path, fd, st, xattrs, what, padded, error), what

    def link(self, path: bytes, fd: int, st: os.stat_result, target: bytes, content: bytes, xattrs: Xattrs) -> None:
        # The content again, so that stock unzip finds it.
        self._member(path, fd, st, lambda _data: None)
        self._add_link(path, st, target, content, xattrs)

    def directory(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        self._small(path + b"/", st, b"")
        self._add_directory(path, st, xattrs)

    def symlink(self, path: bytes, st: os.stat_result, target: bytes, xattrs: Xattrs) -> None:
        self._small(path, st, target)
        self._add_symlink(path, st, target, xattrs)

    def special(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        self._add_special(path, st, xattrs)

    def close(self) -> None:
        self._frames.literal(self._end)
        self._frames.cut()

    def _member(self, path: bytes, fd: int, st: os.stat_result, update: content.Update) -> t.Tuple[int, int, t.Optional[OSError]]:
        """Store one file. Returns the number of its first frame, and what content.copy() says."""
        frames = self._frames
        member = _Member(path, st, self._method if st.st_size else _STORED, st.st_size)
        member.flags |= 8
        if frames.pos >= FRAME // 2:
            frames.cut()
        frames.literal(member.local_header)
        frame = frames.frame
        crc = 0

        def hash_and_sum(data: memoryview) -> None:
            nonlocal crc
            crc = zlib.crc32(data, crc)
            update(data)

        padded, error = content.copy(frames, fd, st.st_size, hash_and_sum)
        frames.end_slice(True)
        member.crc = crc
        frames.literal(member.descriptor)
        self._done(member)
        return frame, padded, error

    def _small(self, path: bytes, st: os.stat_result, data: bytes) -> None:
        """A member whose content stands in its header's wake, stored: a directory, a symlink."""
        member = _Member(path, st, _STORED, len(data))
        member.crc, member.stored = zlib.crc32(data), len(data)
        self._frames.literal(member.local_header)
        self._frames.literal(lambda _offset: [data])
        self._done(member)

    def _done(self, member: _Member) -> None:
        self._members += 1

        def record(_offset: int) -> t.Iterable[bytes]:
            self._directory.write(member.central_header())
            return ()

        self._frames.literal(record)

    def _end(self, offset: int) -> t.Iterable[bytes]:
        size = self._directory.tell()
        self._directory.seek(0)
        while True:
            chunk = self._directory.read(_CHUNK)
            if not chunk:
                break
            yield chunk
        self._directory.close()
        count = self._members
        if count >= _MAX16 or size >= _MAX32 or offset >= _MAX32:
            yield struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, _VERSION | _UNIX, _VERSION, 0, 0, count, count, size, offset)
            yield struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
        yield struct.pack(
            "<4sHHHHIIH",
            b"PK\5\6", 0, 0, min(count, _MAX16), min(count, _MAX16), min(size, _MAX32), min(offset, _MAX32), 0,
        )  # fmt: skip


def _dos_time(mtime: float) -> int:
    """The time as a zip's header has it: local, in steps of two seconds, from 1980 to 2107."""
    moment = time.localtime(max(mtime, 0))
    if moment.tm_year < 1980:
        return 0x210000
    year = min(moment.tm_year, 2107)
    date = (year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday
    return date << 16 | moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2
