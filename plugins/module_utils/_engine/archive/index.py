# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of a component: written in one pass, read whole or from any path on (docs/format.md, The index)."""

from __future__ import annotations

import base64
import collections
import json
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from ..errors import IntegrityError
from .codec import Buffers, Codec
from .frames import Output

#: Lines are grouped into frames of at least this many raw bytes ...
_GROUP = 256 << 10
#: ... but where one of the index before ends, this many are enough: the next one can then be taken over as it is stored.
_ENOUGH = _GROUP // 2
#: Frames of the index that may be waiting to be compressed.
_IN_WORK = 3
#: Stored bytes of an index that are read at once, when it is read in order.
_AT_ONCE = 1 << 20

# What json.loads() calls after looking for an encoding and for space: half the time for a line.
_scan: t.Callable[[str, int], t.Tuple[t.Any, int]] = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009  typeshed does not know it

Entry = t.Dict[str, t.Any]


class Root(t.NamedTuple):
    """Where a root of the source was, and what the archive paths of its entries begin with."""

    path: bytes
    name: bytes


class IndexFrame(t.NamedTuple):
    """Entries of an index: their lines, with the newlines; and how they are stored, where the frame holds nothing else."""

    lines: bytes
    stored: t.Optional[bytes]


def _text(entry: Entry, key: str) -> bytes:
    value = entry.get(key)
    if value is not None:
        return t.cast(str, value).encode("utf-8")
    return base64.b64decode(entry[key + "_b64"])


def entry_path(entry: Entry) -> bytes:
    """The archive path of an entry."""
    return _text(entry, "path")


def entry_target(entry: Entry) -> bytes:
    """What a symlink says, or the path of the entry that a hard link equals."""
    return _text(entry, "target")


def stored_place(entry: Entry) -> t.Tuple[bool, t.Optional[t.Sequence[t.Any]]]:
    """Whether an entry's bytes are a delta, and where they lie: backup, frame, offset, size; None when it has none."""
    return ("delta" in entry), entry.get("delta") or entry.get("bytes")


def sort_key(path: bytes) -> bytes:
    """Archive paths sorted by this are in the order of the index: compared by components, bytewise."""
    # "/" must sort before every other byte. Names cannot hold NUL, so it can stand for the separator.
    return path.replace(b"/", b"\0")


