# SPDX-License-Identifier: GPL-3.0-or-later
"""One object on its way into a drive: a resumable upload, and the decision who of several has the key.

Drive knows no "create if it does not exist". So a complete file is marked as arriving first, which hides it from every reader,
and looks for others of its name. One that finds another, confirmed or older, gives way; the oldest waits for the younger ones to
do so; who is alone is confirmed. As each looks after it became visible itself, two never both believe to be alone.
"""

from __future__ import annotations

import hashlib
import os
import time
import typing as t

from ..asking_again import ATTEMPTS, pause
from ..errors import FleetBackupError, NotFoundError, StoreRefusedError, StoreUnavailableError
from ..stores import Upload
from .client import Json, Progress
from .tree import ARRIVING, DriveTree, Entry, entry_of

#: Seconds between two looks at others that must give way.
_LOOK = 0.2


class Lost:
    """Uploads of this process that failed and could not be taken back: their marks, and the ids of their files."""

    def __init__(self) -> None:
        self.names: t.Set[str] = set()

    def holds(self, entry: Entry) -> bool:
        return entry.id in self.names or entry.arriving in self.names


class DriveUpload(Upload):
    """``chunk``: the bytes that are sent at once, and kept until they arrived; ``timeout``: how long to wait for others."""

    def __init__(self, tree: DriveTree, key: str, chunk: int, timeout: float, lost: Lost) -> None:
        self.key = key
        self._tree = tree
        self._client = tree.client
        self._place = tree.place(key)
        self._folder, _slash, self._name = key.rpartition("/")
        self._chunk = chunk
        self._timeout = timeout
        self._lost = lost
        self._mark = os.urandom(8).hex()
        self._buffer = bytearray()
        #: Where the buffer begins in the object.
        self._start = 0
        self._digests = [hashlib.sha256(), hashlib.new("md5", usedforsecurity=False)]
        self._session: t.Optional[str] = None
        self._unanswered = False
        self._file: t.Optional[str] = None
        self._committed = False

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        for digest in self._digests:
            digest.update(data)
        rest = memoryview(data)
        while rest:
            if len(self._buffer) == self._chunk:
                self._send(None)
                self._start += len(self._buffer)
                self._buffer = bytearray()
            count = min(self._chunk - len(self._buffer), len(rest))
            self._buffer += rest[:count]
            rest = rest[count:]

    def commit(self) -> None:
        size = self._start + len(self._buffer)
        try:
            file = self._send(size)
        except NotFoundError:
            raise StoreUnavailableError("%s: the folder was removed meanwhile" % self._prefix()) from None
        mine = entry_of(t.cast(Json, file))
        self._file = mine.id
        self._buffer = bytearray()
        self._compare(t.cast(Json, file), size)
        self._claim(mine)
        answer = self._client.file("PATCH", mine.id, self._place, {"properties": {ARRIVING: None}}, "id,properties")
        if ARRIVING in (answer.get("properties") or {}):
            raise StoreUnavailableError("%s: the server did not take the confirmation" % self._prefix())
        self._committed = True

    def abort(self) -> None:
        self._buffer = bytearray()
        if self._committed or (self._session is None and self._file is None):
            return
        session, self._session = self._session, None
        try:
            if self._file is None and session is not None and self._unanswered:
                done = self._client.progress(session, None, self._place)
                if done.file is not None:
                    self._file = entry_of(done.file).id
            if self._file is not None:
                self._tree.remove(self._file, self._place)
                self._file = None
            elif session is not None:
                self._client.cancel(session, self._place)
        except FleetBackupError:
            # An unfinished upload is invisible, and goes by itself after a week. A file is found by its mark.
            self._lost.names.add(self._mark)
            if self._file is not None:
                self._lost.names.add(self._file)

    # the bytes

    def _send(self, total: t.Optional[int]) -> t.Optional[Json]:
        """Send what the buffer holds, from where the server has it each time a connection broke. Return the complete file."""
        if self._session is None:
            self._session = self._begin()
        return self._send_all(self._session, memoryview(self._buffer), total)

    def _send_all(self, session: str, data: memoryview, total: t.Optional[int]) -> t.Optional[Json]:
        sent, end = self._start, self._start + len(data)
        failures, unsure = 0, False
        while True:
            self._unanswered = total is not None
            try:
                progress = self._sent(session, data, sent, total, unsure)
            except StoreUnavailableError:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                pause(failures)
                unsure = True
                continue
            if progress.file is not None:
                if total is None:
                    raise StoreUnavailableError("%s: the server ended the upload early" % self._prefix())
                return progress.file
            if not self._start <= progress.received <= end:
                raise StoreUnavailableError("%s: the server lost a part of what was sent" % self._prefix())
            # It may have taken a part only; the rest follows.
            failures = 0 if progress.received > sent else failures + 1
            sent, unsure = progress.received, False
            if sent == end and total is None:
                return None
            if failures == ATTEMPTS:
                raise StoreUnavailableError("%s: the server takes nothing more" % self._prefix())

    def _sent(self, session: str, data: memoryview, sent: int, total: t.Optional[int], unsure: bool) -> Progress:
        if unsure:
            return self._client.progress(session, total, self._place)
        return self._client.send(session, data[sent - self._start :], sent, total, self._place)

    def _begin(self) -> str:
        for attempt in (1, 2):
            parent = self._tree.make(self._folder)
            metadata = {"name": self._name, "parents": [parent], "properties": {ARRIVING: self._mark}}
            try:
                return self._client.begin_upload(metadata, self._place)
            except NotFoundError:
                # Somebody removed the folder, which was empty.
                self._tree.forget()
                if attempt == 2:
                    raise
        raise AssertionError

    def _compare(self, file: Json, size: int) -> None:
        told = [file.get("sha256Checksum"), file.get("md5Checksum")]
        own = [digest.hexdigest() for digest in self._digests]
        same = all(there is None or there == here for there, here in zip(told, own))
        if file.get("name") != self._name or file.get("size") != str(size) or not same:
            raise StoreUnavailableError("%s: the server holds something else than what was sent" % self._prefix())
        if not any(told):
            raise StoreUnavailableError("%s: the server does not tell the checksum of what it holds" % self._prefix())

    # the key

    def _claim(self, mine: Entry) -> None:
        """Return when nobody else has the key or wants it. Otherwise this upload gives way."""
        deadline = time.monotonic() + self._timeout
        while True:
            rivals = self._rivals(mine)
            if not rivals:
                return
            if any(rival.arriving is None for rival in rivals):
                raise self._given_way(mine, "exists already, and nothing is overwritten")
            if min(rivals) < mine:
                raise self._given_way(
                    mine, "is being put by somebody else (or was, by one that died: prune --orphans removes what it left)"
                )
            if time.monotonic() > deadline:
                raise StoreUnavailableError("%s: somebody else puts it, and does not end" % self._prefix())
            time.sleep(_LOOK)

    def _rivals(self, mine: Entry) -> t.List[Entry]:
        rivals = []
        for entry in self._tree.entries(self._folder, self._name):
            if entry.is_folder or entry.id == mine.id:
                continue
            if self._lost.holds(entry):
                self._tree.remove(entry.id, self._place)
            else:
                rivals.append(entry)
        return rivals

    def _given_way(self, mine: Entry, why: str) -> FleetBackupError:
        self._tree.remove(mine.id, self._place)
        self._file = None
        self._session = None
        return StoreRefusedError("%s: %s" % (self._prefix(), why))

    def _prefix(self) -> str:
        return "store %s: %s" % (self._client.store, self._place)
