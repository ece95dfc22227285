# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving a component: what its manifest, frame table, index and volumes say of each other, down to every entry's bytes.

Damage is reported, never raised: there may be more.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import typing as t

from ..catalog import Catalog
from ..errors import IntegrityError, NotFoundError
from ..manifest import Component, Part, StoredFile, Volume
from ..names import printable
from ..unsealing import header_of
from .codec import codec
from .content import hash_zeros
from .delta import FrameDecoder, Prefix
from .frame_table import FrameTable
from .index import Entry, entry_path, entry_target, sort_key, stored_place
from .reader import Bases, ComponentReader, bases_of, open_base, open_sealed, place, read_object, read_stored
from .scanning import LARGEST_STORED, FrameScan
from .stream import SECTION_TYPES
from .volume_source import Report

_BLOCK = 1 << 20

# docs/format.md, The index.
_TYPES = frozenset(
    ("file", "directory", "symlink", "link", "fifo", "character", "block", "stream", *SECTION_TYPES)
)  # fmt: skip

# Files that are remembered for the hard links to them that may follow.
_REMEMBERED = 4096

# What a hard link has in common with its target.
_CONTENT = ("size", "bytes", "delta", "segments", "sha256")

_WRONG = "holds entries that are not what was backed up"

_scan = json.JSONDecoder().raw_decode

Advance = t.Callable[[int], None]


def check_object(catalog: Catalog, backup_id: str, stored: StoredFile, report: Report, advance: Advance) -> bool:
    """Read an object and compare it with its size and hash; return whether it is what was stored. Raises the store's errors."""
    digest = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(_BLOCK))
    try:
        file = catalog.store.open(catalog.key(backup_id, stored.name))
    except NotFoundError:
        report(stored.name, "is missing")
        return False
    try:
        while True:
            count = file.readinto(buffer)
            if not count:
                break
            digest.update(buffer[:count])
            size += count
            advance(count)
    except OSError as error:
        report(stored.name, "cannot be read: %s" % error.strerror)
        return False
    finally:
        file.close()
    if size != stored.size:
        report(stored.name, "has %d bytes instead of %d" % (size, stored.size))
    elif digest.hexdigest() != stored.sha256:
        report(stored.name, "is not what was stored (its SHA-256 differs)")
    else:
        return True
    return False


def check_sealed(catalog: Catalog, backup_id: str, stored: StoredFile) -> None:
    """Decrypt an encrypted object that is what was stored. Volumes are left out: they are decrypted when they are decoded.

    Raises IntegrityError when it does not begin with the header that the manifest has of it, or cannot be decrypted.
    """
    header = header_of(backup_id, stored)
    if read_stored(catalog, backup_id, stored.name, 0, min(len(header), stored.size)) != header:
        raise IntegrityError("does not begin with the age header that the manifest has of it")
    if not isinstance(stored, Volume):
        sealed = open_sealed(catalog, backup_id, stored.name)
        for offset in range(0, sealed.size + 1, _BLOCK):
            sealed.read(offset, min(_BLOCK, sealed.size - offset))