class IndexWriter:
    """Takes the lines of an index and writes it, in bounded memory, to ``output``."""

    def __init__(self, header: t.Dict[str, t.Any], codec: Codec, output: Output) -> None:
        self._codec = codec
        self._output = output
        self._lines: t.List[bytes] = []
        self._size = 0
        self._offset = 0
        self._first: t.Optional[bytes] = None
        self._table: t.List[t.List[t.Any]] = []
        # Compressed beside the reader, which is busy with files; written by it, in order.
        self._worker = ThreadPoolExecutor(1, "index")
        self._pending: t.Deque[t.Tuple[t.Union[Future[Buffers], bytes], int, t.Any]] = collections.deque()
        #: Entries so far.
        self.count = 0
        self._lines.append(json.dumps({"index": 1, **header}, separators=(",", ":"), ensure_ascii=False).encode("utf-8") + b"\n")
        self._size = len(self._lines[0])

    def add(self, path: bytes, line: bytes) -> None:
        """Append an entry: its line, with the newline. Entries come in the order of sort_key(path)."""
        if self._first is None:
            self._first = path
        self.count += 1
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _GROUP:
            self._flush()

    def add_frame(self, frame: IndexFrame) -> None:
        """Append the entries of a frame of another index, which the caller has counted.

        As it is stored, where those before are enough for a frame of their own.
        """
        if frame.stored is not None and (not self._lines or self._size >= _ENOUGH):
            self._flush()
            self._pending.append((frame.stored, len(frame.lines), _table_path(_first_path(frame.lines))))
            self._store(_IN_WORK)
            return
        self.add_lines(frame.lines)
        if self._size >= _ENOUGH:
            self._flush()

    def add_lines(self, lines: bytes) -> None:
        """Append several entries, or none, which the caller has counted: their lines, with the newlines, as in another index."""
        if not lines:
            return
        if self._size + len(lines) > 2 * _GROUP:
            self._flush()
        if self._first is None:
            self._first = _first_path(lines)
        self._lines.append(lines)
        self._size += len(lines)

    def close(self) -> t.List[int]:
        """Write the rest and the table; return the table's place: ``[offset, stored, raw]``."""
        self._flush()
        self._store(0)
        line = json.dumps({"table": self._table}, separators=(",", ":"), ensure_ascii=False).encode("utf-8") + b"\n"
        self._submit(line, b"")
        self._store(0)
        self.abort()
        return self._table.pop()[:3]

    def abort(self) -> None:
        """Stop the thread; what is not stored yet is dropped."""
        self._worker.shutdown()

    def _flush(self) -> None:
        if self._lines:
            self._submit(b"".join(self._lines), self._first or b"")
            self._lines, self._size, self._first = [], 0, None
            self._store(_IN_WORK)

    def _submit(self, data: bytes, first: bytes) -> None:
        future = self._worker.submit(self._codec.compress, memoryview(data), True)
        self._pending.append((future, len(data), _table_path(first)))

    def _store(self, keep: int) -> None:
        """Write the frames that are compressed, until only ``keep`` are in work."""
        while len(self._pending) > keep:
            data, raw, first = self._pending.popleft()
            stored = 0
            for buffer in [data] if isinstance(data, bytes) else data.result():
                self._output.write(buffer)
                stored += len(buffer)
            self._table.append([self._offset, stored, raw, first])
            self._offset += stored


def _first_path(lines: bytes) -> bytes:
    return entry_path(json.loads(lines[: lines.index(b"\n")]))


