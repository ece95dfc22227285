# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy between a client and a real server that lets connections fail as networks do, at places that a seed decides."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
import threading
import time
import typing as t
from dataclasses import dataclass

Address = t.Tuple[str, int]

#: What a fault does when ``after`` bytes have passed in its direction:
#: cut        reset both connections (the client gets ECONNRESET)
#: truncate   end both connections in order, as if all had been said
#: stall      forward nothing any more, in either direction, and keep the connections open
#: corrupt    change one bit, and go on
#: delay      wait ``seconds`` before each piece that follows
KINDS = ("cut", "truncate", "stall", "corrupt", "delay")

_PIECE = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What happens to one connection. ``up``: on the way to the server."""

    kind: str
    after: int = 0
    up: bool = True
    seconds: float = 0.0


#: Given the number of a connection (from 0): what is to happen to it.
Plan = t.Callable[[int], t.Optional[Fault]]


def no_fault(number: int) -> t.Optional[Fault]:
    """Everything passes."""
    return None


def always(fault: Fault) -> Plan:
    """The same on every connection."""
    return lambda number: fault


def only(number: int, fault: Fault) -> Plan:
    """On one connection."""
    return lambda at: fault if at == number else None


def at_random(seed: int, share: float, largest: int, kinds: t.Sequence[str] = KINDS, seconds: float = 0.05) -> Plan:
    """A fault on a ``share`` of the connections, within their first ``largest`` bytes. Small and large places are as likely."""

    def plan(number: int) -> t.Optional[Fault]:
        rng = random.Random("%d/%d" % (seed, number))
        if rng.random() >= share:
            return None
        return Fault(rng.choice(list(kinds)), int(largest ** rng.random()), rng.random() < 0.6, seconds * rng.random())

    return plan


class FaultProxy:
    """Listens on a free port of the loopback, and forwards each connection to ``target``; to be used with ``with``.

    ``plan`` may be changed at any time; it counts for connections that begin after that. ``latency`` is waited before each
    piece, both ways. With ``listen`` it takes that address; so a server that tells its clients other ports (FTP) can be stood
    in for on another address of the loopback, 127.0.0.2, by one proxy for each of its ports.
    """

    def __init__(
        self, target: Address, plan: Plan = no_fault, *, listen: Address = ("127.0.0.1", 0), latency: float = 0.0
    ) -> None:
        self.plan = plan
        self.latency = latency
        #: Told each piece that comes from a client; of connections that begin after it was changed.
        self.hears: t.Callable[[bytes], object] = len
        #: What happened so far, by kind.
        self.happened: t.Dict[str, int] = dict.fromkeys(KINDS, 0)
        self._target = target
        self._numbers = itertools.count()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._sockets: t.Set[socket.socket] = set()
        self._listener = socket.create_server(listen, backlog=128)
        self.address: Address = self._listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._accept, name="fault proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many began so far."""
        # The number of a count() stands in its text only: count(7).
        return int(repr(self._numbers)[6:-1])

    def close(self) -> None:
        """End everything, also what stalls."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._closed.set()
        self.cut_all()
        self._thread.join()

    def cut_all(self) -> None:
        """Cut every connection that is open now."""
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            _reset(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            number = next(self._numbers)
            threading.Thread(target=self._serve, args=(client, self.plan(number)), daemon=True).start()

    def _serve(self, client: socket.socket, fault: t.Optional[Fault]) -> None:
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            _reset(client)
            return
        pair = (client, server)
        for one in pair:
            one.settimeout(None)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets.update(pair)
        stalled, cut = threading.Event(), threading.Event()
        ways = [
            threading.Thread(
                target=self._forward,
                args=(*way, self.hears if up else len, fault if fault and fault.up == up else None, stalled, cut),
                daemon=True,
            )
            for up, way in ((True, (client, server)), (False, (server, client)))
        ]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        if stalled.is_set():
            # Neither end learns that the other one is gone.
            self._closed.wait()
        with self._lock:
            self._sockets.difference_update(pair)
        for one in pair:
            one.close()

    def _forward(
        self,
        source: socket.socket,
        sink: socket.socket,
        hear: t.Callable[[bytes], object],
        fault: t.Optional[Fault],
        stalled: threading.Event,
        cut: threading.Event,
    ) -> None:
        passed = 0
        try:
            while True:
                piece = source.recv(_PIECE)
                if stalled.is_set():
                    if not piece:
                        return  # which the other end does not learn
                    continue
                if not piece:
                    if not cut.is_set():
                        with contextlib.suppress(OSError):
                            sink.shutdown(socket.SHUT_WR)
                    return
                hear(piece)
                if self.latency:
                    time.sleep(self.latency)
                if fault and fault.kind == "delay" and passed + len(piece) > fault.after:
                    self._count(fault, passed <= fault.after)
                    time.sleep(fault.seconds)
                elif fault and passed + len(piece) > fault.after:
                    at = max(fault.after - passed, 0)
                    if fault.kind == "corrupt":
                        piece = piece[:at] + bytes([piece[at] ^ 1 << fault.after % 8]) + piece[at + 1 :]
                        self._count(fault)
                        fault = None
                    else:
                        sink.sendall(piece[:at])
                        self._count(fault)
                        if fault.kind == "stall":
                            stalled.set()
                            continue
                        if fault.kind == "cut":
                            cut.set()
                            _reset(source)
                            _reset(sink)
                            return
                        break
                passed += len(piece)
                sink.sendall(piece)
        except OSError:
            pass
        if not cut.is_set():
            for one in (source, sink):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _count(self, fault: Fault, first: bool = True) -> None:
        if first:
            with self._lock:
                self.happened[fault.kind] += 1


def _reset(one: socket.socket) -> None:
    """End a connection with RST instead of FIN."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # A thread that waits in recv() keeps the socket open, so that close() alone would do nothing.
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RD)
    one.close()
