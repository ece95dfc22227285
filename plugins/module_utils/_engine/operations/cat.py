# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of one file (or dump) of a backup, read without the rest."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ..archive.index import Entry, entry_path, entry_target
from ..archive.reader import ComponentReader, open_component
from ..catalog import Catalog
from ..errors import FleetBackupError, IntegrityError, NotFoundError
from ..job import Config
from ..keyring import Keyring
from ..names import printable
from ..result import Result
from .finding import Found, chosen_components, find_backup, places_of

_ZEROS = bytes(1 << 20)


@dataclass
class CatResult(Result):
    """``id``, ``component`` and ``path`` (in the archive): what was found; ``size``: its bytes. content() gives them."""

    id: t.Optional[str] = None
    component: t.Optional[str] = None
    path: t.Optional[str] = None
    size: t.Optional[int] = None

    def __post_init__(self) -> None:
        self._reader: t.Optional[ComponentReader] = None
        self._entry: Entry = {}

    def content(self) -> t.Iterator[t.Union[bytes, memoryview]]:
        """Yield the bytes; each piece is valid until the next one. Holes of a sparse file are zeros.

        Raises IntegrityError, at the end, when they are not what was backed up, and the stores' errors.
        """
        if self._reader is None:
            return
        try:
            if "segments" in self._entry:
                yield from _with_holes(self._entry, self._reader.read(self._entry))
            else:
                yield from self._reader.read(self._entry)
        finally:
            self._reader.close()


def cat(
    config: t.Optional[Config],
    backup_id: str,
    path: str,
    *,
    component: t.Optional[str] = None,
    job: t.Optional[str] = None,
    store: t.Optional[str] = None,
    catalog: t.Optional[Catalog] = None,
    keyring: t.Optional[Keyring] = None,
) -> CatResult:
    """Find the file ``path`` in a backup: as the archive names it, or where it was on the host.

    ``backup_id``, ``job``, ``store``, ``catalog``, ``keyring``: as for show(). ``component``: look in this one only.
    """
    result = CatResult("cat", config.host if config else None, job)
    result.begin()
    try:
        places = [catalog] if catalog else places_of(config, job, store, keyring)
        found = find_backup(places, backup_id, result)
        result.host, result.job, result.id = found.manifest.host, found.manifest.job, found.manifest.id
        _fill(result, found, os.fsencode(path), component)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _fill(result: CatResult, found: Found, path: bytes, name: t.Optional[str]) -> None:
    matches: t.List[t.Tuple[ComponentReader, Entry]] = []
    for component in chosen_components(found.manifest, name):
        reader = open_component(found.catalog, found.manifest, component.name)
        entry = _entry(reader, path)
        if entry is not None:
            matches.append((reader, entry))
    if not matches:
        raise NotFoundError(
            "backup %s has no %s; show --files, or find, tell what there is" % (found.manifest.id, printable(path))
        )
    if len(matches) > 1:
        names = ", ".join(reader.component.name for reader, _entry in matches)
        raise NotFoundError("%s is in several components; name one of them: %s" % (printable(path), names))
    reader, entry = matches[0]
    if "size" not in entry:
        raise NotFoundError("%s has no content: %s" % (printable(path), _described(entry)))
    result.component, result.path, result.size = reader.component.name, printable(entry_path(entry)), entry["size"]
    result._reader, result._entry = reader, entry


def _entry(reader: ComponentReader, path: bytes) -> t.Optional[Entry]:
    # Where nothing says otherwise, a path in the archive is the one on the host without the slash it begins with.
    found = reader.find(path.strip(b"/"))
    if found is not None:
        return found
    for root in reader.roots:
        below = root.path.rstrip(b"/")
        if path == below or path.startswith(below + b"/"):
            return reader.find((root.name + path[len(below) :]).strip(b"/"))
    return None


def _described(entry: Entry) -> str:
    if entry["type"] == "symlink":
        return "it is a symbolic link to %s" % printable(entry_target(entry))
    return "it is a %s" % entry["type"]


def _with_holes(entry: Entry, data: t.Iterator[memoryview]) -> t.Iterator[t.Union[bytes, memoryview]]:
    position = 0
    for start, length in entry["segments"]:
        yield from _zeros(start - position)
        position = start + length
        while length:
            part = next(data, None)  # never beyond the segment
            if part is None:
                raise IntegrityError("%s: its segments say more than there is" % printable(entry_path(entry)))
            length -= len(part)
            yield part
    yield from _zeros(entry["size"] - position)
    for _nothing in data:  # its end is where the hash is compared
        raise RuntimeError("there is more than the segments hold")


def _zeros(count: int) -> t.Iterator[bytes]:
    while count > 0:
        yield _ZEROS[:count]
        count -= len(_ZEROS)
