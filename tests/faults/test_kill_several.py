# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL while two stores are written to: each has whole backups only, no spool is left, and the next run succeeds."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from .engine import Host, Running
from .promises import complete


@pytest.mark.parametrize("times", [6, pytest.param(60, marks=pytest.mark.soak)])
def test_killed_at_random_moments(folder: Path, times: int) -> None:
    rng = random.Random(times)
    tree = folder / "tree"
    tree.mkdir()
    for n in range(5):
        (tree / ("picture%d" % n)).write_bytes(rng.randbytes(4 << 20))
    host = Host(folder, [{"name": "tree", "files": {"paths": [str(tree)]}}], volume_size="8MiB")
    described = json.loads(host.config.read_text())
    described["stores"].append({"name": "second", "local": {"path": str(folder / "second")}})
    described["jobs"][0]["stores"].append("second")
    host.config.write_text(json.dumps(described))
    length, killed = 0.3, 0
    ended = False
    while killed < times:
        began = time.monotonic()
        running = Running(host.argv("run", "app"))
        # The moment is the random part of this test; nothing is waited for.
        time.sleep(rng.uniform(0, length))
        running.send(signal.SIGKILL)
        if running.wait().killed:
            killed += 1
        else:  # so long it takes, and no later moment is of any use
            length, ended = time.monotonic() - began, True
        assert list((folder / "state" / "spool").glob("*")) == []
        length *= 1 if ended else 1.2
    again = host.call("run", "app").expect(0).result
    assert {c["store"]: c["outcome"] for c in again["copies"]} == {"disk": "success", "second": "success"}
    assert again["id"] in complete(host)
    for store in ("disk", "second"):
        host.call("verify", "app", "--store", store).expect(0, 3)
