# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a store on a server: what lies in it, by keys, and what the server's refusals mean there."""

from __future__ import annotations

import contextlib
import posixpath
import typing as t
import weakref

from ..errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError
from . import wire
from .account import Account
from .pool import Pool
from .session import Session
from .wire import ProtocolError, StatusError

#: With less than this left, a failure is one of space.
_NO_SPACE = 1 << 20


class SftpFolder:
    """``path``: where it is on the server. ``name``: the store's, which begins messages."""

    def __init__(self, account: Account, path: str, pool: Pool) -> None:
        self.name = account.store
        self.pool = pool
        self._address = account.address
        self._root = path
        #: Folders that are there.
        self._made: t.Set[str] = set()
        # Not with the store: an upload may outlive that.
        weakref.finalize(self, pool.close)

    def path(self, key: str) -> str:
        """Where the object of a key, or a folder, is on the server."""
        return posixpath.join(self._root, key) if key else self._root

    @contextlib.contextmanager
    def session(self, key: str) -> t.Iterator[Session]:
        """A session for some requests about a key."""
        with self.pool.session() as session, self.errors(session, key):
            yield session

    @contextlib.contextmanager
    def errors(self, session: Session, key: str) -> t.Iterator[None]:
        """What the server, or the connection to it, refuses comes out as a FleetBackupError."""
        try:
            yield
        except StatusError as error:
            raise self._refusal(session, error, key) from error
        except (OSError, EOFError, ProtocolError) as error:
            raise session.failure(error) from error

    def entries(self, session: Session, folder: str) -> t.List[t.Tuple[str, str, wire.Attributes]]:
        """Name, path and attributes of what is in a folder; of one that does not exist, nothing."""
        path = self.path(folder)
        try:
            found = session.list(path)
        except StatusError as error:
            if error.code != wire.NO_SUCH_FILE:
                raise
            # A store that was never written to has no folder yet; one whose disk is not mounted lacks the parent too.
            if not _is_folder(session, self._root) and not _is_folder(session, posixpath.dirname(self._root) or "."):
                raise self._not_mounted() from error
            return []
        # A name that is not UTF-8 is none of ours.
        names = [(name.decode("utf-8", "replace"), attributes) for name, attributes in found]
        return [(name, posixpath.join(path, name), attributes) for name, attributes in names]

    def make(self, session: Session, path: str) -> None:
        """Make a folder and those above it, up to the store's own; the parent of that one must exist."""
        if path in self._made:
            return
        refused = _refused(session, path)
        if refused and refused.code == wire.NO_SUCH_FILE:
            if path == self._root:
                raise self._not_mounted() from refused
            self.make(session, posixpath.dirname(path))
            refused = _refused(session, path)
        # Another may have made it at the same time.
        if refused and not _is_folder(session, path):
            raise refused
        self._made.add(path)

    def remove(self, session: Session, path: str) -> None:
        """Remove a file, if it is there."""
        try:
            session.on_path(wire.REMOVE, path)
        except StatusError as error:
            if error.code != wire.NO_SUCH_FILE:
                raise

    def remove_empty(self, session: Session, path: str) -> None:
        """Remove a folder, if nothing is in it."""
        self._made.clear()
        try:
            session.on_path(wire.RMDIR, path)
        except StatusError as error:
            # "Failure" is all that servers say of a folder that is not empty.
            if error.code not in (wire.NO_SUCH_FILE, wire.FAILURE):
                raise

    def _not_mounted(self) -> FleetBackupError:
        return StoreUnavailableError(
            "%s: the folder %s does not exist on %s, nor its parent; is a disk not mounted?"
            % (self.name, self._root, self._address)
        )

    def _refusal(self, session: Session, error: StatusError, key: str) -> FleetBackupError:
        what = "%s: %s: %s" % (self.name, self.path(key), error)
        if error.code == wire.NO_SUCH_FILE:
            self._made.clear()
            return NotFoundError(what)
        if error.code in (wire.PERMISSION_DENIED, wire.OP_UNSUPPORTED, wire.BAD_MESSAGE):
            return StoreRefusedError(what)
        # "Failure" may be anything; what the server knows of its disk tells more.
        try:
            free, read_only = session.file_system(self._root) or (None, False)
        except (StatusError, OSError, EOFError, ProtocolError):
            return StoreUnavailableError(what)
        if read_only:
            return StoreRefusedError("%s: %s is on a disk that is mounted read-only" % (self.name, self._root))
        if free is not None and free < _NO_SPACE:
            return StoreFullError("%s: no space left on %s (%d bytes free)" % (self.name, self._root, free))
        return StoreUnavailableError("%s (the server says no more; is a quota reached?)" % what)


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
