# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload of age files: written from any pieces, read from any place, and nothing wrong with it goes unnoticed."""

from __future__ import annotations

import functools
import io
import os
import random
import re
import threading

import pytest
from agefiles import CHUNK, age_decrypts, chunk, head, needs_age, opened, payload, reader, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from _engine.age import header as age
from _engine.age.keys import Identity
from _engine.age.stream import AgeReader, AgeWriter, plaintext_size
from _engine.errors import IntegrityError

ME = Identity(b"\x42" * 32)
KEY = bytes(range(16))
HEAD = head(KEY, x25519(KEY, ME.public))
DATA = random.Random(1).randbytes(5 * CHUNK)
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK + 77, 5 * CHUNK]
SEALED = CHUNK + 16


class Kept:
    """An output that keeps what it is given."""

    def __init__(self):
        self.file = io.BytesIO()

    def write(self, data):
        self.file.write(data)


def sealed(pieces):
    """A file written piece by piece, from buffers that are spoiled as soon as write() returns."""
    out = Kept()
    writer = AgeWriter(out, HEAD, KEY)
    for piece in pieces:
        buffer = bytearray(piece)
        writer.write(memoryview(buffer))
        buffer[:] = bytes(len(buffer))
    writer.close()
    return out.file.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read_again(size):
    data = DATA[:size]
    file = sealed([data])
    assert len(file) == len(HEAD) + 16 + size + 16 * max(1, -(-size // CHUNK))
    assert opened(file, ME).read() == data
    assert opened(HEAD + b"".join(payload(KEY, data)), ME).read() == data


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 100_000, 3 * CHUNK + 5]), max_size=7))
def test_how_it_was_written_makes_no_difference(sizes):
    data = (DATA * 5)[: sum(sizes)]
    pieces, start = [], 0
    for size in sizes:
        pieces.append(data[start : start + size])
        start += size
    file = sealed(pieces)
    assert len(file) == len(sealed([data]))
    assert opened(file, ME).read() == data


def test_large_writes_are_handed_on_in_bounded_pieces():
    class Largest:
        size = total = 0

        def write(self, data):
            self.size = max(self.size, len(data))
            self.total += len(data)

    out = Largest()
    writer = AgeWriter(out, HEAD, KEY)
    writer.write(bytes(20 << 20))
    writer.write(memoryview(bytes(8 * 1000)).cast("Q"))
    writer.close()
    assert out.size <= 2 << 20
    assert plaintext_size(out.total, len(HEAD), "x") == (20 << 20) + 8000


def test_no_two_files_share_a_nonce():
    files = [sealed([b"same"]) for _ in range(20)]
    assert len({file[len(HEAD) : len(HEAD) + 16] for file in files}) == 20
    assert len({file[len(HEAD) + 16 :] for file in files}) == 20


@functools.cache
def file_of(size):
    return HEAD + b"".join(payload(KEY, DATA[:size]))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(SIZES), st.data())
def test_any_range_is_what_a_full_decryption_gives(size, data):
    file = reader(file_of(size), KEY, len(HEAD))
    assert file.size == size
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, size))
        length = data.draw(st.one_of(st.integers(0, size - start), st.just(size - start)))
        assert file.read(start, length) == DATA[start : start + length]


def test_reading_on_fetches_no_byte_twice():
    fetched = []
    file = file_of(5 * CHUNK)

    def read_at(offset, size):
        fetched.append((offset, size))
        return file[offset : offset + size]

    reading = AgeReader(read_at, len(file), KEY, len(HEAD), "x")
    assert b"".join(reading.read(start, 10_000) for start in range(0, 5 * CHUNK - 10_000, 10_000)) == DATA[:320_000]
    assert sum(size for _offset, size in fetched) == 16 + 5 * SEALED
    fetched.clear()
    assert reading.read(3 * CHUNK + 5, 10) == DATA[3 * CHUNK + 5 : 3 * CHUNK + 15]
    assert fetched == [(len(HEAD) + 16 + 3 * SEALED, SEALED)]


def test_several_threads_read_one_file():
    file = reader(file_of(5 * CHUNK), KEY, len(HEAD))
    wrong = []

    def read(seed):
        rng = random.Random(seed)
        for _ in range(100):
            start = rng.randrange(5 * CHUNK)
            length = rng.randrange(min(100_000, 5 * CHUNK - start))
            if file.read(start, length) != DATA[start : start + length]:
                wrong.append((start, length))

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("start, length", [(0, 101), (101, 0), (-1, 5), (50, 51), (5, -1)])
def test_there_is_nothing_beyond_the_end(start, length):
    with pytest.raises(IntegrityError, match="x.age: holds 100 bytes; there is nothing to read from"):
        reader(file_of(0)[: len(HEAD)] + b"".join(payload(KEY, bytes(100))), KEY, len(HEAD)).read(start, length)


