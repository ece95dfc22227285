# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes that a volume's frames lie in, in order, while what is stored is hashed on the way; decrypted, if it is encrypted."""

from __future__ import annotations

import hashlib
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from ..catalog import Catalog
from ..errors import IntegrityError, NotFoundError
from ..manifest import SEALED_ENDING, Volume
from ..stores import Readable
from ..unsealing import object_key
from .frames import FRAME

# What is handed to other threads is larger.
_SMALL = 64 << 10

# Damaged places of one volume that are told.
_TOLD = 20


class Report(t.Protocol):
    """Told of damage: the object's name, what is wrong with it, and an entry that it spoils."""

    def __call__(self, name: str, problem: str, entry: t.Optional[bytes] = None) -> None: ...


class VolumeSource(t.Protocol):
    """Where frames are read from. ``position``: the place, among the bytes that they lie in, up to which it was read."""

    position: int

    def fill(self, view: memoryview) -> bool:
        """Read until the view is full; False when these bytes cannot be had."""

    def hash(self, view: memoryview) -> t.Optional[Future[None]]:
        """Hash what was read. The buffer may be reused when the result is there, at once when it is None."""

    def skip_to(self, position: int) -> None:
        """Read what lies between two frames: the headers in a zip."""

    def finish(self) -> None:
        """Read the rest and report the volume if it is not what was stored."""

    def close(self) -> None:
        """Let go of it."""


def open_volume(
    catalog: Catalog, backup_id: str, volume: Volume, report: Report, advance: t.Callable[[int], None],
    hasher: ThreadPoolExecutor,
) -> VolumeSource:  # fmt: skip
    """Begin to read a volume. What is wrong with it is told to ``report``; DecryptionError is raised when there is no key."""
    stored = _Stored(catalog, backup_id, volume, report, advance, hasher)
    if not volume.name.endswith(SEALED_ENDING):
        return stored
    key, header_size = object_key(catalog, backup_id, volume)
    return _Sealed(stored, volume, key, header_size, report)


class _Stored:
    """A volume as it is stored, hashed by another thread; small pieces are joined first."""

    def __init__(
        self, catalog: Catalog, backup_id: str, volume: Volume, report: Report, advance: t.Callable[[int], None],
        hasher: ThreadPoolExecutor,
    ) -> None:  # fmt: skip
        self._volume = volume
        self._report = report
        self._advance = advance
        self._hasher = hasher
        self._digest = hashlib.sha256()
        self._small = bytearray()
        self._file: t.Optional[Readable] = None
        self.position = 0
        try:
            self._file = catalog.store.open(catalog.key(backup_id, volume.name))
        except NotFoundError:
            report(volume.name, "is missing")

    @property
    def is_there(self) -> bool:
        return self._file is not None

    def fill(self, view: memoryview) -> bool:
        done = 0
        while done < len(view):
            count = self._read_into(view[done:])
            if not count:
                break
            done += count
        self.position += done
        return done == len(view)

    def hash(self, view: memoryview) -> t.Optional[Future[None]]:
        if len(view) <= _SMALL:
            self._small += view
            if len(self._small) > _SMALL:
                self._flush()
            return None
        self._flush()
        return self._hasher.submit(self._digest.update, view)

    def skip_to(self, position: int) -> None:
        while self.position < position:
            view = memoryview(bytearray(min(position - self.position, FRAME)))
            before = self.position
            whole = self.fill(view)
            self.hash(view[: self.position - before])
            if not whole:
                break

    def finish(self) -> None:
        if self._file is None:
            return
        size, name = self._volume.size, self._volume.name
        # A zip ends with its directory. Anything beyond the volume's size is too much.
        self.skip_to(size + 1)
        self._flush()
        if self.position > size:
            self._report(name, "has more than the %d bytes that were stored" % size)
        elif self.position < size:
            self._report(name, "has %d bytes instead of %d" % (self.position, size))
        elif self._hasher.submit(self._digest.hexdigest).result() != self._volume.sha256:
            self._report(name, "is not what was stored (its SHA-256 differs)")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _read_into(self, view: memoryview) -> int:
        if self._file is None:
            return 0
        try:
            count = self._file.readinto(view)
        except OSError as error:
            self._report(self._volume.name, "cannot be read: %s" % error.strerror)
            return 0
        self._advance(count)
        return count

    def _flush(self) -> None:
        if self._small:
            self._hasher.submit(self._digest.update, self._small)
            self._small = bytearray()


class _Sealed:
    """What an encrypted volume holds. Every chunk proves itself; one that is damaged spoils the frames in it, and no others."""

    def __init__(self, stored: _Stored, volume: Volume, key: bytes, header_size: int, report: Report) -> None:
        from ..age.stream import AgeReader

        self.position = 0
        self._stored = stored
        self._volume = volume
        self._report = report
        self._told = 0
        # Where what was fetched last begins, and that itself: after a damaged chunk its neighbours are asked for again.
        self._fetched: t.Tuple[int, bytes] = (0, b"")
        self._hashing: t.Optional[Future[None]] = None
        self._inside: t.Optional[AgeReader] = None
        if stored.is_there:
            try:
                self._inside = AgeReader(self._fetch, volume.size, key, header_size, volume.name)
            except IntegrityError as error:
                self._tell(error)

    def fill(self, view: memoryview) -> bool:
        found = self._read(len(view))
        if found is not None:
            view[:] = found
        return found is not None

    def hash(self, view: memoryview) -> t.Optional[Future[None]]:
        """Nothing is left to do: what is stored was hashed when it was read."""
        return None

    def skip_to(self, position: int) -> None:
        while self.position < position:
            self._read(min(position - self.position, FRAME))

    def finish(self) -> None:
        if self._inside is not None:
            self.skip_to(self._inside.size)
            self._read(0)  # proves that this is the end
        self._stored.finish()

    def close(self) -> None:
        self._stored.close()

    def _read(self, size: int) -> t.Optional[bytes]:
        """The next ``size`` bytes; None, and they are passed over, when they cannot be had."""
        offset = self.position
        self.position += size
        if self._inside is None:
            return None
        try:
            return self._inside.read(offset, size)
        except IntegrityError as error:
            self._tell(error)
            return None

    def _tell(self, error: IntegrityError) -> None:
        self._told += 1
        if self._told <= _TOLD:
            name, text = self._volume.name, str(error)
            self._report(name, text[len(name) + 2 :] if text.startswith(name + ": ") else text)

    def _fetch(self, offset: int, size: int) -> bytes:
        """Read what is stored, in order but for what was fetched last; fewer bytes where it ends."""
        start, data = self._fetched
        kept = data[offset - start : offset - start + size] if offset >= start else b""
        if len(kept) < size:
            self._stored.skip_to(offset)
            buffer = bytearray(size - len(kept))
            before = self._stored.position
            self._stored.fill(memoryview(buffer))
            got = bytes(memoryview(buffer)[: self._stored.position - before])
            if self._hashing is not None:
                self._hashing.result()  # so that no more than two wait for it
            self._hashing = self._stored.hash(memoryview(got))
            kept += got
            self._fetched = (offset, kept)
        return kept
