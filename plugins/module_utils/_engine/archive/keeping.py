# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner loop of an increment: the lines of files that have not changed stay in the index as they are.

Only plain lines go this way: of files with one name and one run of bytes, nothing noted against them. All others, and all
that have changed, are left to TreeWriter.keep(), which knows every kind.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import sys
import typing as t

from .entry import FileHeads

if t.TYPE_CHECKING:
    from .scout import Proof

# What stands between the state of a file and the numbers of its bytes. Attributes go with the ctime: they have not changed.
_lead = re.compile(r'(?:"xattrs":\{[^{}\n]*\},)?"bytes":\["([^"\n]+)",').match
# A plain line ends so, this far behind the numbers.
_END = '"}\n'
_TO_END = len('"sha256":"') + 64
_EMPTY = '"sha256":"%s"}\n' % hashlib.sha256().hexdigest()


#: Names are compared as text, which is that of other bytes where the system does not use UTF-8.
WORKS = sys.getfilesystemencoding() == "utf-8"


#: The name of each file, which its path has after a prefix, and what to open relative to a descriptor.
Files = t.Iterator[t.Tuple[str, str]]


class Taken(t.NamedTuple):
    """The first file that was not taken, if one is left; the number of those before it, and their bytes.

    ``opened``: that file, if it is open already, at its start, and its state before anything was read.
    """

    left: t.Optional[t.Tuple[str, str]]
    number: int = 0
    bytes: int = 0
    opened: t.Optional[t.Tuple[int, os.stat_result]] = None


class AtHand(t.Protocol):
    """The lines at hand, and where the first one of them begins that nobody has decided on; whoever keeps it counts it."""

    text: str
    at: int
    count: int

    @property
    def proof(self) -> t.Optional[Proof]:
        """What is known of these lines."""

    def more(self) -> bool:
        """Whether a line is at hand. Goes on to further ones, where these end."""


class Told(t.Protocol):
    """What is told of the bytes of each file; as References."""

    def add(self, backup_id: str, frame: int, offset: int, size: int, /) -> None: ...

    def in_several_volumes(self, backup_id: str, /) -> bool: ...


class Keeper:
    """Takes over lines in ``index``; ``references`` is told of the bytes of each."""

    def __init__(self, index: AtHand, references: Told) -> None:
        self._index = index
        self._references = references
        self._heads = FileHeads()
        # Of the last line: the backup that it names, and what led to its numbers. This leads to none.
        self._last = ("", "\n")

    def keep(self, prefix: bytes, files: Files, dir_fd: t.Optional[int]) -> Taken:
        """Take over the lines of files, as long as these are the next ones and the files are as they say."""
        index = self._index
        begin = '{"path":"' + os.fsdecode(prefix)
        count = total = 0
        left = next(files, None)
        while left is not None and index.more():
            these = itertools.chain((left,), files)
            if index.proof is not None and prefix:
                left, taken = self._proven(begin, these, index.proof)
            else:
                left, taken, size, _opened = self._as_they_say(begin, these, dir_fd)
                total += size
            count += taken
            if index.at < len(index.text):
                break
        index.count += count
        return Taken(left, count, total)

    def _proven(self, begin: str, files: Files, proof: Proof) -> t.Tuple[t.Optional[t.Tuple[str, str]], int]:
        """The same of the lines at hand, where somebody has looked at the files. Their bytes are told of later."""
        index, again = self._index, proof.again
        text, at = index.text, index.at
        end = len(text)
        count = 0
        for left in files:
            state = f'{begin}{left[0]}","type":"file",'
            if at == end or at in again or not text.startswith(state, at) or "\\" in state:
                break
            at = text.index("\n", at) + 1
            count += 1
        else:
            left = None
        index.at = at
        return left, count

    def _as_they_say(self, begin: str, files: Files, dir_fd: t.Optional[int]) -> Taken:
        """The same of the lines at hand, by looking at the files."""
        index, references, heads, stat = self._index, self._references, self._heads, os.stat
        text, at = index.text, index.at
        end_of_text = len(text)
        backup_id, lead = self._last
        several = references.in_several_volumes(backup_id)
        count = total = told = 0
        for left in files:
            name, leaf = left
            if at == end_of_text:
                break
            try:
                st = stat(leaf, dir_fd=dir_fd, follow_symlinks=False)
            except OSError:
                break  # whoever reads it tells why
            key = st.st_mode, st.st_uid, st.st_gid
            size = st.st_size
            times = f'"mtime":{st.st_mtime_ns},"ctime":{st.st_ctime_ns}'
            state = f'{begin}{name}{heads[key]}{size},{times},"dev":{st.st_dev},"ino":{st.st_ino},'
            # A name with a backslash could be how another one is written.
            if not text.startswith(state, at) or st.st_nlink != 1 or "\\" in state:
                break
            numbers = at + len(state)
            if not text.startswith(lead, numbers):
                if not size and text.startswith(_EMPTY, numbers):
                    at = numbers + len(_EMPTY)
                    count += 1
                    continue
                found = _lead(text, numbers)
                if found is None:
                    break
                self._tell(backup_id, total - told)
                told, backup_id, lead = total, found.group(1), found.group()
                several = references.in_several_volumes(backup_id)
            numbers += len(lead)
            end = text.find('"', numbers)
            if not text.startswith(_END, end + _TO_END):
                break
            if several:
                frame, offset, _size = text[numbers : end - 2].split(",")
                references.add(backup_id, int(frame), int(offset), size)
                told += size
            at = end + _TO_END + len(_END)
            total += size
            count += 1
        else:
            left = None
        self._tell(backup_id, total - told)
        self._last = backup_id, lead
        index.at = at
        return Taken(left, count, total)

    def _tell(self, backup_id: str, size: int) -> None:
        if size:
            self._references.add(backup_id, 0, 0, size)  # where does not matter: there is one volume
