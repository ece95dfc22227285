# SPDX-License-Identifier: GPL-3.0-or-later
"""The promise that a backup outlives this project: RESTORE.txt, taken at its word, in a container without Python."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess

import jobs
import pytest
import trees

from _engine.age.keys import keygen
from _engine.job import parse_config
from _engine.operations.backup import backup

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and device nodes need root")

# What the archive itself does not hold; the index does. Times are compared apart: to the second.
LOST = {"tar": ("mtime_ns",), "zip": ("uid", "gid", "first", "xattrs", "sparse", "mtime_ns")}


def _tree(folder, archive, seed):
    trees.make_tree(folder, seed=seed, entries=120, odd=archive == "tar", big=True)
    if archive == "zip":
        for name in ("with space", "\u00e9 composed", "\u65e5\u672c\u8a9e", "quote'\"$HOME", "star*"):
            (folder / name).write_text(name)
        (folder / "link").symlink_to("with space")


def _database(path):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, amount INTEGER)")
        connection.executemany("INSERT INTO accounts VALUES (?, ?)", [(n, n * n) for n in range(5000)])
    connection.close()


def _commands(text):
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize(
    ("archive", "algorithm", "sealed", "volume_size"),
    [
        ("tar", "zstd", False, None),
        ("tar", "gzip", False, None),
        ("tar", "none", False, None),
        ("zip", "gzip", False, None),
        ("zip", "none", False, None),
        ("tar", "zstd", True, None),
        ("zip", "gzip", True, None),
        ("tar", "zstd", False, 300_000),
        ("tar", "none", False, 300_000),
        ("zip", "gzip", False, 300_000),
        ("tar", "gzip", True, 300_000),
        ("zip", "gzip", True, 300_000),
    ],
)
def test_the_commands_restore_everything(tmp_path, restore_image, archive, algorithm, sealed, volume_size):
    source, database, store = tmp_path / "tree", tmp_path / "accounts.db", tmp_path / "store"
    source.mkdir()
    store.mkdir()
    _tree(source, archive, seed=len(archive + algorithm))
    _database(database)
    description = {
        "host": "here",
        "state_dir": str(tmp_path / "state"),
        "stores": [{"name": "disk", "local": {"path": str(store)}}],
        "jobs": [
            {
                "name": "all",
                "sources": [
                    {"name": "tree", "files": {"paths": [str(source)]}},
                    {"name": "accounts", "sqlite": {"path": str(database)}},
                ],
                "stores": ["disk"],
                "format": archive,
                "compression": {"algorithm": algorithm},
            }
        ],
    }
    identity = tmp_path / "identity.txt"
    if sealed:
        subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
        recipient = subprocess.run(["age-keygen", "-y", identity], check=True, capture_output=True, text=True).stdout.strip()
        description["jobs"][0]["encryption"] = {"recipients": [recipient]}
    config = parse_config(description)
    if volume_size:
        config = jobs.split(config, volume_size)
    before = trees.snapshot(source)
    result = backup(config, config.job("all"))
    assert result.error is None

    folder = tmp_path / "copy"
    shutil.copytree(store / "here" / "all" / result.id, folder)
    assert (len(list(folder.glob("tree.0*"))) > 1) == bool(volume_size)
    commands = _commands((folder / "RESTORE.txt").read_text())
    assert len(commands) >= 5
    script = "set -eu\n! command -v python3 python perl5 >/dev/null\n" + "\n".join(commands) + "\n"
    mounts = ["-v", "%s:/backup" % folder]
    if sealed:
        mounts += ["-v", "%s:/identity:ro" % identity, "-e", "IDENTITY=/identity"]
    ran = subprocess.run(
        ["docker", "run", "--rm", "-i", "--network", "none", *mounts, "-w", "/backup", restore_image, "sh"],
        input=script.encode(),
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()

    restored = folder / "restored" / "tree" / str(source).lstrip("/")
    after = trees.snapshot(restored)
    assert trees.differences(before, after, ignore=LOST[archive]) == []
    # unzip gives links the time of now.
    timed = {path: node for path, node in before.items() if archive == "tar" or node.type != "symlink"}
    assert [path for path, node in timed.items() if abs(node.mtime_ns - after[path].mtime_ns) >= 10**9] == []
    (copy,) = (folder / "restored" / "accounts").iterdir()
    connection = sqlite3.connect(copy)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(*), sum(amount) FROM accounts").fetchone() == (5000, sum(n * n for n in range(5000)))
    connection.close()


@pytest.mark.parametrize(
    ("archive", "sealed", "volume_size"),
    [("tar", False, None), ("tar", True, 300_000), ("zip", False, 300_000), ("zip", True, None)],
)
@pytest.mark.usefixtures("ahead")
def test_the_commands_restore_an_increment(tmp_path, monkeypatch, archive, sealed, volume_size):
    """With what lies in older backups, and without what was removed since. That takes Python, but nothing of ours."""
    source = tmp_path / "tree"
    source.mkdir()
    _tree(source, archive, seed=7)
    job = {"format": archive, "compression": {"algorithm": "gzip"}}
    if sealed:
        identity, recipient = keygen()
        (tmp_path / "identity").write_text(identity + "\n")
        job["encryption"] = {"recipients": [recipient]}
        monkeypatch.setenv("IDENTITY", str(tmp_path / "identity"))
    config = jobs.configure(tmp_path, {"name": "tree", "files": {"paths": [str(source)]}}, **job)
    if volume_size:
        config = jobs.split(config, volume_size)
    (source / "empty then").write_bytes(b"")
    for name in ("replaced", "removed", "kept"):
        (source / name).write_bytes(b"in the full backup" * 1000)
    jobs.take(config)
    (source / "replaced").write_bytes(b"in the first increment")
    (source / "empty now").write_bytes(b"")
    jobs.take(config, kind="incremental")
    (source / "removed").unlink()
    (source / "last").write_bytes(b"in the second increment")
    result = jobs.take(config, kind="incremental")
    folder = jobs.backup_folder(config, result.id)
    before = trees.snapshot(source)
    shutil.rmtree(source)
    text = (folder / "RESTORE.txt").read_text()
    assert "older backups" in text and "python3" in text.split("1. Check")[0]
    script = "set -eu\n" + "\n".join(_commands(text)) + "\n"
    ran = subprocess.run(["sh"], input=script.encode(), cwd=folder, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    after = trees.snapshot(folder / "restored" / "tree" / str(source).lstrip("/"))
    assert trees.differences(before, after, ignore=LOST[archive]) == []
    assert [path.name for path in (folder / "restored").iterdir() if not path.name.endswith(".zip")] == ["tree"]
