# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump, or a part of one, as a file of SQL instead of into a server."""

from __future__ import annotations

import os
import typing as t

from ..private import open_private, write_all
from ..result import Notice
from ..sources import RestorePlan, RestoreTarget
from .chosen import Sections
from .naming import quoted

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader


class DumpWriting:
    """See sources.Restoring. The file is called as the component, ``.sql`` added; mode 0600, because it may hold accounts."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self._sections = Sections(component, target.include)
        self._path = os.path.join(t.cast(str, target.to), component.component.name + ".sql")
        self._new = self._path + ".new"
        self._old = self._path + ".old"
        self._committed = False
        self.plan = self.look()

    def look(self) -> RestorePlan:
        if not self._sections.chosen:
            return RestorePlan()
        if os.path.lexists(self._path):
            return RestorePlan(overwrite=[self._path], overwrite_count=1)
        return RestorePlan(create=[self._path], create_count=1)

    def stage(self, progress: t.Callable[[int], None]) -> None:
        if not self._sections.chosen:
            return
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        fd = open_private(self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            for data in self._all():
                write_all(fd, data)
                progress(len(data))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _all(self) -> t.Iterator[t.Union[bytes, memoryview]]:
        database = ""
        if not self._sections.all:
            yield self._sections.header()
        for section, entry in self._sections.chosen:
            if not self._sections.all:
                if section.kind == "header":
                    continue
                if section.database != database and section.database:
                    database = section.database
                    yield ("USE %s;\n" % quoted(database)).encode("utf-8", "surrogateescape")
            yield from self._sections.read(entry)

    def commit(self) -> t.List[Notice]:
        if self._sections.chosen:
            if os.path.lexists(self._path):
                os.rename(self._path, self._old)
            os.rename(self._new, self._path)
            self._committed = True
        return []

    def undo(self) -> None:
        if os.path.lexists(self._old):
            os.replace(self._old, self._path)
        elif self._committed:
            os.unlink(self._path)
        self._committed = False

    def finish(self) -> None:
        for path in (self._new, self._old):
            if os.path.lexists(path):
                os.unlink(path)
