# SPDX-License-Identifier: GPL-3.0-or-later
"""A remote over the network, WebDAV, through rclone. What all stores must do is tried on a folder (registry.py)."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from _engine.errors import NotFoundError, StoreRefusedError

from .place import get, put
from .rclone_place import RcloneWebdavPlace


@pytest.fixture
def webdav(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[RcloneWebdavPlace]:
    place = RcloneWebdavPlace(request, tmp_path)
    try:
        yield place
    finally:
        place.close()


def test_objects_come_back_are_listed_and_go(webdav: RcloneWebdavPlace) -> None:
    store = webdav.store()
    data = bytes(range(256)) * 5000
    put(store, "web1/shop/one.json", data)
    put(store, "web1/shop/folder/two", b"")
    assert get(store, "web1/shop/one.json") == data
    for offset, size in ((0, 10), (1_000_000, 5000), (len(data), None), (len(data) - 1, 100)):
        expected = data[offset:] if size is None else data[offset : offset + size]
        assert get(store, "web1/shop/one.json", offset, size) == expected
    objects, folders = store.list("web1/shop")
    assert [(o.key, o.size) for o in objects] == [("web1/shop/one.json", len(data))]
    assert folders == ["folder"]
    with pytest.raises(StoreRefusedError):
        put(store, "web1/shop/one.json", b"other")
    store.delete("web1/shop/one.json")
    with pytest.raises(NotFoundError):
        store.size("web1/shop/one.json")
