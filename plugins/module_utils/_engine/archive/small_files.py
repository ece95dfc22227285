# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner loop of a full backup: a small file, read at once, from its descriptor into the frame, with its header and its line.

Only the plainest files go this way: without holes and attributes, with nothing to note. All others are left to
TarWriter.file(), which knows every kind; what stands in the archive and in the index is the same either way.
"""

from __future__ import annotations

import os
import time
import typing as t
from hashlib import sha256

from ..system import read_into
from . import ustar
from .entry import is_young, state
from .frames import GROUP, FrameWriter
from .index import IndexWriter
from .ustar import BLOCK, OCTAL_ID, OCTAL_SIZE

#: Larger files gain nothing from being read at once.
SMALL = 1 << 20

_ZEROS = bytes(BLOCK)


class SmallFiles:
    """Puts small files into ``frames`` and their lines into ``index``."""

    def __init__(self, frames: FrameWriter, index: IndexWriter, backup_id: bytes) -> None:
        self._frames = frames
        self._index = index
        self._id = backup_id

    def put(self, path: bytes, fd: int, st: os.stat_result) -> t.Optional[bytes]:
        """Archive a file of 1 to SMALL bytes, without attributes and holes; return the content part of its line.

        None, and nothing is done, if it is not that plain, or no longer as ``st`` says; ``fd`` is then at its start.
        """
        uid, gid, size, seconds = st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns // 1_000_000_000
        prefix, name = ustar.split(path)
        if name is None or not (path.isascii() and 0 <= seconds < OCTAL_SIZE and uid < OCTAL_ID and gid < OCTAL_ID):
            return None
        frames = self._frames
        if frames.pos >= GROUP:
            frames.cut()
        view, pos = frames.view, frames.pos
        start = pos + BLOCK
        end = start + size
        padding = -size % BLOCK
        if end + padding > len(view):
            return None
        data = view[start:end]
        try:
            count = read_into(fd, data)
        except OSError:
            count = -1  # file() tells what that means
        after = os.fstat(fd)
        if (
            count != size or after.st_size != size
            or after.st_mtime_ns != st.st_mtime_ns or after.st_ctime_ns != st.st_ctime_ns
        ):  # fmt: skip
            os.lseek(fd, 0, os.SEEK_SET)
            return None
        view[pos:start] = ustar.block(name, prefix, b"0", st.st_mode & 0o7777, uid, gid, size, seconds, b"", 0)
        if padding:
            view[end : end + padding] = _ZEROS[:padding]
        frames.pos = end + padding
        content = b',"bytes":["%s",%d,%d,%d],"sha256":"%s"' % (
            self._id, frames.frame, start, size, sha256(data).hexdigest().encode("ascii")
        )  # fmt: skip
        young = b',"young":true' if is_young(st, time.time_ns()) else b""
        self._index.add(path, b"%s%s%s}\n" % (state(path, b"file", st), content, young))
        return content
