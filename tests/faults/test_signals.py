# SPDX-License-Identifier: GPL-3.0-or-later
"""Asked to stop, a run cleans up after itself; and two runs do not get in each other's way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from .engine import Running
from .injection import Injection, do_at
from .promises import SHARES, Scene, check_clean, check_failure, check_store, chosen, complete

INTERRUPTED = 15


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("share", SHARES)
def test_stopped_at_any_call(folder: Path, share: str, number: int) -> None:
    scene = Scene(folder)
    older = [scene.host.call("run", "app").expect(0).result["id"]]
    scene.keep()
    counter = Injection([folder])
    scene.host.call("run", "app", inside=counter.install).expect(0)
    for call in chosen(counter.count, share, seed=number):
        scene.begin_again()
        injection = Injection([folder], do_at(call, lambda: os.kill(os.getpid(), number)))
        finished = scene.host.call("run", "app", inside=injection.install).expect(0, INTERRUPTED)
        new = check_store(scene.host, older)
        assert len(new) == (finished.status == 0), call
        if finished.status:
            check_failure(finished, "interrupted", INTERRUPTED)
            check_clean(scene.host, older)
        again = scene.host.call("run", "app").expect(0).result["id"]
        assert complete(scene.host) == [*older, *new, again]


@pytest.mark.parametrize("share", SHARES)
def test_restore_stopped_at_any_call(folder: Path, share: str) -> None:
    """The application is then as it was, or as the backup has it; nothing in between, nothing left behind."""
    scene = Scene(folder, entries=12)
    wanted = scene.host.call("run", "app").expect(0).result["id"]
    scene.keep()
    spoilt = scene.spoil()
    counter = Injection([folder])
    scene.host.call("restore", "app", *scene.restore_all, inside=counter.install).expect(0)
    seen = set()
    for call in chosen(counter.count, share, seed=6):
        scene.begin_again()
        scene.spoil()
        injection = Injection([folder], do_at(call, lambda: os.kill(os.getpid(), signal.SIGTERM)))
        finished = scene.host.call("restore", "app", *scene.restore_all, inside=injection.install).expect(0, INTERRUPTED)
        wanted_now = scene.whole() if finished.status == 0 else spoilt
        assert scene.differences(wanted_now) == [], call
        seen.add(finished.status)
        assert scene.strangers() == []
        scene.host.call("restore", "app", *scene.restore_all, "--backup", wanted).expect(0)
        assert scene.differences(scene.whole()) == [], call
    assert INTERRUPTED in seen


def test_two_runs_at_once(folder: Path) -> None:
    """One does its work, the other is told who has the lock."""
    scene = Scene(folder)
    read, write = os.pipe()
    reached, reach = os.pipe()

    def wait() -> None:
        os.write(reach, b"x")
        os.read(read, 1)

    first = Running(scene.host.argv("run", "app"), Injection([scene.host.store], do_at(3, wait)).install)
    os.read(reached, 1)
    second = scene.host.call("run", "app")
    check_failure(second, "locked", 10)
    assert str(first.pid) in second.result["error"]["message"]
    os.write(write, b"x")
    done = first.wait().expect(0)
    assert complete(scene.host) == [done.result["id"]]
    check_clean(scene.host, complete(scene.host))


def test_a_killed_run_leaves_no_lock(folder: Path) -> None:
    scene = Scene(folder)
    read, _write = os.pipe()
    reached, reach = os.pipe()

    def wait() -> None:
        os.write(reach, b"x")
        os.read(read, 1)

    first = Running(scene.host.argv("run", "app"), Injection([scene.host.store], do_at(3, wait)).install)
    os.read(reached, 1)
    check_failure(scene.host.call("run", "app"), "locked", 10)
    first.send(signal.SIGKILL)
    assert first.wait().killed
    again = scene.host.call("run", "app").expect(0).result["id"]
    assert complete(scene.host) == [again]
