# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress bar of a terminal, with rate and time left."""

from __future__ import annotations

import collections
import os
import threading
import time
import typing as t

from ..progress import Progress
from .output import clock, safe, size

_INTERVAL = 0.1
# The rate is that of the last seconds, so that it follows a store that becomes slow.
_WINDOW = 100
_LONGEST = 40
_SHORTEST = 6
_FORESEEABLE = 100 * 3600


class Lines(Progress):
    """No terminal, but details were asked for: every message is a line."""

    def __init__(self, stream: t.TextIO) -> None:
        self._stream = stream

    def phase(self, name: str, total: t.Optional[int] = None) -> None:
        self.message("%s (%s)" % (name, size(total)) if total is not None else name)

    def message(self, text: str) -> None:
        _write(self._stream, safe(text) + "\n")


class Bar(Progress):
    """Draws one line and draws it again, at most ten times a second. Safe to call from several threads.

    ``stream`` is a terminal. A terminal that goes away (a closed connection) is no reason to stop: it is no longer written to.
    """

    def __init__(self, stream: t.TextIO, details: bool = False) -> None:
        self._stream = stream
        self._details = details
        self._lock = threading.RLock()
        self._name = ""
        self._total: t.Optional[int] = None
        self._done = 0
        self._began = 0.0
        self._drawn_at = 0.0
        self._drawn = 0
        self._history: t.Deque[t.Tuple[float, int]] = collections.deque(maxlen=_WINDOW)

    def phase(self, name: str, total: t.Optional[int] = None) -> None:
        with self._lock:
            if self._details:
                self._print("%s (%s)" % (name, size(total)) if total is not None else name)
            self._name, self._total, self._done = safe(name), total, 0
            self._began = time.monotonic()
            self._history.clear()
            self._history.append((self._began, 0))
            self._draw_when_due()

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._draw_when_due()

    def message(self, text: str) -> None:
        if self._details:
            with self._lock:
                self._print(text)

    def close(self) -> None:
        with self._lock:
            self._clear()
            self._name = ""

    def _draw_when_due(self) -> None:
        now = time.monotonic()
        if not self._name or now - self._drawn_at < _INTERVAL:
            return
        self._drawn_at = now
        self._history.append((now, self._done))
        then, done = self._history[0]
        rate = (self._done - done) / (now - then) if now > then else 0.0
        # The last column stays free: many terminals wrap a line that fills it.
        text = line(self._name, self._done, self._total, rate, now - self._began, self._columns() - 1)
        _write(self._stream, "\r" + text.ljust(min(self._drawn, self._columns() - 1)))
        self._drawn = len(text)

    def _print(self, text: str) -> None:
        self._clear()
        _write(self._stream, safe(text) + "\n")
        self._drawn_at = 0.0

    def _clear(self) -> None:
        if self._drawn:
            _write(self._stream, "\r%s\r" % (" " * min(self._drawn, self._columns() - 1)))
            self._drawn = 0

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80


def line(name: str, done: int, total: t.Optional[int], rate: float, elapsed: float, width: int) -> str:
    """The text of the bar, at most ``width`` long; what matters least goes first when it is narrow.

    ``done`` and ``total`` are bytes, ``rate`` is bytes a second, ``elapsed`` is seconds.
    """
    if total is None:
        parts = ["", size(done), size(int(rate)) + "/s", clock(elapsed)]
    else:
        left = (total - done) / rate if rate > 0 else 0.0
        told = clock(left) + " left" if 0 < left < _FORESEEABLE else ""
        share = min(done, total) / total if total else 1.0
        parts = ["%3d%%" % int(share * 100), "%s of %s" % (size(done), size(total)), size(int(rate)) + "/s", told]
    for dropped in (None, 1, 2, 3):
        if dropped is not None:
            parts[dropped] = ""
        text = "  ".join([name, *filter(None, parts)])
        if len(text) <= width:
            break
    room = min(width - len(text) - 4, _LONGEST)
    if total is not None and room >= _SHORTEST:
        filled = int(share * room)
        text = "%s  [%s%s]%s" % (name, "#" * filled, "-" * (room - filled), text[len(name) :])
    return text[:width]


def _write(stream: t.TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        pass
