# SPDX-License-Identifier: GPL-3.0-or-later
"""The block before each entry of a tar (IEEE Std 1003.1, pax, "ustar Interchange Format")."""

from __future__ import annotations

import functools
import typing as t
import zlib

from ..system import device_numbers, group_name, user_name

BLOCK = 512
#: Sizes and times below this fit: 11 octal digits.
OCTAL_SIZE = 1 << 33
#: Numbers of users and groups below this fit: 7 octal digits.
OCTAL_ID = 1 << 21

_SPACES = 8 * 0x20  # the checksum field counts as spaces


def block(
    name: bytes, prefix: bytes, letter: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, link: bytes, rdev: int
) -> bytes:
    """The block of an entry whose fields all fit."""
    head = b"%s%s%011o\0%011o\0" % (name.ljust(100, b"\0"), _ids(mode, uid, gid), size, mtime)
    tail, total = _tail(letter, link, uid, gid, rdev, prefix)
    # Adler-32 from 0 is, in its lower half, the sum of the bytes, as far as that is below 65521: these are 148 bytes.
    return b"%s%06o\0 %s" % (head, (zlib.adler32(head, 0) & 0xFFFF) + total + _SPACES, tail)


@functools.lru_cache(maxsize=1024)
def _ids(mode: int, uid: int, gid: int) -> bytes:
    return b"%07o\0%07o\0%07o\0" % (mode, uid, gid)


@functools.lru_cache(maxsize=1024)
def _tail(letter: bytes, link: bytes, uid: int, gid: int, rdev: int, prefix: bytes) -> t.Tuple[bytes, int]:
    """What follows the checksum, the same in all files of a folder, and its sum."""
    tail = letter + link.ljust(100, b"\0") + _owner(uid, gid) + _device(letter, rdev) + prefix.ljust(167, b"\0")
    return tail, sum(tail)


@functools.lru_cache(maxsize=1024)
def _owner(uid: int, gid: int) -> bytes:
    names = [name.encode("utf-8", "replace")[:31].ljust(32, b"\0") for name in (user_name(uid), group_name(gid))]
    return b"ustar\00000" + b"".join(names)


def _device(letter: bytes, rdev: int) -> bytes:
    if letter in b"34":
        return b"%07o\0%07o\0" % device_numbers(rdev)
    return b"0000000\0" * 2


def split(path: bytes) -> t.Tuple[bytes, t.Optional[bytes]]:
    """Split a path into ustar's prefix (155 bytes) and name (100); the name is None when it does not fit."""
    if len(path) <= 100:
        return b"", path
    cut = path.find(b"/", len(path) - 101, 156)
    if cut <= 0 or cut > 155 or cut == len(path) - 1:
        return b"", None
    return path[:cut], path[cut + 1 :]
