# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifying real backups: all damage is found and named, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import jobs
import pytest
from banking import make_bank

from _engine.age.keys import keygen
from _engine.archive import scanning
from _engine.archive.codec import zstd_module
from _engine.keyring import open_keyring
from _engine.operations.verify import LEVELS, verify
from _engine.progress import Progress

FORMATS = {
    "tar-zstd": {"format": "tar", "compression": {"algorithm": "zstd"}},
    "tar-gzip": {"format": "tar", "compression": {"algorithm": "gzip", "level": 1}},
    "tar-none": {"format": "tar", "compression": {"algorithm": "none"}},
    "zip": {"format": "zip"},
    "zip-stored": {"format": "zip", "compression": {"algorithm": "none"}},
}
FORMATS["encrypted"] = {"format": "tar", "compression": {"algorithm": "gzip", "level": 1}, "encryption": {}}
FORMATS["split"] = {"format": "tar", "volume_size": 1 << 20}
FORMATS["zip-split"] = {"format": "zip", "volume_size": 1 << 20}
FORMATS["encrypted-split"] = {**FORMATS["encrypted"], "volume_size": 1 << 20}
OBJECTS = ("manifest", "hash", "index", "frames", "sums", "volume", "restore", "log")
SEED = 20261122


def make_application(folder: Path) -> None:
    rng = random.Random(1)
    (folder / "small").mkdir(parents=True)
    for n in range(300):
        (folder / "small" / ("%03d.txt" % n)).write_bytes(b"line %d\n" % n * rng.randrange(200))
    (folder / "large.jpg").write_bytes(rng.randbytes(5 << 19))
    (folder / "text.log").write_bytes(b"the same again\n" * 50000)
    (folder / "empty").touch()
    os.link(folder / "large.jpg", folder / "linked.jpg")
    os.symlink("large.jpg", folder / "symlink.jpg")
    with open(folder / "sparse.img", "wb") as file:
        for place in (1 << 20, 3 << 20):
            file.seek(place)
            file.write(rng.randbytes(100000))
        file.truncate(4 << 20)
    (folder / os.fsdecode(b"caf\xe9\n.txt")).write_bytes(b"odd")
    make_bank(folder / "bank.db", "WAL")


class Backup:
    """A real backup of an application, in several formats; its objects can be damaged for a while."""

    def __init__(self, folder: Path, **job) -> None:
        make_application(folder / "app")
        sources = [
            jobs.files(folder / "app", "uploads", exclude=["bank.db*"]),
            {"name": "database", "sqlite": {"path": str(folder / "app" / "bank.db")}},
        ]
        self.keyring = None
        if "encryption" in job:
            identity, recipient = keygen()
            (folder / "identity").write_text(identity)
            job = {**job, "encryption": {"recipients": [recipient]}}
            self.keyring = open_keyring([str(folder / "identity")])
        volume_size = job.pop("volume_size", None)
        self.config = jobs.configure(folder, *sources, **job)
        if volume_size:
            self.config = jobs.split(self.config, volume_size)
        self.id = jobs.take(self.config).id
        self.folder = jobs.backup_folder(self.config, self.id)
        manifest = json.loads(Path(str(self.folder) + ".json").read_bytes())
        volumes = [v["name"] for c in manifest["components"] for v in c["volumes"]]
        self.objects = {
            "manifest": [self.id + ".json"],
            "hash": [self.id + ".json.sha256"],
            "index": [c["index"]["name"] for c in manifest["components"]]
            + [c["facts"]["name"] for c in manifest["components"] if "sha256" in c["facts"]],
            "frames": [c["frames"]["name"] for c in manifest["components"]],
            "sums": ["SHA256SUMS"],
            "volume": volumes,
            "restore": ["RESTORE.txt"],
            "log": [o["name"] for o in manifest["objects"] if o["name"].startswith("run.log")],
        }

    def path(self, name: str) -> Path:
        return (self.folder.parent if name.startswith(self.id) else self.folder) / name

    def verify(self, level="data"):
        return verify(self.config, ["app"], level=level, keyring=self.keyring)

    def damaged(self, level="data"):
        """The names of the objects that verify finds damaged."""
        result = self.verify(level)
        (checked,) = result.backups
        assert checked.ok is (not checked.damaged)
        assert (result.exit_code == 9) is (not checked.ok)
        if not checked.ok:
            assert result.error["code"] == "integrity"
            assert result.error["objects"] == [d.object for d in checked.damaged]
        return [d.object for d in checked.damaged]


