# SPDX-License-Identifier: GPL-3.0-or-later
"""Real local stores that behave as stores far away sometimes do."""

from __future__ import annotations

import threading
import typing as t
from pathlib import Path

from _engine.errors import FleetBackupError, StoreUnavailableError
from _engine.stores import Meant, Readable, Store, StoredObject, Upload, whatever
from _engine.stores.local import LocalStore


class Troubled(LocalStore):
    """``trouble`` is called before each step of an upload: what it is (put, write, commit), the key, and the bytes so far."""

    def __init__(self, path: Path, trouble: t.Optional[t.Callable[[str, str, int], None]] = None, name: str = "far") -> None:
        path.mkdir(exist_ok=True)
        super().__init__(name, {"path": str(path)})
        self.trouble = trouble or (lambda _step, _key, _size: None)
        self.open_uploads = 0
        self.most_open = 0
        self.calls: t.List[str] = []

    def put(self, key: str) -> t.Any:
        self.calls.append("put")
        self.trouble("put", key, 0)
        return _Upload(self, key, super().put(key))

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        self.calls.append("open")
        return super().open(key, offset, size)

    def size(self, key: str) -> int:
        self.calls.append("size")
        return super().size(key)

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        self.calls.append("list")
        return super().list(folder)

    def delete(self, key: str) -> None:
        self.calls.append("delete")
        super().delete(key)

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        self.calls.append("remove_leftovers")
        return super().remove_leftovers(folder, meant)

    def local_path(self) -> None:
        return None  # so that it counts as far away


class _Upload(Upload):
    def __init__(self, store: Troubled, key: str, upload: Upload) -> None:
        self._store, self._key, self._upload = store, key, upload
        self._size = 0
        self._is_open = True
        store.open_uploads += 1
        store.most_open = max(store.most_open, store.open_uploads)

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._store.trouble("write", self._key, self._size)
        self._upload.write(data)
        self._size += len(data)

    def commit(self) -> None:
        self._store.trouble("commit", self._key, self._size)
        self._upload.commit()
        self._ended()
        self._store.trouble("committed", self._key, self._size)

    def abort(self) -> None:
        self._ended()
        self._upload.abort()

    def _ended(self) -> None:
        self._store.open_uploads -= self._is_open
        self._is_open = False


class Resuming(Troubled):
    """Its uploads go on after a write that failed (the step ``resume``); the last ``lost`` bytes have not arrived then."""

    def __init__(
        self, path: Path, trouble: t.Optional[t.Callable[[str, str, int], None]] = None, name: str = "far", lost: int = 0
    ) -> None:  # fmt: skip
        super().__init__(path, trouble, name)
        self.lost = lost

    def put(self, key: str) -> t.Any:
        self.calls.append("put")
        self.trouble("put", key, 0)
        return _ResumingUpload(self, key, LocalStore.put(self, key))


class _ResumingUpload(_Upload):
    _store: Resuming

    def __init__(self, store: Resuming, key: str, upload: Upload) -> None:
        super().__init__(store, key, upload)
        self._arrived = bytearray()
        self._committing = False

    @property
    def resumes(self) -> bool:
        return not self._committing

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._store.trouble("write", self._key, len(self._arrived))
        self._arrived += data

    def resume(self) -> int:
        self._store.calls.append("resume")
        self._store.trouble("resume", self._key, len(self._arrived))
        del self._arrived[max(0, len(self._arrived) - self._store.lost) :]
        return len(self._arrived)

    def commit(self) -> None:
        self._committing = True
        self._upload.write(self._arrived)
        super().commit()


class Fails:
    """Raises ``error`` at a step, for keys that hold ``word``, so many times, once so many bytes were written."""

    def __init__(
        self, step: str, word: str = "", times: int = 1, after: int = 0, error: t.Optional[FleetBackupError] = None
    ) -> None:  # fmt: skip
        self._step, self._word, self.left, self._after = step, word, times, after
        self._error = error or StoreUnavailableError("store far: the connection was cut")

    def __call__(self, step: str, key: str, size: int) -> None:
        if step == self._step and self._word in key and size >= self._after and self.left:
            self.left -= 1
            raise self._error


class Blocks:
    """Blocks at a step until ``go`` is set; ``reached`` tells that it is there."""

    def __init__(self, step: str = "write", word: str = "") -> None:
        self._step, self._word = step, word
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, step: str, key: str, size: int) -> None:
        if step == self._step and self._word in key:
            self.reached.set()
            self.go.wait(300)


def objects(store: Store, folder: str = "web/app") -> t.Dict[str, bytes]:
    """All committed objects below a folder of a local store."""
    assert isinstance(store, LocalStore)
    root = Path(store.path)
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted((root / folder).rglob("*")) if p.is_file()}
