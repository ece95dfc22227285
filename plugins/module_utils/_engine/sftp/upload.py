# SPDX-License-Identifier: GPL-3.0-or-later
"""One object on its way to a server: a file under a temporary name, fsync, rename."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import posixpath
import typing as t

from ..errors import FleetBackupError, StoreRefusedError, StoreUnavailableError
from ..stores import Upload
from ..stores.written import Written
from . import wire
from .folder import SftpFolder
from .session import Session
from .transfer import Reader, Writer
from .wire import ProtocolError, StatusError

#: What the names of uploads that are not complete begin with.
UPLOADING = ".uploading-"

#: fsync of a large file on a slow disk takes its time.
_PATIENCE = 4


class SftpUpload(Upload):
    """Gives the session back at its end. ``reads_back``: what was written is read and compared before it counts."""

    def __init__(self, folder: SftpFolder, session: Session, key: str, reads_back: bool) -> None:
        self.key = key
        self._folder = folder
        self._session: t.Optional[Session] = session
        self._path = folder.path(key)
        place, name = posixpath.split(self._path)
        self._temporary = posixpath.join(place, UPLOADING + os.urandom(4).hex() + "-" + name)
        self._handle = session.open(self._temporary, wire.FOR_WRITING | wire.CREATE | wire.EXCLUSIVE)
        self._writer = Writer(session, self._handle)
        self._written = Written("%s: %s" % (folder.name, key), reads_back)
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
        session = self._folder.pool.borrow()
        try:
            with self._folder.errors(session, self.key):
                there = session.stat(self._temporary).size or 0
                # What it wrote without saying so is written again.
                offset = self._written.go_back(
                    min(self._writer.confirmed, there), functools.partial(_pieces, session, self._temporary)
                )
                self._handle = session.open(self._temporary, wire.FOR_WRITING)
        except BaseException:
            self._folder.pool.give_back(session)
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
                    "%s: %s: the server does not hold what was sent to it" % (self._folder.name, self.key)
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
            with self._folder.session(self.key) as other:
                self._folder.remove(other, temporary)
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
            raise StoreUnavailableError("%s: %s: the upload was given up" % (self._folder.name, self.key))
        with self._folder.errors(self._session, self.key):
            yield self._session

    def _taken(self) -> FleetBackupError:
        return StoreRefusedError("%s: %s is there already; nothing is overwritten" % (self._folder.name, self._path))

    def _give_back(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._folder.pool.give_back(session)


def _pieces(session: Session, path: str, offset: int, size: int) -> t.Iterator[bytes]:
    """So many bytes of a file."""
    handle = session.open(path, wire.FOR_READING)
    reader = Reader(session, handle, offset, size)
    yield from iter(lambda: reader.read(1 << 20), b"")
    session.ask(wire.CLOSE, wire.string(handle))
