# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that says no, or is not there, is told from an empty one, and each no from the others."""

from __future__ import annotations

import pytest

from _engine.errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError

from .place import get, put
from .registry import needs


def everything(store):
    """Each verb, and what it is called."""
    return {
        "check": store.check,
        "put": lambda: put(store, "web1/new", b"x"),
        "open": lambda: store.open("web1/data").read(1),
        "size": lambda: store.size("web1/data"),
        "list": lambda: store.list("web1"),
        "delete": lambda: store.delete("web1/data"),
    }


VERBS = ("check", "put", "open", "size", "list", "delete")


def test_a_check_leaves_nothing(place):
    place.store().check()
    assert place.objects() == {}
    assert place.leftovers() == []
    store = place.store()
    put(store, "web1/data", b"x")
    store.check()
    store.check()
    assert place.objects() == {"web1/data": b"x"}
    assert store.list("")[1] == ["web1"]


def test_free_space(place):
    space = place.store().free_space()
    assert space is None or space > 0


def test_the_options_are_declared(place):
    driver = type(place.store())
    assert place.store().confirms in ("read", "checksum", "sync", "size")
    for option in driver.OPTIONS:
        assert option.help.endswith(".")
        assert not (option.secret and option.default)


@needs("credentials")
@pytest.mark.parametrize("verb", VERBS)
def test_wrong_credentials(place, verb):
    put(place.store(), "web1/data", b"x")
    changes, secret = place.wrong_credentials()
    with pytest.raises(StoreRefusedError) as caught:
        everything(place.store(**changes))[verb]()
    assert "place" in str(caught.value)
    assert secret not in str(caught.value)
    assert place.objects() == {"web1/data": b"x"}


@needs("container")
@pytest.mark.parametrize("verb", ("check", "put", "open", "size", "list"))
def test_a_container_that_is_not_there(place, verb):
    """It is not taken for an empty one, and not made: a typing error, or a disk that is not mounted, must be noticed."""
    store = place.store(**place.missing_container())
    with pytest.raises((StoreRefusedError, StoreUnavailableError, NotFoundError)) as caught:
        everything(store)[verb]()
    assert "place" in str(caught.value)
    with pytest.raises(FleetBackupError):
        place.store(**place.missing_container()).check()


@needs("full")
def test_no_room(place, random_bytes):
    store = place.store()
    put(store, "web1/before", b"before")
    with place.full():
        store = place.store()
        with pytest.raises(StoreFullError):
            put(store, "web1/huge", random_bytes(place.huge))
        assert place.objects() == {"web1/before": b"before"}
        assert place.leftovers() == []
        assert get(store, "web1/before") == b"before"
        store.delete("web1/before")
    put(place.store(), "web1/after", b"after")
    assert place.objects() == {"web1/after": b"after"}
