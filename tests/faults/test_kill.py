# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at any point leaves no backup that lists as complete and is not, no stale lock, and the next run succeeds."""

from __future__ import annotations

import random
import signal
import time
import typing as t
from pathlib import Path

import pytest
import trees

from .engine import Host, Running
from .injection import Injection, kill_at
from .promises import SHARES, Scene, State, check_store, chosen, complete


@pytest.fixture
def scene(folder: Path) -> Scene:
    """A host that has one backup."""
    scene = Scene(folder)
    scene.host.call("run", "app").expect(0)
    scene.keep()
    return scene


def _calls(scene: Scene, *argv: str) -> int:
    """How many I/O calls a run makes that is not killed; the scene is as before afterwards."""
    counter = Injection([scene.folder])
    scene.host.call(*argv, inside=counter.install).expect(0)
    scene.begin_again()
    return counter.count


@pytest.mark.parametrize("share", SHARES)
def test_backup_killed_at_every_io_call(scene: Scene, share: str) -> None:
    older = complete(scene.host)
    total = _calls(scene, "run", "app")
    assert total > 50
    outcomes = set()
    for number in chosen(total, share, seed=1):
        scene.begin_again()
        injection = Injection([scene.folder], kill_at(number))
        assert scene.host.call("run", "app", inside=injection.install).killed, number
        new = check_store(scene.host, older)
        outcomes.add(len(new))
        again = scene.host.call("run", "app").expect(0).result["id"]
        assert complete(scene.host) == [*older, *new, again]
        scene.host.call("verify", "app", "--quick").expect(0, 3)
        scene.check_restore(again)
    # Most die before their manifest is in place, the last few calls come after it.
    assert 0 in outcomes
    if share == "all":
        assert outcomes == {0, 1}


@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.soak)])
@pytest.mark.parametrize("job", [{}, {"volume_size": "8MiB"}], ids=["whole", "split"])
def test_backup_killed_at_random_moments(folder: Path, times: int, job: t.Dict[str, t.Any]) -> None:
    """A larger run (20 MiB, several frames, one volume or three), killed by the clock."""
    scene = Scene(folder, **job)
    rng = random.Random(times)
    for n in range(5):
        (scene.tree / ("picture%d" % n)).write_bytes(rng.randbytes(4 << 20))
    scene.before = trees.snapshot(scene.tree)
    older = [scene.host.call("run", "app").expect(0).result["id"]]
    scene.keep()
    length, killed = 0.2, 0
    while killed < times:
        scene.begin_again()
        began = time.monotonic()
        running = Running(scene.host.argv("run", "app"))
        # The moment is the random part of this test; nothing is waited for.
        time.sleep(rng.uniform(0, length))
        running.send(signal.SIGKILL)
        if running.wait().killed:
            killed += 1
            length *= 1.1
        else:
            length = time.monotonic() - began
        new = check_store(scene.host, older)
        again = scene.host.call("run", "app").expect(0).result["id"]
        assert complete(scene.host) == [*older, *new, again]
        scene.host.call("verify", again).expect(0)
    scene.check_restore(again)


@pytest.mark.parametrize("share", SHARES)
def test_restore_killed_at_every_io_call(scene: Scene, share: str) -> None:
    """Whatever the target is then, the next restore makes it whole and cleans up."""
    (wanted,) = complete(scene.host)
    scene.spoil()
    argv = ("restore", "app", "--backup", wanted, *scene.restore_all)
    total = _calls(scene, *argv)
    for number in chosen(total, share, seed=2):
        scene.begin_again()
        spoilt = scene.spoil()
        injection = Injection([scene.folder], kill_at(number))
        assert scene.host.call(*argv, inside=injection.install).killed, number
        assert _mixed(scene, spoilt) == [], number
        scene.host.call(*argv).expect(0, 3)  # 3: it tells that it undid the other
        assert scene.differences(scene.whole()) == [], number
        assert scene.strangers() == [], number
        check_store(scene.host, [wanted], new_at_most=2)


def _mixed(scene: Scene, spoilt: State) -> t.List[str]:
    """What is half of one state and half of the other: there must be nothing like that."""
    files, rows = scene.state()
    mixed = []
    for path, node in files.items():
        if path.startswith(b".fleet-backup-") or b"/.fleet-backup-" in path:
            continue  # staged
        wanted = [state[path] for state in (scene.before, spoilt[0]) if path in state]
        if node.type == "file" and node.content not in [other.content for other in wanted]:
            mixed.append("%r: %r, neither of %r" % (path, node, wanted))
    return mixed + ["the database"] * (rows not in (spoilt[1], scene.rows))


@pytest.mark.parametrize("share", SHARES)
def test_prune_killed_at_every_io_call(folder: Path, share: str) -> None:
    """What is still listed is whole, the newest is never touched, and the next prune finishes the work."""
    scene = Scene(folder, entries=5)
    ids: t.List[str] = [scene.host.call("run", "app").expect(0).result["id"] for _ in range(4)]
    scene.host.job["retention"] = {"keep_last": 1}
    scene.host.write_config()
    scene.keep()
    total = _calls(scene, "prune", "app")
    for number in chosen(total, share, seed=3):
        scene.begin_again()
        injection = Injection([scene.folder], kill_at(number))
        assert scene.host.call("prune", "app", inside=injection.install).killed, number
        listed = complete(scene.host)
        assert listed[-1] == ids[-1]
        check_store(scene.host, ids[-1:], new_at_most=3)
        scene.host.call("prune", "app").expect(0)
        assert complete(scene.host) == ids[-1:]
        scene.host.call("run", "app").expect(0)


def test_a_dump_restored_as_a_file_is_killed_at_every_io_call(folder: Path) -> None:
    """There is the old file or the new one, whole; and the next restore leaves nothing else beside it."""
    host = Host(folder, [{"name": "dump", "command": {"command": ["echo", "new"], "ending": "txt"}}])
    host.call("run", "app").expect(0)
    target = folder / "out"
    argv = ("restore", "app", "--yes", "--to", str(target))
    counter = Injection([target])
    host.call(*argv, inside=counter.install).expect(0)
    (file,) = target.iterdir()
    assert counter.count > 3
    for number in range(1, counter.count + 1):
        file.write_bytes(b"old\n")
        assert host.call(*argv, inside=Injection([target], kill_at(number)).install).killed, number
        assert file.read_bytes() in (b"old\n", b"new\n"), number
        host.call(*argv).expect(0)
        assert file.read_bytes() == b"new\n"
        assert list(target.iterdir()) == [file], number
