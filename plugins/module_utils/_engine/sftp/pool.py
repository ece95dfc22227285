# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of one store: one for each upload up to a number, then shared; one of its own for each reader."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

from . import wire
from .account import Account
from .session import Connection, Session
from .wire import ProtocolError, StatusError

#: Sessions that uploads and short requests share. A server allows 10 on a connection by default (MaxSessions of OpenSSH).
_SHARED = 4
#: After so many seconds without use a session is tried before it is relied upon: servers and firewalls forget.
_FRESH = 10.0


class Pool:
    """Opens sessions as they are needed. ``connect`` makes a connection to the server; ``end`` ends what they have in common."""

    def __init__(self, account: Account, connect: t.Callable[[], Connection], end: t.Callable[[], None]) -> None:
        self._account = account
        self._connect = connect
        self._end = end
        self._lock = threading.Lock()
        self._idle: t.List[t.Tuple[float, Session]] = []
        self._shared: t.Dict[Session, int] = {}

    def borrow(self, alone: bool = False) -> Session:
        """A session that works; ``alone`` for one that nobody else gets (who reads ahead would make others wait).

        To be given back. Raises FleetBackupError.
        """
        while True:
            with self._lock:
                since, session = self._idle.pop() if self._idle else (0.0, None)
                if session is None and not alone:
                    working = [shared for shared in self._shared if not shared.broken]
                    if len(working) >= _SHARED:
                        least = min(working, key=lambda shared: self._shared[shared])
                        self._shared[least] += 1
                        return least
            if session is None:
                session = self._open()
            elif time.monotonic() - since > _FRESH and not _answers(session):
                session.close()
                continue
            if not alone:
                with self._lock:
                    self._shared[session] = 1
            return session

    def give_back(self, session: Session) -> None:
        with self._lock:
            users = self._shared.get(session, 1) - 1
            if users:
                self._shared[session] = users
                return
            self._shared.pop(session, None)
            if not session.broken and len(self._idle) < _SHARED:
                self._idle.append((time.monotonic(), session))
                return
        session.close()

    @contextlib.contextmanager
    def session(self) -> t.Iterator[Session]:
        """A session for some requests."""
        session = self.borrow()
        try:
            yield session
        finally:
            self.give_back(session)

    def close(self) -> None:
        with self._lock:
            sessions = [session for _since, session in self._idle] + list(self._shared)
            self._idle.clear()
        for session in sessions:
            session.close()
        self._end()

    def _open(self) -> Session:
        connection = self._connect()
        opened = False
        try:
            session = Session(connection, self._account.timeout)
            opened = True
            return session
        except (OSError, EOFError, ProtocolError, StatusError) as error:
            raise connection.failure(error) from None
        finally:
            if not opened:
                connection.close()


def _answers(session: Session) -> bool:
    try:
        session.ask(wire.REALPATH, wire.string(b"."), wire.NAME)
    except (OSError, EOFError, ProtocolError, StatusError):
        return False
    return True
