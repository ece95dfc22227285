# SPDX-License-Identifier: GPL-3.0-or-later
"""The last indexes of a job, kept privately on the host, which could not read its own encrypted ones on the stores.

It is what an increment is compared with. Losing it costs a full backup, nothing else. Behind the index stands its SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import typing as t

from .archive.codec import codec
from .archive.index import IndexReader
from .errors import FleetBackupError, IntegrityError
from .manifest import Component, StoredFile
from .private import open_private, private_folder, write_all

if t.TYPE_CHECKING:
    from .delivery import ObjectWriter

_ENDING = ".index"
_BLOCK = 1 << 20
_NOT_KEPT = "no index is kept on this host, so the next backup will be full: %s"


class IndexCache:
    """``<state_dir>/cache/<job>/<backup id>.<component>.index``: index objects as they were before they were encrypted."""

    def __init__(self, state_dir: str, job_name: str) -> None:
        self._folder = os.path.join(state_dir, "cache", job_name)

    def has(self, backup_id: str, component: Component) -> bool:
        return os.path.exists(self._path(backup_id, component.name))

    def reader(self, backup_id: str, component: Component) -> IndexReader:
        """The index of a component. Its methods raise OSError too.

        Raises IntegrityError, OSError when an index is damaged that nothing else would show.
        """
        path = self._path(backup_id, component.name)
        if component.compression == "none":
            _require_whole(path)

        def read(offset: int, size: int) -> bytes:
            with open(path, "rb") as file:
                file.seek(offset)
                return file.read(size)

        algorithm = "gzip" if component.compression == "deflate" else component.compression
        return IndexReader(component.index.name, read, component.index.table, codec(algorithm))

    def copy(self, backup_id: str, component: str, say: t.Callable[[str], None], upload: ObjectWriter) -> ObjectWriter:
        """An object that also keeps here what is written to it. ``say`` is told when that cannot be."""
        try:
            private_folder(self._folder)
            return _Copy(self._path(backup_id, component), say, upload)
        except (OSError, FleetBackupError) as error:
            say(_NOT_KEPT % error)
            return upload

    def keep(self, backup_ids: t.Collection[str], bases: t.Collection[str]) -> None:
        """Forget all backups but these, and of ``bases`` only the indexes."""
        self._remove(lambda name, backup_id: backup_id not in backup_ids and (name.endswith(_ENDING) or backup_id not in bases))

    def forget(self, backup_id: str) -> None:
        """Forget one backup."""
        self._remove(lambda _name, other: other == backup_id)

    def _remove(self, unwanted: t.Callable[[str, str], bool]) -> None:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return  # there is none, or nothing can be done about it: an index that is left over is only never used
        for name in names:
            if unwanted(name, name.split(".", 1)[0]):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._folder, name))

    def _path(self, backup_id: str, component: str) -> str:
        return os.path.join(self._folder, "%s.%s%s" % (backup_id, component, _ENDING))


class _Copy:
    def __init__(self, path: str, say: t.Callable[[str], None], upload: ObjectWriter) -> None:
        self._path = path
        self._say = say
        self._fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._upload = upload
        self._digest = hashlib.sha256()

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._digest.update(data)
        self._try(lambda: write_all(self._fd, bytes(data)))
        self._upload.write(data)

    def commit(self) -> StoredFile:
        self._try(lambda: write_all(self._fd, self._digest.digest()))
        self._try(lambda: os.fsync(self._fd))
        if self._fd >= 0:
            os.close(self._fd)
        return self._upload.commit()

    def _try(self, step: t.Callable[[], None]) -> None:
        """Take a step; the copy is given up when that cannot be."""
        if self._fd < 0:
            return
        try:
            step()
        except OSError as error:
            self._say(_NOT_KEPT % error)
            os.close(self._fd)
            self._fd = -1
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def _require_whole(path: str) -> None:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size - digest.digest_size
        while left > 0:
            data = file.read(min(left, _BLOCK))
            digest.update(data)
            left -= len(data) or left
        if file.read() != digest.digest():
            raise IntegrityError("%s: is damaged (its SHA-256 differs)" % path, [path])
