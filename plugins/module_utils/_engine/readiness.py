# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a descriptor, whatever its number: select(2) takes none from 1024 on."""

from __future__ import annotations

import select
import sys
import typing as t


def is_readable(file: t.Any, seconds: float) -> bool:
    """Whether a pipe or socket (or its number) has something to read, or has ended, within so many seconds."""
    return _is_ready(file, False, seconds)


def is_writable(file: t.Any, seconds: float) -> bool:
    """Whether a pipe or socket (or its number) takes something, or has ended, within so many seconds."""
    return _is_ready(file, True, seconds)


def _is_ready(file: t.Any, writing: bool, seconds: float) -> bool:
    if sys.platform == "win32":  # there is no poll(2), and no such limit
        return any(select.select([] if writing else [file], [file] if writing else [], [], seconds))
    poll = select.poll()
    poll.register(file, select.POLLOUT if writing else select.POLLIN)
    return bool(poll.poll(seconds * 1000))
