# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner loop of a restore: plain files in a new folder, each made at once, from the frame that holds it.

Only what succeeds goes this way. Whatever is wrong with a file, nothing of it is left and it goes the way of all others
(write.py), which knows every kind and tells what is wrong. What is there in the end is the same either way.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import stat
import typing as t
from hashlib import sha256

from ..interruption import checkpoint, uninterrupted
from ..private import write_all
from ..system import give_owner
from ..system.folder import Folder
from .listing import FILE
from .metadata import Permissions

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader
    from .compare import Frame
    from .listing import PlainFile
    from .second_writer import SecondWriter

# With fewer files altogether a second process is not worth beginning, ...
_MANY = 500
# ... and with fewer files and bytes at once it is not worth asking.
_FEW, _LITTLE = 4, 64 << 10
#: So many bytes are made at once, at most: more than the largest plain file has.
ENOUGH = 1 << 20

Told = t.Callable[[int], None]
#: Mode, user and group.
Owner = t.Tuple[int, int, int]

_NOTHING = memoryview(b"")


class _Waiting(t.NamedTuple):
    """Files that the second process makes in ``folder``; or, with ``do``, what is to be done after those before it."""

    frame: Frame
    folder: Folder
    files: t.Sequence[PlainFile] = ()
    progress: Told = lambda _: None
    do: t.Optional[t.Callable[[Folder], None]] = None


class PlainFiles:
    """Makes files of ``component``, some of them by a second process, so that they are there when settle() has returned.

    ``permissions`` gives them what they are to have; ``otherwise`` makes one, in the frame and the folder at hand, the long way.
    """

    def __init__(
        self, component: ComponentReader, permissions: Permissions, otherwise: t.Callable[[Frame, Folder, PlainFile, Told], None]
    ) -> None:  # fmt: skip
        self._component = component
        self._owners = _Owners(permissions)
        self._otherwise = otherwise
        self._count = 0
        self._second: t.Optional[SecondWriter] = None
        #: What the second process has, and what is to be done after it.
        self._waiting: t.Deque[_Waiting] = collections.deque()

    def write(self, frame: Frame, files: t.Sequence[PlainFile], progress: Told) -> None:
        """Make files in the folder that ``frame`` has made. Raises OSError, IntegrityError, RestoreError."""
        folder = t.cast(Folder, frame.made)
        self._count += len(files)
        if self._second is None and self._count > _MANY:
            from .second_writer import SecondWriter

            with uninterrupted():  # or it would stay behind
                self._second = SecondWriter()
            checkpoint()
        for run in _runs(files):
            self._take_answers()
            second = self._second if len(run) >= _FEW or sum(int(file[3]) for file in run) >= _LITTLE else None
            if second is not None and second.offer(folder, run, self._owners, self._data(run)):
                self._waiting.append(_Waiting(frame, folder.folder(b"."), run, progress))
            else:
                self._make(frame, folder, run, progress)

    def then(self, frame: Frame, do: t.Callable[[Folder], None]) -> None:
        """Call ``do`` with the folder that ``frame`` has made as soon as the files in it are there."""
        folder = t.cast(Folder, frame.made)
        if any(waiting.frame is frame for waiting in self._waiting):
            self._waiting.append(_Waiting(frame, folder.folder(b"."), do=do))
        else:
            do(folder)

    def settle(self) -> None:
        """Wait until all files are there."""
        self._take_answers(len(self._waiting))

    def close(self) -> None:
        """End the second process. What it was doing is left undone."""
        if self._second is not None:
            self._second.close()
        while self._waiting:
            self._waiting.popleft().folder.close()

    def _take_answers(self, least: int = 0) -> None:
        """Go on with what was waiting: at least so many, and all that need not wait any more."""
        second = self._second
        while self._waiting and second is not None:
            waiting = self._waiting[0]
            if waiting.do is None and least <= 0 and not second.has_answer():
                return
            least -= 1
            self._waiting.popleft()
            try:
                if waiting.do is not None:
                    waiting.do(waiting.folder)
                else:
                    self._finish(waiting, second.answer())
            finally:
                waiting.folder.close()

    def _finish(self, waiting: _Waiting, answer: t.Optional[t.Tuple[int, int]]) -> None:
        frame, folder, files, progress, _do = waiting
        if answer is None:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    folder.remove(file[1].encode("utf-8"))
        count, size = answer or (0, 0)
        progress(size)
        if count < len(files):
            if answer is not None:
                self._otherwise(frame, folder, files[count], progress)
                count += 1
            self._make(frame, folder, files[count:], progress)

    def _make(self, frame: Frame, folder: Folder, files: t.Sequence[PlainFile], progress: Told) -> None:
        while files:
            count, size = make_files(folder, files, self._owners, self._data(files))
            progress(size)
            if count < len(files):
                self._otherwise(frame, folder, files[count], progress)
            files = files[count + 1 :]

    def _data(self, run: t.Iterable[PlainFile]) -> memoryview:
        """The frame that the files of a run lie in."""
        for _folder, _name, _owner, _size, _mtime, backup, frame, _offset, _stored, _sha256 in run:
            if backup is not None and frame is not None:
                return memoryview(self._component.frame(backup, int(frame)))
        return _NOTHING


