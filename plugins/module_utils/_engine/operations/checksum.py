# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute checksums of files; write them to a file of sums, or check the files against one.

The format is that of sha256sum(1): ``<digest>  <name>``; a name with a backslash, newline or carriage return is escaped
and its line begins with a backslash (GNU coreutils manual, "md5sum: Print or check MD5 digests").
"""

from __future__ import annotations

import hashlib
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ..errors import ConfigurationError, FleetBackupError, IntegrityError, SourceError
from ..names import printable
from ..replacement import new_file
from ..result import Result

ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")

_BLOCK = 1 << 20
_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"))


@dataclass
class FileSum:
    """One file: its path (printable), its size in bytes and its digest."""

    path: str
    size: int
    digest: str


@dataclass
class ChecksumResult(Result):
    """``damaged`` and ``missing`` name what a check found; ``before`` and ``after`` are the texts of the file of sums."""

    algorithm: str = "sha256"
    sums: t.Optional[str] = None
    files: t.List[FileSum] = field(default_factory=list)
    bytes: int = 0
    damaged: t.List[str] = field(default_factory=list)
    missing: t.List[str] = field(default_factory=list)
    before: str = field(default="", repr=False)
    after: str = field(default="", repr=False)

    def to_dict(self) -> t.Dict[str, t.Any]:
        data = super().to_dict()
        del data["before"], data["after"]
        return data


def checksum(
    paths: t.Sequence[str], *, algorithm: str = "sha256", sums: t.Optional[str] = None, dry_run: bool = False
) -> ChecksumResult:
    """Compute the sums of ``paths`` (folders: every regular file in them); when ``sums`` is named, make that file hold them.

    Without ``paths``, check every file that ``sums`` lists. Names in a file of sums count from its folder. A dry run writes
    nothing.
    """
    result = ChecksumResult("checksum", algorithm=algorithm, sums=sums, dry_run=dry_run)
    result.begin()
    try:
        if paths:
            _compute(result, paths)
        elif sums:
            _check(result, sums)
        else:
            raise ConfigurationError("name files (paths), a file of sums (sums), or both")
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _compute(result: ChecksumResult, paths: t.Sequence[str]) -> None:
    folder = os.fsencode(os.path.dirname(result.sums)) if result.sums else b""
    lines = []
    for path in _files(paths, os.fsencode(result.sums) if result.sums else b""):
        found = _file_sum(path, result.algorithm)
        result.files.append(found)
        result.bytes += found.size
        name = os.path.relpath(path, folder) if folder and path.startswith(folder.rstrip(b"/") + b"/") else path
        lines.append(_line(found.digest, name))
    if result.sums is None:
        return
    after = b"".join(lines)
    before = _read(result.sums)
    result.before, result.after = before.decode("utf-8", "backslashreplace"), after.decode("utf-8", "backslashreplace")
    result.changed = before != after
    if result.changed:
        with new_file(result.sums, result.dry_run) as file:
            file.write(after)
            file.commit()


def _check(result: ChecksumResult, sums: str) -> None:
    if not os.path.exists(sums):
        raise ConfigurationError("%s: there is no such file of sums" % sums)
    folder = os.fsencode(os.path.dirname(sums))
    for digest, name in _parse(_read(sums), sums, result.algorithm):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            result.missing.append(printable(path))
            continue
        found = _file_sum(path, result.algorithm)
        result.files.append(found)
        result.bytes += found.size
        if found.digest != digest:
            result.damaged.append(found.path)
    if result.damaged or result.missing:
        wrong = ["%s is not what %s says" % (path, sums) for path in result.damaged]
        wrong += ["%s is missing" % path for path in result.missing]
        raise IntegrityError("; ".join(wrong), result.damaged + result.missing)


def _files(paths: t.Sequence[str], leave_out: bytes) -> t.Iterator[bytes]:
    """Every regular file of ``paths``, sorted within each folder; links in folders are not followed."""
    for path in map(os.fsencode, paths):
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise SourceError("%s: %s" % (printable(path), error.strerror)) from None
        if stat.S_ISREG(mode):
            yield path
        elif stat.S_ISDIR(mode):
            yield from _files_in(path, leave_out)
        else:
            raise SourceError("%s: is neither a file nor a folder" % printable(path))


def _files_in(folder: bytes, leave_out: bytes) -> t.Iterator[bytes]:
    def refuse(error: OSError) -> None:
        raise SourceError("%s: %s" % (printable(os.fsencode(error.filename)), error.strerror)) from None

    for below, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(below, name)
            if path != leave_out and stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def _file_sum(path: bytes, algorithm: str) -> FileSum:
    digest = hashlib.new(algorithm)
    buffer = memoryview(bytearray(_BLOCK))
    size = 0
    try:
        with open(path, "rb", buffering=0) as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    break
                digest.update(buffer[:count])
                size += count
    except OSError as error:
        raise SourceError("%s: cannot be read: %s" % (printable(path), error.strerror)) from None
    return FileSum(printable(path), size, digest.hexdigest())


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigurationError("%s: cannot be read: %s" % (path, error.strerror)) from None


def _line(digest: str, name: bytes) -> bytes:
    escaped = name
    for plain, escape in _ESCAPES:
        escaped = escaped.replace(plain, escape)
    return b"%s%s  %s\n" % (b"\\" if escaped != name else b"", digest.encode("ascii"), escaped)


def _parse(text: bytes, where: str, algorithm: str) -> t.Iterator[t.Tuple[str, bytes]]:
    length = 2 * hashlib.new(algorithm).digest_size
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line.strip():
            continue
        escaped = line.startswith(b"\\")
        digest, mark, name = line[escaped : length + escaped], line[length + escaped :][:2], line[length + escaped + 2 :]
        if mark not in (b"  ", b" *") or not name or digest.strip(b"0123456789abcdefABCDEF"):
            raise ConfigurationError("%s: line %d is no %s sum of a file" % (where, number, algorithm))
        yield digest.decode("ascii").lower(), _unescape(name) if escaped else name


def _unescape(name: bytes) -> bytes:
    parts = name.split(b"\\\\")
    return b"\\".join([part.replace(b"\\n", b"\n").replace(b"\\r", b"\r") for part in parts])
