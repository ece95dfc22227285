# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are slow, cut, silent, short or wrong: an error that tells, or the right bytes; and never a half object."""

from __future__ import annotations

import socket
import time

import pytest
from fault_proxy import Fault, FaultProxy, always, no_fault

from _engine.errors import FleetBackupError, StoreUnavailableError

from .place import get, put
from .registry import needs

#: Where in the bytes of a connection something happens; the last one lies inside the data of an object.
PLACES = (0, 200, 100_000)

BREAKING = ("cut", "truncate", "stall")

pytestmark = needs("network")


@pytest.fixture
def proxy(place):
    with FaultProxy(place.address) as running:
        yield running


def via(place, proxy):
    """A store that is reached through the proxy and does not wait for long."""
    return place.store(**place.via(proxy.address), **place.impatient)


@pytest.mark.parametrize("verb", ["check", "put", "open", "size", "list", "delete"])
def test_nobody_listens(place, verb):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(StoreUnavailableError) as caught:
        store = place.store(**place.via(address), **place.impatient)
        verbs = {
            "check": store.check,
            "put": lambda: put(store, "web1/data", b"x"),
            "open": lambda: store.open("web1/data").read(1),
            "size": lambda: store.size("web1/data"),
            "list": lambda: store.list("web1"),
            "delete": lambda: store.delete("web1/data"),
        }
        verbs[verb]()
    assert "place" in str(caught.value)


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@pytest.mark.parametrize("after", PLACES)
@pytest.mark.parametrize("kind", BREAKING)
def test_an_upload_through_a_network_that_breaks(place, proxy, random_bytes, kind, after, up):
    """It fails as unavailable and leaves nothing, and can be repeated; where it succeeds, everything is there."""
    data = random_bytes(place.huge)
    proxy.plan = always(Fault(kind, after, up))
    try:
        put(via(place, proxy), "web1/data", data)
    except StoreUnavailableError as error:
        assert "place" in str(error)
        repeat(place, proxy, data)
    assert place.objects() == {"web1/data": data}
    assert place.leftovers() == []


def repeat(place, proxy, data):
    """What a failed upload left is removed, and the object is put again."""
    found = place.objects()
    assert found in ({}, {"web1/data": data})
    proxy.plan = no_fault
    store = via(place, proxy)
    store.remove_leftovers("web1")
    if not found:
        put(store, "web1/data", data)


@pytest.mark.parametrize("kind", BREAKING)
def test_an_upload_whose_first_connections_break(place, proxy, random_bytes, kind):
    """The network comes back while the store is in use."""
    data = random_bytes(place.huge)
    store = via(place, proxy)
    proxy.plan = lambda number: Fault(kind, 100_000) if number < 2 else None
    for _attempt in range(5):
        try:
            put(store, "web1/data", data)
            break
        except StoreUnavailableError:
            if place.objects():
                break
    assert place.objects() == {"web1/data": data}
    store.remove_leftovers("web1")
    assert place.leftovers() == []


@pytest.mark.parametrize("after", PLACES)
@pytest.mark.parametrize("kind", BREAKING)
def test_reading_through_a_network_that_breaks(place, proxy, random_bytes, kind, after):
    """Never a part that looks like the whole."""
    data = random_bytes(place.huge)
    put(place.store(), "web1/data", data)
    proxy.plan = always(Fault(kind, after, up=False))
    try:
        assert get(via(place, proxy), "web1/data") == data
    except StoreUnavailableError as error:
        assert "place" in str(error)
    proxy.plan = no_fault
    assert get(via(place, proxy), "web1/data", 5, 100) == data[5:105]


@pytest.mark.parametrize("after", PLACES)
@pytest.mark.parametrize("kind", BREAKING)
def test_listing_through_a_network_that_breaks(place, proxy, kind, after):
    put(place.store(), "web1/data", b"x")
    proxy.plan = always(Fault(kind, after, up=False))
    try:
        objects, folders = via(place, proxy).list("web1")
        assert ([o.key for o in objects], folders) == (["web1/data"], [])
    except StoreUnavailableError as error:
        assert "place" in str(error)


