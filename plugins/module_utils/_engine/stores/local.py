# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of this host: a disk, or anything that is mounted."""

from __future__ import annotations

import errno
import os
import typing as t

from ..errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError
from ..options import Option
from ..private import write_all
from ..system import begin_to_write, replace, sync_folder
from . import Meant, Readable, Store, StoredObject, Upload, is_left, whatever

_UPLOADING = ".uploading-"

# The disk is set to work after so many bytes.
_AT_ONCE = 8 << 20


class LocalStore(Store):
    """Objects are files: temporary name, fsync, rename, fsync of the folder. Folders 0700, files 0600."""

    OPTIONS = (
        Option(
            "path",
            "path",
            "The folder. Backups lie below it, by host and job. It is made when it is missing; its parent must exist, so that"
            " a disk that is not mounted is noticed.",
            required=True,
            example="/var/backups/fleet",
        ),
        Option(
            "read_back",
            "bool",
            "Read back from the disk what was written, past the system's cache, and compare it, before a backup counts. It takes"
            " as long as reading the backup once.",
            default=False,
        ),
    )

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        self.path: str = options["path"]
        self.confirms = "read" if options.get("read_back") else "sync"

    def put(self, key: str) -> LocalUpload:
        path = self._path(key)
        try:
            self._make_folder(os.path.dirname(path))
            return LocalUpload(self, key, path)
        except OSError as error:
            raise self._error(error, key) from error

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        try:
            file = open(self._path(key), "rb", buffering=0)
        except OSError as error:
            raise self._error(error, key) from error
        if offset:
            file.seek(offset)
        return t.cast(Readable, file) if size is None else _Range(file, size)

    def size(self, key: str) -> int:
        try:
            return os.stat(self._path(key)).st_size
        except OSError as error:
            raise self._error(error, key) from error

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        objects, folders = [], []
        prefix = folder + "/" if folder else ""
        try:
            with os.scandir(self._path(folder)) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file():
                        found = _stat(entry.path)
                        if found is not None:
                            version = "%d/%d" % (found.st_mtime_ns, found.st_ino)
                            objects.append(StoredObject(prefix + entry.name, found.st_size, version))
        except FileNotFoundError:
            # A store that was never written to has no folder yet; one whose disk is not mounted lacks the parent too.
            if not folder or not os.path.isdir(os.path.dirname(self.path)):
                raise StoreUnavailableError(
                    "store %s: the folder %s does not exist; is a disk not mounted?" % (self.name, self.path)
                ) from None
        except OSError as error:
            raise self._error(error, folder) from error
        return sorted(objects, key=lambda o: o.key), sorted(folders)

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            os.unlink(path)
            sync_folder(os.path.dirname(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error(error, key) from error

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        path = self._path(folder)
        try:
            names = [name for name in os.listdir(path) if is_left(name, _UPLOADING, meant)]
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._error(error, folder) from error
        return sum(found.st_size for name in names for found in [_stat(os.path.join(path, name))] if found is not None)

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        path = self._path(folder)
        removed = 0
        try:
            for name in os.listdir(path):
                if is_left(name, _UPLOADING, meant):
                    os.unlink(os.path.join(path, name))
                    removed += 1
            os.rmdir(path)
            sync_folder(os.path.dirname(path))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise self._error(error, folder) from error
        return removed

    def free_space(self) -> t.Optional[int]:
        import shutil

        try:
            return shutil.disk_usage(_existing(self.path)).free
        except OSError as error:
            raise self._error(error, "") from error

    def check(self) -> None:
        try:
            self._make_folder(self.path)
        except OSError as error:
            raise self._error(error, "") from error
        upload = self.put(".check-%s" % os.urandom(4).hex())
        try:
            upload.write(b"fleet.backup")
            upload.commit()
        finally:
            upload.abort()
        self.delete(upload.key)

    def url(self, key: str) -> t.Optional[str]:
        return self._path(key)

    def local_path(self) -> t.Optional[str]:
        return self.path

    def _path(self, key: str) -> str:
        return os.path.join(self.path, *key.split("/")) if key else self.path

    def _make_folder(self, path: str) -> None:
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            if path == self.path:
                parent = os.path.dirname(path)
                if not os.path.isdir(parent):
                    raise StoreUnavailableError(
                        "store %s: %s does not exist, so %s is not made there; is a disk not mounted?" % (self.name, parent, path)
                    )
                break
            path = os.path.dirname(path)
        for folder in reversed(missing):
            try:
                os.mkdir(folder, 0o700)
            except FileExistsError:
                continue
            sync_folder(os.path.dirname(folder))

    def _error(self, error: OSError, key: str) -> FleetBackupError:
        what = "store %s: %s: %s" % (self.name, self._path(key), error.strerror or error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = ""
            try:
                free = " (%d bytes free)" % (self.free_space() or 0)
            except FleetBackupError:
                pass
            return StoreFullError("store %s: no space left on %s%s" % (self.name, self.path, free))
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            return StoreRefusedError(what)
        if error.errno == errno.ENOENT:
            return NotFoundError(what)
        return StoreUnavailableError(what)


class LocalUpload(Upload):
    def __init__(self, store: LocalStore, key: str, path: str) -> None:
        self.key = key
        self._store = store
        self._path = path
        folder, name = os.path.split(path)
        self._temporary = os.path.join(folder, _UPLOADING + os.urandom(4).hex() + "-" + name)
        self._size = 0
        # Bytes that the disk was told to write.
        self._begun = 0
        self._fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        self._read_back: t.Optional[ReadBack] = None
        if store.confirms == "read":
            from .read_back import ReadBack

            self._read_back = ReadBack(self._temporary, self._fd)

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        rest = memoryview(data)
        if self._read_back is not None:
            self._read_back.wrote(rest)
        self._size += len(rest)
        try:
            write_all(self._fd, rest)
        except OSError as error:
            raise self._store._error(error, self.key) from error
        if self._size - self._begun >= _AT_ONCE and self._read_back is None:
            self._begin_to_write()

    def _begin_to_write(self) -> None:
        """Let the disk work while more is read and compressed: then little is left for fsync(2) to wait for."""
        begin_to_write(self._fd, self._begun, self._size - self._begun)
        self._begun = self._size

    def commit(self) -> None:
        try:
            os.fsync(self._fd)
            same = self._read_back is None or self._read_back.finish()
            os.close(self._fd)
            self._fd = -1
            if not same or os.stat(self._temporary).st_size != self._size:
                raise StoreUnavailableError(
                    "store %s: %s: the disk did not give back what was written to it" % (self._store.name, self.key)
                )
            _rename_new(self._temporary, self._path)
            sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise self._store._error(error, self.key) from error

    def abort(self) -> None:
        if self._read_back is not None:
            self._read_back.stop()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        try:
            os.unlink(self._temporary)
        except OSError:
            # Gone already (committed), or the disk refuses: remove_leftovers() finds it by its name.
            return


class _Range:
    """At most ``size`` bytes of an open file."""

    def __init__(self, file: t.Any, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        count: int = self._file.readinto(buffer[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()


def _rename_new(source: str, target: str) -> None:
    """Rename without ever overwriting: rename(2) would; link(2) refuses a name that is taken."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno == errno.EEXIST:
            raise
        # File systems without hard links (exFAT, some network mounts). Ids are unique, so the window is only theoretical.
        if os.path.exists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        replace(source, target)
        return
    os.unlink(source)


def _stat(path: str) -> t.Optional[os.stat_result]:
    """What is said of a file; None when it was deleted since it was listed, which must not end the listing."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path
