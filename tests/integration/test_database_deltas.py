# SPDX-License-Identifier: GPL-3.0-or-later
"""Increments of databases: stored as what has changed, restored byte by byte; in full, with a reason, where that cannot be."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import typing as t
from pathlib import Path

import jobs
import pytest

from _engine.age.keys import keygen
from _engine.archive.codec import zstd_module
from _engine.job import Config
from _engine.keyring import Keyring, open_keyring
from _engine.operations.backup_result import BackupResult
from _engine.operations.cat import cat
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.unwrap import unwrap
from _engine.operations.verify import verify
from _engine.sources.sqlite import SqliteSource

pytestmark = pytest.mark.skipif(zstd_module() is None, reason="deltas need backports.zstd")

HERE = Path(__file__).parent
ROWS = 24_000


class App:
    """A database of a few MiB that is changed and backed up, by a job of its own."""

    def __init__(self, folder: Path, seed: int = 1, rows: int = ROWS) -> None:
        self.path = folder / "shop.db"
        self.rng = random.Random(seed)
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, code TEXT, note TEXT, picture BLOB)")
        self.insert(rows)
        self.connection.execute("CREATE INDEX by_code ON orders (code)")

    def row(self) -> t.Tuple[str, str, bytes]:
        return "%012x" % self.rng.getrandbits(48), "a note on %d " % self.rng.randrange(10**6) * 5, self.rng.randbytes(90)

    def insert(self, count: int) -> None:
        self.many("INSERT INTO orders (code, note, picture) VALUES (?, ?, ?)", [self.row() for _ in range(count)])

    def update(self, count: int) -> None:
        changes = [(*self.row(), self.rng.randrange(ROWS)) for _ in range(count)]
        self.many("UPDATE orders SET code = ?, note = ?, picture = ? WHERE id = ?", changes)

    def delete(self, count: int) -> None:
        start = self.rng.randrange(ROWS - count)
        self.many("DELETE FROM orders WHERE id BETWEEN ? AND ?", [(start, start + count)])

    def many(self, statement: str, rows: t.Sequence[t.Sequence[t.Any]]) -> None:
        self.connection.execute("BEGIN")
        self.connection.executemany(statement, rows)
        self.connection.execute("COMMIT")

    def vacuum(self) -> None:
        self.connection.execute("VACUUM")

    def content(self) -> str:
        return content(self.path)


def content(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        digest = hashlib.sha256()
        for row in connection.execute("SELECT * FROM orders ORDER BY id"):
            digest.update(repr(row).encode())
        return digest.hexdigest()
    finally:
        connection.close()


@pytest.fixture
def app(tmp_path: Path) -> t.Iterator[App]:
    made = App(tmp_path)
    yield made
    made.connection.close()


def configure(folder: Path, app: App, **job: t.Any) -> Config:
    return jobs.configure(folder, {"name": "database", "sqlite": {"path": str(app.path)}}, **job)


class Keys(t.NamedTuple):
    ring: Keyring
    job: t.Dict[str, t.Any]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    text, recipient = keygen()
    identity = tmp_path / "identity.txt"
    identity.write_text(text)
    identity.chmod(0o600)
    return Keys(open_keyring(identity_files=[str(identity)]), {"encryption": {"recipients": [recipient]}})


def restored(config: Config, backup_id: t.Optional[str], to: Path, keyring: t.Optional[Keyring] = None) -> str:
    """The content of the database of a backup, restored by the operation."""
    request = RestoreRequest(backup=backup_id or "", to=str(to), keyring=keyring or Keyring())
    result = restore(config, "app", request)
    assert result.error is None, result.error
    (file,) = (path for path in to.rglob("*") if path.is_file())
    return content(file)


def component(result: BackupResult) -> t.Any:
    (only,) = result.components
    return only


def cached(folder: Path, ending: str) -> t.List[Path]:
    return sorted((folder / "state" / "cache" / "app").glob("*" + ending))


def spoil(path: Path, share: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 255
    path.chmod(0o600)
    path.write_bytes(data)


# --- what it costs, and that it comes back


CHANGES: t.Dict[str, t.Callable[[App], None]] = {
    "nothing": lambda app: None,
    "updates": lambda app: app.update(120),
    "inserts": lambda app: app.insert(200),
    "deletes": lambda app: app.delete(1000),
    "vacuum": App.vacuum,
}
#: The most that they may store, of what a full backup takes.
SHARES = {"nothing": 0.01, "updates": 0.05, "inserts": 0.07, "deletes": 0.06, "vacuum": 0.20}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["incremental", "differential"])
def test_changes_cost_what_they_are(tmp_path: Path, app: App, change: str, kind: str) -> None:
    config = configure(tmp_path, app)
    full = jobs.take(config)
    before = app.content()
    if change == "vacuum":
        app.delete(1000)
    CHANGES[change](app)
    taken = jobs.take(config, kind=kind)
    assert (taken.kind, component(taken).kind, component(taken).reason, taken.warnings) == (kind, kind, "", [])
    assert component(taken).stored < SHARES[change] * component(full).stored
    assert restored(config, taken.id, tmp_path / "new") == app.content()
    assert restored(config, full.id, tmp_path / "old") == before
    manifest = jobs.catalog(config).manifest(taken.id or "")
    (reference,) = manifest.references
    (stored,) = manifest.components
    assert (stored.base, reference["id"], reference["volumes"]) == (full.id, full.id, ["database.sqlite.zst"])
    assert [volume.name for volume in stored.volumes] == ["database.sqlite.zst-delta"]
    for level in ("quick", "hashes", "data"):
        assert verify(config, level=level).outcome == "success"


@pytest.mark.parametrize("split", [False, True])
def test_histories_of_all_kinds(tmp_path: Path, app: App, keys: Keys, split: bool) -> None:
    """Whatever happened to the database, and however it was backed up: each backup restores as it was."""
    rng = random.Random(4)
    config = configure(tmp_path, app, **keys.job)
    config = jobs.split(config, 1 << 20) if split else config
    wanted: t.Dict[str, str] = {}
    deltas = 0
    for number in range(9):
        rng.choice([lambda: app.update(300), lambda: app.insert(500), lambda: app.delete(500), app.vacuum])()
        taken = jobs.take(config, kind=rng.choice(["full", "incremental", "incremental", "differential"]))
        assert taken.warnings == [], number
        deltas += component(taken).kind != "full"
        wanted[taken.id or ""] = app.content()
    assert deltas >= 5
    for backup_id, expected in wanted.items():
        assert restored(config, backup_id, tmp_path / backup_id, keys.ring) == expected
    assert verify(config, level="data", keyring=keys.ring).outcome == "success"


def test_split_deltas_of_a_split_base(tmp_path: Path, app: App) -> None:
    config = jobs.split(configure(tmp_path, app), 1 << 20)
    full = jobs.take(config)
    before = app.content()
    app.insert(12_000)
    taken = jobs.take(config, kind="incremental")
    assert (taken.kind, component(taken).kind) == ("incremental", "incremental")
    manifest = jobs.catalog(config).manifest(taken.id or "")
    (stored,) = manifest.components
    (reference,) = manifest.references
    assert [v.name for v in stored.volumes][:2] == ["database.0001.sqlite.zst-delta", "database.0002.sqlite.zst-delta"]
    assert reference["volumes"][:2] == ["database.0001.sqlite.zst", "database.0002.sqlite.zst"]
    assert restored(config, taken.id, tmp_path / "new") == app.content()
    assert restored(config, full.id, tmp_path / "old") == before
    assert verify(config, level="data").outcome == "success"
    # RESTORE.txt, taken at its word.
    folder = jobs.backup_folder(config, taken.id)
    commands = [line[4:] for line in (folder / "RESTORE.txt").read_text().splitlines() if line.startswith("    ")]
    script = "\n".join(commands).replace("python3 -", "%s -" % sys.executable)
    subprocess.run(["sh", "-e"], input=script.encode(), cwd=folder, check=True, capture_output=True)
    assert content(folder / "restored/database/database.sqlite") == app.content()


def test_there_are_no_deltas_of_deltas(tmp_path: Path, app: App) -> None:
    config = configure(tmp_path, app)
    full = jobs.take(config).id
    for _ in range(3):
        app.update(10)
        taken = jobs.take(config, kind="incremental")
        manifest = jobs.catalog(config).manifest(taken.id or "")
        assert [r["id"] for r in manifest.references] == [full]
        assert manifest.components[0].base == full


def test_the_bytes_are_those_of_the_copy(tmp_path: Path, app: App) -> None:
    """Not only the rows: an entry's hash covers every byte, and cat writes them."""
    config = configure(tmp_path, app)
    jobs.take(config)
    app.update(100)
    taken = jobs.take(config, kind="incremental")
    reader = jobs.reader(config, taken.id, "database")
    (entry,) = reader.entries()
    reader.close()
    result = cat(config, taken.id or "", "database.sqlite")
    assert result.error is None
    assert hashlib.sha256(b"".join(map(bytes, result.content()))).hexdigest() == entry["sha256"]