def test_a_slow_network(place, proxy, random_bytes):
    data = random_bytes(200_000)
    proxy.latency = 0.02
    store = via(place, proxy)
    put(store, "web1/data", data)
    assert get(store, "web1/data") == data
    assert place.objects() == {"web1/data": data}
    assert place.leftovers() == []


@needs("resume")
def test_an_upload_goes_on_after_its_connection_was_lost(place, random_bytes):
    """Twice, each time after the server was away for a while."""
    data = memoryview(random_bytes(place.huge))
    with place.proxied() as proxies:
        upload = place.store(**place.via(proxies[0].address)).put("web1/huge")
        offsets = [0]
        for at in (place.huge // 2, place.huge * 5 // 6):
            upload.write(data[offsets[-1] : at])
            await_arrival(place, offsets[-1] + (2 << 20))
            for proxy in proxies:
                proxy.plan = always(Fault("cut", 0))
                proxy.cut_all()
            with pytest.raises(StoreUnavailableError) as caught:
                write_on(upload, data[at:])
            assert "in time" not in str(caught.value)
            with pytest.raises(StoreUnavailableError):
                upload.resume()
            assert upload.resumes
            for proxy in proxies:
                proxy.plan = no_fault
            offsets.append(upload.resume())
        assert 0 < offsets[1] < offsets[2]
        write_on(upload, data[offsets[-1] :])
        upload.commit()
    assert place.objects() == {"web1/huge": bytes(data)}
    assert place.leftovers() == []


@needs("resume")
def test_an_upload_that_lost_its_connection_is_aborted_over_another(place, proxy, random_bytes):
    upload = place.store(**place.via(proxy.address)).put("web1/huge")
    upload.write(random_bytes(1 << 20))
    proxy.cut_all()
    assert place.leftovers()
    upload.abort()
    assert (place.objects(), place.leftovers()) == ({}, [])


@needs("resume")
def test_an_upload_does_not_go_on_where_the_server_lost_something(place, proxy, random_bytes):
    """As one that crashed: the file is as long as it was, with a hole."""
    upload = place.store(**place.via(proxy.address)).put("web1/huge")
    write_on(upload, random_bytes(place.huge))
    await_arrival(place, 2 << 20)
    proxy.cut_all()
    (left,) = place.leftovers()
    with open(place.base / "store" / left, "r+b") as file:
        file.write(bytes(1 << 20))
    with pytest.raises(FleetBackupError) as caught:
        for _attempt in range(5):
            upload.resume()
    assert not caught.value.retry and "something else than what it had taken" in str(caught.value)
    upload.abort()
    assert (place.objects(), place.leftovers()) == ({}, [])


def await_arrival(place, size):
    """Wait until so much of what was written is on the server, and not on its way."""
    (left,) = place.leftovers()
    deadline = time.monotonic() + 60
    while (place.base / "store" / left).stat().st_size < size:
        assert time.monotonic() < deadline, "the server does not take what was sent"
        time.sleep(0.01)


def write_on(upload, data):
    for begin in range(0, len(data), 1 << 20):
        upload.write(data[begin : begin + (1 << 20)])


def test_connections_that_ended_while_nobody_looked(place, proxy):
    """A store that was idle for hours, whose connections a firewall forgot."""
    store = via(place, proxy)
    put(store, "web1/one", b"1")
    proxy.cut_all()
    for _attempt in range(2):
        try:
            put(store, "web1/two", b"2")
            break
        except StoreUnavailableError:
            store.remove_leftovers("web1")
    assert place.objects() == {"web1/one": b"1", "web1/two": b"2"}


@needs("integrity")
@pytest.mark.parametrize("after", [300, 5_000, 100_000, 1_000_000])
def test_an_upload_in_which_a_bit_is_changed(place, proxy, random_bytes, after):
    """Whatever is said to have succeeded is right; nothing wrong is ever under the key."""
    data = random_bytes(place.huge)
    proxy.plan = lambda number: Fault("corrupt", after) if number < 3 else None
    try:
        put(via(place, proxy), "web1/data", data)
    except FleetBackupError as error:
        assert "place" in str(error)
        repeat(place, proxy, data)
    assert place.objects() == {"web1/data": data}
    assert place.leftovers() == []
