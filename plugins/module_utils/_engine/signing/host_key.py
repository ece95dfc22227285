# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that a host signs its backups with: one of its own, made on first use, or its SSH host key."""

from __future__ import annotations

import os
import stat
import typing as t

from ..errors import ConfigurationError
from ..lock import JobLock
from ..private import private_folder
from ..replacement import Replacement
from ..system import OPEN_READ, open_to_others
from .ed25519 import generate
from .keys import SigningKey, read_private_key
from .wire import InvalidError

_NAME = "signing_key"
_COMMENT = "fleet-backup"
_LARGEST = 1 << 16

_OTHER_KEY = (
    "name an ed25519 key without a passphrase (ssh-keygen -t ed25519 -N '' -f FILE makes one), or leave signing_key out for a "
    "key of the host's own"
)
_NEW_KEY = (
    "put the key back from a copy, or move it away: then the next run makes a new one, which has to be added to trusted_hosts "
    "wherever backups of this host are checked"
)

# Another run makes the same key only for the moment of two writes.
_LOCK_SECONDS = 60


def host_key(state_dir: str, path: t.Optional[str] = None) -> SigningKey:
    """The key at ``path`` (such as ``/etc/ssh/ssh_host_ed25519_key``), or the host's own, ``<state_dir>/signing_key``.

    The own key is made when there is none, its ``.pub`` beside it, and never changed afterwards; of two runs that make it at
    the same time both get the same. Raises ConfigurationError when the key cannot be used, MissingDependencyError.
    """
    if path is not None:
        return _load(path, _OTHER_KEY)
    own = os.path.join(state_dir, _NAME)
    if not os.path.lexists(own):
        _make(state_dir, own)
    return _load(own, _NEW_KEY)


def _load(path: str, advice: str) -> SigningKey:
    try:
        public, seed = read_private_key(_read(path))
    except OSError as error:
        why = "it cannot be read: %s" % error.strerror
    except InvalidError as error:
        why = str(error)
    else:
        return SigningKey(path, public, seed)
    raise ConfigurationError("signing_key: %s: %s; %s" % (path, why, advice))


def _read(path: str) -> bytes:
    # A link is fine, wherever it leads; but a fifo must not hold the run up, so links are resolved here.
    fd = os.open(os.path.realpath(path), OPEN_READ)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidError("it is no file")
        if open_to_others(status):
            raise InvalidError(
                "others than its owner may read or change it (mode %04o), so anybody could sign as this host; "
                "close it with chmod 600, and replace it if somebody may have had it" % stat.S_IMODE(status.st_mode)
            )
        return os.read(fd, _LARGEST)
    finally:
        os.close(fd)


def _make(state_dir: str, path: str) -> None:
    private_folder(state_dir)
    # A job's name holds no dot, so this is no job's own lock.
    with JobLock(state_dir, _NAME + ".new", _LOCK_SECONDS):
        if os.path.lexists(path):
            return
        try:
            data = generate(state_dir, _COMMENT)
        except OSError as error:
            raise ConfigurationError("%s: the key cannot be made: %s" % (path, error.strerror)) from None
        public = read_private_key(data)[0]
        # The public half first: then a key that exists has it, wherever a crash comes between.
        _write(path + ".pub", ("%s %s\n" % (public.text, _COMMENT)).encode("ascii"), 0o644)
        _write(path, data, 0o600)


def _write(path: str, data: bytes, mode: int) -> None:
    with Replacement(path, mode) as file:
        file.write(data)
        file.commit()
