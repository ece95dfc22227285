# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding again what was in another dump, wherever it lies now: sampled fingerprints of a base, and the run that a frame needs.

Content decides what is sampled: the 32 bytes after each occurrence of a rare pair of bytes, so that a row is sampled wherever it
was shifted to. The pairs are chosen from the base itself. However large the base, there are at most SAMPLES.
"""

from __future__ import annotations

import array
import bisect
import collections
import itertools
import re
import sys
import typing as t
import zlib

#: Fingerprints that are kept of a base, 8 bytes each.
SAMPLES = 1 << 17

#: The prefix of a frame is neither shorter nor longer (docs/format.md, Deltas).
SHORTEST, LONGEST = 8, 8 << 20

_LENGTH = 32

# A fingerprint is a CRC-32 above a position in units of 64 bytes; so what lies beyond 256 GiB is not sampled.
_UNIT = 6
_POSITIONS = (1 << 32) - 1

# A pair of bytes is wanted about once in 4 KiB. Where more than half of all cells have none, one more is chosen.
_PROBES = 4
_PROBE = 16 << 10
_WANTED = _PROBES * _PROBE >> 12
_CANDIDATES = 12
_CELL = 16
_MOST_PAIRS = 4

# Bytes in which a pair is everywhere are sampled at their beginning only.
_MOST_MATCHES = 1 << 14

# So few hits may be chance.
_FEW = 4

# Where most is known is looked for in steps of so many bytes.
_STEP = 20
_STEPS = LONGEST >> _STEP

# A prefix is longer than its outermost hits tell: a few rows may have been deleted or inserted beyond them.
_MARGIN = 64 << 10

_MAGIC = b"fleet.backup anchors 1\n"

Raw = t.Union[bytes, bytearray, memoryview]


class Anchors:
    """What is known of a base: pairs of bytes, and sorted fingerprints of what follows them.

    Only fingerprints whose low bits (``mask``) are zero are kept, and none that occurs twice.
    """

    def __init__(self, pairs: t.Sequence[bytes], mask: int, table: array.array[int]) -> None:
        self._pairs = pairs
        self._mask = mask
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def run(self, data: Raw, size: int) -> t.Optional[t.Tuple[int, int]]:
        """``(start, size)`` of the run of the base that the bytes of a new frame resemble; None when nothing tells.

        ``size`` is that of the base.
        """
        hits, sampled = self._find(data)
        if not hits:
            return None
        votes = collections.Counter(position >> _STEP for _place, position in hits)
        # A few stray rows are not worth a longer run.
        steps = sorted(step for step, count in votes.items() if count * 64 >= len(hits)) or sorted(votes)
        low = max(steps, key=lambda step: sum(votes[step + n] for n in range(_STEPS)))
        high = max(step for step in steps if step < low + _STEPS)
        inside = [hit for hit in hits if low <= hit[1] >> _STEP <= high]
        if len(hits) * 4 < sampled and len(inside) * 2 < len(hits) + _FEW:
            return None  # rows that are alike by chance, all over the base
        # To the ends of the new frame, as far from the outermost hits as there.
        places = [position for _place, position in inside]
        first = min([places[0] - inside[0][0], *places])
        last = max([places[-1] - inside[-1][0] + len(data), *places])
        return run_of(max(first, low << _STEP) if last - first > LONGEST else first, last, size)

    def to_bytes(self) -> bytes:
        table = self._table[:]
        if sys.byteorder == "big":
            table.byteswap()
        head = b"%d %s\n" % (self._mask, b" ".join(pair.hex().encode("ascii") for pair in self._pairs))
        data = _MAGIC + head + table.tobytes()
        return data + zlib.crc32(data).to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Anchors:
        """What to_bytes() returned. Raises ValueError for anything else."""
        if not data.startswith(_MAGIC) or zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
            raise ValueError("no anchors of this version")
        head, _newline, rest = data[len(_MAGIC) : -4].partition(b"\n")
        mask, *pairs = head.split()
        table = array.array("Q", rest)
        if sys.byteorder == "big":
            table.byteswap()
        return cls([bytes.fromhex(pair.decode("ascii")) for pair in pairs], int(mask), table)

    def _find(self, data: Raw) -> t.Tuple[t.List[t.Tuple[int, int]], int]:
        """``(offset, position in the base)`` of what is known, by offset; and how many samples there were."""
        hits = []
        sampled = 0
        table = self._table
        count = len(table)
        for pair in self._pairs:
            for offset, print_ in _samples(data, pair, self._mask):
                sampled += 1
                place = bisect.bisect_left(table, print_ << 32)
                if place < count and table[place] >> 32 == print_:
                    hits.append((offset, (table[place] & _POSITIONS) << _UNIT))
        hits.sort()
        return hits, sampled


class Sampler:
    """Makes the Anchors of a base, which is given piece by piece, in order."""

    def __init__(self) -> None:
        self._pairs: t.List[bytes] = []
        self._mask = 0
        self._prints: t.List[int] = []
        self._position = 0

    def add(self, data: Raw) -> None:
        """Take the next bytes of the base; best a whole frame."""
        cells = set().union(*(self._sample(data, pair) for pair in self._pairs))
        if len(self._pairs) < _MOST_PAIRS and len(cells) * 2 <= len(data) >> _CELL:
            pair = _choose_pair(data)
            if pair is not None and pair not in self._pairs:
                self._pairs.append(pair)
                self._sample(data, pair)
        self._position += len(data)

    def anchors(self) -> Anchors:
        self._prints.sort()
        known = collections.Counter(value >> 32 for value in self._prints)
        # What occurs twice tells no place.
        table = array.array("Q", [value for value in self._prints if known[value >> 32] == 1])
        return Anchors(self._pairs, self._mask, table)

    def _sample(self, data: Raw, pair: bytes) -> t.Set[int]:
        """Keep the samples after one pair; return the cells that have any."""
        cells = set()
        for offset, print_ in _samples(data, pair, 0):
            cells.add(offset >> _CELL)
            position = self._position + offset >> _UNIT
            if position <= _POSITIONS and not print_ & self._mask:
                self._prints.append(print_ << 32 | position)
        while len(self._prints) > SAMPLES:
            self._mask = self._mask << 1 | 1
            kept = self._mask << 32
            self._prints = [value for value in self._prints if not value & kept]
        return cells


def _samples(data: Raw, pair: bytes, mask: int) -> t.Iterator[t.Tuple[int, int]]:
    """``(offset, fingerprint)`` after each occurrence of a pair, as far as the mask keeps them."""
    crc32 = zlib.crc32
    last = len(data) - _LENGTH
    for match in itertools.islice(re.finditer(re.escape(pair), data), _MOST_MATCHES):
        offset = match.end()
        if offset > last:
            return
        print_ = crc32(data[offset : offset + _LENGTH])
        if not print_ & mask:
            yield offset, print_


def _choose_pair(data: Raw) -> t.Optional[bytes]:
    """A pair of bytes that occurs about once in 4 KiB, in most cells, and after which mostly something else follows each time."""
    stride = max(len(data) // _PROBES, 1)
    counts: t.Counter[t.Tuple[int, int]] = collections.Counter()
    for start in range(0, len(data), stride):
        probe = bytes(data[start : start + _PROBE])
        counts.update(zip(probe, probe[1:]))
    near = [pair for pair, count in counts.items() if _WANTED / 4 <= count <= _WANTED * 4]
    near.sort(key=lambda pair: (abs(counts[pair] - _WANTED), pair))
    best, best_worth = None, (0, 0)
    for pair in map(bytes, near[:_CANDIDATES]):
        places = {print_: offset >> _CELL for offset, print_ in _samples(data, pair, 0)}
        worth = (len(set(places.values())), len(places))
        if worth > best_worth:
            best, best_worth = pair, worth
    return best


def run_of(first: int, last: int, size: int) -> t.Optional[t.Tuple[int, int]]:
    """``(start, size)`` of the run from ``first`` to ``last`` with its margins, as far as a base has such a place."""
    first = max(first - _MARGIN, 0)
    last = min(last + _MARGIN, first + LONGEST, size)
    return (first, last - first) if last - first >= SHORTEST else None
