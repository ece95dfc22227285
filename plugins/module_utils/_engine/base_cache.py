# SPDX-License-Identifier: GPL-3.0-or-later
"""The bases of deltas, kept privately on the host, which could not read its own encrypted ones on the stores.

``<state_dir>/cache/<job>/<backup id>.<component>`` with the endings ``.base`` (the frames of a full stream as they were before
they were encrypted), ``.frames`` (a line of JSON with the hash of that, then the frame table as it lies on the store) and
``.anchors`` (archive/anchors.py). Of a tree only the frames of large files are kept; which ones, the line of JSON tells; whether
they are what was backed up shows when they are used. Losing them costs a full component, nothing else. IndexCache forgets them
with the indexes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import typing as t

from .errors import FleetBackupError, IntegrityError, NotFoundError
from .manifest import Component
from .private import open_private, private_folder, write_all

if t.TYPE_CHECKING:
    from .archive.anchors import Anchors
    from .archive.reader import FrameReader

_VERSION = 1

# Room that others on the same disk must keep, looked at each time so many bytes were written.
_SPARE = 256 << 20
_STEP = 64 << 20

_BLOCK = 1 << 20


class BaseCache:
    """Keeps at most ``limit`` bytes of frames."""

    def __init__(self, state_dir: str, job_name: str, limit: int) -> None:
        self._folder = os.path.join(state_dir, "cache", job_name)
        self.limit = limit

    def copy(self, backup_id: str, component: str, say: t.Callable[[str], None], replaces: bool) -> t.Optional[BaseFile]:
        """Begin to keep a base; None when that cannot be. ``say`` is told when it is given up.

        ``replaces``: older ones of the component are removed where there is no room for it.
        """
        try:
            private_folder(self._folder)
            path = self._path(backup_id, component)
            return BaseFile(path, lambda size: self._room(os.path.basename(path) + ".base", size, replaces), say)
        except (OSError, FleetBackupError) as error:
            say("no base for deltas is kept: %s" % error)
            return None

    def open(self, backup_id: str, component: Component) -> t.Optional[FrameReader]:
        """The frames of a base; None when it is not here. Raises IntegrityError when it is not what was kept, and OSError.

        Of a tree, the frames that are not here raise NotFoundError; whether the others are right is for the caller to see.
        """
        from .archive.codec import codec
        from .archive.delta import FrameDecoder
        from .archive.frame_table import FrameTable
        from .archive.reader import FrameReader

        path = self._path(backup_id, component.name)
        try:
            with open(path + ".frames", "rb") as file:
                head, table_data = json.loads(file.readline()), file.read()
            if head["version"] != _VERSION:
                return None
            wanted, kept = head["sha256"], head.get("kept")
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError("%s.frames: is damaged: %s" % (path, error)) from None
        if hashlib.sha256(table_data).hexdigest() != component.frames.sha256:
            raise IntegrityError("%s.frames: is not the frame table of %s" % (path, backup_id))
        if not os.path.exists(path + ".base"):
            return None
        if kept is None and _sha256(path + ".base") != wanted:
            raise IntegrityError("%s.base: is damaged (its SHA-256 differs)" % path)
        table = FrameTable(component.frames.name, table_data)
        # Unlike on the store, the frames lie one after another here.
        places: t.Dict[t.Tuple[str, int], int] = {}
        position = 0
        for first, last in [(0, len(table) - 1)] if kept is None else kept:
            for frame in range(first, last + 1):
                volume, offset, stored, _raw = table.row(frame)
                places[volume, offset] = position
                position += stored

        def fetch(volume: str, offset: int, size: int) -> bytes:
            place = places.get((volume, offset))
            if place is None:
                raise NotFoundError("this host has no copy of these bytes of %s" % backup_id)
            try:
                with open(path + ".base", "rb", buffering=0) as file:
                    file.seek(place)
                    return file.read(size)
            except OSError as error:
                raise FleetBackupError("%s.base: cannot be read: %s" % (path, error.strerror)) from None

        def has(frame: int) -> bool:
            return table.row(frame)[:2] in places

        return FrameReader(table, FrameDecoder(codec(component.compression), table), fetch, has)

    def anchors(self, backup_id: str, component: str) -> t.Optional[Anchors]:
        """What keep_anchors() kept, if it is there and whole."""
        from .archive.anchors import Anchors

        try:
            with open(self._path(backup_id, component) + ".anchors", "rb") as file:
                return Anchors.from_bytes(file.read())
        except (OSError, ValueError):
            return None

    def keep_anchors(self, backup_id: str, component: str, anchors: Anchors) -> None:
        """Keep what it would take long to find out again. Raises nothing."""
        with contextlib.suppress(OSError, FleetBackupError):
            private_folder(self._folder)
            fd = open_private(self._path(backup_id, component) + ".anchors", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with contextlib.closing(os.fdopen(fd, "wb")) as file:
                file.write(anchors.to_bytes())

    def _room(self, own: str, size: int, replaces: bool) -> bool:
        """Whether the file ``own`` may have ``size`` bytes; ``replaces``: in the place of older bases of the same component."""
        names = [name for name in os.listdir(self._folder) if name.endswith(".base") and name != own]
        others = {name: os.path.getsize(os.path.join(self._folder, name)) for name in sorted(names)}
        for name in list(others) if replaces else ():
            if sum(others.values()) + size > self.limit and name.split(".")[1] == own.split(".")[1]:
                self._forget(name)
                del others[name]
        return sum(others.values()) + size <= self.limit

    def _forget(self, name: str) -> None:
        for ending in (".frames", ".base"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, name[: -len(".base")] + ending))

    def _path(self, backup_id: str, component: str) -> str:
        return os.path.join(self._folder, "%s.%s" % (backup_id, component))


class BaseFile:
    """A base that is being kept. ``room(size)`` tells whether it may be that large."""

    def __init__(self, path: str, room: t.Callable[[int], bool], say: t.Callable[[str], None]) -> None:
        self._path = path
        self._room = room
        self._say = say
        self._digest = hashlib.sha256()
        self._size = 0
        self._asked = 0
        self._fd = open_private(path + ".base", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def fits(self, size: int) -> bool:
        """Whether ``size`` more bytes may be kept. They are reserved then."""
        if self._fd < 0:
            return False
        wanted = self._asked + size
        try:
            free = shutil.disk_usage(os.path.dirname(self._path)).free
            if not self._room(wanted) or free < _SPARE + wanted - self._size:
                return False
        except OSError:
            return False
        self._asked = wanted
        return True

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        if self._fd < 0:
            return
        self._digest.update(data)
        self._size += len(data)
        try:
            if self._size > self._asked:
                self._asked = self._size + _STEP
                free = shutil.disk_usage(os.path.dirname(self._path)).free
                if not self._room(self._size) or free < _SPARE + _STEP:
                    self._give_up("it would take more than delta_cache allows, or than is free")
                    return
            write_all(self._fd, bytes(data))
        except OSError as error:
            self._give_up(str(error))

    def commit(self, frame_table: bytes, kept: t.Optional[t.List[t.List[int]]] = None) -> None:
        if self._fd < 0:
            return
        head = {"version": _VERSION, "sha256": self._digest.hexdigest(), **({} if kept is None else {"kept": kept})}
        try:
            if not self._room(self._size):
                self._give_up("it takes more than delta_cache allows")
                return
            os.close(self._fd)
            self._fd = -1
            fd = open_private(self._path + ".frames", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with contextlib.closing(os.fdopen(fd, "wb")) as file:
                file.write(json.dumps(head).encode("ascii") + b"\n")
                file.write(frame_table)
        except OSError as error:
            self._give_up(str(error))

    def abort(self) -> None:
        if self._fd >= 0:
            self._give_up("")

    def _give_up(self, why: str) -> None:
        if why:
            self._say("no base for deltas is kept: %s" % why)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        for ending in (".frames", ".base"):
            with contextlib.suppress(OSError):
                os.unlink(self._path + ending)


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    with open(path, "rb", buffering=0) as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                return digest.hexdigest()
            digest.update(buffer[:count])
