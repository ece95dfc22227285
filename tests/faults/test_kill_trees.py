# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL while two trees are put back: the next backup tells of each that is unfinished, the next restore makes both whole."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest

from .engine import Host
from .injection import Injection, kill_at
from .promises import SHARES, chosen

_FILES = [str(n) for n in range(6)]

# Calls from the moment when it is settled that one tree stays until it is of the other too.
_BETWEEN = 8


@pytest.mark.parametrize("share", SHARES)
def test_a_restore_of_two_trees_killed_at_every_io_call(folder: Path, share: str) -> None:
    places = [folder / name / "tree" for name in ("one", "other")]
    _write(places, b"good")
    host = Host(folder, [{"name": place.parent.name, "files": {"paths": [str(place)]}} for place in places])
    wanted = host.call("run", "app").expect(0).result["id"]
    argv = ("restore", "app", "--backup", wanted, "--yes", "--no-safety-backup")
    _write(places, b"bad")
    counter = Injection([place.parent for place in places])
    host.call(*argv, inside=counter.install).expect(0)
    apart = 0
    for number in chosen(counter.count, share, seed=5):
        _write(places, b"bad")
        killing = Injection([place.parent for place in places], kill_at(number))
        assert host.call(*argv, inside=killing.install).killed, number
        left = len(list(folder.glob("*/.fleet-backup-*")) + list(folder.glob("*/tree/.fleet-backup-*")))
        told = [w["code"] for w in host.call("run", "app").expect(0, 3).result["warnings"]]
        assert told.count("restore-unfinished") == left, number
        if number % 2:
            # A restore of a part undoes what was not complete: of both, or of none.
            host.call(*argv, "--include", "0").expect(0, 3)
            apart += len({(place / "1").read_bytes() for place in places}) - 1
        host.call(*argv).expect(0, 3)
        for place in places:
            assert {path.name: path.read_bytes() for path in place.iterdir()} == dict.fromkeys(_FILES, b"good"), number
            assert [path.name for path in place.parent.iterdir()] == ["tree"], number
    assert apart <= _BETWEEN // 2


def _write(places: t.Iterable[Path], content: bytes) -> None:
    for place in places:
        shutil.rmtree(place.parent, ignore_errors=True)
        place.mkdir(parents=True)
        for name in _FILES:
            (place / name).write_bytes(content)