def test_reads_that_do_not_reach_damage_go_on():
    parts = payload(KEY, DATA[: 3 * CHUNK])
    parts[2] = bytes(SEALED)
    file = reader(HEAD + b"".join(parts), KEY, len(HEAD))
    assert file.read(0, CHUNK) == DATA[:CHUNK]
    assert file.read(2 * CHUNK, CHUNK) == DATA[2 * CHUNK : 3 * CHUNK]
    with pytest.raises(IntegrityError, match="chunk 1 of 3"):
        file.read(CHUNK - 1, 2)


def parts():
    """Nonce and chunks of three full ones and one of 100 bytes."""
    return payload(KEY, DATA[: 3 * CHUNK + 100])


def changed(change):
    pieces = parts()
    change(pieces)
    return HEAD + b"".join(pieces)


def swap(pieces, one, other):
    pieces[one], pieces[other] = pieces[other], pieces[one]


def flip(pieces, piece, place):
    damaged = bytearray(pieces[piece])
    damaged[place] ^= 0x10
    pieces[piece] = bytes(damaged)


def put(pieces, piece, data, **how):
    pieces[piece] = chunk(KEY, piece - 1, data, **how)


BROKEN = {
    "no nonce": (lambda p: p.clear(), "is cut off before its first chunk"),
    "half a nonce": (lambda p: p.__setitem__(slice(None), [p[0][:8]]), "is cut off before its first chunk"),
    "no chunk": (lambda p: p.__setitem__(slice(1, None), []), "is cut off in chunk 0, of which 0 bytes are left"),
    "a first chunk shorter than its tag": (
        lambda p: p.__setitem__(slice(1, None), [p[1][:15]]),
        "is cut off in chunk 0, of which 15 bytes are left",
    ),
    "a first chunk cut off": (lambda p: p.__setitem__(slice(1, None), [p[1][:1000]]), "chunk 0 of 1 is damaged, cut off"),
    "a flipped bit in the nonce": (lambda p: flip(p, 0, 3), "chunk 0 of 4 is damaged"),
    "a flipped bit in the first chunk": (lambda p: flip(p, 1, 0), "chunk 0 of 4 is damaged"),
    "a flipped bit in a tag": (lambda p: flip(p, 3, -1), "chunk 2 of 4 is damaged"),
    "a flipped bit in the last chunk": (lambda p: flip(p, 4, 50), "chunk 3 of 4 is damaged"),
    "a flipped bit in the last tag": (lambda p: flip(p, 4, -1), "chunk 3 of 4 is damaged"),
    "the last chunk is missing": (lambda p: p.pop(), "chunk 2 of 3 is not marked as the last, and nothing follows"),
    "only the first chunk is left": (lambda p: p.__setitem__(slice(2, None), []), "chunk 0 of 1 is not marked as the last"),
    "one byte is missing at the end": (lambda p: p.append(p.pop()[:-1]), "chunk 3 of 4 is damaged, cut off"),
    "cut off in a tag": (lambda p: p.append(p.pop()[:10]), "is cut off in chunk 3, of which 10 bytes are left"),
    "the last chunk is not marked": (lambda p: put(p, 4, DATA[:100]), "chunk 3 of 4 is not marked as the last"),
    "a chunk in the middle is marked as the last": (
        lambda p: put(p, 2, DATA[:CHUNK], last=True),
        "chunk 1 of 4 is marked as the last, and more follows",
    ),
    "two last chunks": (
        lambda p: (put(p, 3, DATA[:CHUNK], last=True), put(p, 4, b"x", last=True)),
        "chunk 2 of 4 is marked as the last, and more follows",
    ),
    "garbage at the end": (lambda p: p.append(b"garbage"), "chunk 3 of 4 is damaged"),
    "a byte at the end": (lambda p: p.append(b"\0"), "chunk 3 of 4 is damaged"),
    "something behind a full last chunk": (
        lambda p: p.__setitem__(slice(3, None), [chunk(KEY, 2, DATA[:CHUNK], last=True), os.urandom(100)]),
        "chunk 2 of 4 is marked as the last, and more follows: something was appended",
    ),
    "a few bytes behind a full last chunk": (
        lambda p: p.__setitem__(slice(3, None), [chunk(KEY, 2, DATA[:CHUNK], last=True), b"\0"]),
        "is cut off in chunk 3, of which 1 bytes are left",
    ),
    "an empty last chunk": (lambda p: put(p, 4, b"", last=True), "ends with chunk 3, which is empty"),
    "an empty last chunk of a full one": (
        lambda p: p.__setitem__(slice(2, None), [chunk(KEY, 1, b"", last=True)]),
        "ends with chunk 1, which is empty",
    ),
    "an empty chunk that is not marked": (
        lambda p: p.__setitem__(slice(1, None), [chunk(KEY, 0, b"")]),
        "chunk 0 of 1 is not marked as the last",
    ),
    "two chunks swapped": (lambda p: swap(p, 1, 3), "chunk 0 of 4 holds what was written as chunk 2: chunks were moved"),
    "a chunk repeated": (lambda p: p.insert(2, p[2]), "chunk 2 of 5 holds what was written as chunk 1"),
    "a chunk in place of another": (lambda p: p.__setitem__(3, p[2]), "chunk 2 of 4 holds what was written as chunk 1"),
    "the first chunk left out": (lambda p: p.pop(1), "chunk 0 of 3 holds what was written as chunk 1"),
    "a chunk in the middle left out": (lambda p: p.pop(2), "chunk 1 of 3 holds what was written as chunk 2"),
    "a short chunk in the middle": (lambda p: put(p, 2, DATA[:1000]), "chunk 1 of 4 is damaged|chunk 1 of 3 is damaged"),
    "a long chunk in the middle": (lambda p: put(p, 2, DATA[: CHUNK + 1]), "chunk 1 of 4 is damaged"),
    "counted from one": (
        lambda p: p.__setitem__(slice(1, None), [chunk(KEY, 1, b"abc", last=True)]),
        "chunk 0 of 1 holds what was written as chunk 1",
    ),
    "a last chunk of another file": (
        lambda p: p.__setitem__(4, payload(bytes(16), DATA[: 3 * CHUNK + 100])[4]),
        "chunk 3 of 4 is damaged, cut off or of another file",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named_with_its_chunk(case):
    change, why = BROKEN[case]
    with pytest.raises(IntegrityError, match="x.age: (%s)" % why) as caught:
        opened(changed(change), ME).read()
    assert caught.value.objects == ["x.age"]


@needs_age
@pytest.mark.parametrize("case", BROKEN)
def test_the_tool_age_refuses_the_same(case, tmp_path):
    assert age_decrypts(changed(BROKEN[case][0]), ME, tmp_path) is None


def test_an_empty_file_is_proven_too():
    empty = HEAD + b"".join(payload(KEY, b""))
    assert opened(empty, ME).size == 0
    assert opened(empty, ME).read() == opened(empty, ME).read(0, 0) == b""
    damaged = empty[:-1] + bytes([empty[-1] ^ 1])
    with pytest.raises(IntegrityError, match="chunk 0 of 1 is damaged"):
        opened(damaged, ME).read()
    with pytest.raises(IntegrityError, match="chunk 0 of 1 is damaged"):
        opened(damaged, ME).read(0, 0)


@pytest.mark.parametrize("size", SIZES)
def test_reading_nothing_at_the_end_proves_the_end(size):
    whole = file_of(size)
    assert reader(whole, KEY, len(HEAD)).read(size, 0) == b""
    with pytest.raises(IntegrityError, match="is damaged"):
        reader(whole[:-1] + bytes([whole[-1] ^ 1]), KEY, len(HEAD)).read(size, 0)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_flipped_bit_is_found_in_the_chunk_where_it_is(data):
    file = bytearray(file_of(3 * CHUNK + 77))
    start = len(HEAD) + 16
    place = data.draw(st.integers(start, len(file) - 1))
    file[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(IntegrityError, match="chunk %d of 4 is damaged" % ((place - start) // SEALED)):
        opened(bytes(file), ME).read()


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_file_cut_off_anywhere_is_never_read_to_its_end(data):
    whole = file_of(3 * CHUNK + 77)
    end = data.draw(st.integers(len(HEAD), len(whole) - 1))
    with pytest.raises(IntegrityError, match=re.escape("x.age: ")):
        opened(whole[:end], ME).read()


def test_a_writer_that_was_never_closed_leaves_no_file():
    out = Kept()
    writer = AgeWriter(out, HEAD, KEY)
    for written in (0, CHUNK, 17 * CHUNK, 40 * CHUNK):
        writer.write(bytes(written))
        with pytest.raises(IntegrityError):
            opened(out.file.getvalue(), ME).read()


def test_a_store_that_gives_too_little_is_noticed():
    file = file_of(CHUNK)
    with pytest.raises(IntegrityError, match="x.age: is cut off: at byte"):
        AgeReader(lambda offset, size: file[offset : offset + size - 1], len(file), KEY, len(HEAD), "x.age")


def test_a_file_key_alone_opens_the_payload():
    header, key = age.for_recipients([ME.recipient])
    out = Kept()
    writer = AgeWriter(out, header, key)
    writer.write(DATA)
    writer.close()
    file = out.file.getvalue()
    (passed_on,) = age.unwrap({"x": header}, [ME]).values()
    found = age.parse(file[: age.LIMIT], "x")
    age.check_file_key(found, passed_on)
    assert reader(file, passed_on, found.size).read() == DATA


def test_the_chunk_of_an_offset_is_where_the_format_says():
    file = sealed([DATA])
    for offset in (0, 1, CHUNK - 1, CHUNK, 3 * CHUNK + 9):
        start = len(HEAD) + 16 + offset // 65536 * 65552
        seen = []

        def read_at(place, size, seen=seen):
            seen.append(place)
            return file[place : place + size]

        AgeReader(read_at, len(file), KEY, len(HEAD), "x").read(offset, 1)
        assert seen == [len(HEAD), start]
