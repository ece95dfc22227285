# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a descriptor, whatever its number: select(2) takes none from 1024 on."""

from __future__ import annotations

import selectors
import typing as t


def is_readable(file: t.Any, seconds: float) -> bool:
    """Whether a pipe or socket (or its number) has something to read, or has ended, within so many seconds."""
    return _is_ready(file, selectors.EVENT_READ, seconds)


def is_writable(file: t.Any, seconds: float) -> bool:
    """Whether a pipe or socket (or its number) takes something, or has ended, within so many seconds."""
    return _is_ready(file, selectors.EVENT_WRITE, seconds)


def _is_ready(file: t.Any, event: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(file, event)
        return bool(selector.select(seconds))
