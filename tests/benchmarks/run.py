# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare fleet.backup with other tools: ``run.py [--scale 0.1] [--runs 5] [NAME]...``.

The contenders of a comparison take turns (A B A B ...), from a warm page cache and an idle disk, so that their ratio holds
on a noisy machine too. The results lie in build/benchmarks/results.json. Exit code 1: a limit was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import typing as t

from comparisons import ALL as FIRST_DAY
from comparisons import HERE, MIB, PROJECT, Comparison, Contender, Place
from databases import DATABASES
from deltas import DELTAS
from increments import INCREMENTS
from measuring import FailedError, MissingError, Usage, run, stored_bytes
from remote import STORES
from sealed import SEALED
from volumes import VOLUMES

ALL = {**FIRST_DAY, **INCREMENTS, **DELTAS, **SEALED, **VOLUMES, **STORES, **DATABASES}
SLOW_RUNS = 3

# Where outputs lie that are of no more use.
USED = "used"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="one or more of: %s (default: all)" % ", ".join(ALL))
    parser.add_argument("--scale", type=float, default=1.0, help="size of the data, 1.0 = as the limits are meant")
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender (slow ones: %d)" % SLOW_RUNS)
    parser.add_argument("--engine", default=os.path.join(PROJECT, "build", "fleet-backup.pyz"), help="the built command")
    parser.add_argument("--quick", action="store_true", help="leave out the slow contenders")
    parser.add_argument("--folder", default=os.path.join(PROJECT, "build", "benchmarks"), help="where data and results lie")
    options = parser.parse_args()
    options.folder = os.path.abspath(options.folder)
    unknown = [name for name in options.names if name not in ALL]
    if unknown:
        parser.error("there is no comparison %s; there are: %s" % (", ".join(unknown), ", ".join(ALL)))
    if not os.path.exists(options.engine):
        parser.error("%s does not exist; build it with: make agent" % options.engine)
    options.engine = as_installed(options.engine, options.folder)
    results = {}
    missed = False
    try:
        for name in options.names or ALL:
            result = compare(name, options)
            results[name] = result
            missed = missed or not all(limit["met"] for limit in result["limits"])
            show(name, result)
            with open(os.path.join(options.folder, "results.json"), "w") as file:
                json.dump({"scale": options.scale, "python": sys.version, "results": results}, file, indent=2)
    finally:
        for folder in ("work", USED):
            shutil.rmtree(os.path.join(options.folder, folder), ignore_errors=True)
    return 1 if missed else 0


def as_installed(engine: str, folder: str) -> str:
    """The command as hosts have it (operations/install.py): with bytecode of their Python."""
    sys.path.insert(0, engine)
    from fleet_backup.bytecode import with_bytecode  # type: ignore[import-not-found]

    installed = os.path.join(folder, "fleet-backup.pyz")
    os.makedirs(folder, exist_ok=True)
    with open(engine, "rb") as source, open(installed, "wb") as target:
        target.write(with_bytecode(source.read(), installed))
    return installed


def compare(name: str, options: argparse.Namespace) -> t.Dict[str, t.Any]:
    """Run one comparison; return its figures as plain data."""
    kind, build = ALL[name]
    data = os.path.join(options.folder, "data", "%s-%g" % (kind, options.scale))
    subprocess.run([sys.executable, os.path.join(HERE, "data.py"), kind, str(options.scale), data], check=True)
    work = os.path.join(options.folder, "work", name)
    used = os.path.join(options.folder, USED)
    put_away(work, used)
    place = Place(os.path.join(data, "data"), work, [sys.executable, "-I", options.engine])
    try:
        comparison = build(place)
    except MissingError as error:
        return {"rows": [], "limits": [], "skipped": [str(error)]}
    skipped, runners = [], []
    for contender in comparison.contenders:
        if options.quick and contender.slow:
            skipped.append("%s: it is slow" % contender.name)
            continue
        missing = [program for program in contender.needs if not shutil.which(program)]
        if missing:
            skipped.append("%s: %s is not installed" % (contender.name, ", ".join(missing)))
        else:
            runners.append(contender)
    if comparison.contenders[0] not in runners:
        return {"rows": [], "limits": [], "skipped": skipped}
    try:
        usages, stored = measure(runners, comparison, options.runs, used)
    finally:
        put_away(work, used)
    return figures(comparison, usages, stored, skipped)


