# SPDX-License-Identifier: GPL-3.0-or-later
"""Being asked to stop: the first signal ends the run, which then cleans up after itself."""

from __future__ import annotations

import os
import signal
import types
import typing as t

from .. import interruption
from ..errors import InterruptedRunError

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_PATIENCE = b"\nfleet-backup: cleaning up, which must not be cut short\n"


class Signals:
    """What was received. ``stop``: nothing more is to begin; ``leave``: the menu is to end too, which Ctrl-C does not mean."""

    def __init__(self) -> None:
        self.leave = False
        self._count = 0
        self._finished = False

    @property
    def stop(self) -> bool:
        return self._count > 0

    def install(self) -> None:
        """Let signals raise InterruptedRunError in the main thread. Those that are ignored (nohup) stay so."""
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def rearm(self) -> None:
        """Something new begins; the next signal is a first one again."""
        interruption.forget()
        self._finished = False
        self._count = 0

    def finished(self) -> None:
        """All is done and has only to be told: a signal comes too late."""
        self._finished = True

    def _handle(self, number: int, frame: t.Optional[types.FrameType]) -> None:
        self._count += 1
        self.leave = self.leave or number != signal.SIGINT
        # The second is that of somebody who loses patience. Where it was not the first that began the cleaning up (a library may
        # have swallowed it), the third is raised again.
        if self._count == 2:
            # Straight to the descriptor: the streams' locks may be held by what was interrupted.
            try:
                os.write(2, _PATIENCE)
            except OSError:
                pass
        elif not self._finished:
            interruption.stop(InterruptedRunError("stopped by %s; everything is cleaned up" % signal.Signals(number).name))
