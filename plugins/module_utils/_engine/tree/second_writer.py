# SPDX-License-Identifier: GPL-3.0-or-later
"""A second process that makes plain files beside this one, by the same loop (plain_files.py).

What is to be made and its bytes lie in memory that both share, in one of a few slots; the question is only which slot, with a
descriptor of the folder beside it, and the answer how many files were made.
"""

from __future__ import annotations

import marshal
import mmap
import os
import socket
import struct
import sys
import typing as t

from .. import second_process
from ..readiness import is_readable
from ..second_process import PATIENCE
from ..system.folder import Folder
from .plain_files import ENOUGH, Owner, make_files

if t.TYPE_CHECKING:
    from .listing import PlainFile

# Runs of files that the child may have: so many that it never waits for the next.
_SLOTS = 8
# What a run may have, and its description.
_SLOT = ENOUGH + (256 << 10)

# Slot, size of the description, where in their frame the bytes begin, how many there are.
_QUESTION = struct.Struct("=IIQI")
# Files made, and their bytes.
_ANSWER = struct.Struct("=II")


class SecondWriter:
    """Takes runs of files with offer(), says with answer() what became of them, in the same order."""

    def __init__(self) -> None:
        self._child = -1
        self._socket: t.Optional[socket.socket] = None
        self._offered = 0
        #: Runs that were taken and not answered yet.
        self.asked = 0
        if sys.platform == "win32" or not second_process.is_worth_it():
            return
        self._memory = memoryview(mmap.mmap(-1, _SLOTS * _SLOT))
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._child = second_process.begin(lambda: _serve(theirs, self._memory), [theirs.fileno()])
        if self._child < 0:
            self.close()

    def offer(
        self, folder: Folder, files: t.Sequence[PlainFile], owners: t.Mapping[str, t.Optional[Owner]], data: memoryview
    ) -> bool:  # fmt: skip
        """Have ``files`` made in ``folder``, unless there is enough to do already. ``data`` is the frame that they lie in."""
        if sys.platform == "win32" or self._socket is None or self.asked == _SLOTS:
            return False
        begin, end = _range(files)
        data = data[begin:end]
        described = marshal.dumps((list(files), {key: owners[key] for key in {file[2] for file in files}}))
        if len(data) != end - begin or len(described) + len(data) > _SLOT:
            return False
        slot = self._offered % _SLOTS
        place = _slot(self._memory, slot)
        place[: len(described)] = described
        place[len(described) : len(described) + len(data)] = data
        try:
            socket.send_fds(self._socket, [_QUESTION.pack(slot, len(described), begin, len(data))], [folder.fd])
        except OSError:
            self.close()
            return False
        self._offered += 1
        self.asked += 1
        return True

    def has_answer(self) -> bool:
        """Whether answer() would not wait."""
        return self._socket is None or is_readable(self._socket, 0)

    def answer(self) -> t.Optional[t.Tuple[int, int]]:
        """What came of the first run that was not asked for yet: the number of files made, and their bytes.

        None when nobody knows: then none of them may be there, or some, or a part of one.
        """
        self.asked -= 1
        if self._socket is not None and is_readable(self._socket, PATIENCE):
            try:
                data = self._socket.recv(_ANSWER.size)
            except OSError:
                data = b""
            if data:
                count, size = _ANSWER.unpack(data)
                return count, size
        self.close()
        return None

    def close(self) -> None:
        """End the child. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        second_process.end(self._child)
        self._child = -1


def _range(files: t.Iterable[PlainFile]) -> t.Tuple[int, int]:
    """Where in their frame the bytes of files begin and end."""
    places = [(int(file[7]), int(file[3])) for file in files if file[7] is not None]
    return min((at for at, _size in places), default=0), max((at + size for at, size in places), default=0)


def _slot(memory: memoryview, number: int) -> memoryview:
    return memory[number * _SLOT : (number + 1) * _SLOT]


def _serve(questions: socket.socket, memory: memoryview) -> None:
    """The child: make what is asked until nobody asks any more."""
    if sys.platform == "win32":
        return
    parent = os.getppid()
    while True:
        question, descriptors, _flags, _address = socket.recv_fds(questions, _QUESTION.size, 1)
        if not question or os.getppid() != parent:
            return
        number, described, begin, size = _QUESTION.unpack(question)
        place = _slot(memory, number)
        files, owners = marshal.loads(place[:described])  # noqa: S302 - what the parent has just written
        folder = Folder(descriptors[0])
        answer = make_files(folder, files, owners, place[described : described + size], begin)
        folder.close()
        questions.send(_ANSWER.pack(*answer))
