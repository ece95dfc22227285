# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring a stream as a plain file: for people who want to look at it, or feed it to a program by hand."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .archive.index import Entry, entry_path
from .errors import RestoreError
from .interruption import uninterrupted
from .private import open_private, write_all
from .result import Notice
from .scratch import Scratch
from .sources import RestorePlan
from .system import REPLACES_ANY_FILE, sync_folder
from .tree.select import Selection

if t.TYPE_CHECKING:
    from .archive.reader import ComponentReader


def plan(path: str) -> RestorePlan:
    """One file is overwritten or made."""
    result = RestorePlan()
    if os.path.lexists(path):
        result.overwrite, result.overwrite_count = [path], 1
    else:
        result.create, result.create_count = [path], 1
    return result


class FileRestoring:
    """See sources.Restoring. The file, only for its owner's eyes, holds the entries that ``include`` takes, in their order."""

    sets_times = False

    def __init__(self, component: ComponentReader, path: str, include: t.Sequence[str] = ()) -> None:
        self.plan = plan(path)
        self._component = component
        self._path = path
        self._selection = Selection(include)
        self._scratch: t.Optional[Scratch] = None
        self._new = self._previous = ""
        self._committed = False

    def stage(self, progress: t.Callable[[int], None]) -> None:
        if os.path.lexists(self._path) and not os.path.isfile(self._path):
            raise RestoreError("%s: there is something else than a regular file; it is not replaced" % self._path)
        folder = os.path.dirname(self._path)
        try:
            os.makedirs(folder, exist_ok=True)
            self._scratch = Scratch(folder)
            self._new, self._previous = self._scratch.file("new"), self._scratch.file("previous")
            fd = open_private(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                for data in self._data():
                    write_all(fd, bytes(data))
                    progress(len(data))
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._error(error) from None

    def commit(self) -> t.List[Notice]:
        try:
            with uninterrupted():
                if os.path.lexists(self._path):
                    self._keep_previous()
                self._committed = True
                os.replace(self._new, self._path)
            sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise self._error(error) from None
        return []

    def undo(self) -> None:
        if not self._committed:
            return
        try:
            with uninterrupted():
                if os.path.lexists(self._previous):
                    os.replace(self._previous, self._path)
                elif os.path.lexists(self._path):
                    os.unlink(self._path)
                self._committed = False
        except OSError as error:
            raise self._error(error) from None

    def finish(self) -> None:
        if self._scratch is not None:
            self._scratch.close()

    def _keep_previous(self) -> None:
        """Keep what is there under a second name; it stays in its place until the new file takes that."""
        if REPLACES_ANY_FILE:
            with contextlib.suppress(OSError):  # a file system without hard links, or somebody else's file
                os.link(self._path, self._previous)
                return
        os.rename(self._path, self._previous)

    def _data(self) -> t.Iterator[memoryview]:
        for entry in self._component.in_stream_order(self._is_chosen):
            yield from self._component.read(entry)

    def _is_chosen(self, entry: Entry) -> bool:
        return self._selection.means(entry_path(entry), False)

    def _error(self, error: OSError) -> RestoreError:
        return RestoreError("%s: cannot be written: %s" % (self._path, error.strerror))
