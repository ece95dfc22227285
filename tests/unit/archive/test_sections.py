# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams with sections: each can be read by itself, all of them are the stream, verify finds what is wrong with one."""

from __future__ import annotations

import random

import pytest
from components import ID

from _engine.archive.checking import ComponentCheck
from _engine.archive.codec import zstd_module
from _engine.archive.component import ComponentWriter
from _engine.archive.frames import FRAME
from _engine.archive.index import entry_path
from _engine.archive.reader import ComponentReader
from _engine.catalog import Catalog
from _engine.delivery import Delivery
from _engine.job import Compression
from _engine.sealing import Sealer
from _engine.stores.local import LocalStore

ALGORITHMS = ["gzip", "none"] + (["zstd"] if zstd_module() else [])


class CountingStore(LocalStore):
    read = 0

    def open(self, key, offset=0, size=None):
        self.read += size or 0
        return super().open(key, offset, size)


def begin(folder, algorithm="none"):
    """A store in ``folder``, and what writes a component there."""
    store = CountingStore("disk", {"path": str(folder)})
    writer = ComponentWriter(
        "db", "sqlite", ID, "tar", Compression(algorithm, 1 if algorithm != "none" else 0),
        Sealer(Delivery([store], "web/app/" + ID), None),
    )  # fmt: skip
    return store, writer


def write(folder, sections, algorithm="none"):
    """Store ``sections`` (path, type, bytes) as one component."""
    store, writer = begin(folder, algorithm)
    try:
        stream = writer.stream(b"db.sql", ".sql")
        for path, kind, data in sections:
            stream.begin_entry(path, kind)
            for start in range(0, len(data), 700_000):
                stream.write(data[start : start + 700_000])
        component = writer.finish({}, {})
    except BaseException:
        writer.abort()
        raise
    return store, ComponentReader(Catalog(store, "web/app"), ID, component)


def problems(reader):
    found = []
    catalog = Catalog(LocalStore("disk", {"path": reader._catalog.store.path}), "web/app")
    check = ComponentCheck(catalog, ID, reader.component, lambda *told: found.append(told), lambda _n: None, lambda _id: None)
    check.run()
    return found


def random_sections(seed):
    rng = random.Random(seed)
    paths = [b"shop/%d/%s" % (n, kind) for n in range(rng.randrange(1, 40)) for kind in (b"schema", b"rows")]
    rng.shuffle(paths)
    sizes = [0, 1, 500, 70_000, 1 << 20, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 5_000_000]
    return [
        (path, "table" if path.endswith(b"rows") else "section", rng.randbytes(1000) * (rng.choice(sizes) // 1000))
        for path in paths
    ]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("seed", range(3))
def test_each_section_and_all_of_them(tmp_path, algorithm, seed):
    sections = random_sections(seed)
    store, reader = write(tmp_path, sections, algorithm)
    by_path = {path: (kind, data) for path, kind, data in sections}
    entries = list(reader.entries())
    assert [entry_path(e) for e in entries] == sorted(by_path, key=lambda path: path.split(b"/"))
    for entry in entries:
        kind, data = by_path[entry_path(entry)]
        assert entry["type"] == kind
        assert b"".join(bytes(part) for part in reader.read(entry)) == data
    whole = b"".join(bytes(part) for entry in reader.in_stream_order() for part in reader.read(entry))
    assert whole == b"".join(data for _path, _kind, data in sections)
    assert problems(reader) == []


def test_a_small_section_costs_one_frame(tmp_path):
    large = random.Random(1).randbytes(30 << 20)
    store, reader = write(tmp_path, [(b"a", "table", large), (b"b", "table", b"wanted"), (b"c", "table", large)])
    entry = reader.find(b"b")
    store.read = 0
    assert b"".join(bytes(part) for part in reader.read(entry)) == b"wanted"
    assert 0 < store.read <= FRAME


def test_damage_in_one_section_is_found(tmp_path):
    _store, reader = write(tmp_path, [(b"z", "table", b"one" * 1000), (b"a", "table", b"two" * 1000)])
    volume = tmp_path / "web" / "app" / ID / reader.component.volumes[0].name
    data = bytearray(volume.read_bytes())
    data[4000] ^= 1
    volume.write_bytes(data)
    assert [(told[0], told[2:]) for told in problems(reader) if len(told) > 2] == [(volume.name, (b"a",))]


@pytest.mark.parametrize("sections", [[(b"a", "table", b""), (b"a", "table", b"")], [(b"a", "cellar", b"")]])
def test_two_of_a_name_or_a_strange_kind_are_refused(tmp_path, sections):
    with pytest.raises(ValueError, match="two sections|no kind of section"):
        write(tmp_path, sections)


@pytest.mark.parametrize("size", [0, 1, FRAME, FRAME + 1, 2 * FRAME])
def test_a_stream_is_read_to_its_end(tmp_path, size):
    data = random.Random(size).randbytes(size)
    left, told = memoryview(data), []

    def readinto(view):
        """Gives less than it could, as pipes do."""
        nonlocal left
        part, left = left[: min(len(view), 100_003)], left[min(len(view), 100_003) :]
        view[: len(part)] = part
        return len(part)

    store, writer = begin(tmp_path)
    writer.stream(b"db.sql", ".sql").write_all(readinto, told.append)
    component = writer.finish({}, {})
    assert (component.bytes, sum(told)) == (size, size)
    reader = ComponentReader(Catalog(store, "web/app"), ID, component)
    assert b"".join(bytes(part) for entry in reader.entries() for part in reader.read(entry)) == data
    assert problems(reader) == []


def test_bytes_before_the_first_section_are_refused(tmp_path):
    _store, writer = begin(tmp_path)
    stream = writer.stream(b"db.sql", ".sql")
    stream.write(b"x")
    with pytest.raises(ValueError, match="before the first section"):
        stream.begin_entry(b"a")
    writer.abort()
