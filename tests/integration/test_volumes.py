# SPDX-License-Identifier: GPL-3.0-or-later
"""Components split into numbered volumes: stock tools join them, every kind of backup restores from them."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import tarfile
import typing as t
import zipfile
from pathlib import Path

import jobs
import pytest
import trees

from _engine.age.keys import keygen
from _engine.archive.codec import codec
from _engine.errors import ConfigurationError
from _engine.job import Config
from _engine.keyring import open_keyring
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify

SIZE = 1 << 20
SHAPES: t.Dict[str, t.Dict[str, t.Any]] = {
    "zstd": {},
    "gzip": {"compression": {"algorithm": "gzip", "level": 1}},
    "none": {"compression": {"algorithm": "none"}},
    "zip": {"format": "zip"},
    "zip-stored": {"format": "zip", "compression": {"algorithm": "none"}},
}


def make(folder: Path) -> Path:
    """A tree of some MiB: small files, and large ones that compress and that do not."""
    root = Path(trees.make_tree(folder / "tree", 7, odd=False))
    rng = random.Random(7)
    (root / "picture").write_bytes(rng.randbytes(5 << 20))
    (root / "log").write_bytes(b"the same again\n" * 500_000)
    for n in range(40):
        (root / ("part%02d" % n)).write_bytes(rng.randbytes(30_000 + n))
    return root


def volumes(config: Config, backup_id: t.Optional[str], component: str = "files") -> t.List[Path]:
    """The volumes of a component, in the order of the manifest."""
    folder = jobs.backup_folder(config, backup_id)
    manifest = json.loads(Path(str(folder) + ".json").read_bytes())
    (found,) = (c for c in manifest["components"] if c["name"] == component)
    return [folder / v["name"] for v in found["volumes"]]


def restored(config: Config, backup_id: t.Optional[str], to: Path, **request: t.Any) -> trees.Snapshot:
    result = restore(config, "app", RestoreRequest(backup=backup_id or "", to=str(to), set_ids=True, **request))
    assert result.error is None, result.error
    (source,) = config.jobs[0].sources
    return trees.snapshot(os.path.join(to, source.options["paths"][0].lstrip("/")))


@pytest.mark.parametrize("shape", SHAPES)
def test_volumes_joined_are_a_standard_file(tmp_path: Path, shape: str) -> None:
    root = make(tmp_path)
    config = jobs.split(jobs.configure(tmp_path, jobs.files(root), **SHAPES[shape]), SIZE)
    result = jobs.take(config)
    parts = volumes(config, result.id)
    ending = {"zstd": "tar.zst", "gzip": "tar.gz", "none": "tar"}.get(shape, "zip")
    assert len(parts) > 3
    assert [p.name for p in parts] == ["files.%04d.%s" % (n, ending) for n in range(1, len(parts) + 1)]
    joined = b"".join(p.read_bytes() for p in parts)
    if ending == "zip":
        with zipfile.ZipFile(io.BytesIO(joined)) as archive:
            assert archive.testzip() is None
            assert archive.read(str(root / "picture").lstrip("/")) == (root / "picture").read_bytes()
    else:
        tools = {"zstd": ["zstd", "-dc"], "gzip": ["gzip", "-dc"], "none": ["cat"]}
        tar = subprocess.run(tools[shape], input=joined, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(tar)) as tree:
            content = tree.extractfile(str(root / "picture").lstrip("/"))
            assert content is not None and content.read() == (root / "picture").read_bytes()
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=parts[0].parent, check=True)
    before = trees.snapshot(root)
    assert trees.differences(before, restored(config, result.id, tmp_path / "out")) == []
    assert verify(config, ["app"], level="data").outcome == "success"
    assert result.components[0].stored == sum(p.stat().st_size for p in parts)


def test_no_volume_is_larger_than_asked_for(tmp_path: Path) -> None:
    """With the smallest size that the option allows, encrypted, and a frame that would just not fit."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "noise").write_bytes(random.Random(1).randbytes(25 << 20))
    config = jobs.configure(
        tmp_path, jobs.files(root), volume_size="8MiB", encryption={"recipients": [keygen()[1] for _ in range(20)]}
    )
    parts = volumes(config, jobs.take(config).id)
    assert len(parts) > 3
    assert all(p.stat().st_size <= 8 << 20 for p in parts)


def test_a_component_that_fits_is_numbered_too(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    config = jobs.configure(tmp_path, jobs.files(tmp_path / "tree"), volume_size="1GiB", format="zip")
    (part,) = volumes(config, jobs.take(config).id)
    assert part.name == "files.0001.zip"


def test_too_small_a_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="volume_size: must be at least 8388608, not 1MiB"):
        jobs.configure(tmp_path, jobs.files(tmp_path), volume_size="1MiB")
    with pytest.raises(ConfigurationError, match="volume_size: must be at least 8388608, not 0"):
        jobs.configure(tmp_path, jobs.files(tmp_path), volume_size=0)


