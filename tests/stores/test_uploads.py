# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads that are given up, cut off, repeated, or meet each other."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from _engine.errors import FleetBackupError, StoreRefusedError

from .place import get, keys, put, write


@pytest.fixture(params=["small", "large"])
def data(request, place, random_bytes):
    return random_bytes(1000 if request.param == "small" else place.huge)


def test_an_upload_that_is_aborted_leaves_nothing(place, data):
    store = place.store()
    upload = write(store, "web1/shop/data", data)
    upload.abort()
    upload.abort()
    assert place.objects() == {}
    assert place.leftovers() == []
    put(store, "web1/shop/data", data)
    assert get(store, "web1/shop/data") == data


def test_an_upload_that_is_aborted_at_once_leaves_nothing(place):
    store = place.store()
    store.put("web1/shop/data").abort()
    assert place.objects() == {}
    assert place.leftovers() == []


def test_aborting_after_the_end_is_harmless(place, data):
    store = place.store()
    upload = write(store, "web1/shop/data", data)
    upload.commit()
    upload.abort()
    assert place.objects() == {"web1/shop/data": data}


def test_nothing_is_overwritten(place, data):
    store = place.store()
    put(store, "web1/shop/data", b"the first")
    with pytest.raises(StoreRefusedError):
        put(store, "web1/shop/data", data)
    assert place.objects() == {"web1/shop/data": b"the first"}
    assert place.leftovers() == []


def test_of_two_at_once_one_wins(place, random_bytes):
    """Both were begun before either was committed, by two processes as far as the store can tell."""
    first, second = random_bytes(place.huge), random_bytes(place.huge)
    one, two = write(place.store(), "web1/data", first), write(place.store(), "web1/data", second)
    one.commit()
    with pytest.raises(StoreRefusedError):
        two.commit()
    two.abort()
    assert place.objects() == {"web1/data": first}
    assert place.leftovers() == []


def test_of_many_at_once_one_wins(place):
    store = place.store()
    barrier = threading.Barrier(6)

    def attempt(number):
        upload = write(store, "web1/data", b"%d" % number)
        barrier.wait()
        try:
            upload.commit()
            return number
        except StoreRefusedError:
            return None
        finally:
            upload.abort()

    with ThreadPoolExecutor(6) as pool:
        winners = [number for number in pool.map(attempt, range(6)) if number is not None]
    assert len(winners) == 1
    assert place.objects() == {"web1/data": b"%d" % winners[0]}
    assert place.leftovers() == []


def test_several_uploads_and_readers_at_once(place, random_bytes):
    store = place.store()
    objects = {"web%d/shop/data" % n: random_bytes(place.huge // 4 + n) for n in range(6)}

    def there_and_back(item):
        put(store, *item, 300_000)
        return get(store, item[0])

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(there_and_back, objects.items()))
    assert found == list(objects.values())
    assert place.objects() == objects
    assert place.leftovers() == []


def test_what_a_killed_process_leaves_is_found_and_removed(place, random_bytes):
    if place.forgets:
        return
    put(place.store(), "web1/shop/id/whole", b"whole")
    put(place.store(), "web1/shop/id.json", b"{}")
    data = random_bytes(place.huge)
    child = os.fork()
    if child == 0:
        try:
            place.store().put("web1/shop/id/data").write(data)
            signal.pause()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while place.store().leftover_bytes("web1/shop/id") == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert place.objects() == {"web1/shop/id/whole": b"whole", "web1/shop/id.json": b"{}"}
    assert len(place.leftovers()) == 1
    store = place.store()
    assert keys(store, "web1/shop/id") == ["web1/shop/id/whole"]
    assert store.leftover_bytes("web1/shop/id", lambda name: name == "data") == store.leftover_bytes("web1/shop/id") > 0
    assert store.leftover_bytes("web1/shop/id", lambda name: name != "data") == 0
    assert store.remove_leftovers("web1/shop/id", lambda name: name != "data") == 0
    assert store.leftover_bytes("web1/shop") == 0
    assert store.remove_leftovers("web1/shop") == 0
    assert len(place.leftovers()) == 1
    assert store.remove_leftovers("web1/shop/id") == 1
    assert place.leftovers() == []
    assert store.remove_leftovers("web1/shop/id") == 0
    assert store.leftover_bytes("web1/shop/id") == 0
    assert place.objects() == {"web1/shop/id/whole": b"whole", "web1/shop/id.json": b"{}"}
    put(store, "web1/shop/id/data", data)
    assert get(store, "web1/shop/id/data") == data


def test_leftovers_of_nowhere(place):
    store = place.store()
    put(store, "web1/shop/data", b"x")
    assert store.leftover_bytes("web1/other") == 0
    assert store.remove_leftovers("web1/other") == 0


def test_a_store_is_used_after_a_failure(place, data):
    """An error of one object does not spoil the next ones."""
    store = place.store()
    put(store, "web1/one", b"1")
    with pytest.raises(FleetBackupError):
        put(store, "web1/one", data)
    put(store, "web1/two", data)
    assert place.objects() == {"web1/one": b"1", "web1/two": data}