# --- encryption


def test_the_base_is_kept_privately_and_only_one(tmp_path: Path, app: App, keys: Keys) -> None:
    config = configure(tmp_path, app, **keys.job)
    first = jobs.take(config)
    for _ in range(2):
        app.update(20)
        assert component(jobs.take(config, kind="incremental")).kind == "incremental"
        assert [path.name for path in cached(tmp_path, ".base")] == ["%s.database.base" % first.id]
    second = jobs.take(config)
    assert [path.name for path in cached(tmp_path, ".base")] == ["%s.database.base" % second.id]
    assert {path.stat().st_mode & 0o777 for path in cached(tmp_path, "")} == {0o600}
    app.update(20)
    taken = jobs.take(config, kind="incremental")
    assert component(taken).stored < component(second).stored / 20
    assert restored(config, taken.id, tmp_path / "out", keys.ring) == app.content()


def test_without_encryption_nothing_is_kept_but_anchors(tmp_path: Path, app: App) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    app.update(20)
    jobs.take(config, kind="incremental")
    assert cached(tmp_path, ".base") == []
    assert len(cached(tmp_path, ".anchors")) == 1


def test_the_keys_of_a_delta_are_unwrapped_with_those_of_its_base(tmp_path: Path, app: App, keys: Keys) -> None:
    config = configure(tmp_path, app, **keys.job)
    full = jobs.take(config).id
    app.update(20)
    taken = jobs.take(config, kind="incremental").id or ""
    result = unwrap(config, taken, job="app", keyring=keys.ring)
    assert result.error is None
    assert "%s/database.sqlite.zst.age" % full in result.file_keys()
    ring = Keyring(file_keys=result.file_keys())
    assert restored(config, taken, tmp_path / "out", ring) == app.content()


