# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed large files of a tree: stored as what has changed, restored byte by byte; in full where that cannot be."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import typing as t
from pathlib import Path

import jobs
import pytest
import trees
from ssh_servers import Sshd

from _engine.age.keys import keygen
from _engine.archive.codec import zstd_module
from _engine.job import Config, parse_config
from _engine.keyring import Keyring, open_keyring
from _engine.manifest import Component
from _engine.operations.backup_result import BackupResult
from _engine.operations.cat import cat
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.unwrap import unwrap
from _engine.operations.verify import verify
from _engine.stores import Readable
from _engine.stores.sftp import SftpStore

pytestmark = [
    pytest.mark.skipif(zstd_module() is None, reason="deltas need backports.zstd"),
    pytest.mark.usefixtures("ahead"),
]

MIB = 1 << 20


class Tree:
    """A folder with a small file and a large one of noise, which is changed and backed up by a job of its own."""

    def __init__(self, folder: Path, size: int = 3 * MIB) -> None:
        self.folder = folder
        self.root = folder / "tree"
        self.root.mkdir()
        self.large = self.root / "large"
        self.rng = random.Random(size)
        self.large.write_bytes(self.rng.randbytes(size))
        (self.root / "small").write_text("small")
        (self.root / "x").write_text("after it")

    def configure(self, **job: t.Any) -> Config:
        return jobs.configure(self.folder, jobs.files(self.root), **{"delta_from": "1MiB", **job})

    def change(self, places: int = 5, length: int = 1000) -> None:
        """Overwrite as many runs of bytes, in place."""
        with open(self.large, "r+b") as file:
            for _ in range(places):
                file.seek(self.rng.randrange(self.large.stat().st_size - length))
                file.write(self.rng.randbytes(length))

    def insert(self, data: bytes) -> None:
        self.large.write_bytes(data + self.large.read_bytes())


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


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


def take(config: Config, kind: str = "incremental") -> BackupResult:
    result = jobs.take(config, kind=kind)
    assert result.outcome == "success", result.warnings
    return result


def component(config: Config, result: BackupResult) -> Component:
    return jobs.catalog(config).manifest(result.id or "").components[0]


def check(config: Config, result: BackupResult, tree: Tree, keyring: t.Optional[Keyring] = None, name: str = "out") -> None:
    """A backup must restore the tree as it is now."""
    out = tree.folder / (name + (result.id or ""))
    request = RestoreRequest(backup=result.id or "", to=str(out), set_ids=True, keyring=keyring or Keyring())
    restored = restore(config, "app", request)
    assert restored.error is None, restored.error
    assert trees.differences(trees.snapshot(tree.root), trees.snapshot(out / str(tree.root).lstrip("/"))) == []


def test_a_change_costs_its_size(tmp_path: Path) -> None:
    tree = Tree(tmp_path, 64 * MIB)
    config = tree.configure(delta_from="16MiB")
    full = take(config)
    assert full.kind == "full" and full.stored > 64 * MIB
    tree.change(80, 4096)  # 0.5 %
    second = take(config)
    assert second.stored < 430_000 and second.bytes == full.bytes
    tree.insert(b"a new head" * 100)
    third = take(config)
    assert third.stored < 440_000
    check(config, third, tree)
    print("64 MiB, 0.5 %% in place: %d bytes; and an insertion at the head: %d" % (second.stored, third.stored))


def test_a_delta_of_a_delta_is_one_of_the_same_bytes(tree: Tree) -> None:
    config = tree.configure()
    full = take(config)
    for _ in range(3):
        tree.change()
        again = take(config)
    deltas = component(config, again).deltas
    assert deltas is not None and deltas.bases == [full.id]
    references = jobs.catalog(config).manifest(again.id or "").references
    # The unchanged small files and the base of the large one lie in the same volume.
    assert [(r["id"], r["volumes"]) for r in references] == [(full.id, ["files.tar.zst"])]
    check(config, again, tree)


def test_an_unchanged_delta_is_referred_to(tree: Tree) -> None:
    config = tree.configure()
    full = take(config)
    tree.change()
    delta = take(config)
    tree.large.chmod(0o600)
    (tree.root / "new").write_text("new")
    last = take(config)
    assert last.stored < 2000 and component(config, last).deltas is None
    references = {r["id"]: r["volumes"] for r in jobs.catalog(config).manifest(last.id or "").references}
    assert references == {full.id: ["files.tar.zst"], delta.id: ["files.files.zst-delta"]}
    check(config, last, tree)
    assert prune(config, config.jobs[0]).deleted == []
    once_more = take(config)
    assert once_more.stored < 2000
    check(config, once_more, tree)


def test_prune_keeps_what_deltas_need(tree: Tree) -> None:
    config = tree.configure(retention={"keep_last": 1})
    full = take(config)
    dropped = []
    for _ in range(3):
        tree.change()
        dropped.append(take(config).id)
    last = dropped.pop()
    assert sorted(prune(config, config.jobs[0]).deleted) == dropped
    assert verify(config).outcome == "success"
    assert [b for b in jobs.catalog(config).scan().complete] == [full.id, last]


