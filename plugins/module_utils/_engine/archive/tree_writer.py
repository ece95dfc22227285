# SPDX-License-Identifier: GPL-3.0-or-later
"""What tar and zip writers have in common: the lines of the index, and what is wrong with a file that was just read."""

from __future__ import annotations

import os
import re
import stat
import time
import typing as t

from ..system import device_numbers, device_of
from .entry import is_young, state, text_field, xattrs_field
from .frames import FrameWriter
from .index import Entry, IndexWriter
from .keeping import WORKS, Files, Keeper, Taken
from .previous import content_of, has_state

if t.TYPE_CHECKING:
    from .file_deltas import FileDeltas
    from .index_update import IndexUpdate
    from .large_files import LargeFileCopy
    from .references import References
    from .scout import Proof

Xattrs = t.Mapping[str, bytes]

_BYTES = re.compile(rb',"bytes":\["([^"]+)",(\d+),(\d+),(\d+)\]')
_DELTA = re.compile(rb',"delta":\["([^"]+)",(\d+),(\d+),(\d+)\],"base":\["([^"]+)",(\d+),(\d+),(\d+),"[0-9a-f]{64}"\]')
# What nearly every file's line ends with, after its state: then nothing speaks against its content.
_CONTENT = re.compile(_BYTES.pattern + rb',"sha256":"[0-9a-f]{64}"\}\Z')


