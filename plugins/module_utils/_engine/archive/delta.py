# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that cost what has changed: compressed with a run of a base's raw bytes as prefix (docs/format.md, Deltas)."""

from __future__ import annotations

import typing as t

from ..errors import FleetBackupError, IntegrityError
from .anchors import Anchors, run_of
from .base import BaseFrames, BasePart, Raw
from .codec import Buffers, Codec, ZstdCodec
from .frame_table import FrameTable
from .frames import cores

#: A frame of a delta holds so many bytes, fewer than others, because it is not alone in memory: there is its prefix, and a part
#: of the base that the prefix is taken from.
FRAME = 2 << 20

#: Frames that are compressed or decoded at the same time, at most: each has its prefix in memory, twice for a moment.
WORKERS = 2

#: Number of a base, start and size of a run of it.
Prefix = t.Callable[[int, int, int], Raw]

# Frames that need no base.
_PLAIN_WORKERS = 4

#: Full again when the last delta took more than this part of what its base takes: a delta never grows smaller.
WORTHWHILE = 0.3

# A frame that takes more than this part of its raw bytes may be smaller without a base ...
_DOUBTFUL = 0.5
# ... and is then stored without one, unless that takes this much more.
_GAIN = 1.02


class DeltaEncoder:
    """Compresses the frames of a stream, each against what it resembles in the base. encode() is for several threads.

    ``first``: the number of its first frame.
    """

    def __init__(self, zstd: ZstdCodec, base: t.Union[BaseFrames, BasePart], anchors: Anchors, first: int = 0) -> None:
        self._zstd = zstd
        self._base = base
        self._anchors = anchors
        # A frame, and where its run starts.
        self._newest = (first, 0)
        #: By the number of a frame, start and size of the run of the base that it was compressed against.
        self.runs: t.Dict[int, t.Tuple[int, int]] = {}
        #: Why the base could not be read all the time. Frames are then stored without it.
        self.trouble: t.Optional[FleetBackupError] = None

    def encode(self, frame: int, view: memoryview, last: bool) -> Buffers:
        """Return the stored form of a frame: all frames of a stream but the last are full."""
        found = self._anchors.run(view, self._base.size)
        used = found or self._guess(frame, len(view))
        if used is None:
            return self._zstd.compress(view, last)
        try:
            prefix = self._zstd.prefix(self._base.read(*used))
        except FleetBackupError as error:
            self.trouble = self.trouble or error
            return self._zstd.compress(view, last)
        delta = self._zstd.compress_against(view, prefix)
        if found is None or len(delta) > _DOUBTFUL * len(view):
            plain = self._zstd.compress(view, last)
            if sum(map(len, plain)) <= len(delta) * _GAIN:
                return plain
        if found is not None:
            self._newest = max(self._newest, (frame, found[0]))
        self.runs[frame] = used
        return [delta]

    def _guess(self, frame: int, size: int) -> t.Optional[t.Tuple[int, int]]:
        """Where nothing tells, what follows on what was found for an earlier frame is the best guess."""
        known, start = self._newest
        start += (frame - known) * FRAME
        return run_of(start, start + size, self._base.size)


class FrameDecoder:
    """Decodes the frames of a component. For several threads.

    ``prefix``: for a delta, returns raw bytes of a base, given the number of that, where they start and how many they are.
    """

    def __init__(self, codec: Codec, table: FrameTable, prefix: t.Optional[Prefix] = None) -> None:
        self._codec = codec
        self._table = table
        self._prefix = prefix
        #: How many threads may decode at the same time.
        self.workers = min(cores(), WORKERS if table.is_delta else _PLAIN_WORKERS)

    def decode(self, frame: int, data: t.Union[bytes, memoryview], raw: int) -> Raw:
        """Return the ``raw`` bytes of a frame. Raises IntegrityError, whose ``objects`` are empty unless the base is to blame."""
        used = self._table.base_run(frame)
        if used is None:
            return self._codec.decompress(data, raw)
        if self._prefix is None or not isinstance(self._codec, ZstdCodec):
            raise IntegrityError("it needs a base, and has none")
        return self._codec.decompress(data, raw, self._codec.prefix(self._prefix(self._table.base(frame), *used)))
