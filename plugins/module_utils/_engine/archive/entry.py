# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of an index, formed as docs/format.md says.

The state part comes first and is compared as bytes by a later run, so it is formatted by hand, in one place: here.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import re
import typing as t

from ..system import group_name, user_name

_NOT_PLAIN = re.compile(rb'[\x00-\x1f"\\\x80-\xff]')
_YOUNG = 2_000_000_000

encode_text = json.encoder.encode_basestring


def json_text(data: bytes) -> t.Optional[bytes]:
    """``data`` as a quoted JSON string, or None when it is not UTF-8."""
    if not _NOT_PLAIN.search(data):
        return b'"' + data + b'"'
    try:
        return encode_text(data.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:
        return None


def text_field(key: bytes, data: bytes) -> bytes:
    """``"key":"text"``, or ``"key_b64":"..."`` when ``data`` is not UTF-8."""
    text = json_text(data)
    if text is None:
        return b'"%s_b64":"%s"' % (key, base64.b64encode(data))
    return b'"%s":%s' % (key, text)


@functools.lru_cache(maxsize=1024)
def owner(uid: int, gid: int) -> bytes:
    """The fields of a file's owner and group."""
    parts = [b'"uid":%d,"gid":%d' % (uid, gid)]
    for key, name in ((b"user", user_name(uid)), (b"group", group_name(gid))):
        if name:
            parts.append(b'"%s":%s' % (key, encode_text(name).encode("utf-8", "replace")))
    return b",".join(parts)


class FileHeads(t.Dict[t.Tuple[int, int, int], str]):
    """By mode, user and group: what stands between a file's path and its size, from the quote that ends the path on."""

    def __missing__(self, key: t.Tuple[int, int, int]) -> str:
        mode, uid, gid = key
        head = self[key] = '","type":"file","mode":"%04o",%s,"size":' % (mode & 0o7777, owner(uid, gid).decode("utf-8"))
        return head


def state(path: bytes, kind: bytes, st: os.stat_result, more: bytes = b"") -> bytes:
    """The state part of an entry (without its closing brace): what the next run compares as raw bytes.

    ``more`` is appended: target, rdev.
    """
    path_field = b'"path":"%s"' % path if _NOT_PLAIN.search(path) is None else text_field(b"path", path)
    if kind in (b"file", b"link"):
        return b'{%s,"type":"%s","mode":"%04o",%s,"size":%d,"mtime":%d,"ctime":%d,"dev":%d,"ino":%d%s' % (
            path_field, kind, st.st_mode & 0o7777, owner(st.st_uid, st.st_gid),
            st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_dev, st.st_ino, more,
        )  # fmt: skip
    return b'{%s,"type":"%s","mode":"%04o",%s,"mtime":%d,"ctime":%d,"dev":%d,"ino":%d%s' % (
        path_field, kind, st.st_mode & 0o7777, owner(st.st_uid, st.st_gid),
        st.st_mtime_ns, st.st_ctime_ns, st.st_dev, st.st_ino, more,
    )  # fmt: skip


def xattrs_field(xattrs: t.Mapping[str, bytes]) -> bytes:
    """``,"xattrs":{...}`` or nothing."""
    if not xattrs:
        return b""
    encoded = {name: base64.b64encode(value).decode("ascii") for name, value in sorted(xattrs.items())}
    # All in ASCII: bytes of a name that are not UTF-8 become escapes (\\udc80 to \\udcff), which the reader turns back.
    return b',"xattrs":' + json.dumps(encoded, separators=(",", ":")).encode("ascii")


def young_since(now: int) -> int:
    """Times after this one are too near to ``now`` (both in nanoseconds) to prove that a file stays unchanged."""
    return now - _YOUNG


def is_young(st: os.stat_result, now: int) -> bool:
    """Whether a file's times are too near to ``now`` (nanoseconds) to prove that it stays unchanged."""
    limit = young_since(now)
    return st.st_mtime_ns > limit or st.st_ctime_ns > limit