@pytest.fixture(scope="module", params=list(FORMATS))
def backup(request, tmp_path_factory):
    if request.param == "tar-zstd" and zstd_module() is None:
        pytest.skip("this Python has no zstd")
    if request.param == "encrypted":
        pytest.importorskip("cryptography")
    return Backup(tmp_path_factory.mktemp("verify"), **FORMATS[request.param])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return Backup(tmp_path_factory.mktemp("verify"), compression={"algorithm": "gzip", "level": 1})


class changed:
    """While it lasts, an object holds other bytes (None: it is gone)."""

    def __init__(self, path: Path, data) -> None:
        self.path = path
        self.before = path.read_bytes()
        self.data = data

    def __enter__(self):
        if self.data is None:
            self.path.unlink()
        else:
            self.path.write_bytes(self.data)

    def __exit__(self, *_):
        self.path.write_bytes(self.before)


def flips(data: bytes, rng: random.Random, count: int):
    for _ in range(count):
        place = rng.randrange(len(data))
        yield data[:place] + bytes([data[place] ^ rng.randrange(1, 256)]) + data[place + 1 :]


def cuts(data: bytes, rng: random.Random, count: int):
    for _ in range(count):
        yield data[: rng.randrange(len(data))]


@pytest.mark.parametrize("level", LEVELS)
def test_no_false_alarm(backup, level):
    result = backup.verify(level)
    assert (result.outcome, result.warnings, result.error) == ("success", [], None)
    (checked,) = result.backups
    assert (checked.store, checked.job, checked.id, checked.level, checked.ok) == ("disk", "app", backup.id, level, True)
    assert (checked.damaged, checked.unknown) == ([], [])
    names = os.listdir(backup.folder)
    assert checked.objects == len(names) + 2
    if level != "quick":
        assert checked.bytes == sum((backup.folder / name).stat().st_size for name in names)
    json.dumps(result.to_dict())


