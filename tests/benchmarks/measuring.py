# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the commands of a contender and measuring what they cost."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
import typing as t
from dataclasses import dataclass, field

Argv = t.Sequence[str]

# strace -y: read(5</path>, ..., 65536) = 65536
_READ = re.compile(r"^(?:read|readv|pread64|preadv)\(\d+<([^>]*)>.* = (\d+)$")


@dataclass(frozen=True)
class Step:
    """Programs joined by pipes. ``output`` is the file that the last one writes to; None discards what it says."""

    pipeline: t.Sequence[Argv]
    output: t.Optional[str] = None
    environment: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """Seconds of wall and CPU time; ``rss`` in bytes: of a pipeline the sum of its programs, of several steps the largest.

    ``read``: bytes read of the store, where that is counted.
    """

    wall: float
    cpu: float
    rss: int
    read: int = 0


class FailedError(Exception):
    """A contender's command did not succeed, so its time means nothing."""


class MissingError(Exception):
    """What a comparison cannot do without is not on this machine."""


def run(steps: t.Sequence[Step]) -> Usage:
    """Run ``steps`` one after another. The disk is idle at the start, so nobody pays for what came before."""
    os.sync()
    used = [_run_step(step) for step in steps]
    return Usage(sum(u.wall for u in used), sum(u.cpu for u in used), max((u.rss for u in used), default=0))


def _run_step(step: Step) -> Usage:
    with open(step.output or os.devnull, "wb") as output, open(os.devnull, "rb") as nothing:
        processes: t.List[subprocess.Popen[bytes]] = []
        began = time.perf_counter()
        last = len(step.pipeline) - 1
        for n, argv in enumerate(step.pipeline):
            previous = processes[-1].stdout if processes else nothing
            processes.append(
                subprocess.Popen(
                    argv,
                    stdin=previous,
                    stdout=output if n == last else subprocess.PIPE,
                    stderr=subprocess.PIPE if n == last else subprocess.DEVNULL,
                    env={**os.environ, **step.environment},
                )
            )
            if processes[:-1] and previous:
                previous.close()
        stderr = processes[-1].stderr
        said = stderr.read() if stderr else b""
        # wait4 instead of wait: what one child used, its own waited-for children included.
        ends = [os.wait4(process.pid, 0) for process in processes]
        wall = time.perf_counter() - began
        if stderr:
            stderr.close()
    for process, (_pid, status, _usage) in zip(processes, ends):
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise FailedError("%s: exit code %d: %s" % (process.args, process.returncode, said.decode(errors="replace")[-2000:]))
    usages = [usage for _pid, _status, usage in ends]
    return Usage(wall, sum(u.ru_utime + u.ru_stime for u in usages), sum(u.ru_maxrss for u in usages) * 1024)


def run_reading(argv: Argv, store: str) -> Usage:
    """Run a command twice: to measure it, and to count what it and its children read of the files below ``store``."""
    used = run([Step([argv])])
    with tempfile.TemporaryDirectory() as folder:
        # A file for each thread: in a common one, a call that another one interrupts is torn in two.
        trace = ["strace", "-ff", "-y", "-qq", "-e", "trace=read,readv,pread64,preadv", "-o", os.path.join(folder, "trace")]
        run([Step([[*trace, *argv]])])
        read = sum(_read_of(os.path.join(folder, name), store) for name in os.listdir(folder))
    return Usage(used.wall, used.cpu, used.rss, read)


def _read_of(trace: str, store: str) -> int:
    with open(trace, errors="replace") as file:
        found = [match for match in map(_READ.match, file) if match]
    return sum(int(m.group(2)) for m in found if m.group(1).startswith(store))


def stored_bytes(path: str) -> int:
    """The sizes of a file, or of all files below a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path) if os.path.exists(path) else 0
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _folders, names in os.walk(path) for name in names)