def measure(
    runners: t.Sequence[Contender], comparison: Comparison, runs: int, used: str
) -> t.Tuple[t.Dict[str, t.List[Usage]], t.Dict[str, int]]:
    """Let the contenders take turns."""
    for contender in runners:
        run(contender.once)
    usages: t.Dict[str, t.List[Usage]] = {contender.name: [] for contender in runners}
    stored: t.Dict[str, int] = {}
    for turn in range(runs):
        for contender in runners:
            if contender.slow and turn >= SLOW_RUNS:
                continue
            put_away(contender.output, used)
            os.makedirs(contender.output)
            run(contender.before)
            # Before each: borg tells the system to forget what it has read.
            warm(comparison.data)
            before = stored_bytes(contender.output)
            usages[contender.name].append(contender.run())
            stored[contender.name] = stored_bytes(contender.output) - before
            put_away(contender.output, used)
    return usages, stored


def put_away(folder: str, used: str) -> None:
    """Free the space that a folder takes, but let its files be until all is over.

    ext4 without a journal does not use an inode again for minutes, and looks at each such one whenever it makes a file: where
    many files were removed, making new ones takes ten times as long.
    """
    if not os.path.isdir(folder):
        return
    for place, _folders, names in os.walk(folder):
        for path in (os.path.join(place, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path):
                os.truncate(path, 0)
    os.makedirs(used, exist_ok=True)
    os.rename(folder, tempfile.mkdtemp(dir=used))


def warm(folder: str) -> None:
    """Read every file once, so that all contenders find the data in the page cache."""
    buffer = bytearray(MIB)
    for place, _folders, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def figures(
    comparison: Comparison, usages: t.Dict[str, t.List[Usage]], stored: t.Dict[str, int], skipped: t.List[str]
) -> t.Dict[str, t.Any]:
    rows = [
        {
            "contender": name,
            "wall": statistics.median(u.wall for u in used),
            "walls": [round(u.wall, 4) for u in used],
            "cpu": statistics.median(u.cpu for u in used),
            "rss": max(u.rss for u in used),
            "stored": stored[name],
            "read": max(u.read for u in used),
        }
        for name, used in usages.items()
    ]
    ours = rows[0]
    limits = []
    for row in rows[1:]:
        row["ratio"] = ours["wall"] / row["wall"]
        if row["contender"] in comparison.limits:
            limit = comparison.limits[row["contender"]]
            limits.append({"against": row["contender"], "ratio": row["ratio"], "limit": limit, "met": row["ratio"] <= limit})
    if comparison.slowest is not None:
        ratio = ours["wall"] / max(row["wall"] for row in rows[1:])
        limits.append({"against": "the slowest", "ratio": ratio, "limit": comparison.slowest, "met": ratio <= comparison.slowest})
    ours_at_most = [
        ("peak memory, MiB", max(row["rss"] for row in rows[: comparison.own]) / MIB, comparison.rss and comparison.rss / MIB),
        ("stored, MB", ours["stored"] / 1e6, comparison.stored and comparison.stored / 1e6),
        ("wall, s", ours["wall"], comparison.seconds),
        ("read of the store, MB", ours["read"] / 1e6, comparison.read and comparison.read / 1e6),
    ]
    for what, value, most in ours_at_most:
        if most is not None:
            limits.append({"against": what, "ratio": value, "limit": most, "met": value <= most})
    return {"rows": rows, "limits": limits, "skipped": skipped}


def show(name: str, result: t.Dict[str, t.Any]) -> None:
    print("\n%s" % name)
    print("  %-30s %9s %9s %9s %9s %10s %8s" % ("", "wall s", "best s", "cpu s", "rss MiB", "stored MB", "ours/it"))
    for row in result["rows"]:
        ratio = "%8.2f" % row["ratio"] if "ratio" in row else ""
        values = (row["wall"], min(row["walls"]), row["cpu"], row["rss"] / MIB, row["stored"] / 1e6)
        print("  %-30s %9.3f %9.3f %9.3f %9.1f %10.1f %8s" % (row["contender"], *values, ratio))
    for limit in result["limits"]:
        word = "met" if limit["met"] else "MISSED"
        print("  %-7s %s: %.2f, at most %.3g" % (word, limit["against"], limit["ratio"], limit["limit"]))
    for line in result["skipped"]:
        print("  skipped %s" % line)
    sys.stdout.flush()


def stopped(*_: object) -> None:
    """Servers and files are cleared away then too; nobody cuts that short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stopped)
    try:
        raise SystemExit(main())
    except FailedError as error:
        raise SystemExit("a contender failed, so nothing can be said: %s" % error) from None
