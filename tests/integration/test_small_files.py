# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick way of plain small files leaves what the way of all others leaves, byte for byte."""

from __future__ import annotations

import os
import random

import jobs
import pytest

from _engine.archive.tar import TarWriter
from _engine.archive.tree_writer import TreeWriter

OLD = 1_500_000_000_123_456_789


@pytest.fixture
def tree(tmp_path):
    rng = random.Random(5)
    folder = tmp_path / "tree"
    deep = folder.joinpath("d" * 90, "e" * 90)
    deep.mkdir(parents=True)
    sizes = {"plain": 5000, "block": 512, "one": 1, "empty": 0, "limit": 1 << 20, "large": (1 << 20) + 1, "larger": 9 << 20}
    names = [
        *sizes,
        "b'quote\"",
        "back\\slash",
        "new\nline",
        "\u00e9t\u00e9",
        "linked",
        "n" * 101,
        "n" * 200,
        "ancient",
        "future",
    ]
    for name in names:
        for place in (folder, deep):
            path = place / name
            path.write_bytes(rng.randbytes(sizes.get(name, 3000)))
            path.chmod(rng.choice((0o600, 0o644, 0o4755)))
            os.utime(path, ns=(OLD, {"ancient": -5_000_000_000, "future": 9_000_000_000_000_000_000}.get(name, OLD)))
    (folder / os.fsdecode(b"not-\xff-utf8")).write_bytes(b"x")
    os.link(folder / "linked", folder / "linked too")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("plain")
    with open(folder / "hole", "wb") as file:
        file.write(b"a")
        file.truncate(600_000)
    (folder / "labelled").write_bytes(b"labelled")
    os.setxattr(folder / "labelled", "user.label", b"yes")
    for n in range(300):
        (folder / "folder" / ("%03d" % n)).write_bytes(rng.randbytes(rng.randrange(20_000)))
    return folder


def written(tmp_path, tree):
    """The bytes of the archive and the lines of the index, without the id and what depends on the moment."""
    config = jobs.configure(tmp_path, jobs.files(tree), compression={"algorithm": "none"})
    result = jobs.take(config)
    folder = jobs.backup_folder(config, result.id)
    lines = (folder / "files.index").read_bytes().replace(result.id.encode(), b"ID").split(b"\n")
    facts = result.components[0]
    return (folder / "files.tar").read_bytes(), lines[:-2], (facts.entries, facts.bytes, facts.facts)


def test_the_quick_way_leaves_the_same(tmp_path, tree, monkeypatch):
    # Nothing is young, whenever it was looked at.
    monkeypatch.setattr("_engine.archive.entry._YOUNG", -(1 << 62))
    quick = written(tmp_path / "quick", tree)
    monkeypatch.setattr(TarWriter, "put_plain", TreeWriter.put_plain)
    slow = written(tmp_path / "slow", tree)
    assert quick[2] == slow[2]
    assert quick[1] == slow[1]
    assert quick[0] == slow[0]


def test_young_files_are_marked(tmp_path, tree):
    lines = written(tmp_path, tree)[1]
    assert {line.endswith(b',"young":true}') for line in lines[1:] if b'"type":"file"' in line} == {True}