def test_a_delta_that_has_grown_too_large_is_the_last(tree: Tree) -> None:
    config = tree.configure()
    take(config)
    tree.change(4, 300_000)
    assert take(config).stored > MIB
    tree.change(1, 10)
    full_again = take(config)
    assert full_again.stored > 3 * MIB and component(config, full_again).deltas is None
    tree.change(1, 10)
    delta = take(config)
    assert delta.stored < 20_000
    deltas = component(config, delta).deltas
    assert deltas is not None and deltas.bases == [full_again.id]
    check(config, delta, tree)


@pytest.mark.parametrize(
    "job", [{"format": "zip"}, {"compression": {"algorithm": "gzip"}}, {"delta_cache": 0}, {"delta_from": "4MiB"}], ids=str
)
def test_where_there_are_no_deltas(tree: Tree, job: t.Dict[str, t.Any]) -> None:
    config = tree.configure(**job)
    take(config)
    tree.change()
    result = take(config)
    assert result.stored > 3 * MIB and component(config, result).deltas is None
    check(config, result, tree)


def test_hard_links_to_a_changed_file(tree: Tree) -> None:
    os.link(tree.large, tree.root / "again")
    config = tree.configure()
    take(config)
    tree.change()
    second = take(config)
    assert second.stored < 30_000
    check(config, second, tree)
    assert verify(config).outcome == "success"
    check(config, take(config), tree)
    (tree.root / "again").unlink()
    tree.change()
    check(config, take(config), tree)


def test_a_sparse_file(tree: Tree) -> None:
    trees.make_sparse(tree.large, [(0, tree.rng.randbytes(2 * MIB)), (20 * MIB, tree.rng.randbytes(MIB))], 64 * MIB)
    config = tree.configure()
    take(config)
    with open(tree.large, "r+b") as file:
        file.write(b"changed")
        file.seek(40 * MIB)
        file.write(tree.rng.randbytes(5000))
    for _ in range(2):
        result = take(config)
        assert result.stored < 40_000
        check(config, result, tree)
        tree.large.touch()
    assert verify(config).outcome == "success"


def test_volumes_of_a_limited_size(tree: Tree) -> None:
    config = jobs.split(tree.configure(), 300_000)
    take(config)
    tree.change(100, 7000)
    result = take(config)
    deltas = component(config, result).deltas
    assert deltas is not None
    assert [volume.name for volume in deltas.volumes] == ["files.0001.files.zst-delta", "files.0002.files.zst-delta"]
    check(config, result, tree)
    assert verify(config).outcome == "success"


def test_an_encrypted_job_keeps_the_large_files_itself(tree: Tree, keys: Keys) -> None:
    config = tree.configure(**keys.job)
    take(config)
    for _ in range(2):
        tree.change()
        result = take(config)
        assert result.stored < 40_000
        check(config, result, tree, keys.ring)
    assert verify(config, keyring=keys.ring).outcome == "success"
    headers = unwrap(config, result.id or "", keyring=keys.ring).headers
    assert any(place.endswith("files.files.zst-delta.age") for place in headers)
    cache = tree.folder / "state" / "cache" / "app"
    (base,) = cache.glob("*.base")
    assert 3 * MIB <= base.stat().st_size < 4 * MIB and base.stat().st_mode & 0o077 == 0
    # What was spoilt or lost costs a file in full, and is made anew by it.
    data = bytearray(base.read_bytes())
    data[MIB] ^= 1
    base.write_bytes(data)
    tree.change()
    spoilt = jobs.take(config, kind="incremental")
    assert [w.code for w in spoilt.warnings] == ["base-unreadable"] and spoilt.stored > 3 * MIB
    check(config, spoilt, tree, keys.ring)
    tree.change()
    assert take(config).stored < 40_000


def test_the_copies_of_large_files_are_limited(tree: Tree, keys: Keys) -> None:
    (tree.root / "larger").write_bytes(tree.rng.randbytes(20 * MIB))
    config = tree.configure(delta_cache="14MiB", **keys.job)
    take(config)
    (base,) = (tree.folder / "state" / "cache" / "app").glob("*.base")
    assert base.stat().st_size < 14 * MIB
    tree.change()
    assert take(config).stored < 40_000
    with open(tree.root / "larger", "ab") as file:
        file.write(b"more")
    result = take(config)
    assert result.stored > 20 * MIB
    check(config, result, tree, keys.ring)


def test_damage_is_found_and_named(tree: Tree) -> None:
    config = tree.configure()
    full = take(config)
    tree.change(5, 10_000)
    delta = take(config)
    volume = jobs.backup_folder(config, delta.id) / "files.files.zst-delta"
    _flip(volume, 0.5)
    result = verify(config)
    assert [(b.id, [d.object for d in b.damaged]) for b in result.backups if not b.ok] == [(delta.id, [volume.name])]
    assert [path for b in result.backups for d in b.damaged for path in d.paths] == [str(tree.large).lstrip("/")]
    _flip(volume, 0.5)
    whole = jobs.backup_folder(config, full.id) / "files.tar.zst"
    _flip(whole, 0.5)
    result = verify(config)
    damaged = {b.id: [d.object for d in b.damaged] for b in result.backups if not b.ok}
    assert damaged[full.id or ""] == ["files.tar.zst"]
    (whole.parent / "files.frames.json").unlink()
    result = verify(config, backup_ids=[delta.id or ""])
    assert [d.object for b in result.backups for d in b.damaged] == [full.id + ".json"]


