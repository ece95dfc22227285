# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder on a server that is reached by SSH."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import posixpath
import typing as t
import weakref

from ..errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError
from ..options import Option
from ..sftp import wire
from ..sftp.account import Account
from ..sftp.pool import Pool
from ..sftp.session import Connection, Session
from ..sftp.transfer import Reader, Writer
from ..sftp.wire import ProtocolError, StatusError
from ..urls import server_url
from . import Meant, Readable, Store, StoredObject, Upload, is_left, whatever
from .written import Written

_UPLOADING = ".uploading-"
#: With less than this left, a failure is one of space.
_NO_SPACE = 1 << 20
#: fsync of a large file on a slow disk takes its time.
_PATIENCE = 4


class SftpStore(Store):
    """Objects are files: temporary name, fsync, rename. Folders 0700, files 0600, for the account alone."""

    requires = ("paramiko",)
    OPTIONS = (
        Option(
            "host",
            "str",
            "The server: its name or address; with O(connection=ssh) also a name in the user's configuration of ssh.",
            required=True,
            example="backup.example.org",
        ),
        Option(
            "port", "int", "The server's port. By default 22, or what the configuration of ssh says.", minimum=1, maximum=65535
        ),
        Option("user", "str", "Who logs in. By default the user that runs the backup, or whom the configuration of ssh says."),
        Option(
            "path",
            "str",
            "The folder on the server. It is made when it is missing; its parent must exist, so that a disk that is not mounted"
            " is noticed. It begins at the root that the account sees (with ChrootDirectory: its own), or without a leading"
            " slash at the folder that a login begins in.",
            required=True,
            example="backups",
        ),
        Option("key_file", "path", "The file of the private key to log in with. Then neither other keys nor an agent are asked."),
        Option("passphrase", "str", "The passphrase of O(key_file).", secret=True),
        Option(
            "password",
            "str",
            "The password to log in with. Keys are better: a server that was taken over learns a password.",
            secret=True,
        ),
        Option("agent", "bool", "Ask a running ssh-agent for keys, when neither a key nor a password is given.", default=True),
        Option(
            "host_key",
            "str",
            "The server's public key, its type first, as ssh-keyscan prints them. Instead of O(known_hosts).",
            example="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI...",
        ),
        Option(
            "known_hosts",
            "path",
            "The file that tells the server's key. By default the user's own and the system's. A server whose key is not known is"
            " always refused.",
        ),
        Option(
            "connection",
            "str",
            "What carries the connection: the Python library paramiko; or the program ssh, which is faster, needs no library, and"
            " honours the user's configuration of ssh (jump hosts, aliases), but takes keys and agents only.",
            choices=("paramiko", "ssh"),
            default="paramiko",
        ),
        Option("timeout", "duration", "How long the server may take to answer before it counts as unreachable.", default="60s"),
        Option(
            "keepalive",
            "duration",
            "How often to send a sign of life, so that firewalls keep a connection that waits.",
            default="30s",
        ),
        Option(
            "read_back",
            "bool",
            "Read back what was written, and compare it, before a backup counts. It doubles the traffic.",
            default=False,
        ),
    )
    readers = 4

    @classmethod
    def needs(cls, options: t.Dict[str, t.Any]) -> t.Tuple[str, ...]:
        return () if options["connection"] == "ssh" else cls.requires

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        self.path = posixpath.normpath(options["path"])
        self._account = account = _account(name, options)
        self._reads_back: bool = bool(options.get("read_back"))
        self.confirms = "read" if self._reads_back else "size"
        self._folders: t.Set[str] = set()
        self._pool = Pool(account, *_ways(account, options.get("connection") or "paramiko"))
        weakref.finalize(self, self._pool.close)

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        host, host_key = options.get("host"), options.get("host_key")
        if isinstance(host, str) and (host.startswith("-") or not host.isprintable() or " " in host):
            problems.append("host: %r is no name of a server" % host)
        if isinstance(host_key, str) and len(host_key.split()) < 2:
            problems.append("host_key: must be a type and a key, such as: ssh-ed25519 AAAA...")
        if options.get("connection") == "ssh" and (options.get("password") or options.get("passphrase")):
            problems.append("connection: ssh takes keys and agents only; with a password or passphrase, use paramiko")
        return problems

    def put(self, key: str) -> SftpUpload:
        session = self._pool.borrow()
        try:
            with self._errors(session, key):
                if not self._reads_back and session.can("fsync@openssh.com"):
                    self.confirms = "sync"
                self._make_folder(session, posixpath.dirname(self._path(key)))
                return SftpUpload(self, session, key)
        except BaseException:
            self._pool.give_back(session)
            raise

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        session = self._pool.borrow(alone=True)
        try:
            with self._errors(session, key):
                return SftpDownload(self, session, key, offset, size)
        except BaseException:
            self._pool.give_back(session)
            raise

    def size(self, key: str) -> int:
        with self._session(key) as session:
            return session.stat(self._path(key)).size or 0

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        objects, folders = [], []
        with self._session(folder) as session:
            for name, path, attributes in self._entries(session, folder):
                if name.startswith("."):
                    continue
                if attributes.is_link:
                    attributes = session.stat(path)
                if attributes.is_folder:
                    folders.append(name)
                else:
                    version = "" if attributes.mtime is None else str(attributes.mtime)
                    objects.append(StoredObject(posixpath.join(folder, name), attributes.size or 0, version))
        return sorted(objects, key=lambda o: o.key), sorted(folders)

    def delete(self, key: str) -> None:
        with self._session(key) as session:
            self._remove(session, self._path(key))

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        with self._session(folder) as session:
            return sum(a.size or 0 for name, _path, a in self._entries(session, folder) if is_left(name, _UPLOADING, meant))

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        removed = 0
        with self._session(folder) as session:
            for name, path, _attributes in self._entries(session, folder):
                if is_left(name, _UPLOADING, meant):
                    self._remove(session, path)
                    removed += 1
            self._folders.clear()
            try:
                session.on_path(wire.RMDIR, self._path(folder))
            except StatusError as error:
                # "Failure" is all that servers say of a folder that is not empty.
                if error.code not in (wire.NO_SUCH_FILE, wire.FAILURE):
                    raise
        return removed

    def free_space(self) -> t.Optional[int]:
        with self._session("") as session:
            path = self.path
            while True:
                try:
                    found = session.file_system(path)
                    return found[0] if found else None
                except StatusError as error:
                    if error.code != wire.NO_SUCH_FILE or path == posixpath.dirname(path):
                        raise
                    path = posixpath.dirname(path) or "."

    def check(self) -> None:
        upload = self.put(".check-%s" % os.urandom(4).hex())
        try:
            upload.write(b"fleet.backup")
            upload.commit()
        finally:
            upload.abort()
        self.delete(upload.key)

    def url(self, key: str) -> t.Optional[str]:
        return server_url("sftp", self._account.user, self._account.host, self._account.port, self._path(key))

    def _path(self, key: str) -> str:
        return posixpath.join(self.path, key) if key else self.path

    def _entries(self, session: Session, folder: str) -> t.List[t.Tuple[str, str, wire.Attributes]]:
        """Name, path and attributes of what is in a folder; of one that does not exist, nothing."""
        path = self._path(folder)
        try:
            found = session.list(path)
        except StatusError as error:
            if error.code != wire.NO_SUCH_FILE:
                raise
            # A store that was never written to has no folder yet; one whose disk is not mounted lacks the parent too.
            if not _is_folder(session, self.path) and not _is_folder(session, posixpath.dirname(self.path) or "."):
                raise self._not_mounted() from error
            return []
        # A name that is not UTF-8 is none of ours.
        names = [(name.decode("utf-8", "replace"), attributes) for name, attributes in found]
        return [(name, posixpath.join(path, name), attributes) for name, attributes in names]

    def _remove(self, session: Session, path: str) -> None:
        try:
            session.on_path(wire.REMOVE, path)
        except StatusError as error:
            if error.code != wire.NO_SUCH_FILE:
                raise

    def _make_folder(self, session: Session, path: str) -> None:
        if path in self._folders:
            return
        refused = _refused(session, path)
        if refused and refused.code == wire.NO_SUCH_FILE:
            if path == self.path:
                raise self._not_mounted() from refused
            self._make_folder(session, posixpath.dirname(path))
            refused = _refused(session, path)
        # Another may have made it at the same time.
        if refused and not _is_folder(session, path):
            raise refused
        self._folders.add(path)

    @contextlib.contextmanager
    def _session(self, key: str) -> t.Iterator[Session]:
        with self._pool.session() as session, self._errors(session, key):
            yield session

    @contextlib.contextmanager
    def _errors(self, session: Session, key: str) -> t.Iterator[None]:
        try:
            yield
        except StatusError as error:
            raise self._refusal(session, error, key) from error
        except (OSError, EOFError, ProtocolError) as error:
            raise session.failure(error) from error

    def _not_mounted(self) -> FleetBackupError:
        return StoreUnavailableError(
            "store %s: the folder %s does not exist on %s, nor its parent; is a disk not mounted?"
            % (self.name, self.path, self._account.address)
        )

    def _refusal(self, session: Session, error: StatusError, key: str) -> FleetBackupError:
        what = "store %s: %s: %s" % (self.name, self._path(key), error)
        if error.code == wire.NO_SUCH_FILE:
            self._folders.clear()
            return NotFoundError(what)
        if error.code in (wire.PERMISSION_DENIED, wire.OP_UNSUPPORTED, wire.BAD_MESSAGE):
            return StoreRefusedError(what)
        # "Failure" may be anything; what the server knows of its disk tells more.
        try:
            free, read_only = session.file_system(self.path) or (None, False)
        except (StatusError, OSError, EOFError, ProtocolError):
            return StoreUnavailableError(what)
        if read_only:
            return StoreRefusedError("store %s: %s is on a disk that is mounted read-only" % (self.name, self.path))
        if free is not None and free < _NO_SPACE:
            return StoreFullError("store %s: no space left on %s (%d bytes free)" % (self.name, self.path, free))
        return StoreUnavailableError("%s (the server says no more; is a quota reached?)" % what)


