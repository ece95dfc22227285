# SPDX-License-Identifier: GPL-3.0-or-later
"""A second process that looks at files ahead of an increment, which then has only their names left to compare.

What an unchanged file costs is a system call and a few lines of Python. So frames of the index before go to a second process,
as far as it keeps up; it says which of their lines still hold, by the same code as the increment itself (keeping.py). What it
cannot prove is looked at again, and everything, where no such process can be had: the outcome is the same.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import struct
import sys
import typing as t

from .. import second_process
from ..readiness import is_readable, is_writable
from ..second_process import PATIENCE
from ..system import open_folder, widen_pipe
from .index import Root

if t.TYPE_CHECKING:
    from .keeping import Keeper

#: Frames that are read ahead, so that there is something to look at.
AHEAD = 6
# So many frames are not worth a child.
_FEW = 4
# Frames that the child may have: the one at hand, and the next.
_MOST = 2

# With more lines to be looked at again, a frame is better looked at as a whole: one of so many.
_SHARE = 4

_SIZE = struct.Struct("=I")

# The line of a file below a folder, whose path is written as it is.
_FILE = re.compile(r'\{"path":"([^"\\\n]*)/([^"\\/\n]+)","type":"file",[^\n]*\n')

_Line = t.Tuple[int, str]


class Proof:
    """What was found of the lines of a frame: those of files still hold, but for the ones at ``again``.

    ``bytes``: what files of these lines have, by the backup that holds it. Lines that are not taken over are taken back.
    """

    def __init__(self, again: t.Iterable[int], sizes: t.Dict[str, int]) -> None:
        self.again = frozenset(again)
        self.bytes = sizes

    def take_back(self, text: str, at: int) -> None:
        """Somebody else has decided on the line of ``text`` that begins at ``at``."""
        found = None if at in self.again else _FILE.match(text, at)
        if found is not None:
            place = json.loads(found.group()).get("bytes")
            if place is not None:
                self.bytes[place[0]] -= place[3]


class Scout:
    """Takes frames with offer(), gives what it found with answer(), in the same order. Used by one thread."""

    def __init__(self, roots: t.Sequence[Root]) -> None:
        self._roots = roots
        self._child = 0
        self._questions = self._answers = -1
        # Frames that were offered, and those that were taken and whose answers nobody wanted yet.
        self._offered = self._asked = 0
        # Answers that were read before somebody wanted them.
        self._told: t.List[t.Optional[Proof]] = []
        self._buffer = b""

    def offer(self, lines: bytes) -> bool:
        """Have these lines looked at, unless there is enough to do already."""
        self._offered += 1
        if not self._child and self._offered > _FEW:
            self._begin()
        while self._asked > len(self._told) and self._receive(0):
            pass
        if self._questions < 0 or self._asked - len(self._told) >= _MOST:
            return False
        try:
            _write(self._questions, lines)
        except OSError:
            self.close()
            return False
        self._asked += 1
        return True

    def answer(self) -> t.Optional[Proof]:
        """What came of the first frame that was taken and not asked for yet; None: it must be looked at."""
        while not self._told and self._receive(PATIENCE):
            pass
        self._asked -= 1
        return self._told.pop(0) if self._told else None

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, -1
        self._end_of_questions()
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1
        second_process.end(child)

    def _begin(self) -> None:
        self._child = -1
        if sys.platform == "win32" or not second_process.is_worth_it():
            return
        theirs, self._questions = os.pipe()
        self._answers, ours = os.pipe()
        widen_pipe(self._questions)
        os.set_blocking(self._questions, False)
        self._child = second_process.begin(lambda: _serve(theirs, ours, self._roots), (theirs, ours), (theirs, ours))
        if self._child < 0:
            self._end_of_questions()

    def _end_of_questions(self) -> None:
        if self._questions >= 0:
            os.close(self._questions)
            self._questions = -1

    def _receive(self, patience: float) -> bool:
        """Read more of the answers; False when there is none within so many seconds."""
        if self._answers < 0:
            return False
        if not is_readable(self._answers, patience):
            if patience:
                self.close()
            return False
        data = os.read(self._answers, 1 << 16)
        self._buffer += data
        while len(self._buffer) >= _SIZE.size:
            end = _SIZE.size + _SIZE.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            found = json.loads(self._buffer[_SIZE.size : end])
            self._told.append(None if found is None else Proof(*found))
            self._buffer = self._buffer[end:]
        return bool(data)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(_SIZE.pack(len(data)) + data)
    while view:
        if not is_writable(fd, PATIENCE):
            raise TimeoutError("nobody reads")
        view = view[os.write(fd, view) :]


def _read(fd: int) -> t.Optional[bytes]:
    """What _write() has written; None at the end."""
    parts, missing = [], _SIZE.size
    size = None
    while missing:
        data = os.read(fd, missing)
        if not data:
            return None
        parts.append(data)
        missing -= len(data)
        if not missing and size is None:
            size = missing = _SIZE.unpack(b"".join(parts))[0]
            parts = []
    return b"".join(parts)


def _serve(questions: int, answers: int, roots: t.Sequence[Root]) -> None:
    """The child: look at what is asked until nobody asks any more."""
    look = _Look(roots)
    while True:
        lines = _read(questions)
        if lines is None:
            break
        _write(answers, json.dumps(look.look(lines.decode("utf-8"))).encode("ascii"))


class _Look:
    """Looks at files as Keeper does, for which it stands for the index and for what is told of it."""

    def __init__(self, roots: t.Sequence[Root]) -> None:
        from .keeping import Keeper

        self._places = [(_folder(root.name), os.path.join(os.fsdecode(root.path), "")) for root in roots]
        self._keeper: Keeper = Keeper(self, self)
        self._sizes: t.Dict[str, int] = {}
        self.text = ""
        self.at = 0
        self.count = 0
        self.proof = None

    def more(self) -> bool:
        return self.at < len(self.text)

    def in_several_volumes(self, _backup_id: str) -> bool:
        return False

    def add(self, backup_id: str, _frame: int, _offset: int, size: int) -> None:
        self._sizes[backup_id] = self._sizes.get(backup_id, 0) + size

    def look(self, text: str) -> t.Optional[t.Tuple[t.List[int], t.Dict[str, int]]]:
        """Which files' lines of ``text`` do not hold, by where they begin, and the bytes of those that do; None: too many."""
        self.text, self._sizes = text, {}
        again: t.List[int] = []
        lines = 0
        for folder, found in itertools.groupby(_FILE.finditer(text), lambda match: match.group(1)):
            files = [(match.start(), match.group(2)) for match in found]
            lines += len(files)
            self._look_into(folder, files, again)
            if len(again) > 8 and len(again) * _SHARE > lines:
                return None
        return again, self._sizes

    def _look_into(self, folder: str, files: t.List[_Line], again: t.List[int]) -> None:
        try:
            fd = open_folder(self._place(folder), None)
        except OSError:
            again += [start for start, _name in files]
            return
        try:
            prefix = os.fsencode(folder) + b"/"
            done = 0
            while done < len(files):
                start = self.at = files[done][0]
                taken = self._keeper.keep(prefix, ((name, name) for _start, name in files[done:]), fd)
                done += taken.number
                if taken.left is not None and not taken.number:
                    again.append(start)
                    done += 1
        finally:
            if fd is not None:
                os.close(fd)

    def _place(self, folder: str) -> str:
        """Where a folder of the archive was. Raises FileNotFoundError when it lies below no root."""
        folder += "/"
        for name, path in self._places:
            if folder.startswith(name):
                return path + folder[len(name) :]
        raise FileNotFoundError(folder)


def _folder(name: bytes) -> str:
    return os.fsdecode(name) + "/" if name else ""
