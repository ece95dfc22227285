# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of tables as a component: JSON lines, in segments that an increment adds to (docs/format.md, Rows)."""

from __future__ import annotations

import json
import typing as t

from ..errors import FleetBackupError
from .frames import FrameWriter
from .index import Entry, IndexWriter, entry_path
from .stream import StreamWriter


class RowsWriter(StreamWriter):
    """Takes the lines of segments: begin_segment(), then write(). What an older backup has is kept with keep().

    ``previous`` yields the lines of the index of the backup that this one builds upon; ``refers`` is told what is kept.
    """

    def __init__(
        self, frames: FrameWriter, index: IndexWriter, backup_id: str, previous: t.Callable[[], t.Iterator[bytes]],
        refers: t.Callable[..., None],
    ) -> None:  # fmt: skip
        super().__init__(frames, index, backup_id, b"")
        self._previous = previous
        self._refers = refers
        self._kept = 0
        self._more = b""
        #: Whether anything of an older backup was kept.
        self.builds_upon = False
        #: Why the index of the backup before could not be read.
        self.trouble: t.Optional[Exception] = None

    def previous(self) -> t.Dict[bytes, bytes]:
        """The lines of the entries of the backup that this one builds upon, by their paths; none when they cannot be read."""
        try:
            return {entry_path(json.loads(line)): line for line in self._previous()}
        except (FleetBackupError, OSError, ValueError) as error:
            self.trouble = error
            return {}

    def keep(self, path: bytes, line: bytes) -> None:
        """Go on listing an entry of an older backup."""
        entry: Entry = json.loads(line)
        if entry.get("bytes"):
            self._refers(*entry["bytes"])
        self._kept += entry.get("size", 0)
        self._lines[path] = line + b"\n"
        self.builds_upon = True

    def begin_segment(self, path: bytes, kind: str, more: t.Mapping[str, t.Any]) -> None:
        """Begin an entry. ``more`` are its further keys: ``layout``, ``until``."""
        self.begin_entry(path, kind)
        self._more = b"".join(
            b",%s:%s" % (json.dumps(key).encode("ascii"), json.dumps(value, ensure_ascii=False).encode("utf-8"))
            for key, value in more.items()
        )

    def close(self) -> None:
        super().close()
        self.bytes += self._kept

    def _end_entry(self) -> None:
        if self._type == b"stream":
            return
        super()._end_entry()
        line = self._lines[self._path]
        self._lines[self._path] = line[:-2] + self._more + b"}\n"