class _Owners(t.Dict[str, t.Optional[Owner]]):
    """By what the index says of a file's mode and owner, those that it gets; None when there is more to it than to give them."""

    def __init__(self, permissions: Permissions) -> None:
        super().__init__()
        self._permissions = permissions

    def __missing__(self, key: str) -> t.Optional[Owner]:
        entry = {"type": FILE, "mtime": 0, **json.loads("{%s}" % key)}
        self[key] = owner = self._permissions.plain_owner(entry)
        return owner


def _runs(files: t.Sequence[PlainFile]) -> t.Iterator[t.Sequence[PlainFile]]:
    """Neighbours whose bytes lie near to each other in the same frame."""
    begin = least = 0
    here: t.Optional[t.Tuple[str, str]] = None
    for number, (_folder, _name, _owner, size, _mtime, backup, frame, offset, _stored, _sha256) in enumerate(files):
        if backup is None or frame is None or offset is None:
            continue
        start = int(offset)
        if here is not None and (here != (backup, frame) or not least <= start <= least + ENOUGH - int(size)):
            yield files[begin:number]
            begin, here = number, None
        if here is None:
            here, least = (backup, frame), start
    yield files[begin:]


def make_files(
    folder: Folder, files: t.Iterable[PlainFile], owners: t.Mapping[str, t.Optional[Owner]], data: memoryview, begin: int = 0
) -> t.Tuple[int, int]:  # fmt: skip
    """Make files in ``folder``, up to the first that cannot be made; return their number, and their bytes.

    ``data`` is the frame that they lie in, from ``begin`` on.
    """
    create, write, utime, close = folder.create, write_all, os.utime, os.close
    #: What a new file has, by the mode that it was asked for with: the umask has its say.
    born: t.Dict[int, Owner] = {}
    count = total = 0
    for _folder, text, key, size_text, mtime_text, _backup, _frame, offset, _stored, digest in files:
        owner = owners[key]
        if owner is None:
            break
        name, mode, size, mtime = text.encode("utf-8"), owner[0], int(size_text), int(mtime_text)
        content = _NOTHING
        if offset is not None:
            start = int(offset) - begin
            content = data[start : start + size]
            if len(content) != size or sha256(content).hexdigest() != digest:
                break
        try:
            fd = create(name, mode)
        except OSError:
            break  # whoever tries it again tells why
        try:
            if size:
                write(fd, content)
            if mode not in born:
                info = os.fstat(fd)
                born[mode] = stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid
            if born[mode] != owner:
                if born[mode][1:] != owner[1:]:
                    give_owner(fd, owner[1], owner[2])
                os.chmod(fd, mode)
            utime(fd, ns=(mtime, mtime))
        except OSError:
            folder.remove(name)
            break
        finally:
            close(fd)
        count += 1
        total += size
    return count, total
