# SPDX-License-Identifier: GPL-3.0-or-later
"""A remote over the network, WebDAV, through rclone. What all stores must do is tried on a folder (registry.py)."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from canary import Canary

from _engine.errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError

from .place import get, put
from .rclone_place import PASSWORD, RcloneWebdavPlace
from .test_refusals import everything


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
    with Canary(PASSWORD) as canary:
        put(store, "web1/shop/three", data)
    assert canary.saw("rclone") and canary.found(webdav.root) == []
    store.delete("web1/shop/one.json")
    with pytest.raises(NotFoundError):
        store.size("web1/shop/one.json")


def test_wrong_credentials(webdav: RcloneWebdavPlace) -> None:
    """All that it is asked for; a backup that is there is not taken for one that is not."""
    put(webdav.store(), "web1/data", b"x")
    changes, secret = webdav.wrong_credentials()
    for verb, act in everything(webdav.store(**changes)).items():
        with pytest.raises(StoreRefusedError) as caught:
            act()
        assert "place" in str(caught.value) and secret not in str(caught.value), verb
    assert webdav.objects() == {"web1/data": b"x"}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (
            "Failed to rcat: googleapi: Error 403: The user's Drive storage quota has been exceeded., storageQuotaExceeded",
            StoreFullError,
        ),
        ("Failed to rcat: 507 Insufficient Storage", StoreFullError),
        ("Failed to rcat: error uploading: quotaLimitReached: Insufficient storage available", StoreFullError),
        ("Failed to rcat: 401 Unauthorized", StoreRefusedError),
        ('couldn\'t fetch token: oauth2: "invalid_grant" "Token has been expired or revoked."', StoreRefusedError),
        ("Failed to rcat: Post: dial tcp: lookup host: no such host", StoreUnavailableError),
        ("Failed to rcat: 503 Service Unavailable", StoreUnavailableError),
    ],
)
def test_what_rclone_says_is_understood(webdav: RcloneWebdavPlace, words: str, kind: t.Type[FleetBackupError]) -> None:
    error = webdav.store().error(1, b"2026/11/28 12:00:00 Failed: %s" % words.encode(), "dav:store")
    assert type(error) is kind
