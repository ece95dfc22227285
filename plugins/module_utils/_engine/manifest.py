# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a backup, its hash file and SHA256SUMS (docs/format.md)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t
from dataclasses import dataclass, field

from .errors import IntegrityError

FORMAT = 1

RESTORE_TXT, RUN_LOG, SUMS = "RESTORE.txt", "run.log", "SHA256SUMS"

#: How the name of an object ends that holds the facts of a component, and that of any encrypted object.
FACTS_ENDING = ".facts.json.age"
SEALED_ENDING = ".age"
#: How the name of a volume ends whose frames may need a base; encrypted, SEALED_ENDING follows.
DELTA_ENDING = ".zst-delta"


@dataclass
class StoredFile:
    """An object of a backup's folder. ``header``: of an encrypted one, its age header in base64."""

    name: str
    size: int
    sha256: str
    header: t.Optional[str] = field(default=None, repr=False)


@dataclass
class Volume(StoredFile):
    """An object that holds frames of a component."""

    frames: int = 0


@dataclass
class FrameTable(StoredFile):
    count: int = 0


@dataclass
class IndexObject(StoredFile):
    #: Where the table of first paths lies in the index object: offset, stored size, raw size.
    table: t.List[int] = field(default_factory=list)


@dataclass
class Deltas:
    """Changed large files of a tree, stored as what has changed of them. ``bases``: ids of the backups that frames need."""

    bases: t.List[str]
    raw: int
    stored: int
    volumes: t.List[Volume]
    frames: FrameTable
    compression: t.ClassVar[str] = "zstd"


@dataclass
class Component:
    """What one source left in one backup. Field order is the order of the keys in the manifest."""

    name: str
    source: str
    shape: str
    kind: str
    base: t.Optional[str]
    format: str
    compression: str
    entries: int
    bytes: int
    raw: int
    stored: int
    volumes: t.List[Volume]
    frames: FrameTable
    index: IndexObject
    #: What was true of the source; of an encrypted backup the object that tells it.
    facts: t.Union[t.Dict[str, t.Any], StoredFile]
    warnings: t.Dict[str, int]
    deltas: t.Optional[Deltas] = None

    @property
    def parts(self) -> t.List[Part]:
        """What has volumes and a frame table of its own: the component, and its deltas if it has any."""
        return [self] if self.deltas is None else [self, self.deltas]

    @property
    def all_volumes(self) -> t.List[Volume]:
        return [volume for part in self.parts for volume in part.volumes]

    @property
    def all_stored(self) -> int:
        """Bytes of all volumes."""
        return sum(part.stored for part in self.parts)

    @property
    def is_delta(self) -> bool:
        """Whether frames may need those of the full component in the backup ``base``."""
        return any(is_delta(volume.name) for volume in self.volumes)

    def objects(self) -> t.List[StoredFile]:
        facts = [self.facts] if isinstance(self.facts, StoredFile) else []
        return [o for part in self.parts for o in (*part.volumes, part.frames)] + [self.index, *facts]

    def objects_for(self, volumes: t.Container[str]) -> t.List[StoredFile]:
        """Those of these volumes that are its own, and the frame tables that are needed to read them."""
        needed: t.List[StoredFile] = []
        for part in self.parts:
            own = [volume for volume in part.volumes if volume.name in volumes]
            needed += [part.frames, *own] if own else []
        return needed


#: What has volumes and a frame table of its own.
Part = t.Union[Component, Deltas]


