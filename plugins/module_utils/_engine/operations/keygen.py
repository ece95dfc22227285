# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a key pair for encryption: an identity file, which opens backups, and the recipient, to which they are encrypted."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ..age.keys import keygen as new_key
from ..errors import ConfigurationError, FleetBackupError
from ..private import open_private, write_all
from ..result import Result
from ..system import sync_folder


@dataclass
class KeygenResult(Result):
    """``recipient``: the public key, for a job's ``encryption.recipients``; ``path``: the identity file (absolute) if one was
    written. The secret key is in no field.
    """

    recipient: t.Optional[str] = None
    path: t.Optional[str] = None

    def __post_init__(self) -> None:
        self._text: t.Optional[str] = None

    def identity_text(self) -> t.Optional[str]:
        """The text of the identity file when none was asked for: secret, for the one who asked and nobody else."""
        return self._text


def keygen(path: t.Optional[str] = None) -> KeygenResult:
    """Make a new key pair and write its identity file to ``path`` (mode 0600). A file that is there is never overwritten.

    Without a path nothing is written, and the identity is to be had from the result's identity_text() alone.
    """
    result = KeygenResult("keygen")
    result.begin()
    try:
        text, recipient = new_key()
        if path is None:
            result._text = text
        else:
            result.path = os.path.abspath(path)
            _write_new(result.path, text.encode("ascii"))
            result.changed = True
        result.recipient = recipient
    except FleetBackupError as error:
        result.path = None
        result.fail(error)
    result.end()
    return result


def _write_new(path: str, data: bytes) -> None:
    try:
        fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        raise ConfigurationError(
            "%s: exists already; an identity is never overwritten, since backups encrypted to it could not be opened any more:"
            " name another file" % path
        ) from None
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_folder(os.path.dirname(path))
    except OSError as error:
        os.unlink(path)
        raise _not_written(path, error) from None
    except BaseException:
        os.unlink(path)
        raise


def _not_written(path: str, error: OSError) -> ConfigurationError:
    return ConfigurationError("%s: the identity file cannot be written: %s" % (path, error.strerror))
