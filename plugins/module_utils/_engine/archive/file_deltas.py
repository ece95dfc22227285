# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed large files of a tree: each compressed against its bytes in the backup that holds them whole (docs/format.md)."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ..errors import FleetBackupError, IntegrityError
from . import delta
from .anchors import Anchors, Sampler
from .base import BasePart
from .codec import Buffers, ZstdCodec
from .delta import DeltaEncoder
from .frames import FrameWriter
from .index import Entry
from .previous import last_frame
from .references import OpenBase, Parent
from .volumes import VolumeWriter

#: A row of the frame table: offset, stored, raw, and start, size and number of the base of the run; null without one.
Row = t.List[t.Any]


class _File(t.NamedTuple):
    """A file whose frames may still be in work. ``base``: the number of the backup among the bases."""

    first: int
    encoder: DeltaEncoder
    part: BasePart
    base: int


class Upon(t.NamedTuple):
    """Where the bytes of a changed file go, and what its entry says of the ones that they are compressed against."""

    frames: FrameWriter
    field: bytes


class FileDeltas:
    """Takes changed files of at least ``least`` bytes. ``scratch()`` begins a private file for their frames.

    Each file begins a frame, and all its frames but the last are full.
    """

    def __init__(self, zstd: ZstdCodec, parent: Parent, least: int, scratch: t.Callable[[], t.BinaryIO]) -> None:
        self._zstd = zstd
        self._parent = parent
        self._make_scratch = scratch
        self._scratch: t.Optional[t.BinaryIO] = None
        self._frames: t.Optional[FrameWriter] = None
        self._files: t.Tuple[_File, ...] = ()
        self._runs: t.Dict[int, t.Tuple[int, int, int]] = {}
        #: Why a base could not be read. Files are then stored without it.
        self.trouble: t.Optional[FleetBackupError] = None
        self.least = least
        #: The backups that frames are compressed against.
        self.bases: t.List[str] = []

    @property
    def raw(self) -> int:
        """Bytes of the files so far."""
        return 0 if self._frames is None else self._frames.raw

    def begin(self, line: bytes, refers: t.Callable[[str, int, int, int], None]) -> t.Optional[Upon]:
        """Begin a file, of which the backup before had the entry ``line``; None when it is to be stored in full.

        ``refers`` is told what it builds upon.
        """
        if self.trouble is not None:
            return None
        try:
            return self._begin(json.loads(line), refers)
        except FleetBackupError as error:
            self.trouble = error
            return None

    def store(self, volumes: VolumeWriter) -> t.Tuple[t.List[Row], t.List[int]]:
        """Store all frames; return their rows, and how many of them each volume has. Raises what a worker raised."""
        rows: t.List[Row] = []
        counts = [0]
        if self._frames is None or self._scratch is None:
            return rows, counts
        self._frames.close()
        self._scratch.seek(0)
        offset = 0
        for frame, (_offset, stored, raw) in enumerate(self._frames.table):
            if volumes.fit(stored):
                counts.append(0)
                offset = 0
            volumes.write(self._scratch.read(stored))
            rows.append([offset, stored, raw, self._runs.get(frame)])
            offset += stored
            counts[-1] += 1
        self._scratch.close()
        volumes.close()
        return rows, counts

    def abort(self) -> None:
        """Stop; what is not stored yet is dropped."""
        if self._frames is not None:
            self._frames.abort()
        if self._scratch is not None:
            self._scratch.close()

    def _begin(self, entry: Entry, refers: t.Callable[[str, int, int, int], None]) -> t.Optional[Upon]:
        place, sha256 = _whole_bytes(entry)
        if place is None:
            return None
        backup_id, frame, offset, size = place
        last = last_frame(frame, offset, size)
        base = self._parent.base(backup_id, frame, last)
        if base is None or self._has_grown(entry, base, frame, last):
            return None
        part = base.frames.part(frame, offset, size)
        found, anchors = _sampled(base, frame, offset, size)
        if sha256 not in (None, found):
            raise IntegrityError("its bytes in backup %s are not what was backed up (their SHA-256 differs)" % backup_id)
        frames = self._frame_writer()
        frames.cut()
        if backup_id not in self.bases:
            self.bases.append(backup_id)
        file = _File(frames.frame, DeltaEncoder(self._zstd, part, anchors, frames.frame), part, self.bases.index(backup_id))
        # Each has a buffer at least, and of those there are no more.
        self._files = (*self._files[-frames.buffers :], file)
        refers(backup_id, frame, offset, size)
        field = b',"base":["%s",%d,%d,%d,"%s"]' % (backup_id.encode("ascii"), frame, offset, size, found.encode("ascii"))
        return Upon(frames, field)

    def _has_grown(self, entry: Entry, base: OpenBase, frame: int, last: int) -> bool:
        """Whether the last delta of a file took so much that it is to be stored in full again."""
        if "delta" not in entry:
            return False
        backup_id, first, offset, size = entry["delta"]
        table = self._parent.delta_table(backup_id)
        if table is None:
            return False
        took = sum(table.row(n)[2] for n in range(first, last_frame(first, offset, size, delta.FRAME) + 1))
        whole = sum(base.reader.table.row(n)[2] for n in range(frame, last + 1))
        return took > delta.WORTHWHILE * whole

    def _frame_writer(self) -> FrameWriter:
        if self._frames is None:
            self._scratch = self._make_scratch()
            self._frames = FrameWriter(self._zstd, self._scratch, delta.FRAME, self._encode, delta.WORKERS)
        return self._frames

    def _encode(self, frame: int, view: memoryview, last: bool) -> Buffers:
        file = next(file for file in reversed(self._files) if file.first <= frame)
        buffers = file.encoder.encode(frame, view, last)
        self.trouble = self.trouble or file.encoder.trouble
        run = file.encoder.runs.get(frame)
        if run is not None:
            self._runs[frame] = (file.part.start + run[0], run[1], file.base)
        return buffers


def _whole_bytes(entry: Entry) -> t.Tuple[t.Optional[t.Tuple[str, int, int, int]], t.Optional[str]]:
    """Where the last full bytes of a file lie, and their SHA-256 as far as it is known."""
    if "base" in entry:
        backup_id, frame, offset, size, sha256 = entry["base"]
        return (backup_id, frame, offset, size), sha256
    if "bytes" not in entry:
        return None, None
    # That of a sparse file is of its holes too.
    return tuple(entry["bytes"]), None if "segments" in entry else entry["sha256"]


def _sampled(base: OpenBase, frame: int, offset: int, size: int) -> t.Tuple[str, Anchors]:
    """Read all of an older file: its SHA-256, and what to find parts of it by."""
    digest = hashlib.sha256()
    sampler = Sampler()
    for data in base.reader.read(frame, offset, size, alone=True):
        digest.update(data)
        sampler.add(data)
    return digest.hexdigest(), sampler.anchors()
