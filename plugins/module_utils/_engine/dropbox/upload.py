# SPDX-License-Identifier: GPL-3.0-or-later
"""One object on its way into a Dropbox: one request for a small one, an upload session for a large one.

A session is invisible, and ends by itself after a week. The request that makes the file of it is refused when the key is taken.
"""

from __future__ import annotations

import datetime
import typing as t

from ..errors import FleetBackupError, NotFoundError, StoreUnavailableError
from ..stores import Upload
from .client import Entry, Patience
from .content_hash import ContentHash
from .errors import BusyError, OffsetError, TakenError
from .folder import DropboxFolder


class DropboxUpload(Upload):
    """``chunk``: the bytes that are sent at once, and kept until they arrived."""

    def __init__(self, folder: DropboxFolder, key: str, chunk: int) -> None:
        self.key = key
        self._folder = folder
        self._client = folder.client
        self._path = folder.path(key)
        self._place = folder.place(key)
        self._chunk = chunk
        self._buffer = bytearray()
        #: Where the buffer begins in the object.
        self._start = 0
        self._digest = ContentHash()
        self._size = 0
        self._modified = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
        self._session: t.Optional[str] = None
        #: Whether a request that makes the file got no answer: it may have been carried out.
        self._unsure = False
        self._made: t.Optional[Entry] = None
        self._committed = False

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._digest.update(data)
        self._size += len(data)
        rest = memoryview(data)
        while rest:
            if len(self._buffer) == self._chunk:
                self._send()
            count = min(self._chunk - len(self._buffer), len(rest))
            self._buffer += rest[:count]
            rest = rest[count:]

    def commit(self) -> None:
        if self._session is None:
            self._folder.look()
            data = bytes(self._buffer)
            self._made = self._make(lambda: self._client.upload(data, self._path, self._modified, self._place))
        else:
            session = self._session
            self._send()
            self._made = self._make(lambda: self._client.finish(session, self._size, self._path, self._modified, self._place))
        self._buffer = bytearray()
        if not self._is_whole(self._made):
            raise StoreUnavailableError("%s: the server holds something else than what was sent" % self._prefix())
        self._committed = True

    def abort(self) -> None:
        self._buffer = bytearray()
        if self._committed or not (self._unsure or self._made):
            return
        try:
            made = self._made or self._found()
            if made is not None:
                self._client.delete(self._path, made.rev, self._place)
        except FleetBackupError:
            return
        self._unsure, self._made = False, None

    # the bytes

    def _send(self) -> None:
        """Send what the buffer holds, from where the server has it each time a connection broke."""
        data = bytes(self._buffer)
        self._buffer = bytearray()
        sent, end = self._start, self._start + len(data)
        patience = Patience()
        while sent < end or self._session is None:
            try:
                if self._session is None:
                    self._folder.look()
                    self._session = self._client.begin(data, self._place)
                else:
                    self._client.append(self._session, sent, data[sent - self._start :], self._place)
                sent = end
            except OffsetError as error:
                # What was sent before the connection broke had arrived, or a part of it.
                if not self._start <= error.offset <= end:
                    raise StoreUnavailableError("%s: the server lost a part of what was sent" % self._prefix()) from error
                if error.offset > sent:
                    patience.progressed()
                else:
                    patience.failed(error)
                sent = error.offset
            except StoreUnavailableError as error:
                patience.failed(error)
        self._start = end

    # the file

    def _make(self, make: t.Callable[[], Entry]) -> Entry:
        patience = Patience()
        while True:
            try:
                return make()
            except TakenError:
                found = self._found() if self._unsure else None
                if found is None:
                    raise
                return found
            except StoreUnavailableError as error:
                self._unsure = self._unsure or not isinstance(error, BusyError)
                patience.failed(error)
                found = self._found() if self._unsure else None
                if found is not None:
                    return found

    def _found(self) -> t.Optional[Entry]:
        """The file that a request without an answer made, if it did. Somebody else's with the same content has another time."""
        try:
            found = self._folder.object(self.key)
        except NotFoundError:
            return None
        return found if self._is_whole(found) and found.modified == self._modified else None

    def _is_whole(self, entry: Entry) -> bool:
        name = self.key.rpartition("/")[2]
        return (entry.name, entry.size, entry.content_hash) == (name, self._size, self._digest.hexdigest())

    def _prefix(self) -> str:
        return "store %s: %s" % (self._client.store, self._place)
