# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files for their owner's eyes only: state, locks, logs."""

from __future__ import annotations

import os
import typing as t

from .errors import ConfigurationError
from .system import restrict_folder

# Linux holds a file in pages as large as the calls that write it. The largest are dear: 1 MiB at a time took 6.18 four times as
# long as the same bytes in pieces of this size.
_AT_ONCE = 128 << 10


def private_folder(path: str) -> str:
    """Make ``path`` (and what it lies in) with mode 0700 where it is missing; return it. An existing folder is left as it is.

    Raises ConfigurationError when it cannot be made.
    """
    try:
        _make(path)
    except OSError as error:
        raise ConfigurationError(
            "%s: the folder cannot be made: %s; name one that this user may write with state_dir" % (path, error.strerror)
        ) from None
    return path


def open_private(path: str, flags: int) -> int:
    """Open (and with ``O_CREAT`` make, mode 0600) a file; return its descriptor. Links are not followed. Raises OSError."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o600)


def write_all(fd: int, data: t.Union[bytes, bytearray, memoryview]) -> None:
    """Write all of ``data``; os.write may take only a part. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest[:_AT_ONCE]) :]


def _make(path: str) -> None:
    if os.path.isdir(path):
        return
    try:
        os.mkdir(path, 0o700)
        restrict_folder(path)
    except FileNotFoundError:
        _make(os.path.dirname(path))
        _make(path)
    except FileExistsError:
        # Another run made it at the same moment; anything but a folder is an error.
        if not os.path.isdir(path):
            raise
