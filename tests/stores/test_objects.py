# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects come back as they were put, whole and in parts, and are listed as they are."""

from __future__ import annotations

import random

import pytest

from _engine.errors import NotFoundError

from .place import get, keys, put, put_all, write

#: What a path, a URL, a shell or a protocol could stumble over; the first ones occur in the format.
ODD_NAMES = (
    "20261122T020000Z-full-daily-3f9a.mark-accepted.json",
    "shop@caf%C3%A9",
    "with space",
    "a+b",
    "100%",
    "%41",
    "a#b?c&d=e;f",
    "it's",
    'say "hello"',
    "[x]*{y}",
    "~tilde",
    "-dash",
    "$HOME`id`",
    "a..b",
    "UPPER and lower",
    "upper AND LOWER",
    "\u00e9\u4e2d\U0001f600",
    "n" * 200,
)


def test_an_object_comes_back(place):
    store = place.store()
    put(store, "web1/shop/one.json", b"content")
    assert get(store, "web1/shop/one.json") == b"content"
    assert store.size("web1/shop/one.json") == 7
    assert [(o.key, o.size) for o in store.list("web1/shop")[0]] == [("web1/shop/one.json", 7)]
    assert place.objects() == {"web1/shop/one.json": b"content"}
    assert place.leftovers() == []
    # As another process sees it.
    assert get(place.store(), "web1/shop/one.json") == b"content"


def test_an_empty_object(place):
    store = place.store()
    put(store, "web1/empty", b"")
    upload = store.put("web1/empty-too")
    upload.write(b"")
    upload.commit()
    assert place.objects() == {"web1/empty": b"", "web1/empty-too": b""}
    assert store.size("web1/empty") == 0
    assert get(store, "web1/empty") == b""
    assert [(o.key, o.size) for o in store.list("web1")[0]] == [("web1/empty", 0), ("web1/empty-too", 0)]


def test_a_huge_object(place, random_bytes):
    """In pieces of all sizes, from a buffer that is used again at once."""
    data = random_bytes(place.huge)
    rng = random.Random(7)
    store = place.store()
    upload = store.put("web1/shop/huge.tar.zst")
    position = 0
    while position < len(data):
        buffer = bytearray(data[position : position + rng.choice((1, 1000, 65536, 1 << 20, 3 << 20))])
        upload.write(memoryview(buffer))
        position += len(buffer)
        buffer[:] = bytes(len(buffer))
    upload.commit()
    assert store.size("web1/shop/huge.tar.zst") == len(data)
    assert get(store, "web1/shop/huge.tar.zst") == data
    assert place.objects() == {"web1/shop/huge.tar.zst": data}
    assert place.leftovers() == []


def test_ranges(place, random_bytes):
    data = random_bytes(2 << 20)
    rng = random.Random(9)
    store = place.store()
    put(store, "web1/data", data)
    begins = [0, 1, 4095, 65536, len(data) - 1, len(data)] + [rng.randrange(len(data)) for _ in range(10)]
    for begin in begins:
        for size in (0, 1, 4096, rng.randrange(len(data)), len(data), None):
            expected = data[begin:] if size is None else data[begin : begin + size]
            assert get(store, "web1/data", begin, size) == expected, (begin, size)


def test_a_reader(place, random_bytes):
    """It is like a raw binary file."""
    data = random_bytes(300_000)
    store = place.store()
    put(store, "web1/data", data)
    file = store.open("web1/data", 1000, 200_000)
    buffer = bytearray(50_000)
    found = b""
    while len(found) < 150_000:
        count = file.readinto(memoryview(buffer)[: 150_000 - len(found)])
        assert count > 0
        found += buffer[:count]
    while True:
        part = file.read(7777)
        if not part:
            break
        assert len(part) <= 7777
        found += part
    assert found == data[1000:201_000]
    assert file.readinto(memoryview(buffer)) == 0
    file.close()
    file.close()
    early = store.open("web1/data")
    early.read(10)
    early.close()
    assert get(store, "web1/data", 0, 10) == data[:10]