class ComponentCheck:
    """Checks all of one component.

    ``older(id)`` is the same component of an older backup, whose data this one uses; None when the manifest lists no such backup.
    """

    def __init__(
        self, catalog: Catalog, backup_id: str, component: Component, report: Report, advance: Advance,
        older: t.Callable[[str], t.Optional[Component]],
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._id = backup_id
        self._component = component
        self._told = report
        self._advance = advance
        self._older = older
        self._blamed: t.Set[str] = set()
        #: Entries that are not right and lie in several volumes: which of those is to blame shows at the end.
        self._unclear: t.List[t.Tuple[t.List[str], bytes]] = []
        #: By backup, and whether of its deltas.
        self._ranges: t.Dict[t.Tuple[str, bool], t.Optional[_Ranges]] = {}
        #: Lines of the index by path: bytes, which Python's garbage collector need not look into.
        self._remembered: t.Dict[bytes, bytes] = {}

    def run(self) -> None:
        """Check frame table and index, then decode every frame and compare every entry. Raises the store's errors."""
        component = self._component
        # Volumes are hashed while they are decoded.
        whole = {stored.name: self._whole(stored) for stored in component.objects() if not isinstance(stored, Volume)}
        tables = [self._table(part) if whole[part.frames.name] else None for part in component.parts]
        if None in tables:
            for volume in component.all_volumes:
                self._whole(volume)
            return
        scans = [self._scan(part, table) for part, table in zip(component.parts, tables) if table is not None]
        try:
            if whole[component.index.name]:
                self._ranges = {(self._id, n > 0): _Ranges(table) for n, table in enumerate(tables) if table is not None}
                self._entries(scans)
            for scan in scans:
                scan.finish()
        finally:
            for scan in scans:
                scan.close()
        for volumes, path in self._unclear:
            for name in [v for v in volumes if v in self._blamed] or volumes[:1]:
                self._report(name, _WRONG, path)

    def _report(self, name: str, problem: str, entry: t.Optional[bytes] = None) -> None:
        self._blamed.add(name)
        self._told(name, problem, *([] if entry is None else [entry]))

    def _whole(self, stored: StoredFile) -> bool:
        return check_object(self._catalog, self._id, stored, self._report, self._advance)

    def _scan(self, part: Part, table: FrameTable) -> FrameScan:
        decoder = FrameDecoder(codec(part.compression), table, self._prefix(part) if table.is_delta else None)
        return FrameScan(self._catalog, self._id, part, table, decoder, self._report, self._advance)

    def _prefix(self, part: Part) -> Prefix:
        """What returns ranges of the bases; they cannot be had of one that is damaged, which is reported once."""
        ids = bases_of(part)
        found = {backup_id: self._base(backup_id) for backup_id in ids or [""]}

        def usable(backup_id: str) -> Component:
            component = found[backup_id]
            if component is None:
                raise IntegrityError("cannot be used", [backup_id + ".json"])
            return component

        return Bases(self._catalog, ids, usable).read

    def _base(self, backup_id: str) -> t.Optional[Component]:
        """The component of a backup that this one builds upon, if that can be used."""
        try:
            component = self._older(backup_id)
            if component is None:
                told = "builds upon %s, which is not listed under references" % (backup_id or "nothing")
                self._report(self._id + ".json", told)
            else:
                open_base(self._catalog, backup_id, component)
            return component
        except (IntegrityError, NotFoundError) as error:
            self._unusable(backup_id, error)
            return None

    def _table(self, part: Part) -> t.Optional[FrameTable]:
        name = part.frames.name
        try:
            table = FrameTable(name, read_object(self._catalog, self._id, name))
            _check_table(part, table)
        except IntegrityError as error:
            self._report(name, str(error))
            return None
        return table

    def _entries(self, scans: t.Sequence[FrameScan]) -> None:
        """Walk through the index and the frames side by side. ``scans``: of the plain frames, and of deltas if there are any."""
        component = self._component
        count = logical = 0
        last = b""
        # The sections of a dump lie in its own order, and are too few to fill the memory; files lie in that of the index.
        sections: t.Optional[t.List[Entry]] = None if component.shape == "tree" else []
        reader = ComponentReader(self._catalog, self._id, component)
        try:
            for line in reader.index.lines():
                entry = _parse(line)
                path = entry_path(entry)
                key = sort_key(path)
                if count and key <= last:
                    raise IntegrityError("%s is not in order" % printable(path))
                last = key
                count += 1
                logical += entry.get("size", 0)
                if sections is not None:
                    sections.append(entry)
                elif self._entry(entry, path, scans, reader) and entry["type"] == "file":
                    if len(self._remembered) >= _REMEMBERED:
                        self._remembered.clear()
                    self._remembered[path] = line
            for entry in sorted(sections or (), key=place):
                self._entry(entry, entry_path(entry), scans, reader)
            if (count, logical) != (component.entries, component.bytes):
                raise IntegrityError(
                    "has %d entries of %d bytes; the manifest says %d of %d"
                    % (count, logical, component.entries, component.bytes)
                )
        except IntegrityError as error:
            self._report(component.index.name, str(error))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self._report(component.index.name, "holds what is no entry: %r" % error)
        finally:
            reader.close()

    def _entry(self, entry: Entry, path: bytes, scans: t.Sequence[FrameScan], reader: ComponentReader) -> bool:
        """Compare an entry's content with its hash; return whether it was seen to be right.

        Raises IntegrityError when the entry contradicts itself or the frames.
        """
        if entry["type"] not in _TYPES:
            raise IntegrityError("%s is of no known type: %r" % (printable(path), entry["type"]))
        segments = entry.get("segments")
        stored = entry.get("size", 0) if segments is None else sum(length for _start, length in segments)
        is_delta, found = stored_place(entry)
        backup_id, frame, offset, size = found or (self._id, 0, 0, 0)
        if size != stored:
            raise IntegrityError("%s has %d bytes, of which %d are stored" % (printable(path), stored, size))
        if size:
            self._check_range(path, backup_id, frame, offset, size, is_delta)
        if "base" in entry:
            self._check_range(path, *entry["base"][:4])
        if backup_id != self._id or "sha256" not in entry:
            return False
        if entry["type"] == "link" and self._equals_target(entry, reader):
            return True
        scan = scans[is_delta]
        if size and not scan.seek(frame, offset):
            self._check_apart(entry, path, scan.volume(frame), reader)
            return False
        sha256 = scan.sha256(size) if segments is None else _sparse_sha256(scan, entry["size"], segments)
        if sha256 == entry["sha256"]:
            return True
        if sha256 is None:
            self._report(scan.damaged, "holds damaged frames", path)
        else:
            volumes = scan.volumes_since(frame)
            if len(volumes) > 1:
                self._unclear.append((volumes, path))
            else:
                self._report(volumes[0], _WRONG, path)
        return False

    def _equals_target(self, entry: Entry, reader: ComponentReader) -> bool:
        """Whether a hard link has the content of its target, which was checked itself."""
        target = entry_target(entry)
        line = self._remembered.get(target)
        found = reader.find(target) if line is None else _parse(line)
        return found is not None and all(found.get(key) == entry.get(key) for key in _CONTENT)

    def _check_apart(self, entry: Entry, path: bytes, volume: str, reader: ComponentReader) -> None:
        """Check an entry whose bytes lie before those of its predecessor. No writer does that; the format allows it."""
        try:
            for _data in reader.read(entry):
                pass
        except IntegrityError:
            self._report(volume, _WRONG, path)

    def _check_range(self, path: bytes, backup_id: str, frame: int, offset: int, size: int, is_delta: bool = False) -> None:
        """Raise IntegrityError when an entry's bytes lie where no frame is."""
        ranges = self._ranges_of(backup_id, is_delta)
        if ranges is not None:
            ranges.check(path, frame, offset, size)

    def _ranges_of(self, backup_id: str, is_delta: bool) -> t.Optional[_Ranges]:
        """The frames of a backup that entries point into; None, once reported, when they cannot be known."""
        key = (backup_id, is_delta)
        if key not in self._ranges:
            self._ranges[key] = None
            try:
                component = self._older(backup_id)
            except (IntegrityError, NotFoundError) as error:
                self._unusable(backup_id, error)
                return None
            if component is None:
                raise IntegrityError("entries lie in backup %s, which is not listed under references" % backup_id)
            part: t.Optional[Part] = component.deltas if is_delta else component
            if part is None:
                raise IntegrityError("entries lie in deltas of backup %s, which has none" % backup_id)
            name = part.frames.name
            try:
                self._ranges[key] = _Ranges(FrameTable(name, read_object(self._catalog, backup_id, name)))
            except IntegrityError as error:
                self._unusable(backup_id, error)
        return self._ranges[key]

    def _unusable(self, backup_id: str, error: Exception) -> None:
        self._report(backup_id + ".json", "is an older backup that holds data of this one and cannot be used: %s" % error)


class _Ranges:
    """Which ranges of raw bytes a frame table has."""

    def __init__(self, table: FrameTable) -> None:
        self._raw = [table.row(n)[3] for n in range(len(table))]
        self._ends = list(itertools.accumulate(self._raw))

    def check(self, path: bytes, frame: int, offset: int, size: int) -> None:
        if 0 <= frame < len(self._raw) and 0 <= offset <= self._raw[frame]:
            start = self._ends[frame] - self._raw[frame] + offset
            if start + size <= self._ends[-1]:
                return
        raise IntegrityError("%s lies where no frame is" % printable(path))


def _parse(line: bytes) -> Entry:
    """json.loads() without its preparations, which take longer than the work. Raises ValueError."""
    text = line.decode("utf-8")
    entry, end = _scan(text)
    if end != len(text) or not isinstance(entry, dict):
        raise ValueError("a line of the index is no JSON object")
    return entry


def _check_table(part: Part, table: FrameTable) -> None:
    """Raise IntegrityError unless the table agrees with the manifest and with itself."""
    volumes = {volume.name: volume for volume in part.volumes}
    counts = dict.fromkeys(volumes, 0)
    raw_total = 0
    previous, end = "", 0
    for number in range(len(table)):
        volume, offset, stored, raw = table.row(number)
        if volume != previous:
            previous, end = volume, 0
        if volume not in volumes or offset < end or stored > LARGEST_STORED or offset + stored > volumes[volume].size:
            raise IntegrityError("frame %d cannot lie where the table says" % number)
        end = offset + stored
        counts[volume] += 1
        raw_total += raw
    said = (part.compression, list(volumes), [v.frames for v in part.volumes], part.frames.count, part.raw)
    if said != (table.compression, table.volumes, list(counts.values()), len(table), raw_total):
        raise IntegrityError("does not agree with the manifest")


def _sparse_sha256(scan: FrameScan, size: int, segments: t.Sequence[t.Sequence[int]]) -> t.Optional[str]:
    """The hash of a sparse file: its segments are stored, and the holes between them are hashed as zeros. None: see sha256()."""
    digest = hashlib.sha256()
    whole = True
    position = 0
    for start, length in segments:
        hash_zeros(start - position, digest.update)
        whole = scan.take(length, digest.update) and whole
        position = start + length
    hash_zeros(size - position, digest.update)
    return digest.hexdigest() if whole else None