class SftpUpload(Upload):
    def __init__(self, store: SftpStore, session: Session, key: str) -> None:
        self.key = key
        self._store = store
        self._session: t.Optional[Session] = session
        self._path = store._path(key)
        folder, name = posixpath.split(self._path)
        self._temporary = posixpath.join(folder, _UPLOADING + os.urandom(4).hex() + "-" + name)
        self._handle = session.open(self._temporary, wire.FOR_WRITING | wire.CREATE | wire.EXCLUSIVE)
        self._writer = Writer(session, self._handle)
        self._written = Written("store %s: %s" % (store.name, key), store._reads_back)
        #: Whether all was written, or all is over.
        self._ended = False

    @property
    def resumes(self) -> bool:
        return not self._ended

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._written.update(data)
        with self._working():
            self._writer.write(data)

    def resume(self) -> int:
        self._let_go()
        session = self._store._pool.borrow()
        try:
            with self._store._errors(session, self.key):
                there = session.stat(self._temporary).size or 0
                # What it wrote without saying so is written again.
                offset = self._written.go_back(
                    min(self._writer.confirmed, there), functools.partial(_pieces, session, self._temporary)
                )
                self._handle = session.open(self._temporary, wire.FOR_WRITING)
        except BaseException:
            self._store._pool.give_back(session)
            raise
        self._session, self._writer = session, Writer(session, self._handle, offset)
        return offset

    def commit(self) -> None:
        self._ended = True
        with self._working() as session:
            self._writer.finish()
            handle, self._handle = wire.string(self._handle), b""
            sync = session.can("fsync@openssh.com")
            # All at once; a server answers in order.
            requests = [session.request(wire.EXTENDED, wire.string(b"fsync@openssh.com") + handle)] if sync else []
            requests.append(session.request(wire.CLOSE, handle))
            written = session.request(wire.STAT, wire.string(self._temporary.encode("utf-8")))
            there = session.request(wire.LSTAT, wire.string(self._path.encode("utf-8")))
            answers = [session.reply(number, _PATIENCE) for number in requests]
            attributes, taken = session.attributes(written), session.attributes(there)
            for answer in answers:
                session.expect(wire.STATUS, *answer)
            if taken is not None:
                raise self._taken()
            if attributes is None or attributes.size != self._writer.size or not self._is_same(session):
                raise StoreUnavailableError(
                    "store %s: %s: the server does not hold what was sent to it" % (self._store.name, self.key)
                )
            self._rename(session)
        self._temporary = ""
        self._give_back()

    def abort(self) -> None:
        self._ended = True
        self._let_go()
        temporary, self._temporary = self._temporary, ""
        if not temporary:
            return
        try:
            with self._store._session(self.key) as other:
                self._store._remove(other, temporary)
        except FleetBackupError:
            # The server refuses, or is gone: remove_leftovers() finds it by its name.
            return

    def _let_go(self) -> None:
        """Give the session back, with nothing under way."""
        session = self._session
        try:
            if session is not None and not session.broken:
                self._writer.forget()
                if self._handle:
                    session.ask(wire.CLOSE, wire.string(self._handle))
        except (StatusError, OSError, EOFError, ProtocolError):
            # The connection went; what is to be done is done over another.
            pass
        finally:
            self._give_back()

    def _rename(self, session: Session) -> None:
        try:
            session.rename(self._temporary, self._path)
        except StatusError as error:
            if session.attributes(session.request(wire.LSTAT, wire.string(self._path.encode("utf-8")))) is not None:
                raise self._taken() from error
            raise

    def _is_same(self, session: Session) -> bool:
        wanted = self._written.digest()
        if wanted is None:
            return True
        digest = hashlib.sha256()
        for data in _pieces(session, self._temporary, 0, self._writer.size):
            digest.update(data)
        return digest.digest() == wanted

    @contextlib.contextmanager
    def _working(self) -> t.Iterator[Session]:
        if self._session is None:
            raise StoreUnavailableError("store %s: %s: the upload was given up" % (self._store.name, self.key))
        with self._store._errors(self._session, self.key):
            yield self._session

    def _taken(self) -> FleetBackupError:
        return StoreRefusedError("store %s: %s is there already; nothing is overwritten" % (self._store.name, self._path))

    def _give_back(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._store._pool.give_back(session)


def _pieces(session: Session, path: str, offset: int, size: int) -> t.Iterator[bytes]:
    """So many bytes of a file."""
    handle = session.open(path, wire.FOR_READING)
    reader = Reader(session, handle, offset, size)
    yield from iter(lambda: reader.read(1 << 20), b"")
    session.ask(wire.CLOSE, wire.string(handle))


class SftpDownload:
    """An object that is being read; it has a session of its own."""

    def __init__(self, store: SftpStore, session: Session, key: str, offset: int, size: t.Optional[int]) -> None:
        self._store = store
        self._key = key
        self._session: t.Optional[Session] = session
        self._handle = session.open(store._path(key), wire.FOR_READING)
        attributes = session.attributes(session.request(wire.FSTAT, wire.string(self._handle)))
        rest = max(0, (attributes.size or 0) - offset) if attributes else 0
        self._reader = Reader(session, self._handle, offset, rest if size is None else min(size, rest))

    def read(self, size: int = -1) -> bytes:
        with self._store._errors(self._open, self._key):
            return self._reader.read(size)

    def readinto(self, buffer: memoryview) -> int:
        with self._store._errors(self._open, self._key):
            return self._reader.readinto(buffer)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            if not session.broken:
                self._reader.forget()
                session.ask(wire.CLOSE, wire.string(self._handle))
        except (StatusError, OSError, EOFError, ProtocolError):
            # It was read; how its session ends is of no interest.
            session.broken = True
        finally:
            self._store._pool.give_back(session)

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise ValueError("%s is closed" % self._key)
        return self._session


def _account(name: str, options: t.Dict[str, t.Any]) -> Account:
    host_key = options.get("host_key")
    return Account(
        store="store %s" % name,
        host=options["host"],
        port=options.get("port"),
        user=options.get("user"),
        password=options.get("password"),
        key_file=options.get("key_file"),
        passphrase=options.get("passphrase"),
        agent=options.get("agent", True),
        known_hosts=options.get("known_hosts"),
        host_key=" ".join(host_key.split()[:2]) if host_key else None,
        timeout=options.get("timeout") or 60,
        keepalive=options.get("keepalive") or 30,
    )


def _ways(account: Account, connection: str) -> t.Tuple[t.Callable[[], Connection], t.Callable[[], None]]:
    """How to open a connection, and what ends all that they share."""
    if connection == "ssh":
        from ..sftp.program import Program

        return (lambda: Program(account)), (lambda: None)
    from ..sftp.library import Transport

    transport = Transport(account)
    return transport.open, transport.close


def _refused(session: Session, path: str) -> t.Optional[StatusError]:
    """Make a folder; returns why not."""
    try:
        session.on_path(wire.MKDIR, path, wire.mode(0o700))
    except StatusError as error:
        return error
    return None


def _is_folder(session: Session, path: str) -> bool:
    try:
        return session.stat(path).is_folder
    except StatusError:
        return False
