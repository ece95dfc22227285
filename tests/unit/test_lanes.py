# SPDX-License-Identifier: GPL-3.0-or-later
"""Several stores side by side: each gets the same bytes; one that is slow, dead or fails spoils nothing for the others."""

from __future__ import annotations

import hashlib
import itertools
import random
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
from troubled import Blocks, Fails, Resuming, Troubled, objects

from _engine import lanes, spool
from _engine.errors import FleetBackupError, StoreRefusedError, StoreUnavailableError
from _engine.lanes import LaneDelivery, Manner
from _engine.stores import Store

FOLDER = "web/app/20261122T020000Z-full-daily-3f9a"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_PAUSE", 0.001)
    monkeypatch.setattr(lanes, "_LOOK", 0.01)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 64 KiB, of which four are in memory."""
    monkeypatch.setattr(spool, "CHUNK", 1 << 16)
    monkeypatch.setattr(spool, "MEMORY", 1 << 18)
    monkeypatch.setattr(lanes, "MEMORY", 1 << 18)
    monkeypatch.setattr(lanes, "_PIECE", 1 << 15)


def deliver(tmp_path: Path, stores: t.Sequence[Store], **more: t.Any) -> LaneDelivery:
    manners = more.pop("manners", {})
    return LaneDelivery(stores, FOLDER, str(tmp_path / "spool"), manners, **more)


def send(delivery: LaneDelivery, seed: int = 1, sizes: t.Sequence[int] = (300_000, 0, 1_500_000, 7)) -> t.Dict[str, bytes]:
    """Objects of several sizes, written in odd pieces, one of them late; returns what each store must have."""
    rng = random.Random(seed)
    wanted = {}
    late = delivery.create("late", late=True)
    late_data = rng.randbytes(2_500_000)
    late.write(late_data[:1000])
    for number, size in enumerate(sizes):
        name = "object%d" % number
        data = rng.randbytes(size)
        upload = delivery.create(name)
        position = 0
        while position < size:
            count = rng.randrange(1, 200_000)
            buffer = bytearray(data[position : position + count])
            upload.write(memoryview(buffer))
            buffer[:] = bytes(len(buffer))  # it may be reused at once
            position += count
        stored = upload.commit()
        assert (stored.name, stored.size, stored.sha256) == (name, size, hashlib.sha256(data).hexdigest())
        wanted["%s/%s" % (FOLDER, name)] = data
    late.write(late_data[1000:])
    assert late.commit().size == len(late_data)
    wanted[FOLDER + "/late"] = late_data
    delivery.put_key(FOLDER + ".json", b"the manifest")
    wanted[FOLDER + ".json"] = b"the manifest"
    return wanted


@pytest.mark.parametrize("size", [1 << 30, 1 << 19])
def test_all_stores_get_the_same(tmp_path: Path, small: None, size: int) -> None:
    stores = [Troubled(tmp_path / name, name=name) for name in ("one", "two", "three")]
    delivery = deliver(tmp_path, stores, spool_size=size, manners={s.name: Manner(wait=True) for s in stores})
    wanted = send(delivery)
    delivery.finish()
    for store in stores:
        assert objects(store) == wanted
        assert store.most_open == 1
        assert delivery.way(store).bytes == sum(map(len, wanted.values()))
    assert not delivery.failures and list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("step", ["put", "write", "commit", "committed"])
def test_what_may_pass_is_sent_again(tmp_path: Path, small: None, step: str) -> None:
    troubled = Troubled(tmp_path / "far", Fails(step, "object2", times=3, after=800_000 if step == "write" else 0))
    other = Troubled(tmp_path / "other", name="other")
    delivery = deliver(tmp_path, [troubled, other])
    wanted = send(delivery)
    delivery.finish()
    assert objects(troubled) == objects(other) == wanted
    assert (delivery.way(troubled).retries, delivery.way(other).retries) == (3, 0)
    assert delivery.failures == {}


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (Fails("write", "object2", times=100), "the connection was cut"),
        (Fails("put", "late", error=StoreRefusedError("no")), "no"),
        (Fails("commit", ".json", times=100), "the connection was cut"),
    ],
)
def test_a_store_that_fails_for_good_is_left_out_and_cleaned(tmp_path: Path, trouble: Fails, why: str) -> None:
    troubled = Troubled(tmp_path / "far", trouble)
    other = Troubled(tmp_path / "other", name="other")
    delivery = deliver(tmp_path, [troubled, other], manners={"far": Manner(retries=2)})
    wanted = send(delivery)
    delivery.finish()
    assert objects(other) == wanted
    assert why in str(delivery.failures["far"]) and [s.name for s in delivery.stores] == ["other"]
    assert delivery.clean_up([troubled]) == []
    assert objects(troubled) == {}


def test_failures_can_be_told_while_others_come(tmp_path: Path) -> None:
    stores: t.List[Store] = [Troubled(tmp_path / name, name=name) for name in ("one", "two", "three")]
    delivery = deliver(tmp_path, stores)
    delivery.drop(stores[0], StoreRefusedError("no"))
    told = []
    for name in delivery.failures:
        told.append(name)
        if name == "one":
            delivery.drop(stores[1], StoreRefusedError("no"))
    assert told == ["one"] and list(delivery.failures) == ["one", "two"]
    delivery.clean_up()


def test_an_error_that_is_not_worth_it_is_not_tried_again(tmp_path: Path) -> None:
    trouble = Fails("write", times=2, error=StoreRefusedError("no"))
    delivery = deliver(tmp_path, [Troubled(tmp_path / "far", trouble), Troubled(tmp_path / "other", name="other")])
    send(delivery)
    delivery.finish()
    assert trouble.left == 1 and set(delivery.failures) == {"far"}


def test_when_the_last_store_fails_the_run_does(tmp_path: Path, small: None) -> None:
    stores = [Troubled(tmp_path / n, Fails("write", "object2", error=StoreRefusedError("no")), n) for n in ("one", "two")]
    delivery = deliver(tmp_path, stores)
    with pytest.raises(StoreRefusedError):
        send(delivery, sizes=(10, 10, 50_000_000))
        delivery.finish()
    assert delivery.clean_up() == []
    assert all(objects(store) == {} for store in stores)


def test_a_store_that_hangs_blocks_nobody_and_is_left_out(tmp_path: Path, small: None) -> None:
    """It hangs in a write; the others get everything; it is dropped once it is more than the spool behind."""
    block = Blocks("write", "object2")
    hung, other = Troubled(tmp_path / "far", block), Troubled(tmp_path / "other", name="other")
    delivery = deliver(tmp_path, [hung, other], spool_size=1 << 20)
    wanted = send(delivery, sizes=(10, 10, 8_000_000))
    assert "more than the spool keeps" in str(delivery.failures["far"])
    block.go.set()
    delivery.finish()
    assert objects(other) == wanted
    assert delivery.clean_up([hung]) == [] and objects(hung) == {}


def test_the_end_does_not_wait_for_ever(tmp_path: Path) -> None:
    block = Blocks("commit", ".json")
    hung, other = Troubled(tmp_path / "far", block), Troubled(tmp_path / "other", name="other")
    delivery = deliver(tmp_path, [hung, other], manners={"far": Manner(stall_timeout=0.2)})
    wanted = send(delivery)
    delivery.finish()
    assert objects(other) == wanted
    assert "has taken nothing" in str(delivery.failures["far"])
    assert delivery.clean_up([hung]) == ["store far: it does not answer"]
    block.go.set()


def test_the_run_waits_for_a_store_that_asks_for_it(tmp_path: Path, small: None) -> None:
    slow = Troubled(tmp_path / "far", lambda step, _key, _size: time.sleep(0.002) if step == "write" else None)
    other = Troubled(tmp_path / "other", name="other")
    delivery = deliver(tmp_path, [slow, other], spool_size=1 << 19, manners={"far": Manner(wait=True)})
    wanted = send(delivery, sizes=(10, 10, 8_000_000))
    delivery.finish()
    assert objects(slow) == objects(other) == wanted


def test_a_single_slow_store_is_never_left_out(tmp_path: Path, small: None) -> None:
    slow = Troubled(tmp_path / "far", lambda step, _key, _size: time.sleep(0.002) if step == "write" else None)
    delivery = deliver(tmp_path, [slow], spool_size=1 << 19)
    wanted = send(delivery, sizes=(10, 10, 8_000_000))
    delivery.finish()
    assert objects(slow) == wanted


def test_what_is_no_longer_in_the_spool_cannot_be_sent_again(tmp_path: Path, small: None) -> None:
    troubled = Troubled(tmp_path / "far", Fails("commit", "object0"))
    delivery = deliver(tmp_path, [troubled], spool_size=1 << 19)
    with pytest.raises(StoreUnavailableError, match="no longer in the spool"):
        send(delivery, sizes=(8_000_000,))
        delivery.finish()
    delivery.clean_up()


def test_an_upload_goes_on_though_its_beginning_is_no_longer_in_the_spool(tmp_path: Path, small: None) -> None:
    """More often than it is tried again without getting on; and while it cannot go on at once."""
    away = Fails("resume", times=2)
    writes = itertools.count(1)

    def trouble(step: str, key: str, size: int) -> None:
        away(step, key, size)
        if step == "write" and next(writes) % 40 == 0:
            raise StoreUnavailableError("store far: the connection was cut")

    store = Resuming(tmp_path / "far", trouble, lost=100_000)
    delivery = deliver(tmp_path, [store], spool_size=1 << 19, manners={"far": Manner(retries=4)})
    wanted = send(delivery, sizes=(8_000_000,))
    delivery.finish()
    assert objects(store) == wanted and delivery.failures == {}
    assert (away.left, store.calls.count("put")) == (0, 3)
    assert delivery.way(store).retries == store.calls.count("resume") > 6


@pytest.mark.parametrize("error", [StoreUnavailableError("cut"), StoreRefusedError("no")])
def test_an_upload_that_cannot_go_on_begins_again(tmp_path: Path, error: FleetBackupError) -> None:
    cut, refusing = Fails("write", "object2", after=800_000), Fails("resume", times=1, error=error)

    def trouble(step: str, key: str, size: int) -> None:
        cut(step, key, size)
        refusing(step, key, size)

    store = Resuming(tmp_path / "far", trouble)
    delivery = deliver(tmp_path, [store])
    wanted = send(delivery)
    delivery.finish()
    assert objects(store) == wanted
    assert store.calls.count("put") == 6 + (not error.retry) and refusing.left == 0


def test_a_store_that_loses_what_it_had_taken_fails(tmp_path: Path, small: None) -> None:
    """What it lost is no longer in the spool."""
    store = Resuming(tmp_path / "far", Fails("write", "object0", after=4_000_000), lost=3_000_000)
    delivery = deliver(tmp_path, [store], spool_size=1 << 19)
    with pytest.raises(StoreUnavailableError, match="has lost some of what it had taken.*no longer in the spool"):
        send(delivery, sizes=(8_000_000,))
        delivery.finish()
    assert delivery.clean_up() == [] and objects(store) == {}


def test_nothing_is_deleted_on_a_store_that_is_written_to_only(tmp_path: Path) -> None:
    troubled = Troubled(tmp_path / "far", Fails("write", "object2", times=3))
    other = Troubled(tmp_path / "other", name="other")
    delivery = deliver(tmp_path, [troubled, other], manners={"far": Manner(retries=2, write_only=True)})
    send(delivery)
    delivery.finish()
    assert "written to only" in delivery.clean_up([troubled])[0]
    assert set(troubled.calls) == {"put"}


def test_a_disk_without_room_for_the_spool_costs_only_patience(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tempfile.TemporaryFile

    def full(**options: t.Any) -> t.Any:
        if options["buffering"] == 0:
            raise OSError(28, "No space left on device")
        return real(**options)

    monkeypatch.setattr("_engine.spool.tempfile.TemporaryFile", full)
    stores = [Troubled(tmp_path / name, name=name) for name in ("one", "two")]
    delivery = deliver(tmp_path, stores, manners={s.name: Manner(wait=True) for s in stores})
    wanted = send(delivery, sizes=(10, 4_000_000))
    delivery.finish()
    assert objects(stores[0]) == objects(stores[1]) == wanted


def test_a_mistake_in_a_driver_is_no_silence(tmp_path: Path) -> None:
    def mistake(step: str, key: str, _size: int) -> None:
        if step == "write" and "object2" in key:
            raise ZeroDivisionError

    delivery = deliver(tmp_path, [Troubled(tmp_path / "far", mistake), Troubled(tmp_path / "other", name="other")])
    with pytest.raises(ZeroDivisionError):
        send(delivery)
        delivery.finish()
    delivery.clean_up()


@pytest.mark.parametrize("seed", range(20))
def test_random_trouble(tmp_path: Path, small: None, seed: int) -> None:
    """Whatever happens: a store that is not named as failed has every byte; one that is has none."""
    rng = random.Random(seed)

    def trouble() -> t.Callable[[str, str, int], None]:
        share = rng.choice((0, 0.002, 0.01, 0.05))
        own = random.Random(rng.random())
        error: FleetBackupError = StoreUnavailableError("cut")
        if rng.random() < 0.1:
            error = StoreRefusedError("no")

        def act(_step: str, _key: str, _size: int) -> None:
            if own.random() < share:
                raise error

        return act

    stores = [Troubled(tmp_path / "store0", trouble(), "store0")]
    stores += [Resuming(tmp_path / ("store%d" % n), trouble(), "store%d" % n, rng.choice((0, 100_000, 10**9))) for n in (1, 2)]
    stores.append(Troubled(tmp_path / "sound", name="sound"))
    manners = {s.name: Manner(retries=3, wait=s.name == "sound" or rng.random() < 0.5) for s in stores}
    delivery = deliver(tmp_path, stores, spool_size=rng.choice((1 << 19, 1 << 22)), manners=manners)
    wanted = send(delivery, seed, [rng.randrange(2_000_000) for _ in range(6)])
    delivery.finish()
    assert "sound" not in delivery.failures
    for store in stores:
        if store.name in delivery.failures:
            assert delivery.clean_up([store]) == []
            assert objects(store) == {}
        else:
            assert objects(store) == wanted