@pytest.mark.parametrize("count", [2, pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", OBJECTS)
def test_flips_and_cuts_are_found_and_named(backup, kind, count):
    rng = random.Random("%d %s" % (SEED, kind))
    for _ in range(count):
        name = rng.choice(backup.objects[kind])
        data = backup.path(name).read_bytes()
        (flip,), (cut,) = flips(data, rng, 1), cuts(data, rng, 1)
        for damaged, levels in ((flip, ("data", "hashes")), (cut, LEVELS)):
            for level in levels:
                with changed(backup.path(name), damaged):
                    assert backup.damaged(level) == [name], (kind, level, len(damaged))
    assert backup.damaged() == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", [kind for kind in OBJECTS if kind != "manifest"])
def test_what_is_missing_and_what_has_grown_is_found_and_named(plain, kind, level):
    for name in plain.objects[kind]:
        with changed(plain.path(name), None):
            assert plain.damaged(level) == [name]
        with changed(plain.path(name), plain.path(name).read_bytes() + b"\n"):
            assert plain.damaged(level) == [name]


def test_a_missing_manifest_is_a_damaged_backup(plain):
    name = plain.id + ".json"
    with changed(plain.path(name), None):
        assert plain.damaged() == [name]
        with changed(plain.path(name + ".sha256"), None):
            # SHA256SUMS alone also tells that there was a backup.
            assert plain.damaged() == [name]


def test_everything_that_is_damaged_is_told(plain):
    wanted = [plain.objects[kind][-1] for kind in OBJECTS if kind not in ("manifest",)]
    before = {name: plain.path(name).read_bytes() for name in wanted}
    rng = random.Random(SEED)
    try:
        for name, data in before.items():
            plain.path(name).write_bytes(next(flips(data, rng, 1)))
        assert sorted(plain.damaged()) == sorted(wanted)
        assert sorted(plain.damaged("hashes")) == sorted(wanted)
    finally:
        for name, data in before.items():
            plain.path(name).write_bytes(data)


def test_with_a_damaged_manifest_the_sums_tell_of_the_others(plain):
    manifest, volume = plain.id + ".json", plain.objects["volume"][0]
    flip = next(flips(plain.path(volume).read_bytes(), random.Random(SEED), 1))
    with changed(plain.path(manifest), b"{}"), changed(plain.path(volume), flip):
        assert plain.damaged() == [manifest, volume]


def test_the_entries_that_a_damaged_volume_spoils_are_named(plain):
    (volume,) = [name for name in plain.objects["volume"] if name.startswith("uploads")]
    data = plain.path(volume).read_bytes()
    frames = json.loads(plain.path("uploads.frames.json").read_bytes())["volumes"][0]["frames"]
    offset, stored, _raw = frames[0]
    place = offset + stored // 2
    with changed(plain.path(volume), data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]):
        ((damage,),) = [b.damaged for b in plain.verify().backups]
    assert damage.object == volume
    assert 0 < damage.entries < 10
    assert damage.entries == len(damage.paths)
    with changed(plain.path(volume), data[:place]):
        ((cut,),) = [b.damaged for b in plain.verify().backups]
    assert set(damage.paths) < set(cut.paths)
    assert cut.entries > damage.entries


def rewrite(backup, name, change):
    """Change an object as somebody would who also puts all hashes right. Returns what to put back."""
    before = {p: p.read_bytes() for p in [backup.path(backup.id + ".json"), backup.path(backup.id + ".json.sha256")]}
    path = backup.path(name)
    before[path] = path.read_bytes()
    new = change(before[path])
    path.write_bytes(new)
    sums = backup.path("SHA256SUMS")
    before[sums] = sums.read_bytes()
    old_hash, new_hash = hashlib.sha256(before[path]).hexdigest(), hashlib.sha256(new).hexdigest()
    sums.write_text(sums.read_text().replace(old_hash, new_hash))
    text = backup.path(backup.id + ".json").read_text().replace(old_hash, new_hash)
    text = text.replace(hashlib.sha256(before[sums]).hexdigest(), hashlib.sha256(sums.read_bytes()).hexdigest())
    head = text[: text.rindex('  "checksum"')].encode()
    backup.path(backup.id + ".json").write_bytes(head + b'  "checksum": "%s"\n}\n' % hashlib.sha256(head).hexdigest().encode())
    digest = hashlib.sha256(backup.path(backup.id + ".json").read_bytes()).hexdigest()
    backup.path(backup.id + ".json.sha256").write_text("%s  %s.json\n" % (digest, backup.id))
    return before


def put_back(before):
    for path, data in before.items():
        path.write_bytes(data)


@pytest.mark.parametrize("kind", ["volume", "frames"])
def test_hashes_alone_do_not_prove_what_decoding_does(tmp_path, kind):
    backup = Backup(tmp_path, compression={"algorithm": "none"})
    if kind == "volume":
        (name,) = [n for n in backup.objects["volume"] if n.startswith("uploads")]
        content = (tmp_path / "app" / "large.jpg").read_bytes()[:64]
        before = rewrite(backup, name, lambda data: data.replace(content, content[::-1]))
    else:
        name = "uploads.frames.json"

        def swap(data):
            table = json.loads(data)
            rows = table["volumes"][0]["frames"]
            rows[0], rows[1] = rows[1], rows[0]
            return json.dumps(table, separators=(",", ":")).encode() + b"\n"

        before = rewrite(backup, name, swap)
    assert backup.damaged("hashes") == []
    assert backup.damaged("data") == [name]
    put_back(before)
    assert backup.damaged("data") == []


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [line.replace(b'"size":', b'"size":1') for line in lines],
        lambda lines: [line.replace(b'"bytes":["', b'"bytes":["2') for line in lines],
        lambda lines: [line.replace(b',"type":"file"', b',"type":7') for line in lines],
        lambda lines: [lines[0], b"[]\n", *lines[1:]],
    ],
)
def test_an_index_that_contradicts_itself_or_the_volumes(tmp_path, change):
    backup = Backup(tmp_path, compression={"algorithm": "none"})

    def rebuild(data):
        lines = data.splitlines(keepends=True)[:-1]
        # All in one frame; the table must stay where the manifest says.
        new = b"".join(change(lines))
        old = b"".join(lines)
        assert new != old
        table = b'{"table":[[0,%d,%d,""]]}\n' % (len(new), len(new))
        return new + table

    name = "uploads.index"
    manifest = json.loads(backup.path(backup.id + ".json").read_bytes())
    old_place = next(c["index"]["table"] for c in manifest["components"] if c["name"] == "uploads")
    new = rebuild(backup.path(name).read_bytes())
    table = len(new.splitlines(keepends=True)[-1])
    text = backup.path(backup.id + ".json").read_text()
    for old, fresh in (
        (json.dumps(old_place, indent=2), json.dumps([len(new) - table, table, table], indent=2)),
        ('"size": %d,' % backup.path(name).stat().st_size, '"size": %d,' % len(new)),
    ):
        old, fresh = (s.replace("\n", "\n        ") for s in (old, fresh))
        assert text.count(old) == 1, old
        text = text.replace(old, fresh)
    backup.path(backup.id + ".json").write_text(text)
    rewrite(backup, name, lambda data: new)
    assert backup.damaged("hashes") == []
    assert name in backup.damaged("data")


