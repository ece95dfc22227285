# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder on a server that is reached by SSH."""

from __future__ import annotations

import os
import posixpath
import typing as t

from ..options import Option
from ..sftp import wire
from ..sftp.account import Account
from ..sftp.folder import SftpFolder
from ..sftp.pool import Pool
from ..sftp.session import Connection, Session
from ..sftp.transfer import Reader
from ..sftp.upload import UPLOADING, SftpUpload
from ..sftp.wire import ProtocolError, StatusError
from ..urls import server_url
from . import Meant, Readable, Store, StoredObject, is_left, whatever


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
        self._account = account = _account(name, options)
        self._reads_back: bool = bool(options.get("read_back"))
        self.confirms = "read" if self._reads_back else "size"
        pool = Pool(account, *_ways(account, options.get("connection") or "paramiko"))
        self._folder = SftpFolder(account, posixpath.normpath(options["path"]), pool)

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
        session = self._folder.pool.borrow()
        try:
            with self._folder.errors(session, key):
                if not self._reads_back and session.can("fsync@openssh.com"):
                    self.confirms = "sync"
                self._folder.make(session, posixpath.dirname(self._folder.path(key)))
                return SftpUpload(self._folder, session, key, self._reads_back)
        except BaseException:
            self._folder.pool.give_back(session)
            raise

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        session = self._folder.pool.borrow(alone=True)
        try:
            with self._folder.errors(session, key):
                return SftpDownload(self._folder, session, key, offset, size)
        except BaseException:
            self._folder.pool.give_back(session)
            raise

    def size(self, key: str) -> int:
        with self._folder.session(key) as session:
            return session.stat(self._folder.path(key)).size or 0

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        objects, folders = [], []
        with self._folder.session(folder) as session:
            for name, path, attributes in self._folder.entries(session, folder):
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
        with self._folder.session(key) as session:
            self._folder.remove(session, self._folder.path(key))

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        with self._folder.session(folder) as session:
            return sum(a.size or 0 for name, _path, a in self._folder.entries(session, folder) if is_left(name, UPLOADING, meant))

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        removed = 0
        with self._folder.session(folder) as session:
            for name, path, _attributes in self._folder.entries(session, folder):
                if is_left(name, UPLOADING, meant):
                    self._folder.remove(session, path)
                    removed += 1
            self._folder.remove_empty(session, self._folder.path(folder))
        return removed

    def free_space(self) -> t.Optional[int]:
        with self._folder.session("") as session:
            path = self._folder.path("")
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
        return server_url("sftp", self._account.user, self._account.host, self._account.port, self._folder.path(key))


class SftpDownload:
    """An object that is being read; it has a session of its own."""

    def __init__(self, folder: SftpFolder, session: Session, key: str, offset: int, size: t.Optional[int]) -> None:
        self._folder = folder
        self._key = key
        self._session: t.Optional[Session] = session
        self._handle = session.open(folder.path(key), wire.FOR_READING)
        attributes = session.attributes(session.request(wire.FSTAT, wire.string(self._handle)))
        rest = max(0, (attributes.size or 0) - offset) if attributes else 0
        self._reader = Reader(session, self._handle, offset, rest if size is None else min(size, rest))

    def read(self, size: int = -1) -> bytes:
        with self._folder.errors(self._open, self._key):
            return self._reader.read(size)

    def readinto(self, buffer: memoryview) -> int:
        with self._folder.errors(self._open, self._key):
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
            self._folder.pool.give_back(session)

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
