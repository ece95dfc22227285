# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner loop of a restore: plain files in a new folder, each made at once, from the frame that holds it.

Only what succeeds goes this way. Whatever is wrong with a file, nothing of it is left and it goes the way of all others
(write.py), which knows every kind and tells what is wrong. What is there in the end is the same either way.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import typing as t
from hashlib import sha256

from ..system import give_owner
from ..system.folder import Folder
from .listing import FILE
from .metadata import Permissions

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader
    from .listing import PlainFile

#: Mode, user and group.
Owner = t.Tuple[int, int, int]

_NOTHING = memoryview(b"")


class PlainFiles:
    """Makes files of ``component``, as far as ``permissions`` gives them all that they are to have."""

    def __init__(self, component: ComponentReader, permissions: Permissions) -> None:
        self._component = component
        self._owners = _Owners(permissions)

    def write(self, folder: Folder, files: t.Sequence[PlainFile], progress: t.Callable[[int], None]) -> int:
        """Make files in ``folder``, as many as can be made so; return how many. Raises IntegrityError."""
        done = 0
        for run, place in _runs(files):
            data = memoryview(b"") if place is None else memoryview(self._component.frame(place[0], int(place[1])))
            count, size = make_files(folder, run, self._owners, data)
            progress(size)
            done += count
            if count < len(run):
                break
        return done


class _Owners(t.Dict[str, t.Optional[Owner]]):
    """By what the index says of a file's mode and owner, those that it gets; None when there is more to it than to give them."""

    def __init__(self, permissions: Permissions) -> None:
        super().__init__()
        self._permissions = permissions

    def __missing__(self, key: str) -> t.Optional[Owner]:
        entry = {"type": FILE, "mtime": 0, **json.loads("{%s}" % key)}
        self[key] = owner = self._permissions.plain_owner(entry)
        return owner


def _runs(
    files: t.Sequence[PlainFile],
) -> t.Iterator[t.Tuple[t.Sequence[PlainFile], t.Optional[t.Tuple[str, str]]]]:
    """Neighbours whose bytes lie in the same frame, and the backup and the number of that; None when they have no bytes."""
    begin = 0
    here: t.Optional[t.Tuple[str, str]] = None
    for number, (_folder, _name, _owner, _size, _mtime, backup, frame, _offset, _stored, _sha256) in enumerate(files):
        if backup is None or frame is None:
            continue
        if here is not None and here != (backup, frame):
            yield files[begin:number], here
            begin = number
        here = backup, frame
    yield files[begin:], here


def make_files(
    folder: Folder, files: t.Iterable[PlainFile], owners: t.Mapping[str, t.Optional[Owner]], data: memoryview, begin: int = 0
) -> t.Tuple[int, int]:  # fmt: skip
    """Make files in ``folder``, up to the first that cannot be made; return their number, and their bytes.

    ``data`` is the frame that they lie in, from ``begin`` on.
    """
    create, write, utime, close = folder.create, os.write, os.utime, os.close
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
            if size and write(fd, content) != size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
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
