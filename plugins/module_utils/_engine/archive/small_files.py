# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner loop of a full backup: each small file read at once, from its descriptor into the frame, with its header and line.

Only the plainest files go this way: with one name, without holes and attributes, with nothing to note. All others are left to
TarWriter.file(), which knows every kind; what stands in the archive and in the index is the same either way.
"""

from __future__ import annotations

import os
import stat
import time
import typing as t
from hashlib import sha256

from ..system import OPEN_READ, list_xattrs, may_have_holes, read_into
from . import ustar
from .entry import FileHeads, young_since
from .frames import GROUP, FrameWriter
from .index import IndexWriter
from .keeping import Files, Taken
from .ustar import BLOCK, OCTAL_ID, OCTAL_SIZE

#: Larger files gain nothing from being read at once.
SMALL = 1 << 20
# So many bytes are taken without a pause: whoever looks at the progress wants to hear of it.
_ENOUGH = 8 << 20

_ZEROS = bytes(BLOCK)


class SmallFiles:
    """Puts small files into ``frames`` and their lines into ``index``."""

    def __init__(self, frames: FrameWriter, index: IndexWriter, backup_id: str) -> None:
        self._frames = frames
        self._index = index
        self._id = backup_id
        self._heads = FileHeads()

    def put(self, prefix: bytes, files: Files, dir_fd: t.Optional[int], most: int) -> Taken:
        """Archive files as long as they are that plain, and have 1 to ``most`` bytes.

        Nothing is written of the first one that is not plain, or changes while it is read.
        """
        frames, heads, young = self._frames, self._heads, young_since(time.time_ns())
        add, fstat, close, open_file = self._index.add, os.fstat, os.close, os.open
        begin = prefix.decode("ascii", "replace")
        plain = _is_plain(begin)
        count = total = 0
        opened: t.Optional[t.Tuple[int, os.stat_result]] = None
        for left in files:
            name, leaf = left
            if total >= _ENOUGH or not (plain and _is_plain(name)):
                break
            try:
                fd = open_file(leaf, OPEN_READ, dir_fd=dir_fd)
            except OSError:
                break  # whoever opens it again tells why
            try:
                st = fstat(fd)
                opened = fd, st
                key = mode, uid, gid = st.st_mode, st.st_uid, st.st_gid
                size, seconds = st.st_size, st.st_mtime_ns // 1_000_000_000
                path = prefix + name.encode("ascii")
                lead, rest = (b"", path) if len(path) <= 100 else ustar.split(path)
                if (
                    not 0 < size <= most or may_have_holes(st) or st.st_nlink != 1 or not stat.S_ISREG(mode)
                    or rest is None or not (0 <= seconds < OCTAL_SIZE and uid < OCTAL_ID and gid < OCTAL_ID) or list_xattrs(fd)
                ):  # fmt: skip
                    break
                if frames.pos >= GROUP:
                    frames.cut()
                view, pos = frames.view, frames.pos
                start, padding = pos + BLOCK, -size % BLOCK
                end = start + size
                if end + padding > len(view):
                    break
                data = view[start:end]
                got = read_into(fd, data)
                after = fstat(fd)
                if (
                    got != size or after.st_size != size
                    or after.st_mtime_ns != st.st_mtime_ns or after.st_ctime_ns != st.st_ctime_ns
                ):  # fmt: skip
                    os.lseek(fd, 0, os.SEEK_SET)
                    break
            except OSError:
                break  # file() meets it again, and tells
            close(fd)
            opened = None
            view[pos:start] = ustar.block(rest, lead, b"0", mode & 0o7777, uid, gid, size, seconds, b"", 0)
            if padding:
                view[end : end + padding] = _ZEROS[:padding]
            frames.pos = end + padding
            line = (
                f'{{"path":"{begin}{name}{heads[key]}{size},"mtime":{st.st_mtime_ns},"ctime":{st.st_ctime_ns}'
                f',"dev":{st.st_dev},"ino":{st.st_ino},"bytes":["{self._id}",{frames.frame},{start},{size}]'
                f',"sha256":"{sha256(data).hexdigest()}"'
            )
            is_young = st.st_mtime_ns > young or st.st_ctime_ns > young
            add(path, (line + (',"young":true}\n' if is_young else "}\n")).encode("utf-8"))
            count += 1
            total += size
        else:
            left = None
        return Taken(left, count, total, opened)


def _is_plain(text: str) -> bool:
    """Whether text stands in the index as it is, and in a tar too."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
