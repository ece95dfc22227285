# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as a tar: ustar headers, pax records where ustar cannot say it (IEEE Std 1003.1, pax, "ustar Interchange Format").

The standard library's tarfile costs 0.2 ms an entry, five times the rest of the job; so headers are formatted here.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import typing as t

from ..system import device_of
from . import content, ustar
from .frames import GROUP, FrameWriter
from .index import IndexWriter
from .keeping import Files, Taken
from .small_files import SMALL, SmallFiles
from .tree_writer import TreeWriter, Xattrs
from .ustar import BLOCK, OCTAL_ID, OCTAL_SIZE

_END = bytes(2 * BLOCK)
_DEVICE_NODES = (b"3", b"4")

_ACLS = {"system.posix_acl_access": "SCHILY.acl.access", "system.posix_acl_default": "SCHILY.acl.default"}


class TarWriter(TreeWriter):
    """The entries as a tar."""

    format = "tar"

    def __init__(self, frames: FrameWriter, index: IndexWriter, backup_id: str) -> None:
        super().__init__(frames, index, backup_id)
        self._small_files = SmallFiles(frames, index, backup_id)

    def put_plain(self, prefix: bytes, files: Files, dir_fd: t.Optional[int]) -> Taken:
        most = SMALL if self.copy is None else min(SMALL, self.copy.least - 1)
        return self._small_files.put(prefix, files, dir_fd, most)

    def file(
        self, path: bytes, fd: int, st: os.stat_result, xattrs: Xattrs, before: t.Optional[bytes] = None
    ) -> t.Tuple[t.Optional[str], bytes]:  # fmt: skip
        frames = self._frames
        if frames.pos >= GROUP:
            frames.cut()
        size = stored = st.st_size
        extra = b""
        map_ = content.segments(fd, st)
        if map_ is not None:
            stored = sum([length for _start, length in map_])
            extra = b',"segments":[%s]' % b",".join([b"[%d,%d]" % segment for segment in map_])
        upon = None
        if before is not None and self.deltas is not None and stored >= self.deltas.least:
            upon = self.deltas.begin(before, self.refers)
        if upon is not None:
            frames = upon.frames
        elif map_ is None:
            frames.write(header(path, b"0", st, size, xattrs=xattrs))
        else:
            frames.write(_sparse_header(path, st, map_, xattrs))
        kept = upon is None and self.copy is not None and stored >= self.copy.least and self.copy.begin(frames.frame, stored)
        frame, offset = frames.frame, frames.pos
        digest = hashlib.sha256()
        if map_ is None:
            padded, error = content.copy(frames, fd, size, digest.update)
        else:
            padded, error = _copy_segments(frames, fd, map_, size, digest.update)
        if kept and self.copy is not None:
            self.copy.end(frames.frame)
        if upon is None and stored % BLOCK:
            frames.write(_END[: -stored % BLOCK])
        where = (
            b"" if not stored else b',"%s":["%s",%d,%d,%d]' % (b"delta" if upon else b"bytes", self._id, frame, offset, stored)
        )
        what = b'%s%s%s,"sha256":"%s"' % (where, upon.field if upon else b"", extra, digest.hexdigest().encode("ascii"))
        return self._add_file(path, fd, st, xattrs, what, padded, error), what

    def link(self, path: bytes, fd: int, st: os.stat_result, target: bytes, content: bytes, xattrs: Xattrs) -> None:
        self._put(header(path, b"1", st, 0, target))
        self._add_link(path, st, target, content, xattrs)

    def directory(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        self._put(header(path + b"/", b"5", st, 0, xattrs=xattrs))
        self._add_directory(path, st, xattrs)

    def symlink(self, path: bytes, st: os.stat_result, target: bytes, xattrs: Xattrs) -> None:
        self._put(header(path, b"2", st, 0, target, xattrs=xattrs))
        self._add_symlink(path, st, target, xattrs)

    def special(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        letter = b"6" if stat.S_ISFIFO(st.st_mode) else b"3" if stat.S_ISCHR(st.st_mode) else b"4"
        self._put(header(path, letter, st, 0, xattrs=xattrs))
        self._add_special(path, st, xattrs)

    def close(self) -> None:
        self._put(_END)

    def _put(self, data: bytes) -> None:
        if self._frames.pos >= GROUP:
            self._frames.cut()
        self._frames.write(data)


def header(
    path: bytes, letter: bytes, st: os.stat_result, size: int, link: bytes = b"",
    records: t.Sequence[t.Tuple[bytes, bytes]] = (), xattrs: t.Optional[Xattrs] = None,
) -> bytes:  # fmt: skip
    """The header blocks of an entry: ustar, after a pax extended header where one is needed."""
    mtime = st.st_mtime_ns // 1_000_000_000
    device = device_of(st) if letter in _DEVICE_NODES else 0
    prefix, name = ustar.split(path)
    if (
        name is not None and len(link) <= 100 and size < OCTAL_SIZE and st.st_uid < OCTAL_ID and st.st_gid < OCTAL_ID
        and 0 <= mtime < OCTAL_SIZE and path.isascii() and link.isascii() and not xattrs and not records
    ):  # fmt: skip
        return ustar.block(name, prefix, letter, st.st_mode & 0o7777, st.st_uid, st.st_gid, size, mtime, link, device)
    pax = list(records) + _xattr_records(xattrs or {})
    if name is None or not (path.isascii() or _binary(path)):
        # First, so that GNU.sparse.name, which is the true one, has the last word in every reader.
        pax = _text_record(b"path", path) + pax
        prefix, name = b"", path[-100:]
    if len(link) > 100 or not (link.isascii() or _binary(link)):
        pax += _text_record(b"linkpath", link)
        link = link[:100]
    uid, gid = st.st_uid, st.st_gid
    if uid >= OCTAL_ID:
        pax.append((b"uid", b"%d" % uid))
        uid = 0
    if gid >= OCTAL_ID:
        pax.append((b"gid", b"%d" % gid))
        gid = 0
    if size >= OCTAL_SIZE:
        pax.append((b"size", b"%d" % size))
        size = 0
    if not 0 <= mtime < OCTAL_SIZE:
        pax.append((b"mtime", b"%d" % mtime))
        mtime = 0
    plain = ustar.block(name, prefix, letter, st.st_mode & 0o7777, uid, gid, size, mtime, link, device)
    return _pax(pax) + plain if pax else plain


def _binary(data: bytes) -> bool:
    """Whether these bytes are no UTF-8: a name that ustar's fields carry as it is, but pax text does not."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _text_record(keyword: bytes, value: bytes) -> t.List[t.Tuple[bytes, bytes]]:
    return ([(b"hdrcharset", b"BINARY")] if _binary(value) else []) + [(keyword, value)]


def _record(keyword: bytes, value: bytes) -> bytes:
    """One pax record; its length counts its own digits."""
    body = b" %s=%s\n" % (keyword, value)
    size = len(body) + len(str(len(body)))
    if len(str(size)) + len(body) != size:
        size += 1
    return b"%d%s" % (size, body)


def _pax(records: t.Sequence[t.Tuple[bytes, bytes]]) -> bytes:
    data = b"".join([_record(k, v) for k, v in records])
    plain = ustar.block(b"././@PaxHeader", b"", b"x", 0o644, 0, 0, len(data), 0, b"", 0)
    return plain + data + bytes(-len(data) % BLOCK)


def _xattr_records(xattrs: Xattrs) -> t.List[t.Tuple[bytes, bytes]]:
    records = []
    for name, value in sorted(xattrs.items()):
        if name in _ACLS:
            records.append((_ACLS[name].encode("ascii"), _acl_text(value)))
        else:
            records.append((b"SCHILY.xattr." + name.encode("utf-8", "surrogateescape"), value))
    return records


def _acl_text(value: bytes) -> bytes:
    """A POSIX ACL as text, as star and GNU tar write it (linux/posix_acl_xattr.h: version, then tag, perm, id).

    With numbers: tar drops a whole ACL that names a user or group which the restoring system does not know.
    """
    tags = {1: b"user", 2: b"user", 4: b"group", 8: b"group", 16: b"mask", 32: b"other"}
    lines = []
    for start in range(4, len(value) - 7, 8):
        tag, perm, who = struct.unpack_from("<HHI", value, start)
        name = b"%d" % who if tag in (2, 8) else b""
        bits = b"".join([letter if perm & bit else b"-" for bit, letter in ((4, b"r"), (2, b"w"), (1, b"x"))])
        lines.append(b"%s:%s:%s" % (tags.get(tag, b"other"), name, bits))
    return b",".join(lines)


def _sparse_header(path: bytes, st: os.stat_result, map_: t.Sequence[t.Tuple[int, int]], xattrs: Xattrs) -> bytes:
    """GNU tar manual, "PAX Format, Version 1.0": the map stands before the data."""
    rows = list(map_)
    if not rows or sum(rows[-1]) < st.st_size:
        rows.append((st.st_size, 0))  # the file ends in a hole
    text = b"%d\n" % len(rows) + b"".join([b"%d\n%d\n" % row for row in rows])
    text += bytes(-len(text) % BLOCK)
    folder, _slash, name = path.rpartition(b"/")
    records = [
        *([(b"hdrcharset", b"BINARY")] if _binary(path) else []),
        (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", path), (b"GNU.sparse.realsize", b"%d" % st.st_size),
    ]  # fmt: skip
    substitute = (folder + b"/" if folder else b"") + b"GNUSparseFile.0/" + name
    size = len(text) + sum([length for _start, length in map_])
    return header(substitute, b"0", st, size, records=records, xattrs=xattrs) + text


def _copy_segments(
    frames: FrameWriter, fd: int, map_: t.Sequence[t.Tuple[int, int]], size: int, update: content.Update
) -> t.Tuple[int, t.Optional[OSError]]:
    """Store the segments of a sparse file; hash it whole."""
    position = padded = 0
    error = None
    for start, length in map_:
        content.hash_zeros(start - position, update)
        os.lseek(fd, start, os.SEEK_SET)
        missing, problem = content.copy(frames, fd, length, update)
        padded, error = padded + missing, error or problem
        position = start + length
    content.hash_zeros(size - position, update)
    return padded, error