@pytest.mark.parametrize("shape", ["zstd", "zip"])
def test_each_encrypted_volume_is_an_age_file_of_its_own(tmp_path: Path, shape: str) -> None:
    root = make(tmp_path)
    identity, recipient = keygen()
    (tmp_path / "identity").write_text(identity)
    encryption = {"recipients": [recipient]}
    config = jobs.split(jobs.configure(tmp_path, jobs.files(root), encryption=encryption, **SHAPES[shape]), SIZE)
    result = jobs.take(config)
    parts = volumes(config, result.id)
    manifest = json.loads(Path(str(parts[0].parent) + ".json").read_bytes())
    headers = [v["header"] for c in manifest["components"] for v in c["volumes"]]
    assert len(parts) > 3 and len(set(headers)) == len(headers)
    joined = b"".join(
        subprocess.run(["age", "-d", "-i", tmp_path / "identity", p], capture_output=True, check=True).stdout for p in parts
    )
    if shape == "zip":
        with zipfile.ZipFile(io.BytesIO(joined)) as archive:
            assert archive.testzip() is None
    else:
        tar = subprocess.run(["zstd", "-dc"], input=joined, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(tar)) as tree:
            assert str(root / "picture").lstrip("/") in tree.getnames()
    keyring = open_keyring([str(tmp_path / "identity")])
    before = trees.snapshot(root)
    assert trees.differences(before, restored(config, result.id, tmp_path / "out", keyring=keyring)) == []
    assert verify(config, ["app"], level="data", keyring=keyring).outcome == "success"


@pytest.mark.usefixtures("ahead")
@pytest.mark.parametrize("sealed", [False, True])
def test_increments_name_the_volumes_that_they_need_and_prune_keeps_them(tmp_path: Path, sealed: bool) -> None:
    root = make(tmp_path)
    identity, recipient = keygen()
    (tmp_path / "identity").write_text(identity)
    keyring = open_keyring([str(tmp_path / "identity")])
    more = {"encryption": {"recipients": [recipient]}} if sealed else {}
    config = jobs.split(jobs.configure(tmp_path, jobs.files(root), retention={"keep_last": 1}, **more), SIZE)
    full = jobs.take(config)
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in ("picture", "part17"):
            path.unlink()
    (root / "new").write_bytes(random.Random(2).randbytes(3 << 20))
    before = trees.snapshot(root)
    increment = jobs.take(config, kind="incremental")
    manifest = json.loads(Path(str(jobs.backup_folder(config, increment.id)) + ".json").read_bytes())
    (reference,) = manifest["references"]
    assert reference["id"] == full.id
    assert 0 < len(reference["volumes"]) < len(volumes(config, full.id))
    assert len(volumes(config, increment.id)) > 1
    assert prune(config, config.jobs[0]).deleted == []
    assert trees.differences(before, restored(config, increment.id, tmp_path / "out", keyring=keyring)) == []
    assert verify(config, ["app"], level="data", keyring=keyring).outcome == "success"
    # Damage to a volume that it needs is damage to it.
    (jobs.backup_folder(config, full.id) / reference["volumes"][0]).unlink()
    verified = verify(config, ["app"], [increment.id or ""], level="quick")
    assert verified.outcome == "failure"


def test_one_file_is_read_from_its_volumes_alone(tmp_path: Path) -> None:
    root = make(tmp_path)
    config = jobs.split(jobs.configure(tmp_path, jobs.files(root)), SIZE)
    result = jobs.take(config)
    table = json.loads((jobs.backup_folder(config, result.id) / "files.frames.json").read_bytes())
    entry = jobs.reader(config, result.id).find(os.fsencode(root / "part17").lstrip(b"/"))
    assert entry is not None
    ends = [sum(len(v["frames"]) for v in table["volumes"][: n + 1]) for n in range(len(table["volumes"]))]
    needed = next(n for n, end in enumerate(ends) if entry["bytes"][1] < end)
    for n, path in enumerate(volumes(config, result.id)):
        if n != needed:
            path.unlink()
    assert b"".join(jobs.reader(config, result.id).read(entry)) == (root / "part17").read_bytes()


def test_a_frame_that_begins_a_volume_is_at_its_beginning(tmp_path: Path) -> None:
    root = make(tmp_path)
    config = jobs.split(jobs.configure(tmp_path, jobs.files(root)), SIZE)
    result = jobs.take(config)
    folder = jobs.backup_folder(config, result.id)
    table = json.loads((folder / "files.frames.json").read_bytes())
    for volume in table["volumes"]:
        data = (folder / volume["name"]).read_bytes()
        position = 0
        for offset, stored, raw in volume["frames"]:
            assert offset == position
            assert len(codec("zstd").decompress(data[offset : offset + stored], raw)) == raw
            position += stored
        assert position == len(data)
