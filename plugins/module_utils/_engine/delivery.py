# SPDX-License-Identifier: GPL-3.0-or-later
"""One run's objects on their way to a store at hand, one write after the other (lanes.py: to several, side by side)."""

from __future__ import annotations

import functools
import hashlib
import time
import typing as t
from dataclasses import dataclass

from .errors import FleetBackupError
from .manifest import StoredFile
from .stores import Store, Upload


@dataclass
class Way:
    """What it took to get a backup to a store: bytes sent, seconds, objects sent again."""

    bytes: int = 0
    seconds: float = 0
    retries: int = 0


class ObjectWriter(t.Protocol):
    """A new object on the stores: write all, then commit."""

    def write(self, data: t.Union[bytes, memoryview]) -> None: ...

    def commit(self) -> StoredFile: ...


class AnyDelivery(t.Protocol):
    """What takes the objects of one backup to its stores: Delivery, or lanes.LaneDelivery."""

    @property
    def failures(self) -> t.Mapping[str, FleetBackupError]:
        """Why stores were dropped, by their names."""

    @property
    def stores(self) -> t.List[Store]:
        """Those that were not dropped. Raises the last error when none is left."""

    def create(self, name: str, late: bool = False) -> ObjectWriter:
        """Begin an object of the backup's folder. ``late``: others are begun and ended before it ends."""

    def put(self, name: str, data: bytes) -> StoredFile:
        """Store a small object of the backup's folder."""

    def put_key(self, key: str, data: bytes) -> StoredFile:
        """Store a small object anywhere on the stores."""

    def drop(self, store: Store, error: FleetBackupError) -> None:
        """Go on without a store. Raises ``error`` when it was the last."""

    def finish(self) -> None:
        """Wait until every store has everything, or is dropped. Raises the last error when none has."""

    def way(self, store: Store) -> Way:
        """What it took to get there."""

    def clean_up(self, stores: t.Optional[t.Sequence[Store]] = None) -> t.List[str]:
        """Take back what this run stored, on ``stores`` (all by default). Returns what could not be taken back."""


class Delivery:
    """Takes the objects of one backup to several stores.

    ``failures`` tells which stores were dropped and why. When none is left, the last error is raised.
    """

    def __init__(self, stores: t.Sequence[Store], folder: str) -> None:
        self._folder = folder
        self._keys: t.List[str] = []
        self._open: t.List[ObjectUpload] = []
        self.stores = list(stores)
        self.failures: t.Dict[str, FleetBackupError] = {}
        self._touched = list(stores)
        self._began = time.monotonic()
        self._seconds = 0.0

    def create(self, name: str, late: bool = False) -> ObjectUpload:
        """Begin an object of the backup's folder. ``late``: others are begun and ended before it ends."""
        return self.create_key("%s/%s" % (self._folder, name), name)

    def create_key(self, key: str, name: str) -> ObjectUpload:
        """Begin an object anywhere on the stores."""
        upload = ObjectUpload(self, key, name)
        self._keys.append(key)
        self._open.append(upload)
        return upload

    def put(self, name: str, data: bytes) -> StoredFile:
        """Store a small object of the backup's folder."""
        upload = self.create(name)
        upload.write(data)
        return upload.commit()

    def put_key(self, key: str, data: bytes) -> StoredFile:
        """Store a small object anywhere on the stores."""
        upload = self.create_key(key, key.rpartition("/")[2])
        upload.write(data)
        return upload.commit()

    def drop(self, store: Store, error: FleetBackupError) -> None:
        """Go on without a store. Raises ``error`` when it was the last."""
        self.failures[store.name] = error
        self.stores = [s for s in self.stores if s is not store]
        for upload in self._open:
            upload.forget(store)
        if not self.stores:
            raise error

    def finish(self) -> None:
        """Wait until every store has everything: they have."""
        self._seconds = time.monotonic() - self._began

    def way(self, store: Store) -> Way:
        """What it took to get there."""
        return Way(sum(upload.size for upload in self._open), self._seconds)

    def clean_up(self, stores: t.Optional[t.Sequence[Store]] = None) -> t.List[str]:
        """Take back what this run stored, on ``stores`` (all by default). Returns what could not be taken back."""
        left = []
        for store in self._touched if stores is None else stores:
            for upload in self._open:
                upload.forget(store)
            # One that cannot be removed must not keep the others from it. The manifest came last and goes first.
            steps: t.List[t.Callable[[], object]] = [functools.partial(store.delete, key) for key in reversed(self._keys)]
            steps.append(functools.partial(store.remove_leftovers, self._folder))
            for step in steps:
                try:
                    step()
                except FleetBackupError as error:
                    left.append("store %s: %s" % (store.name, error))
        return left


class ObjectUpload:
    """One object to all stores of a delivery, hashed on the way."""

    def __init__(self, delivery: Delivery, key: str, name: str) -> None:
        self._delivery = delivery
        self._name = name
        self._digest = hashlib.sha256()
        self.size = 0
        self._uploads: t.Dict[Store, Upload] = {}
        self._each(lambda store: self._uploads.__setitem__(store, store.put(key)))

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._digest.update(data)
        self.size += len(data)
        if len(self._uploads) == 1:
            # The common case, without the detour: this is called for every frame.
            store, upload = next(iter(self._uploads.items()))
            try:
                upload.write(data)
            except FleetBackupError as error:
                self._delivery.drop(store, error)
            return
        self._each(lambda store: self._uploads[store].write(data))

    def commit(self) -> StoredFile:
        self._each(lambda store: self._uploads[store].commit())
        return StoredFile(self._name, self.size, self._digest.hexdigest())

    def forget(self, store: Store) -> None:
        upload = self._uploads.pop(store, None)
        if upload is not None:
            upload.abort()

    def _each(self, act: t.Callable[[Store], None]) -> None:
        for store in list(self._delivery.stores):
            try:
                act(store)
            except FleetBackupError as error:
                self._delivery.drop(store, error)
