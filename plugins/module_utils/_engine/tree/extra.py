# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a tree now, would be backed up by its source, and is not in the backup."""

from __future__ import annotations

import os
import stat
import typing as t

from ..archive.index import Entry, sort_key
from ..errors import RestoreError
from ..names import printable
from ..system import join
from .listing import DIRECTORY
from .staging import PREFIX
from .walk import DIRECTORY as LIVE_DIRECTORY
from .walk import OTHER, Item, Rules, items, walk

Means = t.Callable[[bytes, bool], bool]


class Extras(t.NamedTuple):
    """Below one folder of the archive: what is to go, and folders that must stay because they hold what is not to go.

    Paths are relative to that folder. What is to go is told as a whole: nothing below it is told again.
    """

    remove: t.List[bytes]
    partial: t.List[bytes]


class _Folder:
    """A folder that is not in the archive. ``count``: how many of its names may go; ``size``: how many it has."""

    def __init__(self, path: bytes, size: int, fixed: bool, conflict: bool) -> None:
        self.path = path
        self.size = size
        self.fixed = fixed
        self.conflict = conflict
        self.count = 0
        self.extras = Extras([], [])


class ExtraSearch:
    """Walks a root as its source does, side by side with the archive. ``where`` is the place of ``root`` on the disk."""

    def __init__(self, root: bytes, where: bytes, rules: Rules, means: Means, mounts: t.Container[bytes]) -> None:
        self._root = root
        self._where = where
        self._rules = rules
        self._means = means
        self._mounts = mounts
        self._stack: t.List[_Folder] = []
        self._found: t.Dict[bytes, Extras] = {}

    def run(self, entries: t.Iterable[t.Tuple[bytes, Entry]]) -> t.Dict[bytes, Extras]:
        """Return, by the archive path of the folder, what is to go. ``entries``: those of the archive, in order.

        Raises RestoreError when something that must stay lies in a folder whose place a file of the archive takes; OSError.
        """
        archived = iter(entries)
        current = next(archived, None)
        device = os.stat(self._where).st_dev
        for item in items(walk(os.fsdecode(self._where), self._root, self._rules, lambda _path, _error: None)):
            while self._stack and not item.path.startswith(self._stack[-1].path + b"/"):
                self._leave()
            while current is not None and sort_key(current[0]) < sort_key(item.path):
                current = next(archived, None)
            is_dir = item.kind == LIVE_DIRECTORY
            archived_kind = current[1]["type"] if current is not None and current[0] == item.path else None
            if archived_kind is not None and (not is_dir or archived_kind == DIRECTORY):
                continue
            if not self._means(item.path, is_dir) or b"/" + PREFIX in item.path:
                # What is staged, by another component's restore say, is nobody's to remove.
                continue
            if is_dir:
                self._enter(item, device, archived_kind is not None)
            elif not _is_socket(item):
                self._add(item.path)
        while self._stack:
            self._leave()
        return {folder: _relative(extras, folder) for folder, extras in self._found.items()}

    def _enter(self, item: Item, device: int, conflict: bool) -> None:
        place = self._place(item.path)
        info = t.cast(os.stat_result, item.st)
        fixed = info.st_dev != device or place in self._mounts
        size = len(os.listdir(place if item.dir_fd is None else item.dir_fd))
        self._stack.append(_Folder(item.path, size, fixed, conflict))

    def _leave(self) -> None:
        folder = self._stack.pop()
        if folder.count == folder.size and not folder.fixed:
            # What a file of the archive replaces needs no removing.
            if not folder.conflict:
                self._add(folder.path)
            return
        if folder.conflict:
            raise RestoreError(
                "%s: is no folder in the backup, and holds things now that are not backed up; move it away first"
                % printable(self._place(folder.path))
            )
        extras = self._extras(folder.path)
        extras.remove.extend(folder.extras.remove)
        extras.partial.extend([*folder.extras.partial, folder.path])

    def _add(self, path: bytes) -> None:
        if self._stack:
            self._stack[-1].count += 1
        self._extras(path).remove.append(path)

    def _extras(self, path: bytes) -> Extras:
        if self._stack:
            return self._stack[-1].extras
        return self._found.setdefault(path.rpartition(b"/")[0], Extras([], []))

    def _place(self, path: bytes) -> bytes:
        return join(self._where, path[len(self._root) :].lstrip(b"/"))


def _relative(extras: Extras, folder: bytes) -> Extras:
    skip = len(folder) + 1 if folder else 0
    return Extras([path[skip:] for path in extras.remove], [path[skip:] for path in extras.partial])


def _is_socket(item: Item) -> bool:
    """Sockets are never backed up, so they are not missing from a backup either."""
    if item.kind != OTHER:
        return False
    try:
        return stat.S_ISSOCK(os.stat(item.leaf, dir_fd=item.dir_fd, follow_symlinks=False).st_mode)
    except OSError:
        return True