def _flip(path: Path, share: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 255
    path.chmod(0o600)
    path.write_bytes(data)


def test_one_file_reads_only_what_it_needs(tree: Tree) -> None:
    config = tree.configure()
    take(config)
    tree.change()
    result = take(config)
    printed = cat(config, result.id or "", str(tree.large).lstrip("/"))
    assert b"".join(bytes(data) for data in printed.content()) == tree.large.read_bytes()
    out = tree.folder / "part"
    request = RestoreRequest(backup=result.id or "", to=str(out), include=[str(tree.large).lstrip("/")])
    assert restore(config, "app", request).error is None
    assert (out / str(tree.large).lstrip("/")).read_bytes() == tree.large.read_bytes()
    sampled = verify(config, sample=0.3)
    assert sampled.outcome == "success"


def on_one_store(tree: Tree, store: t.Dict[str, t.Any], **job: t.Any) -> Config:
    described = jobs.describe(tree.folder, jobs.files(tree.root), **{"delta_from": "1MiB", **job})
    described["stores"] = [{"name": "disk", **store}]
    return parse_config(described)


def test_on_a_store_far_away(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the host's own copy of the older bytes is lost, they are read from there; a small file by its ranges alone."""
    with contextlib.closing(Sshd()) as server:
        config = on_one_store(tree, {"sftp": server.options(server.data / "one")})
        take(config)
        for _ in range(2):
            tree.change()
            result = take(config)
            assert result.stored < 40_000
            check(config, result, tree)
            for base in (tree.folder / "state" / "cache" / "app").glob("*.base"):
                base.unlink()
        assert verify(config).outcome == "success"
        asked: t.List[t.Optional[int]] = []
        reading = SftpStore.open

        def spy(store: SftpStore, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
            if ".tar.zst" in key:
                asked.append(size)
            return reading(store, key, offset, size)

        monkeypatch.setattr(SftpStore, "open", spy)
        printed = cat(config, result.id or "", str(tree.root / "x").lstrip("/"))
        assert b"".join(bytes(data) for data in printed.content()) == b"after it"
        assert asked and all(asked) and sum(size or 0 for size in asked) < 2 * MIB


def test_on_a_store_that_may_only_be_written_to(tree: Tree) -> None:
    """The older bytes are the host's own copy, or none."""
    config = on_one_store(tree, {"local": {"path": str(tree.folder / "store")}, "write_only": True})
    reading = on_one_store(tree, {"local": {"path": str(tree.folder / "store")}})
    take(config)
    tree.change()
    delta = take(config)
    assert delta.stored < 40_000
    check(reading, delta, tree)
    (base,) = (tree.folder / "state" / "cache" / "app").glob("*.base")
    base.unlink()
    tree.change()
    whole = take(config)
    assert whole.kind == "incremental" and whole.stored > 3 * MIB
    check(reading, whole, tree)
    assert verify(reading).outcome == "success"


@pytest.mark.parametrize("sealed", [False, True])
def test_the_commands_of_restore_txt(tree: Tree, sealed: bool) -> None:
    identity, recipient = keygen()
    (tree.folder / "identity").write_text(identity)
    (tree.root / "sparse").touch()
    trees.make_sparse(tree.root / "sparse", [(0, tree.rng.randbytes(2 * MIB))], 9 * MIB)
    config = jobs.split(tree.configure(**({"encryption": {"recipients": [recipient]}} if sealed else {})), 500_000)
    full = take(config)
    tree.change(400, 1000)
    tree.large.chmod(0o604)
    with open(tree.root / "sparse", "r+b") as file:
        file.write(b"changed")
    delta = take(config)
    (tree.root / "later").write_bytes(b"the deltas lie in the increment before")
    for taken in (delta, take(config)):
        assert full.id
        _restores_by_hand(tree, jobs.backup_folder(config, taken.id), full.id)


def _restores_by_hand(tree: Tree, folder: Path, needed: str) -> None:
    text = (folder / "RESTORE.txt").read_text()
    assert needed in text
    commands = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    path = "%s:%s" % (Path(sys.executable).parent, os.environ["PATH"])
    script = "set -eu\n" + "\n".join(commands) + "\n"
    surroundings = {"PATH": path, "IDENTITY": str(tree.folder / "identity")}
    ran = subprocess.run(["sh"], input=script.encode(), cwd=folder, env=surroundings, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert os.listdir(folder / "restored") == ["files"]
    after = trees.snapshot(folder / "restored" / "files" / str(tree.root).lstrip("/"))
    before = trees.snapshot(tree.root)
    for name in (b"large", b"sparse"):
        assert (after[name].content, after[name].mode, after[name].mtime_ns) == (
            before[name].content, before[name].mode, before[name].mtime_ns,
        )  # fmt: skip
