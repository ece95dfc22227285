# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that one component leaves on the stores: its volumes, its frame table, its index."""

from __future__ import annotations

import functools
import itertools
import json
import typing as t

from ..delivery import ObjectWriter
from ..job import Compression
from ..manifest import DELTA_ENDING, Component, Deltas, FrameTable, IndexObject, StoredFile, Volume
from .codec import Buffers, Codec, ZstdCodec, codec
from .frames import Copy, FrameWriter
from .index import IndexWriter, Root
from .large_files import LargeFileCopy
from .volumes import VolumeWriter

if t.TYPE_CHECKING:
    from .delta import DeltaEncoder
    from .file_deltas import FileDeltas, Row
    from .index_update import IndexUpdate
    from .references import Base, Parent, References
    from .rows import RowsWriter
    from .stream import StreamWriter
    from .tree_writer import TreeWriter

#: How the names of the objects that hold deltas of files go on after that of the component.
FILES_ENDING = ".files"


class Creator(t.Protocol):
    """Begins objects of the backup's folder."""

    @property
    def seals(self) -> bool:
        """Whether what tells of the content is encrypted."""

    def create(self, name: str) -> ObjectWriter:
        """Begin an object that tells of the content."""

    def create_index(self, name: str) -> ObjectWriter:
        """Begin the index of a component."""

    def create_clear(self, name: str) -> ObjectWriter:
        """Begin an object that holds numbers only."""

    def put(self, name: str, data: bytes) -> StoredFile:
        """Store a small object that tells of the content."""

    def room(self, size: int) -> int:
        """How many bytes an object from create() takes when it may be ``size`` bytes large on the store."""

    def keep_base(self, replaces: bool) -> t.Optional[BaseCopy]:
        """Begin a private copy of frames, for the deltas to come; None when they need none.

        ``replaces``: it may take the place of older ones of the component.
        """

    def scratch(self) -> t.BinaryIO:
        """Begin a private file for what is stored later."""


class BaseCopy(t.Protocol):
    """Takes frames as they are before they are encrypted. Its methods raise nothing: a copy that fails is given up."""

    def fits(self, size: int) -> bool:
        """Whether so many more bytes may be kept."""

    def write(self, data: t.Union[bytes, memoryview]) -> None: ...

    def commit(self, frame_table: bytes, kept: t.Optional[t.List[t.List[int]]] = None) -> None:
        """``kept``: first and last of each run of frames that were written; all of them by default."""

    def abort(self) -> None: ...


class Reader(t.Protocol):
    """What reads older backups meanwhile."""

    @property
    def trouble(self) -> t.Optional[Exception]:
        """Why it could not, all the time."""


