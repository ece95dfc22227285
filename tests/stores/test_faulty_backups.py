# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole backups through a network that fails at random: what is said of them is true, and nothing is left in the end."""

from __future__ import annotations

import random
import typing as t
from collections import Counter

import jobs
import pytest
from fault_proxy import KINDS, Fault, FaultProxy, always, at_random, no_fault

from _engine import lanes, spool
from _engine.job import parse_config
from _engine.operations.backup import backup
from _engine.operations.verify import verify

from .rclone_place import RcloneWebdavPlace
from .registry import needs
from .sftp_place import SftpPlace

pytestmark = pytest.mark.usefixtures("ahead")

#: Without TLS a changed bit can mean anything, also a name in a listing.
_QUIET = tuple(kind for kind in KINDS if kind != "corrupt")

#: What may become of a run whose network fails; and of a verification, which nothing may be blamed for that is whole.
_HONEST = {"store-unavailable", "store-refused", "integrity", "not-found"}
_EVERY = 5


@pytest.fixture
def tree(tmp_path):
    rng = random.Random(3)
    folder = tmp_path / "tree"
    (folder / "inner").mkdir(parents=True)
    for n, size in enumerate((0, 10, 5000, 200_000, 1_500_000)):
        (folder / "inner" / str(n)).write_bytes(rng.randbytes(size))
    return folder


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr("_engine.lanes._PAUSE", 0.05)
    monkeypatch.setattr("_engine.stores.steady._PAUSE", 0.05)


def described(place, tmp_path, tree, address=None, retries=1, **job):
    """A host with one job; through the proxy, or by the way that works."""
    # By the way that works nobody hurries: on a busy machine even a good server may take its time.
    options = {**place.impatient, **place.via(address)} if address else {}
    store = {**place.description("far", **options), "retries": retries, "stall_timeout": "2m"}
    # Each run is a full one, and starts from what the store says.
    description = jobs.describe(tmp_path, jobs.files(tree), guard={"enabled": False}, **job)
    description["stores"] = [store]
    description["jobs"][0]["stores"] = ["far"]
    return parse_config(description)


class Network:
    """All ways to the server, which fail as a seed decides from fail() to work()."""

    def __init__(self, proxies: t.List[FaultProxy], share: float) -> None:
        self.proxies = proxies
        self.share = share

    def fail(self, seed: int, kinds: t.Sequence[str]) -> None:
        for n, proxy in enumerate(self.proxies):
            plan = at_random(seed + 1_000_000 * n, self.share, 1_000_000, kinds)
            proxy.plan = lambda number, plan=plan, begun=proxy.connections: plan(number - begun)

    def work(self) -> None:
        for proxy in self.proxies:
            proxy.plan = no_fault
            proxy.cut_all()

    @property
    def happened(self) -> t.Counter[str]:
        return sum((Counter(proxy.happened) for proxy in self.proxies), Counter())


def test_a_volume_larger_than_the_spool_arrives_though_the_connection_ends(request, tmp_path, monkeypatch):
    """Each connection ends after some of it. By SFTP, whose server says what it has taken."""
    place = SftpPlace(request, tmp_path)
    monkeypatch.setattr(spool, "CHUNK", 1 << 20)
    monkeypatch.setattr(spool, "MEMORY", 4 << 20)
    monkeypatch.setattr(lanes, "MEMORY", 4 << 20)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "video").write_bytes(random.Random(4).randbytes(48 << 20))
    with FaultProxy(place.address, always(Fault("cut", 40_000_000))) as proxy:
        config = described(place, tmp_path, tree, proxy.address, spool_size="24MiB")
        result = backup(config, config.jobs[0])
    assert result.error is None, result.error
    assert [copy.retries for copy in result.copies] == [1]
    checked = verify(described(place, tmp_path, tree), ["app"], [result.id])
    assert checked.error is None and place.leftovers() == []
    place.close()


def _pieces(count: int) -> t.List[t.Any]:
    """200 backups, with the first four, in pieces that can be run by themselves."""
    return [pytest.param(first, count, marks=pytest.mark.soak) for first in range(4, 200, count)]


@needs("network")
@pytest.mark.parametrize(("first", "count"), [(0, 4), *_pieces(49)])
def test_backups_through_a_network_that_fails(place, tmp_path, tree, first, count):
    backups_through_faults(place, tmp_path, tree, first, count)


@pytest.mark.parametrize(("first", "count"), [pytest.param(0, 4, marks=pytest.mark.soak), *_pieces(14)])
def test_backups_by_rclone_through_a_network_that_fails(request, tmp_path, tree, first, count):
    """By itself, because no other test of the contract is for this place."""
    place = RcloneWebdavPlace(request, tmp_path)
    try:
        backups_through_faults(place, tmp_path, tree, first, count)
    finally:
        place.close()


def backups_through_faults(place, tmp_path, tree, first, count):
    whole, broken, checks = [], Counter(), Counter()
    clean = described(place, tmp_path, tree)
    with place.proxied() as proxies:
        network = Network(proxies, place.fault_share)
        patient, hasty = (described(place, tmp_path, tree, proxies[0].address, retries) for retries in (1, 0))
        for seed in range(first, first + count):
            network.fail(seed, _QUIET if seed % 4 else KINDS)
            config = hasty if seed % 3 else patient
            result = backup(config, config.jobs[0], tag="seed%d" % seed)
            network.work()
            if result.exit_code in (0, 3):
                whole.append(result.id)
            else:
                assert result.error is not None and "far" in result.error["message"], result
                assert result.error["code"] in _HONEST, result.error
                broken[result.error["code"]] += 1
            if whole and seed % _EVERY == 0:
                # A network that only breaks makes nothing that is whole look damaged.
                network.fail(seed + 500, _QUIET)
                checked = verify(described(place, tmp_path, tree, proxies[0].address, 5), ["app"], whole[-1:])
                network.work()
                checks["success" if checked.error is None else checked.error["code"]] += 1
        happened = network.happened
    assert not set(checks) - {"success", "store-unavailable"}, checks
    seen = jobs.catalog(clean)
    complete = set(seen.scan().complete)
    # What was said to have succeeded is there and whole; what else is there is whole too.
    assert set(whole) <= complete
    if complete:
        checked = verify(clean, ["app"], sorted(complete))
        assert checked.error is None, checked.error
    # The next run works, and what the others left can be removed to the last piece.
    jobs.take(clean)
    again = jobs.catalog(clean)
    for backup_id in again.scan().unfinished:
        again.delete_orphan(backup_id)
    kept = set(again.scan().complete)
    for key in place.objects():
        name = key.split("/", 2)[2].partition("/")[0]
        owner = name.partition(".")[0]
        assert owner in kept or ".failed." in name, key
    for folder in {key.rpartition("/")[0] for key in place.leftovers()}:
        again.store.remove_leftovers(folder)
    assert place.leftovers() == []
    print(
        "%s: %d whole, failed: %s, %d complete; verified through faults: %s; faults: %s"
        % (place.driver, len(whole), dict(broken), len(complete), dict(checks), dict(happened))
    )
    assert sum(happened.values()) >= count // 4
