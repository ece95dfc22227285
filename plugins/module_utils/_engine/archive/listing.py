# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tar or zip holds, whoever wrote it: for comparing archives by content, not by bytes.

Backups are never read like this; they have an index (reader.py).
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import stat
import struct
import tarfile
import typing as t
import zipfile
import zlib

from ..errors import IntegrityError, MissingDependencyError
from .codec import zstd_module
from .index import Entry, entry_target

_BLOCK = 1 << 20
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"

#: Type, mode, owner, seconds of the modification, and size and SHA-256 of the content, or where a link leads.
Fingerprint = t.Tuple[t.Any, ...]

_TAR_TYPES = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
}


def archive_fingerprints(path: str) -> t.Dict[bytes, Fingerprint]:
    """What the archive ``path`` holds, by archive path. Raises IntegrityError when it is no archive or damaged, OSError."""
    with _opened(path) as file:
        return dict(_zip(file) if _magic(file)[:2] == b"PK" else _tar(_decompressed(file)))


def content_sha256(path: str) -> str:
    """The SHA-256 of what a file holds when it is decompressed. Raises IntegrityError when that fails, OSError."""
    with _opened(path) as file:
        return _sha256(_decompressed(file))


def entry_fingerprint(entry: Entry, archive_format: str) -> t.Optional[Fingerprint]:
    """The same of an entry of an index; None for what this format does not hold."""
    kind = entry["type"]
    if archive_format == "zip":
        if kind in ("fifo", "character", "block"):
            return None
        kind = "file" if kind == "link" else kind
    common = (kind, int(entry["mode"], 8), entry["uid"], entry["gid"], entry["mtime"] // 10**9)
    if kind == "file":
        return (*common, entry["size"], entry["sha256"])
    if kind in ("symlink", "link"):
        return (*common, entry_target(entry))
    return (*common, tuple(entry.get("rdev", ())))


@contextlib.contextmanager
def _opened(path: str) -> t.Iterator[t.BinaryIO]:
    zstd = zstd_module()
    damage: t.Tuple[t.Type[Exception], ...] = (
        tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, ValueError, struct.error,
    )  # fmt: skip
    if zstd is not None:
        damage += (zstd.ZstdError,)
    with open(path, "rb") as file:
        try:
            yield file
        except damage as error:
            raise IntegrityError("%s: cannot be read as what it should be: %s" % (path, error), [path]) from None


def _magic(file: t.BinaryIO) -> bytes:
    magic = file.read(4)
    file.seek(0)
    return magic


def _decompressed(file: t.BinaryIO) -> t.Any:
    magic = _magic(file)
    if magic == _ZSTD:
        zstd = zstd_module()
        if zstd is None:
            raise MissingDependencyError("reading a zstd file needs the Python library backports.zstd (or Python 3.14)")
        return zstd.ZstdFile(file)
    return gzip.GzipFile(fileobj=file) if magic[:2] == _GZIP else file


def _tar(file: t.Any) -> t.Iterator[t.Tuple[bytes, Fingerprint]]:
    with tarfile.open(fileobj=file, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            kind = _TAR_TYPES.get(member.type, "file")
            common = (kind, member.mode & 0o7777, member.uid, member.gid, int(member.mtime // 1))
            name = os.fsencode(member.name)
            if kind == "file":
                content = archive.extractfile(member)
                yield name, (*common, member.size, _sha256(content))
            elif kind in ("symlink", "link"):
                yield name, (*common, os.fsencode(member.linkname))
            else:
                device = (member.devmajor, member.devminor) if kind in ("character", "block") else ()
                yield name, (*common, device)


def _zip(file: t.BinaryIO) -> t.Iterator[t.Tuple[bytes, Fingerprint]]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437").rstrip(b"/")
            mode = member.external_attr >> 16
            mtime, uid, gid = _zip_extra(member.extra)
            common = (stat.S_IMODE(mode), uid, gid, mtime)
            if stat.S_ISLNK(mode):
                yield name, ("symlink", *common, archive.read(member))
            elif member.is_dir():
                yield name, ("directory", *common, ())
            else:
                with archive.open(member) as content:
                    yield name, ("file", *common, member.file_size, _sha256(content))


def _zip_extra(extra: bytes) -> t.Tuple[t.Optional[int], t.Optional[int], t.Optional[int]]:
    """Modification time, user and group from Info-ZIP's extra fields, as far as they are there."""
    mtime = uid = gid = None
    while len(extra) >= 4:
        tag, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if tag == 0x5455 and size >= 5:
            (mtime,) = struct.unpack_from("<i", field, 1)
        elif tag == 0x7875 and size == 11:
            uid, gid = struct.unpack("<xxIxI", field)
    return mtime, uid, gid


def _sha256(content: t.Any) -> str:
    digest = hashlib.sha256()
    while True:
        block = content.read(_BLOCK)
        if not block:
            return digest.hexdigest()
        digest.update(block)