def _table_path(path: bytes) -> t.Any:
    """A path in the table: a text, or a list with its base64 when it is not UTF-8."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return [base64.b64encode(path).decode("ascii")]


def _from_table(value: t.Any) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else base64.b64decode(value[0])


class Entries:
    """Iterates over the entries of an index. What comes next may also be taken as it stands in ``text``, from ``at`` on.

    ``frames`` are lines, each with its newline. Raises IntegrityError, which names ``name``, when one is no entry.
    """

    def __init__(self, name: str, frames: t.Iterable[bytes]) -> None:
        self._name = name
        self._frames = iter(frames)
        self.text = ""
        self.at = 0
        #: Where the last entry began.
        self.began = 0

    def __iter__(self) -> Entries:
        return self

    def __next__(self) -> Entry:
        while self.at == len(self.text):
            self.text, self.at = self._decode(next(self._frames)), 0
        self.began = at = self.at
        end = self.text.find("\n", at)
        try:
            value, stop = _scan(self.text, at)
        except (ValueError, StopIteration) as error:
            raise self._refuse("a line is no JSON: %s" % error) from None
        if stop != end or value.__class__ is not dict:
            raise self._refuse("a line is no object")
        self.at = end + 1
        return t.cast(Entry, value)

    def _decode(self, lines: bytes) -> str:
        try:
            return lines.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._refuse("a line is no JSON: %s" % error) from None

    def _refuse(self, why: str) -> IntegrityError:
        return IntegrityError("%s: %s" % (self._name, why), [self._name])


class IndexReader:
    """Reads an index by ranges: only the frames that are asked for.

    ``read(offset, size)`` returns bytes of the stored object; ``table`` is ``index.table`` of the manifest. All methods
    raise IntegrityError naming ``name`` when what is there is not an index.
    """

    def __init__(self, name: str, read: t.Callable[[int, int], bytes], table: t.Sequence[int], codec: Codec) -> None:
        self._name = name
        self._read = read
        self._codec = codec
        #: The name of the codec.
        self.codec = codec.name
        self._place = table
        self._rows: t.List[t.List[t.Any]] = []
        self._header: t.Optional[t.Dict[str, t.Any]] = None

    def header(self) -> t.Dict[str, t.Any]:
        """The first line."""
        if self._header is None:
            offset, stored, raw, _first = self._table()[0]
            self._header = self._parse(self._decode(self._read(offset, stored), raw).split(b"\n", 1)[0])
        return self._header

    def roots(self) -> t.List[Root]:
        return [Root(_text(r, "path"), _text(r, "name")) for r in self.header().get("roots", [])]

    def entries(self, start: bytes = b"") -> Entries:
        """All entries in order, or those from the archive path ``start`` on."""
        key = sort_key(start)
        entries = Entries(self._name, (frame.lines for frame in self.frames(self._frame_of(key) if start else 0)))
        if start:
            for entry in entries:
                if sort_key(entry_path(entry)) >= key:
                    entries.at = entries.began
                    break
        return entries

    def frames(self, first: int = 0) -> t.Iterator[IndexFrame]:
        """All entries from the frame number ``first`` on, a frame at a time."""
        for n, (data, raw) in enumerate(self._stored(first), first):
            lines = self._decode(data, raw)
            if n:
                yield IndexFrame(lines, data)
            else:
                yield IndexFrame(lines[lines.index(b"\n") + 1 :], None)  # the very first line is the header

    def lines(self, first: int = 0) -> t.Iterator[bytes]:
        """The lines of all entries, without their ends, from the frame number ``first`` on."""
        for frame in self.frames(first):
            yield from frame.lines.splitlines()

    def find(self, path: bytes) -> t.Optional[Entry]:
        """The entry with exactly this archive path."""
        for entry in self.entries(path):
            return entry if entry_path(entry) == path else None
        return None

    def _frame_of(self, key: bytes) -> int:
        table = self._table()
        low, high = 0, len(table)
        while low < high:
            middle = (low + high) // 2
            if sort_key(_from_table(table[middle][3])) <= key:
                low = middle + 1
            else:
                high = middle
        return max(low - 1, 0)

    def _table(self) -> t.List[t.List[t.Any]]:
        if not self._rows:
            offset, stored, raw = self._place
            self._rows = self._parse(self._decode(self._read(offset, stored), raw))["table"]
        return self._rows

    def _stored(self, first: int) -> t.Iterator[t.Tuple[bytes, int]]:
        """Each frame from the number ``first`` on, as it is stored, and its raw size. More and more are read at once."""
        rows = self._table()[first:]
        most = 0
        while rows:
            offset, size = rows[0][:2]
            count = 1
            while count < len(rows) and rows[count][0] == offset + size and size + rows[count][1] <= most:
                size += rows[count][1]
                count += 1
            data = self._read(offset, size)
            for row in rows[:count]:
                yield data[row[0] - offset : row[0] - offset + row[1]], row[2]
            del rows[:count]
            most = min(2 * size, _AT_ONCE)

    def _decode(self, data: bytes, raw: int) -> bytes:
        try:
            lines = bytes(self._codec.decompress(data, raw))
        except IntegrityError as error:
            raise IntegrityError("%s: %s" % (self._name, error), [self._name]) from None
        if not lines.endswith(b"\n"):
            raise IntegrityError("%s: a line does not end" % self._name, [self._name])
        return lines

    def _parse(self, line: bytes) -> t.Dict[str, t.Any]:
        try:
            text = line.decode("utf-8")
            value, end = _scan(text, 0)
        except (ValueError, StopIteration) as error:
            raise IntegrityError("%s: a line is no JSON: %s" % (self._name, error), [self._name]) from None
        if not isinstance(value, dict) or text[end:].strip():
            raise IntegrityError("%s: a line is no object" % self._name, [self._name])
        return value