def test_two_readers_at_once(place, random_bytes):
    first, second = random_bytes(200_000), random_bytes(200_000)
    store = place.store()
    put_all(store, {"web1/first": first, "web1/second": second})
    one, two = store.open("web1/first"), store.open("web1/second")
    found = b"", b""
    while True:
        parts = one.read(9999), two.read(9999)
        if not any(parts):
            break
        found = found[0] + parts[0], found[1] + parts[1]
    one.close()
    two.close()
    assert found == (first, second)


@pytest.mark.parametrize("key", ["web1/missing", "nowhere/at/all"])
def test_what_is_not_there(place, key):
    store = place.store()
    put(store, "web1/one", b"x")
    with pytest.raises(NotFoundError):
        store.size(key)
    with pytest.raises(NotFoundError):
        store.open(key).read(1)


def test_odd_names(place):
    names = [name for name in ODD_NAMES if name not in place.impossible_names]
    objects = {"web1/%s/%s" % (name, name): name.encode() for name in names}
    store = place.store()
    put_all(store, objects)
    assert place.objects() == objects
    assert store.list("web1") == ([], sorted(names))
    for key, data in objects.items():
        found, folders = store.list(key.rpartition("/")[0])
        assert ([(o.key, o.size) for o in found], folders) == ([(key, len(data))], [])
        assert get(store, key, 1) == data[1:]
        assert store.size(key) == len(data)
    for key in objects:
        store.delete(key)
    assert place.objects() == {}


def test_listing(place):
    store = place.store()
    put_all(store, dict.fromkeys(("top", "a/1", "a/2", "a/b/3", "a/b/c/4", "ab/5", "a.b/6", "a-/7", "b/8"), b"x"))
    assert store.list("")[1] == ["a", "a-", "a.b", "ab", "b"]
    assert keys(store, "") == ["top"]
    assert (keys(store, "a"), store.list("a")[1]) == (["a/1", "a/2"], ["b"])
    assert (keys(store, "a/b"), store.list("a/b")[1]) == (["a/b/3"], ["c"])
    assert store.list("nothing/here") == ([], [])


def test_a_new_store_is_empty(place):
    assert place.store().list("web1/shop") == ([], [])
    place.store().delete("web1/shop/nothing")


def test_many_objects(place):
    """More than a page of a listing holds, objects and folders, and none is lost or there twice."""
    objects = {"web1/shop/%04d.json" % n: b"%d" % n for n in range(place.many)}
    objects.update({"web1/shop/%04d/data" % n: b"" for n in range(0, place.many, 50)})
    store = place.store()
    put_all(store, objects)
    found, folders = store.list("web1/shop")
    assert [(o.key, o.size) for o in found] == [(k, len(objects[k])) for k in sorted(objects) if k.endswith(".json")]
    assert folders == ["%04d" % n for n in range(0, place.many, 50)]


def test_deleting(place):
    store = place.store()
    put_all(store, {"web1/one": b"1", "web1/two": b"2", "web1/one.more": b"3", "web1/one2/x": b"4"})
    store.delete("web1/one")
    store.delete("web1/one")
    store.delete("web1/never")
    store.delete("never/there")
    assert place.objects() == {"web1/two": b"2", "web1/one.more": b"3", "web1/one2/x": b"4"}
    assert keys(store, "web1") == ["web1/one.more", "web1/two"]
    put(store, "web1/one", b"again")
    assert get(store, "web1/one") == b"again"


def test_a_folder_that_was_emptied_is_gone(place):
    store = place.store()
    put_all(store, {"web1/shop/id/data": b"1", "web1/shop/id.json": b"2"})
    store.delete("web1/shop/id/data")
    store.remove_leftovers("web1/shop/id")
    assert store.list("web1/shop")[1] == []
    assert keys(store, "web1/shop") == ["web1/shop/id.json"]


def test_nothing_is_visible_before_it_is_committed(place, random_bytes):
    store = place.store()
    data = random_bytes(place.huge)
    upload = write(store, "web1/shop/data", data)
    assert place.objects() == {}
    assert keys(store, "web1/shop") == []
    with pytest.raises(NotFoundError):
        store.size("web1/shop/data")
    with pytest.raises(NotFoundError):
        store.open("web1/shop/data").read(1)
    upload.commit()
    assert place.objects() == {"web1/shop/data": data}
