# SPDX-License-Identifier: GPL-3.0-or-later
"""Deltas of streams: small where little has changed, read back byte by byte, and never trusted further than they must be."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from deltas import DELTA, FULL, NAME, Streams, dump, row, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _engine.archive import anchors, delta
from _engine.archive.anchors import LONGEST, Anchors, Sampler
from _engine.archive.codec import codec, zstd_module
from _engine.archive.frame_table import FrameTable
from _engine.archive.reader import open_base, open_frames
from _engine.errors import IntegrityError
from _engine.manifest import Component

zstd = zstd_module()
pytestmark = pytest.mark.skipif(zstd is None, reason="deltas need backports.zstd")

OLD_ROWS = rows(120_000, 1)
OLD = dump(OLD_ROWS)


@pytest.fixture
def streams(tmp_path: Path) -> Streams:
    return Streams(tmp_path)


def runs_of(streams: Streams, backup_id: str = DELTA) -> t.List[t.Any]:
    table = json.loads((streams.folder / backup_id / "dump.frames.json").read_bytes())
    return [frame[3] for volume in table["volumes"] for frame in volume["frames"]]


def changed(share: float, seed: int = 2) -> t.List[bytes]:
    rng = random.Random(seed)
    new = list(OLD_ROWS)
    for n in rng.sample(range(len(new)), int(len(new) * share)):
        new[n] = row(n, rng)
    return new


# --- size


def test_what_has_not_changed_costs_next_to_nothing(streams: Streams) -> None:
    full, again = streams.full_and_delta(OLD, OLD)
    assert full.stored > 3_000_000 and again.stored < 5_000
    assert (again.kind, again.base, again.is_delta, full.is_delta) == ("incremental", FULL, True, False)
    assert streams.read(DELTA) == OLD


def test_rows_changed_all_over(streams: Streams) -> None:
    new = dump(changed(0.005))
    full, again = streams.full_and_delta(OLD, new)
    assert again.stored < full.stored / 60
    assert streams.read(DELTA) == new
    assert streams.read(FULL) == OLD


@pytest.mark.parametrize("place", [0, 1000, 119_000])
def test_new_rows_shift_all_that_follows(streams: Streams, place: int) -> None:
    inserted = rows(15_000, 3, start=10**6)
    new = dump(OLD_ROWS[:place] + inserted + OLD_ROWS[place:])
    _full, again = streams.full_and_delta(OLD, new)
    alone = len(zstd.compress(dump(inserted), 3))
    assert again.stored < 1.3 * alone + 40_000
    assert streams.read(DELTA) == new


def test_deleted_and_moved_rows(streams: Streams) -> None:
    new = dump(OLD_ROWS[70_000:] + OLD_ROWS[1_000:60_000])
    full, again = streams.full_and_delta(OLD, new)
    assert again.stored < full.stored / 20
    assert streams.read(DELTA) == new


def test_all_new_rows_stand_for_themselves(streams: Streams) -> None:
    new = dump(rows(60_000, 4, start=10**6))
    streams.keep(FULL, [OLD])
    again = streams.keep(DELTA, [new], streams.choose())
    alone = streams.keep("20261124T020000Z-full-daily-3f9c", [new])
    assert set(map(str, runs_of(streams))) == {"None"}
    assert again.stored < 1.06 * alone.stored
    assert streams.read(DELTA) == new


def test_noise_is_stored_as_it_is(streams: Streams) -> None:
    rng = random.Random(5)
    old, new = rng.randbytes(5 << 20), rng.randbytes(5 << 20)
    _full, again = streams.full_and_delta(old, new)
    assert again.stored < len(new) + 1000
    assert streams.read(DELTA) == new


def test_noise_that_stays_is_found_again(streams: Streams) -> None:
    noise = random.Random(6).randbytes(9 << 20)
    new = b"a new head" * 1234 + noise
    _full, again = streams.full_and_delta(noise, new)
    assert again.stored < 20_000
    assert streams.read(DELTA) == new


@pytest.mark.parametrize("size", [0, 1, 100, delta.FRAME - 1, delta.FRAME, delta.FRAME + 1])
def test_odd_sizes(streams: Streams, size: int) -> None:
    streams.full_and_delta(OLD[:size], OLD[: delta.FRAME + 100 - size // 2])
    assert streams.read(DELTA) == OLD[: delta.FRAME + 100 - size // 2]
    third = "20261124T020000Z-incremental-daily-3f9c"
    streams.keep(third, [OLD[:size]], streams.choose(DELTA))
    assert streams.read(third) == OLD[:size]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 5 << 20), st.integers(0, 1 << 20), st.binary(max_size=200)), max_size=12), st.booleans())
def test_whatever_is_edited_comes_back(edits: t.List[t.Tuple[int, int, bytes]], binary: bool) -> None:
    old = random.Random(7).randbytes(3 << 20) + bytes(2 << 20) if binary else OLD[: 5 << 20]
    new = bytearray(old)
    for place, length, data in edits:
        new[place : place + length] = data
    with tempfile.TemporaryDirectory() as folder:
        streams = Streams(Path(folder))
        streams.full_and_delta(old, bytes(new))
        assert streams.read(DELTA) == new


def test_a_delta_of_a_delta_is_one_of_the_same_base(streams: Streams) -> None:
    streams.full_and_delta(OLD, dump(changed(0.01)))
    third = "20261124T020000Z-incremental-daily-3f9c"
    new = dump(changed(0.02, seed=9))
    component = streams.keep(third, [new], streams.choose(DELTA))
    assert component.base == FULL
    assert streams.read(third) == new


def test_a_delta_that_has_grown_too_large_is_the_last(streams: Streams) -> None:
    _full, again = streams.full_and_delta(OLD, dump(OLD_ROWS[:80_000] + rows(40_000, 8)))
    assert again.is_delta
    choice = streams.choose(DELTA)
    assert choice.base is None and not choice.unexpected
    assert "took 3" in choice.reason and "of what its base takes" in choice.reason


# --- reading


def test_one_frame_needs_only_its_part_of_the_base(streams: Streams) -> None:
    new = dump(changed(0.005))
    _full, component = streams.full_and_delta(OLD, new)
    base = open_base(streams.catalog, FULL, streams.catalog.manifest(FULL).components[0])
    decoded: t.List[int] = []
    decode = base._decode
    base._decode = lambda frame: decoded.append(frame) or decode(frame)  # type: ignore[func-returns-value]
    frames = open_frames(streams.catalog, DELTA, component, lambda _number, *run: base.read(*run))
    assert frames.decode(3) == new[3 * delta.FRAME : 4 * delta.FRAME]
    assert decoded == [1, 2]  # of 4 MiB each


def test_the_tool_zstd_does_not_take_a_delta_for_a_plain_file(streams: Streams) -> None:
    streams.full_and_delta(OLD, dump(changed(0.005)))
    volume = streams.folder / DELTA / "dump.sql.zst-delta"
    for argv in (["zstd", "-dc", str(volume)], ["zstd", "-dc"]):
        ran = subprocess.run(argv, stdin=volume.open("rb"), capture_output=True, check=False)
        assert ran.returncode != 0


def test_a_damaged_base_is_named(streams: Streams) -> None:
    streams.full_and_delta(OLD, dump(changed(0.005)))
    volume = streams.folder / FULL / "dump.sql.zst"
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.chmod(0o600)
    volume.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"backup %s, which this one builds upon: dump.sql.zst, frame" % FULL) as caught:
        streams.read(DELTA)
    assert caught.value.objects == [FULL + "/dump.sql.zst"]
    choice = streams.choose(DELTA)
    assert choice.base is None and choice.unexpected and "dump.sql.zst is not what was stored" in choice.reason


def test_a_missing_base_is_named(streams: Streams) -> None:
    streams.full_and_delta(OLD, dump(changed(0.005)))
    shutil.rmtree(streams.folder / FULL)
    with pytest.raises(IntegrityError, match=FULL):
        streams.read(DELTA)
    choice = streams.choose(DELTA)
    assert choice.base is None and choice.unexpected


def test_a_base_that_is_a_delta_itself_is_refused(streams: Streams) -> None:
    streams.full_and_delta(OLD, dump(changed(0.005)))
    with pytest.raises(IntegrityError, match="is a delta itself"):
        open_base(streams.catalog, DELTA, streams.catalog.manifest(DELTA).components[0])


# --- hostile tables


def table(*frames: t.List[t.Any], volume: str = "dump.sql.zst-delta") -> bytes:
    return json.dumps({"format": 1, "compression": "zstd", "volumes": [{"name": volume, "frames": frames}]}).encode()


@pytest.mark.parametrize(
    "run",
    [
        [0, LONGEST + 1],
        [0, 7],
        [0, 0],
        [-1, 5],
        [-2, -1],
        [0, -1],
        [5],
        [0, 1, 2],
        [0, 8, -1],
        [0, 8, 0, 0],
        "ab",
        7,
        [0, "1"],
        [2**70, 1],
        [1.5, 2],
        [[0, 1], 2],
        {},
    ],
)
def test_impossible_runs_are_refused(run: t.Any) -> None:
    good = FrameTable("table", table([0, 10, 20, [3, LONGEST]], [10, 10, 20, None]))
    assert (good.is_delta, good.base_run(0), good.base(0), good.base_run(1)) == (True, (3, LONGEST), 0, None)
    assert FrameTable("table", table([0, 10, 20, [3, 8, 5]])).base(0) == 5
    with pytest.raises(IntegrityError, match="is not a frame table"):
        FrameTable("table", table([0, 10, 20, None], [10, 10, 20, run]))


def test_a_row_without_its_run_is_refused() -> None:
    with pytest.raises(IntegrityError, match="is not a frame table"):
        FrameTable("table", table([0, 10, 20]))


def test_an_ordinary_volume_has_no_runs() -> None:
    ordinary = FrameTable("table", table([0, 10, 20], volume="dump.sql.zst"))
    assert (ordinary.is_delta, ordinary.base_run(0)) == (False, None)


def test_a_run_beyond_the_base_is_refused(streams: Streams) -> None:
    _full, component = streams.full_and_delta(OLD, OLD)
    path = streams.folder / DELTA / "dump.frames.json"
    value = json.loads(path.read_bytes())
    value["volumes"][0]["frames"][0][3] = [len(OLD) - 10, 11]
    path.chmod(0o600)
    path.write_bytes(json.dumps(value).encode())
    base = open_base(streams.catalog, FULL, streams.catalog.manifest(FULL).components[0])
    with pytest.raises(IntegrityError, match="its base has %d bytes" % len(OLD)):
        open_frames(streams.catalog, DELTA, component, lambda _number, *run: base.read(*run)).decode(0)


def test_a_wrong_run_is_found(streams: Streams) -> None:
    _full, component = streams.full_and_delta(OLD, dump(changed(0.005)))
    path = streams.folder / DELTA / "dump.frames.json"
    value = json.loads(path.read_bytes())
    value["volumes"][0]["frames"][0][3][0] += 1
    path.chmod(0o600)
    path.write_bytes(json.dumps(value).encode())
    base = open_base(streams.catalog, FULL, streams.catalog.manifest(FULL).components[0])
    with pytest.raises(IntegrityError, match="damaged"):
        open_frames(streams.catalog, DELTA, component, lambda _number, *run: base.read(*run)).decode(0)


def test_a_frame_cannot_ask_for_more_memory_than_the_format_allows() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    compressor = zstd.ZstdCompressor(options=options)
    data = compressor.compress(OLD[: 1 << 20]) + compressor.flush()  # of unknown size, so the window is as large as it says
    with pytest.raises(IntegrityError):
        codec("zstd").decompress(data, 1 << 20)


# --- anchors


def sampled(*parts: bytes) -> Anchors:
    sampler = Sampler()
    for part in parts:
        sampler.add(part)
    return sampler.anchors()


def frames_of(data: bytes) -> t.List[bytes]:
    return [data[n : n + delta.FRAME] for n in range(0, len(data), delta.FRAME)]


def test_a_run_is_where_the_content_was() -> None:
    found = sampled(*frames_of(OLD))
    for place in (0, 1_000_003, 5_000_001):
        run = found.run(OLD[place : place + delta.FRAME], len(OLD))
        assert run is not None
        start, size = run
        assert start <= place and place + delta.FRAME <= start + size
        assert size < delta.FRAME + (256 << 10)


def test_other_content_has_no_run() -> None:
    assert sampled(*frames_of(OLD)).run(dump(rows(15_000, 4, start=10**6)), len(OLD)) is None


def test_what_cannot_be_sampled_is_looked_for_where_it_follows(streams: Streams) -> None:
    # Nothing in the second half occurs once only.
    rng = random.Random(9)
    old = OLD[: 4 << 20] + b"".join(rng.choices([b"%030d,%030d\n" % (n, n) for n in range(50)], k=70_000))
    assert sampled(old[4 << 20 :]).run(old[5 << 20 : 7 << 20], len(old)) is None
    new = OLD[5 << 20 : 10 << 20] + old
    _full, again = streams.full_and_delta(old, new)
    alone = streams.keep("20261124T020000Z-full-daily-3f9c", [OLD[5 << 20 : 10 << 20]])
    assert again.stored < alone.stored * 1.06 + 20_000
    assert streams.read(DELTA) == new


def test_a_second_kind_of_content_is_sampled_too() -> None:
    noise = random.Random(8).randbytes(6 << 20)
    found = sampled(*frames_of(OLD), *frames_of(noise))
    run = found.run(noise[1_000_000:3_000_000], len(OLD) + len(noise))
    assert run is not None and run[0] <= len(OLD) + 1_000_000 <= len(OLD) + 3_000_000 <= sum(run)


def test_the_number_of_samples_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "SAMPLES", 500)
    found = sampled(*frames_of(OLD))
    assert 100 < len(found) <= 500
    run = found.run(OLD[4_000_001:6_000_001], len(OLD))
    assert run is not None and run[0] <= 4_000_001 and sum(run) >= 6_000_001


def test_anchors_are_kept_as_they_are() -> None:
    found = sampled(*frames_of(OLD))
    data = found.to_bytes()
    again = Anchors.from_bytes(data)
    assert again.to_bytes() == data and len(again) == len(found) > 1000
    assert again.run(OLD[5_000_000:7_000_000], len(OLD)) == found.run(OLD[5_000_000:7_000_000], len(OLD))
    for spoilt in (b"", data[:-1], data[:100] + b"?" + data[101:], b"x" + data):
        with pytest.raises(ValueError):
            Anchors.from_bytes(spoilt)


def test_the_name_of_a_volume_tells_a_delta() -> None:
    def component(volume: str) -> Component:
        value: t.Any = Component.__new__(Component)
        value.volumes = [type("Volume", (), {"name": volume})]
        return t.cast(Component, value)

    assert NAME == "dump"
    for name, expected in (
        ("a.sql.zst-delta", True),
        ("a.sql.zst-delta.age", True),
        ("a.sql.zst", False),
        ("a.zst-delta.x", False),
    ):
        assert component(name).is_delta is expected
