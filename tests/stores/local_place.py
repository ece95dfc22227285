# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import typing as t

import pytest

from .place import MIB, Options, Place


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

    @contextlib.contextmanager
    def full(self) -> t.Iterator[None]:
        """The store becomes a file system of 4 MiB."""
        path = self.folder / "store"
        moved = self.folder / "moved"
        path.mkdir(exist_ok=True)
        path.rename(moved)
        path.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", path], check=False, stderr=subprocess.PIPE)
        if made.returncode != 0:
            pytest.skip("a small file system cannot be mounted here: %s" % made.stderr.decode())
        try:
            shutil.copytree(moved, path, dirs_exist_ok=True)
            yield
            shutil.rmtree(moved)
            shutil.copytree(path, moved)
        finally:
            subprocess.run(["umount", "-l", path], check=True)
        path.rmdir()
        moved.rename(path)

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