class ComponentWriter:
    """What a source writes its data into: once, with stream() or with tree().

    ``creator`` begins the objects of the backup's folder. An increment builds upon ``parent`` if it is a tree, and upon ``base``
    if it is a stream that is compressed with zstd. Volumes are no larger than ``volume_size``, where it is given. Changed files
    of a tree that are at least ``delta_from`` bytes large are stored as deltas, where that can be.
    """

    def __init__(
        self, name: str, source: str, backup_id: str, archive_format: str, compression: Compression,
        creator: Creator, parent: t.Optional[Parent] = None, base: t.Optional[Base] = None,
        volume_size: t.Optional[int] = None, delta_from: t.Optional[int] = None,
    ) -> None:  # fmt: skip
        self.name = name
        self._parent = parent
        self._base = base
        self._upon: t.Union[Parent, Base, None] = None
        self._take: t.Optional[Copy] = None
        self._delta: t.Optional[DeltaEncoder] = None
        self._copy: t.Union[BaseCopy, LargeFileCopy, None] = None
        self._file_deltas: t.Optional[FileDeltas] = None
        self._large_files: t.Optional[LargeFileCopy] = None
        self._update: t.Optional[IndexUpdate] = None
        self._readers: t.List[Reader] = []
        #: What is used of older backups; None for a full component.
        self.references: t.Optional[References] = None
        self._source = source
        self._id = backup_id
        self._tree_format = archive_format
        self._compression = compression
        self._creator = creator
        self._volume_size = volume_size
        self._delta_from = delta_from
        self._content: t.Union[StreamWriter, RowsWriter, TreeWriter, None] = None
        self._frames: t.Optional[FrameWriter] = None

    @property
    def makes_delta(self) -> bool:
        """Whether a stream will be stored as what differs from an older one."""
        return self._base is not None

    def stream(self, entry_path: bytes, ending: str) -> StreamWriter:
        """Begin a component of shape ``stream``. ``ending`` names what it is, such as ``.sqlite``.

        ``entry_path`` is the path of its one entry, unless StreamWriter.begin_entry() tells of sections.
        """
        from .stream import StreamWriter

        stored = codec(self._compression.algorithm, self._compression.level)
        if isinstance(stored, ZstdCodec):
            self._upon = self._base
            if self._base is None:
                self._copy = copy = self._creator.keep_base(True)
                if copy is not None:
                    self._take = functools.partial(_keep, copy)
            else:
                from .delta import DeltaEncoder
                from .references import References

                self._delta = DeltaEncoder(stored, self._base.frames, self._base.anchors)
                self._readers.append(self._delta)
                self.references = References.to_all_of(self._base)
        stored_ending = stored.ending if self._delta is None else DELTA_ENDING
        frames, index = self._begin(ending + stored_ending, "stream", StreamWriter.format, stored, ())
        # Frames of a delta are all full: that is how the place of one in the base is guessed.
        self._content = StreamWriter(frames, index, self._id, entry_path, cuts=self._delta is None)
        return self._content

    def tree(self, roots: t.Sequence[Root]) -> TreeWriter:
        """Begin a component of shape ``tree``."""
        algorithm, level = self._compression.algorithm, self._compression.level
        if self._tree_format == "zip":
            from .zip import ZipWriter

            stored = codec("none" if algorithm == "none" else "deflate", level)
            frames, index = self._begin(".zip", "tree", ZipWriter.format, stored, roots)
            self._content = ZipWriter(frames, index, self._id, algorithm == "none")
        else:
            from .tar import TarWriter

            stored = codec(algorithm, level)
            if isinstance(stored, ZstdCodec) and self._delta_from is not None:
                self._prepare_file_deltas(stored, self._delta_from)
            frames, index = self._begin(".tar" + stored.ending, "tree", TarWriter.format, stored, roots)
            self._content = TarWriter(frames, index, self._id)
            self._content.deltas, self._content.copy = self._file_deltas, self._large_files
        if self._parent is not None and self._update is not None:
            from .references import References

            self._upon = self._parent
            self.references = References(self._parent.component_of)
            self._content.build_upon(self._update, self.references)
        return self._content

    def rows(self) -> RowsWriter:
        """Begin a component of shape ``rows``. An increment keeps what it still needs of the one that it builds upon."""
        from .references import References
        from .rows import RowsWriter

        stored = codec(self._compression.algorithm, self._compression.level)
        frames, index = self._begin(".jsonl" + stored.ending, "rows", RowsWriter.format, stored, ())
        parent = self._parent
        references = References(parent.component_of) if parent is not None else None

        def refers(*place: t.Any) -> None:
            if references is not None:
                self._upon, self.references = parent, references
                references.add(*place)

        content = RowsWriter(frames, index, self._id, parent.index.lines if parent is not None else lambda: iter(()), refers)
        self._content = content
        self._readers.append(content)
        return content

    def finish(self, facts: t.Dict[str, t.Any], warnings: t.Dict[str, int]) -> Component:
        """Store everything that is still to be stored and return the component as the manifest lists it."""
        frames, content = self._frames, self._content
        if frames is None or content is None:
            raise RuntimeError("source %s wrote nothing" % self.name)
        content.close()
        frames.close()
        self._volumes.close()
        volumes = _described(self._volumes, frames.counts)
        frame_table, table_data = self._store_table("", volumes, self._rows(frames))
        if self._copy is not None:
            self._copy.commit(table_data)
        deltas = self._finish_deltas()
        place = self._index.close()
        index = self._index_object.commit()
        return Component(
            name=self.name,
            source=self._source,
            shape=self._shape,
            kind="full" if self._upon is None else self._upon.kind,
            base=None if self._upon is None else self._upon.backup_id,
            format=content.format,
            compression=self._codec.name,
            entries=self._index.count,
            bytes=content.bytes,
            raw=frames.raw,
            stored=sum(volume.size for volume in volumes),
            volumes=volumes,
            frames=frame_table,
            index=IndexObject(index.name, index.size, index.sha256, index.header, place),
            facts=self._facts(facts),
            warnings=warnings,
            deltas=deltas,
        )

    def _finish_deltas(self) -> t.Optional[Deltas]:
        """Store what has changed of large files, if there is any."""
        files = self._file_deltas
        if files is None or not files.bases:
            return None
        stored = VolumeWriter(self._creator, self.name, FILES_ENDING + DELTA_ENDING, self._volume_size)
        rows, counts = files.store(stored)
        volumes = _described(stored, counts)
        frame_table, _data = self._store_table(FILES_ENDING, volumes, rows)
        return Deltas(files.bases, files.raw, sum(volume.size for volume in volumes), volumes, frame_table)

    def _store_table(self, ending: str, volumes: t.Sequence[Volume], rows: t.Sequence[Row]) -> t.Tuple[FrameTable, bytes]:
        left = iter(rows)
        described = [{"name": v.name, "frames": list(itertools.islice(left, v.frames))} for v in volumes]
        table = {"format": 1, "compression": self._codec.name, "volumes": described}
        data = json.dumps(table, separators=(",", ":")).encode("ascii") + b"\n"
        upload = self._creator.create_clear(self.name + ending + ".frames.json")
        upload.write(data)
        stored = upload.commit()
        return FrameTable(stored.name, stored.size, stored.sha256, None, len(rows)), data

    def _facts(self, facts: t.Dict[str, t.Any]) -> t.Union[t.Dict[str, t.Any], StoredFile]:
        if not self._creator.seals:
            return facts
        return self._creator.put(self.name + ".facts.json", json.dumps(facts, ensure_ascii=False).encode("utf-8") + b"\n")

    def abort(self) -> None:
        """Stop; what was written is dropped by the one who created the objects."""
        if self._frames is not None:
            self._frames.abort()
            self._index.abort()
        if self._file_deltas is not None:
            self._file_deltas.abort()
        if self._copy is not None:
            self._copy.abort()

    @property
    def trouble(self) -> t.Optional[Exception]:
        """Why what this builds upon could not be read all the time, so that more was stored than need be."""
        return next((reader.trouble for reader in self._readers if reader.trouble is not None), None)

    def _prepare_file_deltas(self, zstd: ZstdCodec, least: int) -> None:
        parent = self._parent
        if parent is not None:
            from .file_deltas import FileDeltas

            self._file_deltas = FileDeltas(zstd, parent, least, self._creator.scratch)
            self._readers.append(self._file_deltas)
        self._copy = self._large_files = LargeFileCopy(lambda: self._creator.keep_base(parent is None), least)
        self._take = self._large_files.take

    def _rows(self, frames: FrameWriter) -> t.List[t.List[t.Any]]:
        """The rows of the frame table; in that of a delta the fourth element is the run of the base, or null."""
        if self._delta is None:
            return frames.table
        runs = self._delta.runs
        return [[*row, runs.get(number)] for number, row in enumerate(frames.table)]

    def _begin(
        self, ending: str, shape: str, archive_format: str, stored: Codec, roots: t.Sequence[Root]
    ) -> t.Tuple[FrameWriter, IndexWriter]:
        self._shape = shape
        self._codec = stored
        # deflate has no container of its own, so a zip's index is gzipped.
        index_codec = codec("gzip", 6) if stored.name == "deflate" else stored
        limit = self._volume_size
        self._volumes = volumes = VolumeWriter(self._creator, self.name, ending, limit)
        self._index_object = self._creator.create_index(self.name + ".index" + index_codec.ending)
        fit = None if limit is None else volumes.fit
        if self._delta is None:
            self._frames = FrameWriter(stored, volumes, fit=fit, copy=self._take)
        else:
            from .delta import FRAME, WORKERS

            self._frames = FrameWriter(stored, volumes, FRAME, self._delta.encode, WORKERS, fit)
        header: t.Dict[str, t.Any] = {"component": self.name, "backup": self._id, "shape": shape, "format": archive_format}
        if roots:
            header["roots"] = [root_field(root) for root in roots]
        index = self._index_object
        self._index: IndexWriter
        if shape == "tree" and self._parent is not None:
            from .index_update import IndexUpdate

            self._index = self._update = IndexUpdate(header, index_codec, index, self._parent.index)
            self._readers.append(self._update)
        else:
            self._index = IndexWriter(header, index_codec, index)
        return self._frames, self._index


def _keep(copy: BaseCopy, _frame: int, buffers: Buffers) -> None:
    for buffer in buffers:
        copy.write(buffer)


def _described(written: VolumeWriter, counts: t.Sequence[int]) -> t.List[Volume]:
    """Volumes with the numbers of their frames."""
    return [Volume(v.name, v.size, v.sha256, v.header, count) for v, count in zip(written.stored, counts)]


def root_field(root: Root) -> t.Dict[str, str]:
    import base64

    field = {}
    for key, value in root._asdict().items():
        try:
            field[key] = value.decode("utf-8")
        except UnicodeDecodeError:
            field[key + "_b64"] = base64.b64encode(value).decode("ascii")
    return field
