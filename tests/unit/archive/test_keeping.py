# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of the index before are taken over as they are."""

from __future__ import annotations

import io
import os
import types
import typing as t
from pathlib import Path

import pytest

from _engine.archive.codec import codec
from _engine.archive.entry import state
from _engine.archive.index import IndexReader, IndexWriter
from _engine.archive.index_update import IndexUpdate
from _engine.archive.keeping import Keeper
from _engine.archive.references import References

ID, OTHER = "20261128T000000Z-full-daily-0001", "20261129T000000Z-incremental-daily-0002"
HASH = b',"sha256":"%s"}' % (b"0" * 64)
EMPTY = b',"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}'
BYTES = b',"bytes":["%s",7,512,5]' % ID.encode()
LABEL = b',"xattrs":{"security.selinux":"YQ=="}'


def _component(backup_id: str) -> t.Any:
    volumes = [types.SimpleNamespace(name="v%d" % n, frames=5) for n in range(2 if backup_id == ID else 1)]
    return types.SimpleNamespace(name="files", volumes=volumes, deltas=None)


class Tree:
    """A folder of files, and the index of an earlier backup of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: t.List[bytes] = []
        self.references = References(_component)

    def file(self, name: str, end: bytes, content: bytes = b"12345", written: str = "") -> None:
        """``written``: the name that the line has, if it is another."""
        (self.folder / name).write_bytes(content)
        self.lines.append(state(b"srv/" + os.fsencode(written or name), b"file", os.stat(self.folder / name)) + end)

    def keep(self, *names: str) -> t.Tuple[t.List[bytes], t.Optional[str], int]:
        """What is in the new index, the name that was not kept, the bytes of those that were."""
        output = io.BytesIO()
        writer = IndexWriter({}, codec("none"), output)
        for line in self.lines:
            writer.add(b"", line + b"\n")
        place = writer.close()
        before = IndexReader("i", lambda offset, size: output.getvalue()[offset : offset + size], place, codec("none"))
        new = io.BytesIO()
        update = IndexUpdate({}, codec("none"), new, before)
        fd = os.open(self.folder, os.O_RDONLY)
        left, count, size, _opened = Keeper(update, self.references).keep(b"srv/", iter([(name, name) for name in names]), fd)
        os.close(fd)
        assert count == len(names) if left is None else names[count] == left[0]
        # What is not kept can still be asked for.
        if left is not None and count < len(self.lines):
            assert update.find(b"srv/" + os.fsencode(left[0])) in (None, self.lines[count])
        place = update.close()
        return new.getvalue()[: place[0]].splitlines()[1:], left and left[0], size


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_plain_lines_are_kept_and_their_bytes_are_told(tree: Tree) -> None:
    names = ["a", "b", "c", "d", "e", "f", "é"]
    there = (BYTES + HASH, BYTES.replace(ID.encode(), OTHER.encode()) + HASH, LABEL + BYTES + HASH)
    for name, end in zip(names, (*there, *there, BYTES.replace(b"7", b"2") + HASH)):
        tree.file(name, end)
    assert tree.keep(*names) == (tree.lines, None, 35)
    assert tree.references.bytes == {ID: 25, OTHER: 10}
    assert tree.references.volumes == {ID: {"v0", "v1"}, OTHER: {"v0"}}


def test_empty_files_are_kept(tree: Tree) -> None:
    tree.file("a", EMPTY, b"")
    tree.file("b", LABEL + EMPTY, b"")
    assert tree.keep("a", "b") == (tree.lines[:1], "b", 0)


@pytest.mark.parametrize(
    "end",
    [
        HASH,
        BYTES + b',"segments":[[0,5]]' + HASH,
        b',"delta":["%s",7,512,5],"base":["%s",1,2,3,"%s"]' % (ID.encode(), ID.encode(), b"0" * 64) + HASH,
        b',"xattrs":{"user.}":"YQ=="}' + BYTES + HASH,
        BYTES + HASH[:-1] + b',"young":true}',
        BYTES + HASH[:-1] + b',"padded":2}',
    ],
)
def test_a_line_with_anything_else_in_it_is_left_alone(tree: Tree, end: bytes) -> None:
    tree.file("a", BYTES + HASH)
    tree.file("b", end)
    assert tree.keep("a", "b") == (tree.lines[:1], "b", 5)


def test_another_state_or_path_is_left_alone(tree: Tree) -> None:
    for name in ("a", "c"):
        tree.file(name, BYTES + HASH)
    (tree.folder / "b").write_bytes(b"12345")
    assert tree.keep("a", "b", "c") == (tree.lines[:1], "b", 5)
    (tree.folder / "a").write_bytes(b"123456")
    assert tree.keep("a", "c") == ([], "a", 0)
    assert tree.keep("gone", "c") == ([], "gone", 0)


def test_a_file_with_several_names_is_left_alone(tree: Tree) -> None:
    (tree.folder / "other").write_bytes(b"12345")
    os.link(tree.folder / "other", tree.folder / "a")
    tree.lines.append(state(b"srv/a", b"file", os.stat(tree.folder / "a")) + BYTES + HASH)
    assert tree.keep("a") == ([], "a", 0)


def test_a_name_that_looks_like_how_another_is_written_is_left_alone(tree: Tree) -> None:
    tree.file("a\\nb", BYTES + HASH, written="a\nb")
    assert b"srv/a\\nb" in tree.lines[0]
    assert tree.keep("a\\nb") == ([], "a\\nb", 0)
