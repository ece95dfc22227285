# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the golden backups of the format's present version: ``make.py FOLDER [VOLUME_SIZE]``, in volumes of that many bytes.

``make.py FOLDER 0 deltas`` makes those with a large file that changes.

They are made once per version and then kept for ever: tests/integration/test_golden.py restores them with every later
program. Do not run this again over a folder that is already in the repository.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sqlite3
import sys
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "plugins" / "module_utils")]

import jobs  # noqa: E402
import trees  # noqa: E402

from _engine.age.keys import keygen  # noqa: E402
from _engine.job import parse_config  # noqa: E402
from _engine.operations.backup import backup  # noqa: E402

SHAPES: t.Dict[str, t.Dict[str, t.Any]] = {
    "tar-zstd": {},
    "tar-gzip": {"compression": {"algorithm": "gzip"}},
    "tar-none": {"compression": {"algorithm": "none"}},
    "zip": {"format": "zip"},
}


def make_tree(root: Path) -> None:
    (root / "folder/empty").mkdir(parents=True)
    (root / "text").write_text("a line\n" * 1000)
    (root / "empty").touch()
    (root / "folder/random").write_bytes(bytes(n * 7919 % 251 for n in range(100_000)))
    (root / "folder/na\nme \u00e9").write_text("a name with a newline")
    (root / os.fsdecode(b"not utf-8 \xff")).write_text("bytes")
    (root / ("long-" * 40)).write_text("a name longer than ustar holds")
    os.link(root / "text", root / "text-again")
    (root / "link").symlink_to("folder/random")
    (root / "dangling").symlink_to("/nowhere")
    os.mkfifo(root / "fifo")
    trees.make_sparse(root / "sparse", [(0, b"begin"), (1 << 20, b"middle")], 3 << 20)
    (root / "text").chmod(0o640)
    (root / "folder").chmod(0o750)
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(0, 1_700_000_000_123_456_789 + number), follow_symlinks=False)


def make_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE vehicles (id INTEGER PRIMARY KEY, name TEXT, price REAL, picture BLOB)")
        rows = [(n, "car %d" % n, n * 1.5, bytes([n % 256]) * n) for n in range(100)]
        database.executemany("INSERT INTO vehicles VALUES (?, ?, ?, ?)", rows)
    database.close()


def describe(root: Path) -> t.Dict[str, t.Any]:
    """The state of a tree that a restore must bring back, whoever restores it."""
    state = {}
    for path, node in trees.snapshot(root).items():
        kept = {key: getattr(node, key) for key in ("type", "mode", "mtime_ns", "size", "content")}
        kept["target"] = None if node.target is None else base64.b64encode(node.target).decode("ascii")
        kept["first"] = None if node.first is None else base64.b64encode(node.first).decode("ascii")
        state[base64.b64encode(path).decode("ascii")] = kept
    return state


def main(folder: Path, volume_size: int = 0, deltas: bool = False) -> None:
    work = Path("/srv/golden")
    if work.exists():
        raise SystemExit("%s is in the way: remove it first" % work)
    work.mkdir(parents=True)
    root, database = work / "tree", work / "app.db"
    make_tree(root)
    if volume_size:
        for name in ("large", "larger"):  # so that there are frames enough
            (root / name).write_bytes(b"%s\n" % name.encode() * 200_000)
    noise = random.Random(1).randbytes(200_000)
    if deltas:
        (root / "large").write_bytes(noise)
    make_database(database)
    identity, recipient = keygen()
    folder.mkdir()
    (folder / "identity.txt").write_text(identity)
    sources = [jobs.files(root), {"name": "database", "sqlite": {"path": str(database)}}]
    description = jobs.describe(folder, *sources)
    description["state_dir"] = str(work / "state")
    description["jobs"] = [{**description["jobs"][0], "name": name, **shape} for name, shape in SHAPES.items()]
    description["jobs"].append({**description["jobs"][0], "name": "encrypted", "encryption": {"recipients": [recipient]}})
    if deltas:
        kept = [job for job in description["jobs"] if job["name"] in ("tar-zstd", "encrypted")]
        description["jobs"] = [{**job, "delta_from": 65536} for job in kept]
    config = parse_config(description)
    if volume_size:
        config = jobs.split(config, volume_size)
    expected: t.Dict[str, t.Any] = {}
    time.sleep(3)  # nothing is young any more

    def take(kind: str) -> None:
        for job in config.jobs:
            result = backup(config, job, kind=kind, tag="golden")
            if result.outcome != "success" or result.kind != kind:
                raise SystemExit("%s" % result)
            expected[result.id or ""] = {"job": job.name, "tree": describe(root), "rows": 100}

    take("full")
    (root / "text").write_text("changed")
    (root / "folder/random").unlink()
    (root / "new").write_text("new in the increment")
    if deltas:
        (root / "large").write_bytes(b"a new head" + noise[:100_000] + b"other bytes" + noise[101_000:])
    time.sleep(3)
    take("incremental")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), int((sys.argv[2:] or ["0"])[0]), sys.argv[3:] == ["deltas"])
