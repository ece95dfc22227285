# SPDX-License-Identifier: GPL-3.0-or-later
"""When a run may be stopped by a signal, and when it may not.

A front's signal handler, which Python runs in the main thread, calls stop(), which raises InterruptedRunError there and then.
What must not be cut short (taking back what a failed run stored, putting back what a failed restore changed, the last steps
after the point of no return) stands in ``with uninterrupted()``: the signal then comes too late, for the run is ending anyway.
Where it would go on instead, it calls checkpoint(), or stands in ``with deferred()``.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t

from .errors import InterruptedRunError

_depth = 0
_asked: t.Optional[InterruptedRunError] = None


def stop(error: InterruptedRunError) -> None:
    """Raise ``error``; while something must not be cut short, only keep it for checkpoint()."""
    global _asked  # noqa: PLW0603 - signals concern the process
    if _depth == 0:
        raise error
    _asked = error


def checkpoint() -> None:
    """Raise what stop() was called with while it was too early to raise it."""
    error = _asked
    forget()
    if error is not None:
        raise error


def forget() -> None:
    """Something new begins, which nobody has asked to stop."""
    global _asked  # noqa: PLW0603
    _asked = None


@contextlib.contextmanager
def uninterrupted() -> t.Iterator[None]:
    """Let no signal raise anything inside. To be used in the main thread."""
    global _depth  # noqa: PLW0603
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


@contextlib.contextmanager
def deferred() -> t.Iterator[None]:
    """Let a signal that comes inside raise its error at the end. In other threads than the main one none raises any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    too_late = _depth > 0
    with uninterrupted():
        yield
    if not too_late:
        checkpoint()
