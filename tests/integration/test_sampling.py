# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifying a share at a time: successive runs go through everything, and find what is damaged."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

import jobs
import pytest

from _engine.job import Config
from _engine.operations.sampling import Coverage
from _engine.operations.verify import VerifyResult, verify
from _engine.state import State


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A job with three backups of two components, of many files and of one file."""
    rng = random.Random(7)
    (tmp_path / "many").mkdir()
    for n in range(40):
        (tmp_path / "many" / ("f%02d" % n)).write_bytes(rng.randbytes(50_000))
    (tmp_path / "one").write_bytes(rng.randbytes(200_000))
    config = jobs.configure(tmp_path, jobs.files(tmp_path / "many", "many"), jobs.files(tmp_path / "one", "one"))
    for _ in range(3):
        jobs.take(config)
    return config


def sample(config: Config, share: float, level: str = "data") -> t.Tuple[VerifyResult, Coverage]:
    result = verify(config, ["app"], level=level, sample=share)
    (coverage,) = result.coverage
    return result, coverage


def until_complete(config: Config, share: float, level: str = "data") -> t.List[t.Tuple[VerifyResult, Coverage]]:
    runs = []
    for _ in range(200):
        runs.append(sample(config, share, level))
        if runs[-1][1].complete:
            return runs
    raise AssertionError("the round does not end")


@pytest.mark.parametrize("level", ["hashes", "data"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1])
def test_successive_runs_cover_everything_once(config: Config, level: str, share: float) -> None:
    runs = until_complete(config, share, level)
    coverages = [coverage for _result, coverage in runs]
    whole = coverages[0].whole
    assert whole == sum(jobs.catalog(config).manifest(i).stored_bytes for i in jobs.catalog(config).scan().complete)
    assert sum(c.bytes for c in coverages) == whole == coverages[-1].covered
    assert [c.covered for c in coverages] == sorted({c.covered for c in coverages}), "each run gets on"
    assert all(c.covered == sum(o.bytes for o in coverages[: n + 1]) for n, c in enumerate(coverages))
    assert {c.since for c in coverages} == {coverages[0].since}
    assert all(r.outcome == "success" and all(b.ok for b in r.backups) for r, _c in runs)
    if share == 1:
        assert len(runs) == 1
    elif level == "data":
        # An entry is 50 KB of more than 6 MB.
        assert all(c.bytes <= whole * share + 60_000 + 200_000 for c in coverages)
    _result, again = sample(config, share, level)
    assert again.last_round and again.last_round["began"] == coverages[0].since and again.since > coverages[0].since
    assert again.covered == again.bytes > 0


@pytest.mark.parametrize("level", ["hashes", "data"])
@pytest.mark.parametrize("name", ["many.tar.zst", "one.tar.zst", "many.index.zst", "one.frames.json", "run.log", "SHA256SUMS"])
def test_one_flipped_byte_is_found_before_the_round_ends(config: Config, level: str, name: str) -> None:
    path = jobs.backup_folder(config, jobs.catalog(config).scan().complete[1]) / name
    data = bytearray(path.read_bytes())
    # In the middle of an archive of many files a header may lie, which no restore reads.
    data[len(data) // 2 + (1000 if name == "many.tar.zst" else 0)] ^= 1
    path.write_bytes(data)
    failed = [result for result, _coverage in until_complete(config, 0.1, level) if result.outcome == "failure"]
    assert failed and all(damage.object == name for result in failed for b in result.backups for damage in b.damaged)


def test_what_is_missing_is_found_at_once(config: Config) -> None:
    (jobs.backup_folder(config, jobs.catalog(config).scan().complete[2]) / "one.tar.zst").unlink()
    result, _coverage = sample(config, 0.01)
    assert result.error and "one.tar.zst" in result.error["message"]


def test_new_backups_are_reached_and_pruned_ones_passed_over(config: Config) -> None:
    first, second, third = jobs.catalog(config).scan().complete
    for _ in range(2):
        sample(config, 0.1)
    jobs.catalog(config).delete(first)
    fourth = str(jobs.take(config).id)
    runs = until_complete(config, 0.1)
    read = {b.id for result, _coverage in runs for b in result.backups if b.bytes}
    assert read == {second, third, fourth}
    assert runs[-1][1].covered == runs[-1][1].whole


def test_levels_go_round_apart(config: Config) -> None:
    sample(config, 0.3, "data")
    _result, coverage = sample(config, 0.1, "hashes")
    assert coverage.covered == coverage.bytes


@pytest.mark.parametrize("position", [{}, {"since": 5}, {"since": "2026-11-22T02:00:00.123Z", "backup": 5}, {"done": "all"}])
def test_a_state_that_means_nothing_begins_a_round(config: Config, position: t.Dict[str, t.Any]) -> None:
    State(config.state_dir).keep_sample("app", "disk/data", position)
    _result, coverage = sample(config, 0.1)
    assert coverage.covered == coverage.bytes > 0


def test_it_is_for_all_backups_of_a_job(config: Config, tmp_path: Path) -> None:
    for more in ({"backup_ids": ["latest"]}, {"from_dir": str(tmp_path)}, {"level": "quick"}):
        result = verify(config, ["app"], sample=0.1, **more)
        assert result.error and result.error["code"] == "configuration" and result.error["message"].startswith("sample")