# --- what is chosen


def test_unknown_objects_are_a_warning(plain):
    stray = plain.folder / "stray.txt"
    stray.write_bytes(b"?")
    try:
        for level in LEVELS:
            result = plain.verify(level)
            assert result.backups[0].unknown == ["stray.txt"]
            assert ([w.code for w in result.warnings], result.exit_code) == (["unknown-objects"], 3)
    finally:
        stray.unlink()


def test_which_backups(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a").write_bytes(b"a")
    config = jobs.configure(tmp_path, jobs.files(tmp_path / "app"), compression={"algorithm": "gzip"})
    assert verify(config).error["code"] == "not-found"
    ids = [jobs.take(config).id for _ in range(3)]

    def verified(*args, **options):
        result = verify(config, *args, **options)
        assert result.error is None
        return [b.id for b in result.backups]

    assert verified() == ids
    assert verified(["app"]) == ids
    assert verified(["app"], ["latest"]) == ids[2:]
    assert verified([], [ids[0], ids[2]], store="disk") == [ids[0], ids[2]]
    assert verified([], [ids[1][:16]]) == ids[1:2]
    assert verify(config, ["nobody"]).error["code"] == "not-found"
    result = verify(config, [], [ids[0], "2001"])
    assert (result.error["code"], len(result.backups)) == ("not-found", 1)
    assert "2001" in result.error["message"]
    assert verify(config, level="all").error["code"] == "configuration"


def test_a_bare_folder(plain, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(plain.folder.parent, copy)
    for place in (copy, copy / plain.id):
        result = verify(None, from_dir=str(place))
        assert (result.outcome, [b.id for b in result.backups]) == ("success", [plain.id])
    volume = copy / plain.id / plain.objects["volume"][0]
    volume.write_bytes(volume.read_bytes()[:-1])
    result = verify(None, from_dir=str(copy))
    assert [d.object for b in result.backups for d in b.damaged] == [volume.name]


def test_a_backup_that_was_swapped_for_another_is_found(plain, tmp_path):
    other = "20200101T000000Z-full-manual-0000"
    shutil.copytree(plain.folder.parent, tmp_path / "copy")
    for name in (".json", ".json.sha256", ""):
        (tmp_path / "copy" / (plain.id + name)).rename(tmp_path / "copy" / (other + name))
    result = verify(None, from_dir=str(tmp_path / "copy"))
    assert other + ".json" in [d.object for b in result.backups for d in b.damaged]


def test_progress_tells_the_bytes_read(plain):
    class Counting(Progress):
        total = done = 0

        def phase(self, name, total=None):
            self.total += total or 0

        def advance(self, count):
            self.done += count

    counting = Counting()
    verify(plain.config, progress=counting)
    assert counting.done == counting.total == sum(p.stat().st_size for p in plain.folder.iterdir())


def test_memory_is_bounded_by_the_buffers(plain):
    # Buffers in flight: those read ahead and the one in use; each with its decoded frame.
    frames = scanning._MAX_WORKERS + 2 + 1
    assert frames * (scanning.LARGEST_STORED + (4 << 20)) < 64 << 20


# --- encryption


def test_a_key_that_is_missing_or_wrong_is_no_damage(tmp_path):
    pytest.importorskip("cryptography")
    backup = Backup(tmp_path, **FORMATS["encrypted"])
    (tmp_path / "other").write_text(keygen()[0])
    for keyring in (None, open_keyring([str(tmp_path / "other")])):
        result = verify(backup.config, keyring=keyring)
        assert (result.error["code"], result.backups[0].damaged, result.backups[0].ok) == ("decryption", [], False)
        assert "--hashes" in result.error["message"]
        assert result.backups[0].bytes == 0
        assert verify(backup.config, keyring=keyring, level="hashes").outcome == "success"


def test_damage_in_chunks_of_an_encrypted_volume(tmp_path):
    pytest.importorskip("cryptography")
    backup = Backup(tmp_path, **FORMATS["encrypted"])
    (volume,) = [name for name in backup.objects["volume"] if name.startswith("uploads")]
    data = backup.path(volume).read_bytes()

    def found(data):
        with changed(backup.path(volume), data):
            ((damage,),) = [b.damaged for b in backup.verify().backups]
        assert damage.object == volume
        return damage

    def flipped(*places):
        damaged = bytearray(data)
        for place in places:
            damaged[place] ^= 1
        return bytes(damaged)

    middle = found(flipped(len(data) // 2))
    assert "chunk %d of" % (len(data) // 2 // 65552) in middle.problem and "SHA-256" in middle.problem
    assert volume not in middle.problem
    assert 0 < middle.entries == len(middle.paths) < 10, "the entries in other chunks are whole"
    both = found(flipped(len(data) // 2, len(data) - 1000))  # in two frames
    assert set(middle.paths) <= set(both.paths)
    assert "chunk %d of" % (len(data) // 65552) in both.problem and middle.problem.partition(";")[0] in both.problem
    # The header and the nonce: the nonce opens every chunk.
    assert found(flipped(50)).entries == 0
    assert found(flipped(data.index(b"\n--- ") + 49 + 10)).entries > 200
    # Chunks that change places are each whole, but not there.
    start = data.index(b"\n--- ") + 49 + 16
    first, second = data[start : start + 65552], data[start + 65552 : start + 2 * 65552]
    assert "was written as chunk 1" in found(data[:start] + second + first + data[start + 2 * 65552 :]).problem
    end = (len(data) - start) // 65552 * 65552 + start
    assert "cut off" in found(data[:end]).problem
    assert "has more than" in found(data + b"x").problem


def test_small_encrypted_objects_are_decrypted_too(tmp_path):
    """Somebody who can write to the store puts there what is whole, and of another backup."""
    pytest.importorskip("cryptography")
    backup = Backup(tmp_path, **FORMATS["encrypted"])
    for name in ("run.log.age", "uploads.facts.json.age"):
        before = rewrite(backup, name, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
        assert (backup.damaged("hashes"), backup.damaged("data")) == ([], [name])
        put_back(before)
    name = "uploads.facts.json.age"
    other = backup.path("database.facts.json.age").read_bytes()
    assert len(other) != backup.path(name).stat().st_size
    before = rewrite(backup, name, lambda data: data.replace(b"X25519 ", b"x25519 "))
    assert backup.damaged("data") == [name]
    put_back(before)
    assert backup.damaged() == []


# --- increments


@pytest.fixture
def increment(tmp_path, monkeypatch):
    """An incremental backup whose entries lie partly in the full one before it."""
    folder = tmp_path / "app"
    folder.mkdir()
    rng = random.Random(SEED)
    for n in range(20):
        (folder / ("%02d" % n)).write_bytes(rng.randbytes(5000))
        os.utime(folder / ("%02d" % n), (1_600_000_000, 1_600_000_000))
    os.link(folder / "07", folder / "link")
    config = jobs.configure(tmp_path, jobs.files(folder), compression={"algorithm": "gzip"})
    # Its files count as old at once, so that the increment trusts what it knows of them.
    monkeypatch.setattr("_engine.archive.entry._YOUNG", -(1 << 62))
    full = jobs.take(config).id
    (folder / "03").write_bytes(rng.randbytes(7000))
    return config, full, jobs.take(config, kind="incremental").id


def damage_of(config, backup_id, level="data"):
    return {b.id: [d.object for d in b.damaged] for b in verify(config, [], [backup_id], level=level).backups}


def test_an_increment_is_verified_with_what_it_refers_to(increment):
    config, full, incremental = increment
    manifest = json.loads(jobs.backup_folder(config, incremental).with_name(incremental + ".json").read_bytes())
    assert [r["id"] for r in manifest["references"]] == [full]
    for level in LEVELS:
        assert verify(config, level=level).outcome == "success"
    frames = jobs.backup_folder(config, full) / "files.frames.json"
    with changed(frames, None):
        assert damage_of(config, incremental) == {incremental: [full + ".json"]}
        assert damage_of(config, full) == {full: ["files.frames.json"]}
    older = jobs.backup_folder(config, full).with_name(full + ".json")
    with changed(older, next(flips(older.read_bytes(), random.Random(SEED), 1))):
        assert damage_of(config, incremental) == {incremental: [full + ".json"]}
    with changed(older, None):
        assert damage_of(config, incremental) == {incremental: [full + ".json"]}