@dataclass
class Manifest:
    """A backup as its manifest tells it. Field order is the order of the keys."""

    engine: str
    id: str
    host: str
    job: str
    kind: str
    tag: str
    started: str
    finished: str
    timezone: t.Optional[str]
    outcome: str
    encryption: t.Optional[t.Dict[str, t.Any]]
    previous: t.Optional[t.Dict[str, str]]
    references: t.List[t.Dict[str, t.Any]]
    stores: t.List[t.Dict[str, str]]
    warnings: t.List[t.Dict[str, t.Any]]
    components: t.List[Component]
    objects: t.List[StoredFile]

    def component(self, name: str) -> t.Optional[Component]:
        return next((c for c in self.components if c.name == name), None)

    def all_objects(self) -> t.List[StoredFile]:
        """Every object that must lie in the backup's folder."""
        return [o for c in self.components for o in c.objects()] + self.objects

    @property
    def logical_bytes(self) -> int:
        return sum(c.bytes for c in self.components)

    @property
    def stored_bytes(self) -> int:
        """Bytes on a store, all objects of the folder."""
        return sum(o.size for o in self.all_objects())

    def to_bytes(self) -> bytes:
        """The manifest's exact bytes, its ``checksum`` last."""
        data = {"format": FORMAT, **dataclasses.asdict(self, dict_factory=_without_header)}
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        head = (text[: text.rindex("\n}")] + ",\n").encode("utf-8")
        return head + b'  "checksum": "%s"\n}\n' % hashlib.sha256(head).hexdigest().encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Manifest:
        """Read a manifest. ``name`` is its key, for messages.

        Raises IntegrityError when it is damaged, cut, or of a format newer than this program knows.
        """
        if not _checksum_holds(data):
            raise IntegrityError("%s: the manifest is damaged (its own checksum does not hold)" % name, [name])
        try:
            value = json.loads(data.decode("utf-8"))
            if value["format"] > FORMAT:
                raise IntegrityError(
                    "%s: format %s is newer than this program knows (%d); use a newer fleet.backup"
                    % (name, value["format"], FORMAT)
                )
            known = {f.name for f in dataclasses.fields(cls)}
            fields = {k: v for k, v in value.items() if k in known}
            fields["components"] = [_component(c) for c in value["components"]]
            fields["objects"] = [_build(StoredFile, o) for o in value["objects"]]
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError("%s: is not a manifest: %s" % (name, error), [name]) from None


def _without_header(items: t.List[t.Tuple[str, t.Any]]) -> t.Dict[str, t.Any]:
    """An object of JSON; ``header`` and ``deltas`` stand only where there are any."""
    return {key: value for key, value in items if key not in ("header", "deltas") or value is not None}


def is_delta(volume: str) -> bool:
    """Whether a volume is of a delta, by its name."""
    return volume.endswith((DELTA_ENDING, DELTA_ENDING + SEALED_ENDING))


def sums_line(sha256: str, name: str) -> bytes:
    """One line as sha256sum(1) writes it."""
    return ("%s  %s\n" % (sha256, name)).encode("utf-8")


def sums(objects: t.Iterable[StoredFile]) -> bytes:
    """The content of SHA256SUMS for ``objects``."""
    return b"".join(sums_line(o.sha256, o.name) for o in sorted(objects, key=lambda o: o.name))


def _checksum_holds(data: bytes) -> bool:
    head, found, tail = data.rpartition(b'  "checksum": "')
    return bool(found) and tail == hashlib.sha256(head).hexdigest().encode("ascii") + b'"\n}\n'


def _component(value: t.Dict[str, t.Any]) -> Component:
    component = _build(Component, value)
    _build_part(component, value)
    # The first writers of the format had an empty list there.
    component.deltas = _build(Deltas, value["deltas"]) if value.get("deltas") else None
    if component.deltas is not None:
        _build_part(component.deltas, value["deltas"])
    component.index = _build(IndexObject, value["index"])
    facts = value["facts"]
    if "sha256" in facts and str(facts.get("name", "")).endswith(FACTS_ENDING):
        component.facts = _build(StoredFile, facts)
    return component


def _build_part(part: Part, value: t.Dict[str, t.Any]) -> None:
    part.volumes = [_build(Volume, v) for v in value["volumes"]]
    part.frames = _build(FrameTable, value["frames"])


T = t.TypeVar("T")


def _build(cls: t.Type[T], value: t.Dict[str, t.Any]) -> T:
    known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{k: v for k, v in value.items() if k in known})