@pytest.mark.parametrize("spoilt", [".base", ".frames"])
def test_a_lost_copy_of_the_base_makes_a_full_component(tmp_path: Path, app: App, keys: Keys, spoilt: str) -> None:
    config = configure(tmp_path, app, **keys.job)
    jobs.take(config)
    (path,) = cached(tmp_path, spoilt)
    path.unlink()
    app.update(20)
    taken = jobs.take(config, kind="incremental")
    assert (taken.kind, component(taken).kind) == ("incremental", "full")
    assert [w.code for w in taken.warnings] == ["no-base"]
    assert "this host" in component(taken).reason
    # This one is the base from now on.
    app.update(20)
    again = jobs.take(config, kind="incremental")
    assert (component(again).kind, again.warnings) == ("incremental", [])
    assert jobs.catalog(config).manifest(again.id or "").components[0].base == taken.id
    assert restored(config, again.id, tmp_path / "out", keys.ring) == app.content()


@pytest.mark.parametrize("spoilt", [".base", ".frames"])
def test_a_damaged_copy_of_the_base_is_not_built_upon(tmp_path: Path, app: App, keys: Keys, spoilt: str) -> None:
    config = configure(tmp_path, app, **keys.job)
    jobs.take(config)
    (path,) = cached(tmp_path, spoilt)
    spoil(path)
    taken = jobs.take(config, kind="incremental")
    assert component(taken).kind == "full"
    assert [w.code for w in taken.warnings] == ["no-base"] and path.name in taken.warnings[0].message
    assert restored(config, taken.id, tmp_path / "out", keys.ring) == app.content()


def test_damaged_anchors_are_made_again(tmp_path: Path, app: App) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    jobs.take(config, kind="incremental")
    (path,) = cached(tmp_path, ".anchors")
    good = path.read_bytes()
    spoil(path)
    taken = jobs.take(config, kind="incremental")
    assert (component(taken).kind, taken.warnings) == ("incremental", [])
    assert path.read_bytes() == good


def test_what_is_larger_than_the_cache_may_be_is_stored_in_full(tmp_path: Path, app: App, keys: Keys) -> None:
    config = configure(tmp_path, app, delta_cache="1MiB", **keys.job)
    jobs.take(config)
    assert cached(tmp_path, ".base") == [] and cached(tmp_path, ".frames") == []
    taken = jobs.take(config, kind="incremental")
    assert (component(taken).kind, taken.warnings) == ("full", [])
    assert "larger than delta_cache" in component(taken).reason


