# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true after anything at all has happened, and the scene on which it is tried."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import typing as t
from pathlib import Path

import pytest
import trees

from .engine import Finished, Host

_ID = r"\d{8}T\d{6}Z-(full|incremental)-[a-z0-9-]+-[0-9a-f]{4}"
_BESIDE = re.compile(_ID + r"\.(json|json\.sha256|json\.sig|failed\.json|mark-deleted\.json)")
_FOLDER = re.compile(_ID)
_OBJECT = re.compile(
    r"RESTORE\.txt|SHA256SUMS|(run\.log|[a-z0-9_-]+\.(index(\.zst|\.gz)?|frames\.json|facts\.json|"
    r"([0-9]{4}\.)?(tar(\.zst(-delta)?|\.gz)?|zip|sqlite(\.zst(-delta)?|\.gz)?)))(\.age)?"
)

#: A tenth is part of every test run; the whole is the soak run.
SHARES = ("tenth", pytest.param("all", marks=pytest.mark.soak))


def chosen(total: int, share: str, seed: int) -> t.List[int]:
    """The numbers of 1 to ``total`` to try: all, or a tenth that the seed chooses."""
    numbers = range(1, total + 1)
    return list(numbers) if share == "all" else sorted(random.Random(seed).sample(numbers, max(total // 10, 1)))


State = t.Tuple[trees.Snapshot, t.List[str]]


class Scene:
    """An application (a tree with odd things, and a SQLite database) and its host, kept as it was to begin again from there."""

    def __init__(self, folder: Path, seed: int = 36, entries: int = 40, **job: t.Any) -> None:
        self.folder = folder
        self.tree = folder / "app" / "tree"
        self.database = folder / "app" / "shop.db"
        self.tree.parent.mkdir(parents=True)
        trees.make_tree(self.tree, seed, entries)
        make_database(self.database)
        sources = [
            {"name": "tree", "files": {"paths": [str(self.tree)]}},
            {"name": "shop", "sqlite": {"path": str(self.database)}},
        ]
        self.host = Host(folder, sources, **job)
        self.before = trees.snapshot(self.tree)
        self.rows = dump(self.database)

    #: Arguments of a restore of everything.
    restore_all = ("--yes", "--set-ids", "--devices")

    def keep(self) -> None:
        """Remember the store and the state as they are now."""
        self._copy(self.host.store, self.folder / "kept" / "store")
        self._copy(self.host.state, self.folder / "kept" / "state")

    def begin_again(self) -> None:
        """Bring store and state back to what keep() saw."""
        self._copy(self.folder / "kept" / "store", self.host.store)
        self._copy(self.folder / "kept" / "state", self.host.state)

    def _copy(self, source: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)

    def check_restore(self, backup_id: str = "latest") -> None:
        """A backup restored elsewhere is the application, to the last attribute."""
        target = self.folder / "restored"
        shutil.rmtree(target, ignore_errors=True)
        self.host.call("restore", "app", *self.restore_all, "--backup", backup_id, "--to", str(target)).expect(0)
        tree = target / str(self.tree).lstrip("/")
        assert trees.differences(self.before, trees.snapshot(tree)) == []
        (copy,) = [path for path in target.rglob("shop.db") if path.is_file()]
        assert dump(copy) == self.rows

    def spoil(self) -> State:
        """Do to the application what an accident does: files changed, files gone, the database emptied. Returns state()."""
        spoilt = self.folder / "spoilt"
        if not spoilt.exists():
            for n, path in enumerate(sorted(p for p in self.tree.rglob("*") if p.is_file() and not p.is_symlink())):
                if n % 3 == 0:
                    path.unlink()
                elif n % 3 == 1:
                    path.write_bytes(b"spoilt")
            base = sqlite3.connect(self.database)
            base.execute("DELETE FROM note")
            base.commit()
            base.close()
            # shutil would open fifos, and forget owners.
            subprocess.run(["cp", "-a", self.tree.parent, spoilt], check=True)
        shutil.rmtree(self.tree.parent)
        subprocess.run(["cp", "-a", spoilt, self.tree.parent], check=True)
        return self.state()

    def state(self) -> State:
        """The application as it is now."""
        return trees.snapshot(self.tree), dump(self.database)

    def whole(self) -> State:
        """The application as it was when it was backed up."""
        return self.before, self.rows

    def differences(self, wanted: State) -> t.List[str]:
        """What is not as ``wanted``, one line each."""
        tree, rows = self.state()
        return trees.differences(wanted[0], tree) + ["the database"] * (rows != wanted[1])

    def strangers(self) -> t.List[str]:
        """What lies beside the application and should not."""
        own = {self.tree.name, self.database.name, self.database.name + "-wal", self.database.name + "-shm"}
        return sorted(path.name for path in self.tree.parent.iterdir() if path.name not in own)


def make_database(path: Path, rows: int = 300) -> None:
    """A database in WAL mode with two tables."""
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL)")
    base.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, account REFERENCES account, text TEXT)")
    base.executemany("INSERT INTO account VALUES (?, ?)", [(n, 1000) for n in range(rows)])
    base.executemany("INSERT INTO note VALUES (?, ?, ?)", [(n, n, "note %d " % n * 9) for n in range(rows)])
    base.commit()
    base.close()


def dump(path: Path) -> t.List[str]:
    """The content of a database, as SQL."""
    base = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    try:
        return list(base.iterdump())
    finally:
        base.close()


def complete(host: Host) -> t.List[str]:
    """The ids of the backups that ``list`` shows as complete, oldest first."""
    (job,) = host.call("list", "app").expect(0, 3).result["jobs"]
    return sorted(backup["id"] for backup in job["backups"])


def check_store(host: Host, older: t.Collection[str], new_at_most: int = 1) -> t.List[str]:
    """Every listed backup is whole, the older ones are among them, and nothing lies around that the format does not allow.

    Returns the ids of new ones.
    """
    ids = complete(host)
    assert set(older) <= set(ids)
    new = [backup_id for backup_id in ids if backup_id not in older]
    assert len(new) <= new_at_most
    for backup_id in ids:
        check_sums(host, backup_id)
    for backup_id in new:  # the older ones are, by the sums, what they were
        host.call("verify", backup_id).expect(0)
    strange = [str(path) for path in _strange(host.backups)]
    assert strange == []
    return new


def check_sums(host: Host, backup_id: str) -> None:
    """What ``sha256sum -c`` would say, and that nothing is there beside what the sums and the manifest list."""
    manifest = host.backups / (backup_id + ".json")
    sums = (host.backups / (backup_id + ".json.sha256")).read_text()
    assert sums == "%s  %s\n" % (_sha256(manifest), manifest.name)
    folder = host.backups / backup_id
    lines = dict(line.split("  ", 1)[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert {name: _sha256(folder / name) for name in lines} == lines
    described = json.loads(manifest.read_bytes())
    names = {o["name"] for o in described["objects"]}
    for component in described["components"]:
        names |= {v["name"] for v in component["volumes"]} | {component["frames"]["name"], component["index"]["name"]}
        if "sha256" in component["facts"]:  # encrypted: an object of its own
            names.add(component["facts"]["name"])
    assert {p.name for p in folder.iterdir() if not p.name.startswith(".")} == names == set(lines) | {"SHA256SUMS"}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _strange(folder: Path) -> t.Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            if not _BESIDE.fullmatch(path.name):
                yield path
            continue
        if not _FOLDER.fullmatch(path.name):
            yield path
        for item in path.iterdir():
            if not item.is_file() or not (item.name.startswith(".") or _OBJECT.fullmatch(item.name)):
                yield item


def entries(host: Host, component: str = "tree") -> t.Dict[bytes, t.Dict[str, t.Any]]:
    """The index of the newest backup by archive path, read with other programs than ours."""
    described = next(c for c in host.manifests()[-1]["components"] if c["name"] == component)
    index = host.backups / host.manifests()[-1]["id"] / described["index"]["name"]
    program = {".zst": "zstd", ".gz": "gzip"}[index.suffix]
    text = subprocess.run([program, "-dc", index], check=True, stdout=subprocess.PIPE).stdout
    lines = [json.loads(line) for line in text.splitlines()]
    return {
        line["path"].encode() if "path" in line else base64.b64decode(line["path_b64"]): line for line in lines if "type" in line
    }


def check_clean(host: Host, ids: t.Collection[str]) -> None:
    """Nothing lies in the store but these backups and results of failed runs."""
    left = [
        os.path.relpath(os.path.join(folder, name), host.backups)
        for folder, _folders, names in os.walk(host.backups)
        for name in names + _folders
    ]
    strange = [name for name in left if not name.endswith(".failed.json") and not name.startswith(tuple(ids))]
    assert strange == []


def check_failure(finished: Finished, code: str, exit_code: int) -> None:
    """A failed command says so in every way it has."""
    finished.expect(exit_code)
    result = finished.result
    assert result["outcome"] == "failure"
    assert result["error"]["code"] == code
    assert result["error"]["message"]
