# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores: places that keep backups. One file a driver; this is their registry and their common shape.

The registry is static, with an import in each branch, because Ansible bundles a module's imports by reading them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import ConfigurationError
from ..options import Option

if t.TYPE_CHECKING:
    from ..person import Person

#: Told the name of an object (the last part of its key): whether it is meant.
Meant = t.Callable[[str], bool]

NAMES: t.Tuple[str, ...] = ("dropbox", "ftp", "gdrive", "local", "rclone", "s3", "sftp")


def whatever(_name: str) -> bool:
    """Any object is meant."""
    return True


def is_left(temporary: str, beginning: str, meant: Meant) -> bool:
    """Whether a name is a temporary one, ``<beginning><8 hex digits>-<name of the object>``, of an object that is meant."""
    return temporary.startswith(beginning) and meant(temporary[len(beginning) + 9 :])


def load(driver: str) -> t.Type[Store]:
    """Return the class of a driver; its module is imported only now."""
    if driver == "dropbox":
        from .dropbox import DropboxStore

        return DropboxStore
    if driver == "ftp":
        from .ftp import FtpStore

        return FtpStore
    if driver == "gdrive":
        from .gdrive import GdriveStore

        return GdriveStore
    if driver == "local":
        from .local import LocalStore

        return LocalStore
    if driver == "rclone":
        from .rclone import RcloneStore

        return RcloneStore
    if driver == "s3":
        from .s3 import S3Store

        return S3Store
    if driver == "sftp":
        from .sftp import SftpStore

        return SftpStore
    raise ConfigurationError("there is no store driver %r; the drivers are: %s" % (driver, ", ".join(NAMES)))


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing: its key (``/`` as the separator, relative to the store's root) and its size in bytes.

    ``version`` is another text when the object is another one (a hash, a time), as far as the listing tells; empty where it
    tells nothing. Equal versions say nothing about different keys.
    """

    key: str
    size: int
    version: str = ""


class Upload:
    """One object on its way into a store. Nothing is visible under its key before commit()."""

    @property
    def resumes(self) -> bool:
        """Whether resume() is worth trying after a write() that failed."""
        return False

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        """Take all of ``data``. The buffer may be reused as soon as this returns."""
        raise NotImplementedError

    def resume(self) -> int:
        """Go on after a write() that failed, over another connection; return after how many of the bytes.

        No more than were written. The next write() begins with what follows them. After an error it may be called again, or
        abort().
        """
        raise NotImplementedError

    def commit(self) -> None:
        """Make the object durable and visible, and confirm it as ``Store.confirms`` says."""
        raise NotImplementedError

    def abort(self) -> None:
        """Forget the object and leave nothing behind. Never raises; harmless after commit()."""
        raise NotImplementedError


class Readable(t.Protocol):
    """A stored object being read, like a raw binary file."""

    def read(self, size: int = -1) -> bytes: ...

    def readinto(self, buffer: memoryview) -> int: ...

    def close(self) -> None: ...


class Store:
    """A place that keeps objects under keys.

    All methods raise StoreRefusedError, StoreUnavailableError or StoreFullError; open() and size() raise
    NotFoundError for a key that does not exist.
    """

    OPTIONS: t.Sequence[Option] = ()
    #: Third-party modules that it imports (libraries.py).
    requires: t.Tuple[str, ...] = ()
    #: How commit() confirms an object: ``read`` (read back and compared), ``checksum`` (the store's own), ``sync`` (the system
    #: took every byte and made it durable) or ``size``.
    confirms = "size"
    #: How many small objects or listings are read side by side. Fewer where servers count connections.
    readers = 8
    #: Whether check() needs but the permission to put, and leaves one small object at most, the same each time, where it may not
    #: delete: then it is worth doing also where the host may only write.
    checks_by_putting = False
    #: The secret option that a person's consent gives, where there is such a thing, and the options that asking for it needs.
    granted: t.Optional[str] = None
    asks_with: t.Tuple[str, ...] = ()

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        self.name = name

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        """Problems that one option alone cannot tell, each beginning with the option's name."""
        return []

    @classmethod
    def needs(cls, options: t.Dict[str, t.Any]) -> t.Tuple[str, ...]:
        """Third-party modules that it imports with these options."""
        return cls.requires

    @classmethod
    def ask_consent(cls, name: str, options: t.Dict[str, t.Any], person: Person, device: bool) -> str:
        """Let a person consent; return what ``granted`` is to hold. ``device``: by a short code that they enter elsewhere.

        Raises ConfigurationError for a way that the service does not have.
        """
        raise NotImplementedError

    def whose(self) -> t.Optional[str]:
        """Whose account it is, as the service says; None when that may not be asked. Of stores that a person consents to."""
        raise NotImplementedError

    def put(self, key: str) -> Upload:
        """Begin a new object. An existing key is refused, at the latest by commit(): nothing is ever overwritten."""
        raise NotImplementedError

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        """Open ``size`` bytes of an object from ``offset`` on (all that follow by default)."""
        raise NotImplementedError

    def size(self, key: str) -> int:
        """The size of an object in bytes."""
        raise NotImplementedError

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        """Return the committed objects directly in ``folder`` and the names of the folders in it, both sorted."""
        raise NotImplementedError

    def beginnings(self, mark: str) -> t.Optional[t.List[str]]:
        """What the keys of all objects begin with, each up to the first ``mark`` and with it; those without it are there whole.

        Each once. None when the store cannot tell that in few requests; folder by folder it is asked then.
        """
        return None

    def delete(self, key: str) -> None:
        """Remove an object; one that does not exist is fine."""
        raise NotImplementedError

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        """The size of what remove_leftovers() would remove."""
        return 0

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        """Remove what interrupted uploads left directly in ``folder``, and the folder when it is empty. Returns how many.

        ``meant``: told the name of an object that was not finished, whether it is to go.
        """
        return 0

    def free_space(self) -> t.Optional[int]:
        """Free bytes, where the store can tell."""
        return None

    def check(self) -> None:
        """Raise unless the store can be reached and written to. Leaves nothing behind."""
        raise NotImplementedError

    def remarks(self) -> t.List[str]:
        """What the last check() found that people should know: clocks that differ, locks, rights that are missing."""
        return []

    def url(self, key: str) -> t.Optional[str]:
        """Where people find an object, where there is such a thing."""
        return None

    def local_path(self) -> t.Optional[str]:
        """The folder of this host that the store lies in, if it does; sources leave it out."""
        return None
