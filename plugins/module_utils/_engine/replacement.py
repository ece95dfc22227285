# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that takes another's place in one step: after a crash there is the old one or the new one, whole."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .errors import ConfigurationError, StoreFullError
from .private import write_all
from .system import IS_WINDOWS, give_owner, replace, sync_folder


class NewFile(t.Protocol):
    """A file that is being written. As a context manager it is forgotten unless it was committed."""

    #: Where what was written lies before commit().
    temporary: str

    def write(self, data: t.Union[bytes, memoryview]) -> None: ...

    def commit(self) -> None: ...

    def __enter__(self) -> NewFile: ...

    def __exit__(self, *error: t.Any) -> None: ...


def new_file(path: str, dry_run: bool) -> NewFile:
    """A file to take the place of ``path``; in a dry run one that takes everything and leaves nothing.

    Raises ConfigurationError when that could not be.
    """
    return _Nowhere(path) if dry_run else Replacement(path)


class Replacement:
    """Write beside ``path`` and move it there on commit(); as a context manager, forget it otherwise.

    The new file has the mode and the owner of the one it replaces, else ``mode`` less the umask.
    """

    def __init__(self, path: str, mode: int = 0o666) -> None:
        """Begin. Raises ConfigurationError when the folder is missing, may not be written or holds something else there."""
        self.path = path
        folder, name = os.path.split(path)
        self.temporary = os.path.join(folder, ".%s.new-%s" % (name, os.urandom(4).hex()))
        self._old = _replaceable(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            self.fd = os.open(self.temporary, flags, mode)
        except OSError as error:
            raise _error(path, error) from None

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Write all of ``data``. Raises StoreFullError, ConfigurationError."""
        try:
            write_all(self.fd, data)
        except OSError as error:
            raise _error(self.path, error) from None

    def commit(self) -> None:
        """Make the new file durable and move it into place. Raises StoreFullError, ConfigurationError."""
        try:
            self._keep_attributes()
            os.fsync(self.fd)
            os.close(self.fd)
            self.fd = -1
            replace(self.temporary, self.path)
            self.temporary = ""
            sync_folder(os.path.dirname(self.path))
        except OSError as error:
            raise _error(self.path, error) from None

    def close(self) -> None:
        """Forget what was not committed. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.temporary:
            try:
                os.unlink(self.temporary)
            except FileNotFoundError:
                pass
            self.temporary = ""

    def __enter__(self) -> Replacement:
        return self

    def __exit__(self, *error: t.Any) -> None:
        self.close()

    def _keep_attributes(self) -> None:
        if self._old is None or IS_WINDOWS:
            return
        try:
            give_owner(self.fd, self._old.st_uid, self._old.st_gid)
        except PermissionError:
            # Not root: the file becomes its writer's, as with any editor.
            pass
        os.fchmod(self.fd, stat.S_IMODE(self._old.st_mode))


class _Nowhere:
    """What a dry run writes to."""

    def __init__(self, path: str) -> None:
        self.temporary = os.devnull
        if not os.path.isdir(os.path.dirname(path)):
            raise ConfigurationError("%s: cannot be written: there is no such folder" % path)
        _replaceable(path)

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Forget ``data``."""

    def commit(self) -> None:
        """Do nothing."""

    def __enter__(self) -> _Nowhere:
        return self

    def __exit__(self, *error: t.Any) -> None:
        """There is nothing to forget."""


def _replaceable(path: str) -> t.Optional[os.stat_result]:
    """The state of the file that would be replaced; None when there is none."""
    try:
        old = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _error(path, error) from None
    if not stat.S_ISREG(old.st_mode):
        raise ConfigurationError("%s: there is something else than a regular file; it is not replaced" % path)
    return old


def _error(path: str, error: OSError) -> t.Union[ConfigurationError, StoreFullError]:
    what = "%s: cannot be written: %s" % (path, error.strerror)
    return StoreFullError(what) if error.errno in (errno.ENOSPC, errno.EDQUOT) else ConfigurationError(what)
