# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .place import MIB, Options, Place, small_disk


class LocalPlace(Place):
    driver = "local"
    features = frozenset({"container", "full"})

    def options(self) -> Options:
        return {"path": str(self.folder / "store")}

    def objects(self) -> t.Dict[str, bytes]:
        return {key: open(path, "rb").read() for key, path in self._files() if ".uploading-" not in key}

    def leftovers(self) -> t.List[str]:
        return [key for key, _path in self._files() if ".uploading-" in key]

    def missing_container(self) -> Options:
        return {"path": str(self.folder / "not-mounted" / "store")}

    def full(self) -> contextlib.AbstractContextManager[None]:
        return small_disk(self.folder / "store")

    def _files(self) -> t.Iterator[t.Tuple[str, str]]:
        root = str(self.folder / "store")
        for folder, _folders, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                yield os.path.relpath(path, root), path


class LocalReadBackPlace(LocalPlace):
    """What was written is read back from the disk."""

    huge = 3 * MIB + 4096
    features = frozenset({"container"})

    def options(self) -> Options:
        return {**super().options(), "read_back": True}
