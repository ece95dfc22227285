# SPDX-License-Identifier: GPL-3.0-or-later
"""One source into one plain file, without a store: for the steps that people compose themselves."""

from __future__ import annotations

import hashlib
import typing as t

from ..errors import SourceError
from ..job import Compression
from ..manifest import Component, StoredFile
from ..result import WARNING, Result
from ..sources import Source
from .codec import codec
from .component import ComponentWriter
from .index import IndexReader

Write = t.Callable[[t.Union[bytes, memoryview]], t.Any]


class Packed(t.NamedTuple):
    """What was written, what was true of the source, and the entries."""

    component: Component
    facts: t.Dict[str, t.Any]
    reader: IndexReader


def pack(
    source: Source, archive_format: str, compression: Compression, write: Write, scratch: t.IO[bytes], result: Result
) -> Packed:
    """Read ``source`` and tell ``write`` the bytes of its one volume. ``scratch`` takes the index; ``result`` the notices.

    Raises SourceError, and what ``write`` raises.
    """
    creator = _Creator(write, scratch.write)
    writer = ComponentWriter(source.name, source.name, source.name, archive_format, compression, creator)
    try:
        reading = source.backup(writer, lambda _count: None)
        if reading.failure:
            raise SourceError(reading.failure)
        component = writer.finish(reading.facts, {})
    except BaseException:
        writer.abort()
        raise
    for notice in reading.notices:
        result.warnings.append(notice)
        result.outcome = WARNING

    def read(offset: int, size: int) -> bytes:
        scratch.seek(offset)
        return scratch.read(size)

    algorithm = "gzip" if component.compression == "deflate" else component.compression
    return Packed(component, reading.facts, IndexReader("the new file", read, component.index.table, codec(algorithm, 1)))


class _Creator:
    """Keeps the volume and the index of a component; the rest is of no use here."""

    seals = False

    def __init__(self, write: Write, write_index: Write) -> None:
        self._write = write
        self._write_index = write_index

    def create(self, name: str) -> _Object:
        return _Object(name, self._write)

    def create_index(self, name: str) -> _Object:
        return _Object(name, self._write_index)

    def create_clear(self, name: str) -> _Object:
        return _Object(name, lambda _data: None)

    def put(self, name: str, data: bytes) -> StoredFile:
        raise NotImplementedError

    def room(self, size: int) -> int:
        return size

    def keep_base(self, replaces: bool) -> None:
        return None

    def scratch(self) -> t.BinaryIO:
        raise NotImplementedError


class _Object:
    """One of the objects that a component leaves, going to ``write``."""

    def __init__(self, name: str, write: Write) -> None:
        self._name = name
        self._write = write
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._digest.update(data)
        self._size += len(data)
        self._write(data)

    def commit(self) -> StoredFile:
        return StoredFile(self._name, self._size, self._digest.hexdigest())
