# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder on an FTP server, with TLS unless it is told otherwise."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import posixpath
import socket
import threading
import time
import typing as t
import weakref

from ..errors import FleetBackupError, NotFoundError, StoreRefusedError, StoreUnavailableError
from ..ftp.connection import ERRORS, Account, Connection, explain, joined
from ..ftp.listing import Entry, entries
from ..options import Option
from ..urls import server_url
from . import Meant, Readable, Store, StoredObject, Upload, is_left, whatever
from .written import Written

#: No leading dot: some servers hide such names, and then nobody could remove them.
_UPLOADING = "_uploading-"
_PORTS = {"explicit": 21, "none": 21, "implicit": 990}
_IDLE = 4
_FRESH = 10.0
_BLOCK = 1 << 18


class FtpStore(Store):
    """Objects are files: temporary name, size, rename. Every upload and every reader has a connection of its own."""

    OPTIONS = (
        Option("host", "str", "The server: the name that its certificate is for.", required=True, example="ftp.example.org"),
        Option("port", "int", "The server's port. By default 21, with implicit TLS 990.", minimum=1, maximum=65535),
        Option("user", "str", "Who logs in.", required=True, example="backup"),
        Option("password", "str", "The password to log in with.", secret=True),
        Option(
            "path",
            "str",
            "The folder on the server. It is made when it is missing; its parent must exist, so that a disk that is not mounted"
            " is noticed. Without a leading slash it begins at the folder that a login begins in.",
            required=True,
            example="backups",
        ),
        Option(
            "tls",
            "str",
            "How the connection is protected: V(explicit), TLS begins on the usual port (AUTH TLS); V(implicit), TLS from the"
            " first byte on; V(none), everything goes in the clear, the password first, and bytes that are changed on their way"
            " are not noticed without O(read_back).",
            choices=("explicit", "implicit", "none"),
            default="explicit",
        ),
        Option(
            "ca_file", "path", "The certificates that the server's may be signed by. By default those that the system trusts."
        ),
        Option("timeout", "duration", "How long the server may take to answer before it counts as unreachable.", default="60s"),
        Option(
            "read_back",
            "bool",
            "Read back what was written, and compare it, before a backup counts. It doubles the traffic."
            " Without it only the size is compared.",
            default=False,
        ),
    )
    readers = 2

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        tls = options.get("tls") or "explicit"
        host = options["host"]
        self.account = Account(
            store="store %s" % name,
            host=host,
            port=options.get("port") or _PORTS[tls],
            user=options["user"],
            password=options.get("password"),
            tls=tls,
            ca_file=options.get("ca_file"),
            timeout=options.get("timeout") or 60,
        )
        self.confirms = "read" if options.get("read_back") else "size"
        self._wanted: str = options["path"]
        self._root: t.Optional[str] = None
        self._folders: t.Set[str] = set()
        self._idle: t.List[t.Tuple[float, Connection]] = []
        self._lock = threading.Lock()
        self.renaming = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        return [
            "%s: %r cannot be right" % (key, options[key])
            for key in ("host", "user", "path")
            if isinstance(options.get(key), str) and not options[key].isprintable()
        ]

    def put(self, key: str) -> FtpUpload:
        connection = self.borrow()
        try:
            with self.errors(connection):
                path = self.path(connection, key)
                self._make_folder(connection, posixpath.dirname(path))
                return FtpUpload(self, connection, key, path)
        except BaseException:
            self.give_back(connection)
            raise

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        connection = self.borrow()
        try:
            with self.errors(connection):
                path = self.path(connection, key)
                there = self._size(connection, path)
                if there is None:
                    raise self._not_found(path)
                end = there if size is None else min(there, offset + size)
                return FtpDownload(self, connection, path, offset, end)
        except BaseException:
            self.give_back(connection)
            raise

    def size(self, key: str) -> int:
        with self.connection() as connection:
            path = self.path(connection, key)
            size = self._size(connection, path)
            if size is None:
                raise self._not_found(path)
            return size

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        found = [e for e in self._entries(folder) if not e.name.startswith((".", _UPLOADING))]
        objects = [StoredObject(posixpath.join(folder, e.name), e.size, e.modified) for e in found if not e.is_folder]
        return sorted(objects, key=lambda o: o.key), sorted(e.name for e in found if e.is_folder)

    def delete(self, key: str) -> None:
        with self.connection() as connection:
            self.remove(connection, self.path(connection, key))

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        return sum(e.size for e in self._entries(folder) if is_left(e.name, _UPLOADING, meant))

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        removed = 0
        found = self._entries(folder)
        with self.connection() as connection:
            path = self.path(connection, folder)
            for entry in found:
                if is_left(entry.name, _UPLOADING, meant) and not entry.is_folder:
                    self.remove(connection, posixpath.join(path, entry.name))
                    removed += 1
            if len(found) == removed:
                self._folders.clear()
                connection.folder_exists(connection.home)  # nobody removes the folder that he stands in
                # One that is not there, and one that somebody put something into meanwhile, are fine.
                _permitted(lambda: connection.ftp.voidcmd("RMD " + path))
        return removed

    def check(self) -> None:
        upload = self.put("check-%s" % os.urandom(4).hex())
        try:
            upload.write(b"fleet.backup")
            upload.commit()
        finally:
            upload.abort()
        self.delete(upload.key)

    def remarks(self) -> t.List[str]:
        if self.account.tls != "none":
            return []
        return ["the password and the backups travel in the clear, for anyone on the way to read and change; set tls: explicit"]

    # for the uploads and readers of this store

    def borrow(self) -> Connection:
        """A connection that works, to be given back."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                since, connection = self._idle.pop()
            if time.monotonic() - since < _FRESH:
                return connection
            try:
                connection.ftp.voidcmd("NOOP")
                return connection
            except ERRORS:
                connection.close()
        return Connection(self.account)

    def give_back(self, connection: Connection) -> None:
        with self._lock:
            if not connection.broken and len(self._idle) < _IDLE:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    @contextlib.contextmanager
    def connection(self) -> t.Iterator[Connection]:
        connection = self.borrow()
        try:
            with self.errors(connection):
                yield connection
        finally:
            self.give_back(connection)

    @contextlib.contextmanager
    def errors(self, connection: Connection) -> t.Iterator[None]:
        """Raise what the user can understand; after anything but a plain "no", the connection is not used again."""
        kept = False
        try:
            yield
            kept = True
        except FleetBackupError:
            kept = True
            raise
        except ERRORS as error:
            kept = str(error)[:1] == "5"
            raise explain(self.account, error) from error
        except ValueError as error:
            raise StoreUnavailableError("%s: %s" % (self.account.store, error)) from error
        finally:
            connection.broken = connection.broken or not kept

    def url(self, key: str) -> t.Optional[str]:
        account, root = self.account, self._root or self._wanted
        scheme = "ftps" if account.tls == "implicit" else "ftp"
        return server_url(scheme, account.user, account.host, account.port, posixpath.join("/", root, key))

    def path(self, connection: Connection, key: str) -> str:
        if "\r" in key or "\n" in key:
            raise StoreRefusedError("%s: %r: a name with a line end cannot be sent" % (self.account.store, key))
        if self._root is None:
            self._root = joined(connection.home, self._wanted)
        return posixpath.join(self._root, key) if key else self._root

    def remove(self, connection: Connection, path: str) -> None:
        try:
            connection.ftp.delete(path)
        except (*ERRORS,) as error:
            if str(error)[:1] != "5" or self._size(connection, path) is not None:
                raise

    # for this class alone

    def _size(self, connection: Connection, path: str) -> t.Optional[int]:
        """By SIZE; where the server does not know that, from a listing."""
        try:
            return connection.size(path)
        except ERRORS as error:
            if str(error)[:3] not in ("500", "502"):
                raise
        if not connection.folder_exists(posixpath.dirname(path)):
            return None
        found = [e for e in entries(connection) if e.name == posixpath.basename(path) and not e.is_folder]
        return found[0].size if found else None

    def _entries(self, folder: str) -> t.List[Entry]:
        with self.connection() as connection:
            path = self.path(connection, folder)
            if connection.folder_exists(path):
                return entries(connection)
            # A folder that may not be entered is not one that is missing.
            root = self.path(connection, "")
            while True:
                parent, name = posixpath.split(path)
                if connection.folder_exists(parent):
                    if any(e.name == name for e in entries(connection)):
                        raise StoreRefusedError("%s: the folder %s may not be entered" % (self.account.store, path))
                    return []
                if path in (root, "/"):
                    raise self._not_mounted(root)
                path = parent

    def _make_folder(self, connection: Connection, path: str) -> None:
        if path in self._folders:
            return
        if not connection.folder_exists(path):
            if path == self.path(connection, ""):
                if not connection.folder_exists(posixpath.dirname(path)):
                    raise self._not_mounted(path)
            else:
                self._make_folder(connection, posixpath.dirname(path))
            refused = _permitted(lambda: connection.ftp.voidcmd("MKD " + path))
            if refused and not connection.folder_exists(path):
                raise refused
        self._folders.add(path)

    def _not_found(self, path: str) -> FleetBackupError:
        return NotFoundError("%s: there is no %s" % (self.account.store, path))

    def _not_mounted(self, path: str) -> FleetBackupError:
        return StoreUnavailableError(
            "%s: the folder %s does not exist on %s, nor its parent; is a disk not mounted?"
            % (self.account.store, path, self.account.host)
        )


class FtpUpload(Upload):
    def __init__(self, store: FtpStore, connection: Connection, key: str, path: str) -> None:
        self.key = key
        self._store = store
        self._connection: t.Optional[Connection] = connection
        self._path = path
        folder, name = posixpath.split(path)
        self._temporary = posixpath.join(folder, _UPLOADING + os.urandom(4).hex() + "-" + name)
        self._written = Written("%s: %s" % (store.account.store, key), store.confirms == "read")
        self._data: t.Optional[socket.socket] = connection.upload(self._temporary)
        #: Whether all was written, or all is over.
        self._ended = False

    @property
    def resumes(self) -> bool:
        return not self._ended

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._written.update(data)
        with self._working() as connection:
            try:
                self._data.sendall(data)  # type: ignore[union-attr]
            except OSError as error:
                # The server ended it; why, it says on the other connection.
                raise _reason(connection, error) from error

    def resume(self) -> int:
        self._let_go()
        connection = self._store.borrow()
        try:
            with self._store.errors(connection):
                there = connection.size(self._temporary)
                if there is None:
                    raise self._store._not_found(self._temporary)
                offset = self._written.go_back(there, functools.partial(_pieces, connection, self._temporary))
                self._data = connection.upload(self._temporary, offset)
        except BaseException:
            self._store.give_back(connection)
            raise
        self._connection = connection
        return offset

    def commit(self) -> None:
        self._ended = True
        with self._working() as connection:
            data, self._data = self._data, None
            ended = False
            try:
                connection.end_transfer(data)  # type: ignore[arg-type]
                ended = True
            finally:
                connection.broken = connection.broken or not ended
            if connection.size(self._temporary) != self._written.position or not self._is_same(connection):
                raise StoreUnavailableError(
                    "%s: %s: the server does not hold what was sent to it" % (self._store.account.store, self.key)
                )
            # Servers overwrite when they rename. Names of backups are unique, so that only this process could be in the way.
            with self._store.renaming:
                if connection.size(self._path) is not None:
                    raise StoreRefusedError(
                        "%s: %s is there already; nothing is overwritten" % (self._store.account.store, self._path)
                    )
                connection.ftp.rename(self._temporary, self._path)
        self._temporary = ""
        self._end()

    def abort(self) -> None:
        self._ended = True
        self._let_go()
        temporary, self._temporary = self._temporary, ""
        if not temporary:
            return
        try:
            with self._store.connection() as other:
                self._store.remove(other, temporary)
        except FleetBackupError:
            # The server refuses, or is gone: remove_leftovers() finds it by its name.
            return

    def _let_go(self) -> None:
        """End the connection of a transfer that has not ended; give back any other."""
        if self._data is not None:
            self._data.close()
            self._data = None
            if self._connection is not None:
                self._connection.close()
        self._end()

    def _is_same(self, connection: Connection) -> bool:
        wanted = self._written.digest()
        if wanted is None:
            return True
        digest = hashlib.sha256()
        for block in _pieces(connection, self._temporary, 0):
            digest.update(block)
        return digest.digest() == wanted

    @contextlib.contextmanager
    def _working(self) -> t.Iterator[Connection]:
        if self._connection is None or self._data is None:
            raise StoreUnavailableError("%s: %s: the upload was given up" % (self._store.account.store, self.key))
        with self._store.errors(self._connection):
            yield self._connection

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._store.give_back(connection)


def _pieces(connection: Connection, path: str, offset: int, _size: int = 0) -> t.Iterator[bytes]:
    """All of a file from ``offset`` on."""
    data = connection.download(path, offset)
    try:
        yield from iter(lambda: data.recv(_BLOCK), b"")
    finally:
        connection.end_transfer(data)


class FtpDownload:
    """An object that is being read, from ``offset`` to ``end``."""

    def __init__(self, store: FtpStore, connection: Connection, path: str, offset: int, end: int) -> None:
        self._store = store
        self._path = path
        self._connection: t.Optional[Connection] = connection
        self._left = max(0, end - offset)
        self._data = connection.download(path, offset) if self._left else None

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(_BLOCK), b""))
        buffer = bytearray(min(size, self._left, _BLOCK))
        count = self.readinto(memoryview(buffer))
        return bytes(buffer[:count])

    def readinto(self, buffer: memoryview) -> int:
        if self._data is None or not self._left or not buffer:
            return 0
        with self._store.errors(self._connection):  # type: ignore[arg-type]
            count = self._data.recv_into(buffer[: self._left])
            if not count:
                raise EOFError("%s ended %d bytes early" % (self._path, self._left))
        self._left -= count
        return count

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self._data is not None:
                self._data.close()
                if not connection.broken:
                    # "Complete", or "you closed it": both are the end of this transfer.
                    connection.ftp.getresp()
        except ERRORS as error:
            if str(error)[:1] not in ("4", "5"):
                connection.broken = True
        finally:
            self._store.give_back(connection)


def _permitted(act: t.Callable[[], object]) -> t.Optional[Exception]:
    """Do it; return the server's "no"."""
    try:
        act()
    except ERRORS as error:
        if str(error)[:1] != "5":
            raise
        return error
    return None


def _reason(connection: Connection, error: OSError) -> Exception:
    """What the server says of a transfer that it ended."""
    if isinstance(error, socket.timeout):
        return error
    try:
        connection.ftp.voidresp()
    except ERRORS as reason:
        connection.broken = True
        return reason
    return error


def _close_all(idle: t.List[t.Tuple[float, Connection]]) -> None:
    for _since, connection in idle:
        connection.close()
