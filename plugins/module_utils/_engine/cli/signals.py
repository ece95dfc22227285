# SPDX-License-Identifier: GPL-3.0-or-later
"""Being asked to stop: the first signal ends the run, which then cleans up after itself."""

from __future__ import annotations

import os
import signal
import types
import typing as t

from ..errors import InterruptedRunError

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_PATIENCE = b"\nfleet-backup: cleaning up, which must not be cut short; once more stops it all the same\n"


class Signals:
    """What was received. ``leave`` is set by every signal but Ctrl-C: not only the run, the whole command is to end."""

    def __init__(self) -> None:
        self.leave = False
        self._count = 0

    def install(self) -> None:
        """Let signals raise InterruptedRunError in the main thread. Those that are ignored (nohup) stay so."""
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def rearm(self) -> None:
        """The run has ended; the next signal is a first one again."""
        self._count = 0

    def _handle(self, number: int, frame: t.Optional[types.FrameType]) -> None:
        self._count += 1
        self.leave = self.leave or number != signal.SIGINT
        if self._count == 2:
            # Straight to the descriptor: the streams' locks may be held by what was interrupted.
            try:
                os.write(2, _PATIENCE)
            except OSError:
                pass
            return
        raise InterruptedRunError("stopped by %s; everything is cleaned up" % signal.Signals(number).name)