def test_a_full_disk_costs_the_copy_and_not_the_backup(
    tmp_path: Path, app: App, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(tmp_path, app, **keys.job)
    monkeypatch.setattr("_engine.base_cache._SPARE", 1 << 60)
    taken = jobs.take(config)
    assert taken.warnings == [] and cached(tmp_path, ".base") == []
    assert "no base for deltas is kept" in Path(taken.log or "").read_text()
    assert [w.code for w in jobs.take(config, kind="incremental").warnings] == ["no-base"]


def test_a_failed_run_leaves_the_base_of_the_next(tmp_path: Path, app: App, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    from _engine.operations.backup import backup

    config = configure(tmp_path, app, **keys.job)
    full = jobs.take(config)
    with monkeypatch.context() as patch:
        patch.setattr(SqliteSource, "_judge", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backup(config, config.jobs[0])
    app.update(10)
    taken = jobs.take(config, kind="incremental")
    assert component(taken).kind == "incremental"
    assert [path.name for path in cached(tmp_path, ".base")] == ["%s.database.base" % full.id]


# --- in full, and why


def test_a_damaged_base_on_the_store_is_told(tmp_path: Path, app: App) -> None:
    config = configure(tmp_path, app)
    full = jobs.take(config)
    app.update(20)
    delta = jobs.take(config, kind="incremental")
    spoil(jobs.backup_folder(config, full.id) / "database.sqlite.zst")
    checked = verify(config, [], [delta.id or ""], level="data")
    (damaged,) = checked.backups
    assert [d.object for d in damaged.damaged] == ["%s/database.sqlite.zst" % full.id]
    assert damaged.damaged[0].entries == 1 and "builds upon" in damaged.damaged[0].problem
    result = restore(config, "app", RestoreRequest(backup=delta.id or "", to=str(tmp_path / "out")))
    assert result.error is not None and full.id in result.error["message"]
    taken = jobs.take(config, kind="incremental")
    assert component(taken).kind == "full"
    assert [w.code for w in taken.warnings] == ["no-base"] and "database.sqlite.zst" in taken.warnings[0].message
    assert restored(config, taken.id, tmp_path / "again") == app.content()


@pytest.mark.parametrize("level", ["quick", "hashes", "data"])
def test_a_missing_base_is_told_by_every_verify(tmp_path: Path, app: App, level: str) -> None:
    config = configure(tmp_path, app)
    full = jobs.take(config).id or ""
    delta = jobs.take(config, kind="incremental").id or ""
    (jobs.backup_folder(config, full) / "database.sqlite.zst").unlink()
    (checked,) = verify(config, [], [delta], level=level).backups
    assert full + ".json" in [d.object for d in checked.damaged]
    shutil.rmtree(jobs.backup_folder(config, full))
    jobs.backup_folder(config, full).with_name(full + ".json").unlink()
    (checked,) = verify(config, [], [delta], level=level).backups
    assert [d.object for d in checked.damaged] == [full + ".json"]


def test_other_compressions_have_no_deltas(tmp_path: Path, app: App) -> None:
    jobs.take(configure(tmp_path, app))
    config = configure(tmp_path, app, compression={"algorithm": "gzip"})
    taken = jobs.take(config, kind="incremental")
    assert (component(taken).kind, taken.warnings) == ("full", []) and "gzip" in component(taken).reason
    config = configure(tmp_path, app)
    taken = jobs.take(config, kind="incremental")
    assert (component(taken).kind, taken.warnings) == ("full", []) and "gzip" in component(taken).reason
    assert component(jobs.take(config, kind="incremental")).kind == "incremental"


def test_deltas_can_be_turned_off(tmp_path: Path, app: App, keys: Keys) -> None:
    config = configure(tmp_path, app, delta_cache=0, **keys.job)
    jobs.take(config)
    taken = jobs.take(config, kind="incremental")
    assert (component(taken).kind, component(taken).reason, taken.warnings) == ("full", "delta_cache is 0", [])
    assert cached(tmp_path, ".base") == []


def test_a_new_source_is_full_and_then_a_base(tmp_path: Path, app: App) -> None:
    (tmp_path / "other").mkdir()
    other = App(tmp_path / "other", seed=2, rows=3000)
    jobs.take(configure(tmp_path, app))
    sources = [{"name": n, "sqlite": {"path": str(a.path)}} for n, a in (("database", app), ("second", other))]
    config = jobs.configure(tmp_path, *sources)
    kinds = []
    for _ in range(2):
        taken = jobs.take(config, kind="incremental")
        kinds.append([c.kind for c in taken.components])
    other.connection.close()
    assert kinds == [["incremental", "full"], ["incremental", "incremental"]]
    assert verify(config, level="data").outcome == "success"


def test_a_database_that_became_another_is_full_the_time_after(tmp_path: Path, app: App) -> None:
    config = configure(tmp_path, app)
    full = jobs.take(config)
    app.many("UPDATE orders SET code = ?, note = ?, picture = ? WHERE id = ?", [(*app.row(), n) for n in range(ROWS)])
    first = jobs.take(config, kind="incremental")
    assert component(first).kind == "incremental"
    assert component(first).stored < 1.1 * component(full).stored
    second = jobs.take(config, kind="incremental")
    assert (component(second).kind, second.warnings) == ("full", []) and "% of what its base takes" in component(second).reason
    third = jobs.take(config, kind="incremental")
    assert component(third).kind == "incremental" and component(third).stored < component(second).stored / 50
    for taken in (first, second, third):
        assert restored(config, taken.id, tmp_path / (taken.id or "")) == app.content()


# --- without this program


@pytest.mark.parametrize("encrypted", [False, True])
def test_restore_txt_is_true(tmp_path: Path, app: App, keys: Keys, encrypted: bool) -> None:
    config = configure(tmp_path, app, **(keys.job if encrypted else {}))
    jobs.take(config)
    app.update(100)
    app.insert(300)
    taken = jobs.take(config, kind="incremental")
    copy = tmp_path / "copy"
    shutil.copytree(jobs.backup_folder(config, taken.id).parent, copy)
    folder = copy / (taken.id or "")
    text = (folder / "RESTORE.txt").read_text()
    script = "set -eu\n" + "".join(line[4:] + "\n" for line in text.splitlines() if line.startswith("    "))
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    environment = {"PATH": path, "IDENTITY": str(tmp_path / "identity.txt")}
    ran = subprocess.run(["sh"], input=script.encode(), cwd=folder, env=environment, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    (file,) = (folder / "restored").rglob("*.sqlite")
    assert content(file) == app.content()
    assert sorted(path.name for path in (folder / "restored").iterdir()) == ["database"]


# --- memory


_PEAK = """
import json, random, re, sys

def peak():
    # Not ru_maxrss: that begins with what the process that started this one had.
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\\s+(\\d+)", file.read())[1])

sys.path[:0] = {paths!r}
from deltas import DELTA, FULL, Streams, rows, dump
from pathlib import Path

TEXT = dump(rows(20_000, 1))

def parts(changed):
    rng = random.Random(2)
    for part in range({parts}):
        letters = list(range(97, 123))
        rng.shuffle(letters)
        text = bytearray(TEXT.translate(bytes([*range(97), *letters, *range(123, 256)])))
        for place in rng.sample(range(len(text)), 100):
            if changed:
                text[place : place + 12] = b"%012x" % place
        yield text

streams = Streams(Path(sys.argv[1]))
full = streams.keep(FULL, parts(False))
choice = streams.choose()
delta = streams.keep(DELTA, parts(True), choice)
taken = peak()
from _engine.archive.reader import ComponentReader
reader = ComponentReader(streams.catalog, DELTA, delta)
(entry,) = reader.entries()
size = sum(len(data) for data in reader.read(entry))
print(json.dumps([taken, peak(), size, delta.bytes, delta.stored, full.stored]))
"""


def test_memory_is_bounded(tmp_path: Path) -> None:
    """75 MB of changed rows against a base of 75 MB. The rows themselves take some of the memory that is allowed."""
    if sys.platform != "linux":
        pytest.skip("only Linux tells VmHWM")
    paths = [str(HERE.parent), str(HERE.parent.parent / "plugins" / "module_utils")]
    program = _PEAK.format(paths=paths, parts=40)
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    taken, read, size, logical, stored, full = json.loads(ran.stdout)
    assert size == logical > 70_000_000
    assert stored < full / 50
    assert max(taken, read) * 1024 <= 128 << 20
