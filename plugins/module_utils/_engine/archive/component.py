# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that one component leaves on the stores: its volume, its frame table, its index."""

from __future__ import annotations

import json
import typing as t

from ..job import Compression
from ..manifest import Component, FrameTable, IndexObject, StoredFile, Volume
from .codec import Codec, codec
from .frames import FrameWriter
from .index import IndexWriter, Root
from .stream import StreamWriter
from .tree_writer import TreeWriter


class ObjectWriter(t.Protocol):
    """A new object on the stores: write all, then commit."""

    def write(self, data: t.Union[bytes, memoryview]) -> None: ...

    def commit(self) -> StoredFile: ...


class ComponentWriter:
    """What a source writes its data into: once, with stream() or with tree().

    ``create(name)`` begins an object of the backup's folder.
    """

    def __init__(
        self, name: str, source: str, backup_id: str, archive_format: str, compression: Compression,
        create: t.Callable[[str], ObjectWriter],
    ) -> None:  # fmt: skip
        self.name = name
        self._source = source
        self._id = backup_id
        self._tree_format = archive_format
        self._compression = compression
        self._create = create
        self._content: t.Union[StreamWriter, TreeWriter, None] = None
        self._frames: t.Optional[FrameWriter] = None

    def stream(self, entry_path: bytes, ending: str) -> StreamWriter:
        """Begin a component of shape ``stream``. ``ending`` names what it is, such as ``.sqlite``."""
        stored = codec(self._compression.algorithm, self._compression.level)
        frames, index = self._begin(self.name + ending + stored.ending, "stream", StreamWriter.format, stored, ())
        self._content = StreamWriter(frames, index, self._id, entry_path)
        return self._content

    def tree(self, roots: t.Sequence[Root]) -> TreeWriter:
        """Begin a component of shape ``tree``."""
        algorithm, level = self._compression.algorithm, self._compression.level
        if self._tree_format == "zip":
            from .zip import ZipWriter

            stored = codec("none" if algorithm == "none" else "deflate", level)
            frames, index = self._begin(self.name + ".zip", "tree", ZipWriter.format, stored, roots)
            self._content = ZipWriter(frames, index, self._id, algorithm == "none")
        else:
            from .tar import TarWriter

            stored = codec(algorithm, level)
            frames, index = self._begin(self.name + ".tar" + stored.ending, "tree", TarWriter.format, stored, roots)
            self._content = TarWriter(frames, index, self._id)
        return self._content

    def finish(self, facts: t.Dict[str, t.Any], warnings: t.Dict[str, int]) -> Component:
        """Store everything that is still to be stored and return the component as the manifest lists it."""
        frames, content = self._frames, self._content
        if frames is None or content is None:
            raise RuntimeError("source %s wrote nothing" % self.name)
        content.close()
        frames.close()
        volume = self._volume.commit()
        table = {"format": 1, "compression": self._codec.name, "volumes": [{"name": volume.name, "frames": frames.table}]}
        frames_object = self._create(self.name + ".frames.json")
        frames_object.write(json.dumps(table, separators=(",", ":")).encode("ascii") + b"\n")
        frame_table = frames_object.commit()
        place = self._index.close()
        index = self._index_object.commit()
        return Component(
            name=self.name,
            source=self._source,
            shape=self._shape,
            kind="full",
            base=None,
            format=content.format,
            compression=self._codec.name,
            entries=self._index.count,
            bytes=content.bytes,
            raw=frames.raw,
            stored=volume.size,
            volumes=[Volume(volume.name, volume.size, volume.sha256, len(frames.table))],
            deltas=[],
            frames=FrameTable(frame_table.name, frame_table.size, frame_table.sha256, len(frames.table)),
            index=IndexObject(index.name, index.size, index.sha256, place),
            facts=facts,
            warnings=warnings,
        )

    def abort(self) -> None:
        """Stop; what was written is dropped by the one who created the objects."""
        if self._frames is not None:
            self._frames.abort()
            self._index.abort()

    def _begin(
        self, volume: str, shape: str, archive_format: str, stored: Codec, roots: t.Sequence[Root]
    ) -> t.Tuple[FrameWriter, IndexWriter]:
        self._shape = shape
        self._codec = stored
        # deflate has no container of its own, so a zip's index is gzipped.
        index_codec = codec("gzip", 6) if stored.name == "deflate" else stored
        self._volume = self._create(volume)
        self._index_object = self._create(self.name + ".index" + index_codec.ending)
        self._frames = FrameWriter(stored, self._volume)
        header: t.Dict[str, t.Any] = {"component": self.name, "backup": self._id, "shape": shape, "format": archive_format}
        if roots:
            header["roots"] = [root_field(root) for root in roots]
        self._index = IndexWriter(header, index_codec, self._index_object)
        return self._frames, self._index


def root_field(root: Root) -> t.Dict[str, str]:
    import base64

    field = {}
    for key, value in root._asdict().items():
        try:
            field[key] = value.decode("utf-8")
        except UnicodeDecodeError:
            field[key + "_b64"] = base64.b64encode(value).decode("ascii")
    return field