class TreeWriter:
    """Writes entries, in the order of the index, to ``frames`` and their lines to ``index``.

    file() returns ``(notice code, content)``. The code tells that a file was not read as it should be: ``file-changed`` (it
    shrank, grew or was written to meanwhile) or ``file-unreadable`` (reading failed in the middle; zeros stand for the
    rest). ``content`` is for link(), should further names of the same file follow.
    """

    format = ""

    def __init__(self, frames: FrameWriter, index: IndexWriter, backup_id: str) -> None:
        self._frames = frames
        self._index = index
        self._id = backup_id.encode("ascii")
        #: Logical bytes of all files so far.
        self.bytes = 0
        #: The index, with the entries of the backup that this one builds upon, if it does.
        self.previous: t.Optional[IndexUpdate] = None
        #: What takes over the entries of plain files that have not changed.
        self.keeper: t.Optional[Keeper] = None
        #: Told of the bytes of an older backup that an entry points to: id, frame, offset, size, whether of deltas.
        self.refers: t.Callable[..., None] = lambda *_: None
        #: What takes changed large files, if this backup builds upon another.
        self.deltas: t.Optional[FileDeltas] = None
        #: What keeps the frames of large files on this host.
        self.copy: t.Optional[LargeFileCopy] = None

    def build_upon(self, index: IndexUpdate, references: References) -> None:
        """Take over what is still so of the backup before. ``references`` is told what is used of it and of older ones."""
        self.previous = index
        self.keeper = Keeper(index, references) if WORKS else None
        self.refers = references.add

        def settle(proof: Proof) -> None:
            for backup_id, size in proof.bytes.items():
                if size:
                    references.add(backup_id, 0, 0, size)  # where does not matter: there is one volume
                    self.bytes += size

        index.trusts = lambda proof: not any(map(references.in_several_volumes, proof.bytes))
        index.settle = settle

    def keep(self, path: bytes, st: os.stat_result, line: bytes, link_target: t.Optional[bytes] = None) -> bool:
        """Take over ``line``, which previous.find() has just found, if the file has exactly that state. Else do nothing.

        ``link_target``: the file is a further hard link to that entry.
        """
        if self.previous is None:
            return False
        if link_target is None:
            wanted = state(path, b"file", st)
            found = _CONTENT.match(line, len(wanted)) if line.startswith(wanted) else None
            if found is None:
                if not has_state(line, wanted):
                    return False
                found = _BYTES.search(line, len(path))
            if found is not None:
                backup_id, frame, offset, size = found.groups()
                self.refers(backup_id.decode("ascii"), int(frame), int(offset), int(size))
            else:
                self._refer_to_delta(line, len(path))
        elif not has_state(line, state(path, b"link", st, b"," + text_field(b"target", link_target))):
            return False
        self.bytes += st.st_size
        self.previous.keep()
        return True

    def refer(self, path: bytes, st: os.stat_result, xattrs: Xattrs, entry: Entry) -> bytes:
        """Archive a file whose state changed but whose content is that of ``entry``. Returns the content, for link()."""
        content = content_of(entry)
        if "bytes" in entry:
            self.refers(*entry["bytes"])
        if "delta" in entry:
            self.refers(*entry["delta"], True)
            self.refers(*entry["base"][:4])
        self._add(path, b"file", st, b"", xattrs, content)
        self.bytes += st.st_size
        return content

    def put_plain(self, _prefix: bytes, files: Files, _dir_fd: t.Optional[int]) -> Taken:
        """Archive files, as long as they are of the kind that this writer has a faster way for."""
        return Taken(next(files, None))

    def file(
        self, path: bytes, fd: int, st: os.stat_result, xattrs: Xattrs, before: t.Optional[bytes] = None
    ) -> t.Tuple[t.Optional[str], bytes]:  # fmt: skip
        """Archive a regular file that is open for reading. ``before``: its line in the backup before."""
        raise NotImplementedError

    def link(self, path: bytes, fd: int, st: os.stat_result, target: bytes, content: bytes, xattrs: Xattrs) -> None:
        """Archive a further hard link to the entry ``target``; ``fd`` is open for reading."""
        raise NotImplementedError

    def directory(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        raise NotImplementedError

    def symlink(self, path: bytes, st: os.stat_result, target: bytes, xattrs: Xattrs) -> None:
        raise NotImplementedError

    def special(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        """Archive a fifo or a device node."""
        raise NotImplementedError

    def close(self) -> None:
        """End the archive."""
        raise NotImplementedError

    def _refer_to_delta(self, line: bytes, start: int) -> None:
        found = _DELTA.search(line, start)
        if found is not None:
            for n, is_delta in ((0, True), (4, False)):
                backup_id, frame, offset, size = found.groups()[n : n + 4]
                self.refers(backup_id.decode("ascii"), int(frame), int(offset), int(size), is_delta)

    def _add_file(
        self, path: bytes, fd: int, st: os.stat_result, xattrs: Xattrs, content: bytes,
        padded: int, error: t.Optional[OSError],
    ) -> t.Optional[str]:  # fmt: skip
        """Add the line of a file that has just been read; return the code of a notice, if one is due."""
        after = os.fstat(fd)
        changed = (
            after.st_mtime_ns != st.st_mtime_ns or after.st_size != st.st_size or after.st_ctime_ns != st.st_ctime_ns
        )  # fmt: skip
        flags = b""
        if padded:
            flags = b',"padded":%d' % padded
        if changed:
            flags += b',"changed":true'
        self._add(path, b"file", st, b"", xattrs, content + flags)
        self.bytes += st.st_size
        if error:
            return "file-unreadable"
        return "file-changed" if changed or padded else None

    def _add_link(self, path: bytes, st: os.stat_result, target: bytes, content: bytes, xattrs: Xattrs) -> None:
        self._add(path, b"link", st, b"," + text_field(b"target", target), xattrs, content)
        self.bytes += st.st_size

    def _add_directory(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        self._add(path, b"directory", st, b"", xattrs)

    def _add_symlink(self, path: bytes, st: os.stat_result, target: bytes, xattrs: Xattrs) -> None:
        self._add(path, b"symlink", st, b"," + text_field(b"target", target), xattrs)

    def _add_special(self, path: bytes, st: os.stat_result, xattrs: Xattrs) -> None:
        if stat.S_ISFIFO(st.st_mode):
            kind, more = b"fifo", b""
        else:
            kind = b"character" if stat.S_ISCHR(st.st_mode) else b"block"
            more = b',"rdev":[%d,%d]' % device_numbers(device_of(st))
        self._add(path, kind, st, more, xattrs)

    def _add(
        self, path: bytes, kind: bytes, st: os.stat_result, more: bytes, xattrs: Xattrs, content: bytes = b""
    ) -> None:  # fmt: skip
        young = b',"young":true' if is_young(st, time.time_ns()) else b""
        attributes = xattrs_field(xattrs) if xattrs else b""
        self._index.add(path, b"%s%s%s%s}\n" % (state(path, kind, st, more), attributes, content, young))
