# SPDX-License-Identifier: GPL-3.0-or-later
"""One run's objects on their way to every store side by side. A store that fails is dropped; the others go on."""

from __future__ import annotations

import functools
import hashlib
import typing as t

from .errors import FleetBackupError
from .manifest import StoredFile
from .stores import Store, Upload


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

    def create(self, name: str) -> ObjectUpload:
        """Begin an object of the backup's folder."""
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
        self._size = 0
        self._uploads: t.Dict[Store, Upload] = {}
        self._each(lambda store: self._uploads.__setitem__(store, store.put(key)))

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._digest.update(data)
        self._size += len(data)
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
        return StoredFile(self._name, self._size, self._digest.hexdigest())

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
