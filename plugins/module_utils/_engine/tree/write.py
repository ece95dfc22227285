# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing one entry as a new thing with a new name, in a folder that nobody else may enter."""

from __future__ import annotations

import functools
import os
import stat
import typing as t

from ..archive.index import Entry, entry_target
from ..errors import IntegrityError
from ..names import printable
from ..private import write_all
from ..system import HAS_DIR_FD
from ..system.folder import Folder
from .listing import DEVICES, FIFO, FILE, LINK, SYMLINK, stored_size
from .metadata import Given, Permissions

_TYPES = {"character": stat.S_IFCHR, "block": stat.S_IFBLK, FIFO: stat.S_IFIFO}

Told = t.Callable[[int], None]


class EntryWriter:
    """Makes new things. ``permissions`` says what each is given."""

    def __init__(self, permissions: Permissions) -> None:
        self._permissions = permissions
        self._folder: t.Optional[Folder] = None
        #: By the mode that was asked for, what new files in ``_folder`` have from the beginning.
        self._born: t.Dict[int, Given] = {}

    def write(self, folder: Folder, name: bytes, path: bytes, entry: Entry, content: t.Iterator[memoryview], told: Told) -> None:
        """Make anything but a folder. ``content`` is what the archive holds of a file. Raises OSError, IntegrityError."""
        kind = entry["type"]
        metadata = self._permissions.metadata(entry, path)
        if kind in (FILE, LINK):
            # Without root, attributes can only be given to what its owner may write.
            asked = 0o600 if metadata.xattrs else metadata.mode & 0o777
            fd = folder.create(name, asked)
            try:
                if entry["size"]:
                    _write_content(fd, path, entry, content, told)
                if HAS_DIR_FD:
                    self._permissions.give(fd, metadata, path, self._has(folder, fd, asked))
            finally:
                os.close(fd)
            if not HAS_DIR_FD:
                self._permissions.give(folder.handle_of(name), metadata, path)
            return
        if kind == SYMLINK:
            folder.symlink(entry_target(entry), name)
            if metadata.owner is not None:
                folder.set_owner(name, *metadata.owner)
            folder.set_times(name, metadata.times)
            return
        device = (entry["rdev"][0], entry["rdev"][1]) if kind in DEVICES else (0, 0)
        folder.special(name, _TYPES[kind] | 0o600, device)
        self._permissions.give(folder.handle_of(name), metadata, path)

    def _has(self, folder: Folder, fd: int, mode: int) -> Given:
        """What the new file has already: the same as all others that were made in this folder with the same mode."""
        if folder is not self._folder:
            self._folder, self._born = folder, {}
        born = self._born.get(mode)
        if born is None:
            info = os.fstat(fd)
            born = self._born[mode] = Given(stat.S_IMODE(info.st_mode), (info.st_uid, info.st_gid))
        return born


def _write_content(fd: int, path: bytes, entry: Entry, content: t.Iterator[memoryview], told: Told) -> None:
    """Write exactly what the entry says there is, whatever the archive goes on to say."""
    left = stored_size(entry)
    write = _Runs(fd, entry["segments"]).write if "segments" in entry else functools.partial(write_all, fd)
    for view in content:
        count = len(view)
        left -= count
        if left < 0:
            raise IntegrityError("the entry %s is refused: the archive holds more of it than it says" % printable(path))
        write(view)
        told(count)
    if left:
        raise IntegrityError("the entry %s is refused: the archive holds less of it than it says" % printable(path))
    if "segments" in entry:
        os.ftruncate(fd, entry["size"])


class _Runs:
    """Takes the joined bytes of a sparse file's segments and writes each where it belongs; the rest stays a hole."""

    def __init__(self, fd: int, segments: t.Iterable[t.Sequence[int]]) -> None:
        self._fd = fd
        self._segments = iter(segments)
        self._left = 0

    def write(self, view: memoryview) -> None:
        while view:
            if not self._left:
                offset, self._left = next(self._segments)
                os.lseek(self._fd, offset, os.SEEK_SET)
            part, view = view[: self._left], view[self._left :]
            write_all(self._fd, part)
            self._left -= len(part)
