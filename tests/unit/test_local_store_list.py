# SPDX-License-Identifier: GPL-3.0-or-later
"""What the local store lists when things are not as they should be."""

from __future__ import annotations

import os

import pytest
from handmade import local_store, put

from _engine.errors import StoreUnavailableError
from _engine.stores.local import LocalStore


def test_a_new_store_is_empty(tmp_path):
    assert LocalStore("disk", {"path": str(tmp_path / "store")}).list("web1/shop") == ([], [])


def test_a_store_whose_disk_is_not_mounted_is_not_taken_for_an_empty_one(tmp_path):
    with pytest.raises(StoreUnavailableError, match="not mounted"):
        LocalStore("disk", {"path": str(tmp_path / "mnt" / "store")}).list("web1/shop")


def test_a_file_that_is_deleted_while_being_listed_does_not_hide_the_others(tmp_path, monkeypatch):
    store = local_store(tmp_path)
    for name in "abcdefgh":
        put(store, "web1/" + name, b"x")
    scandir = os.scandir

    class DeletingFirst:
        """The real listing; another process deletes its first file as soon as it was named."""

        def __init__(self, path):
            self.entries = scandir(path)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.entries.close()

        def __iter__(self):
            for n, entry in enumerate(self.entries):
                entry.is_file()
                if n == 0:
                    self.gone = entry.name
                    os.unlink(entry.path)
                yield entry

    monkeypatch.setattr(os, "scandir", DeletingFirst)
    assert len(store.list("web1")[0]) == 7
