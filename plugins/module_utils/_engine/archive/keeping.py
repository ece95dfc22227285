# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner loop of an increment: the line of a file that has not changed goes from the index before into this one as it is.

Only the plainest lines go this way: a file with content in one run of bytes, nothing noted against it. All others, and all
that have changed, are left to TreeWriter.keep(), which knows every kind.
"""

from __future__ import annotations

import os
import typing as t

from .entry import owner
from .index import IndexWriter
from .previous import PreviousEntries

# How such a line ends, after the numbers of its bytes.
_HASH = b'"sha256":"'
_END = len(_HASH) + 64 + len(b'"}')


class Keeper:
    """Takes over lines of ``previous`` into ``index``. ``refers(id, frame, offset, size)`` is told of the bytes of each.

    Paths must be asked for in the order of the index; those that are not kept may be asked for again, of ``previous``.
    """

    def __init__(
        self, previous: PreviousEntries, index: IndexWriter, refers: t.Callable[[str, int, int, int], None]
    ) -> None:  # fmt: skip
        self._previous = previous
        self._index = index
        self._refers = refers
        self._heads: t.Dict[t.Tuple[int, int, int], bytes] = {}
        # Of the last reference: the backup, and how that stands in a line.
        self._id = ""
        self._from = b'"'

    def keep(self, path: bytes, st: os.stat_result) -> bool:
        """Take over the line of the file ``path``, which has one name only, if it is the next one and the file is as it says."""
        key = st.st_mode, st.st_uid, st.st_gid
        head = self._heads.get(key) or self._head(key)
        size = st.st_size
        if b"\\" in path:
            return False  # it could be how another path is written; a quote could not: all are escaped in a line
        state = b'{"path":"%s%s%d,"mtime":%d,"ctime":%d,"dev":%d,"ino":%d,"bytes":["' % (
            path, head, size, st.st_mtime_ns, st.st_ctime_ns, st.st_dev, st.st_ino
        )  # fmt: skip
        line = self._previous.peek()
        if not line.startswith(state):
            return False
        start = len(state)
        if not line.startswith(self._from, start):
            self._from = line[start : line.index(b'"', start) + 2]
            self._id = self._from[:-2].decode("ascii")
        start += len(self._from)
        # Numbers only, then the hash, and that is all.
        if line.find(b'"', start) != len(line) - _END or not line.startswith(_HASH, -_END):
            return False
        frame, offset, _size = line[start : -_END - 2].split(b",")
        self._refers(self._id, int(frame), int(offset), size)
        self._previous.take()
        self._index.add_line(path, line)
        return True

    def _head(self, key: t.Tuple[int, int, int]) -> bytes:
        """What stands between a path and its size. As in entry.state()."""
        mode, uid, gid = key
        head = self._heads[key] = b'","type":"file","mode":"%04o",%s,"size":' % (mode & 0o7777, owner(uid, gid))
        return head
