# SPDX-License-Identifier: GPL-3.0-or-later
"""A little out of a lot: one file, what matches a pattern, what differs; and how little is read for it."""

from __future__ import annotations

import json
import os
import random
import typing as t
from pathlib import Path

import command
import jobs
import pytest

from _engine.age.keys import keygen
from _engine.job import Config
from _engine.keyring import Keyring, open_keyring
from _engine.operations.cat import cat
from _engine.operations.diff import diff
from _engine.operations.find import find
from _engine.operations.show import show
from _engine.stores.local import LocalStore


class Host(t.NamedTuple):
    config: Config
    tree: Path
    keyring: t.Optional[Keyring]

    def take(self, **options: t.Any) -> str:
        return str(jobs.take(self.config, **options).id)

    def place(self, name: str) -> str:
        """A path in the archive."""
        return str(self.tree / name).lstrip("/")


@pytest.fixture(params=["plain", "encrypted", "zip"])
def host(request, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    job: t.Dict[str, t.Any] = {"format": "zip"} if request.param == "zip" else {}
    keyring = None
    if request.param == "encrypted":
        text, recipient = keygen()
        (tmp_path / "key").write_text(text)
        job["encryption"] = {"recipients": [recipient]}
        keyring = open_keyring([str(tmp_path / "key")])
    return Host(jobs.configure(tmp_path, jobs.files(tree), **job), tree, keyring)


@pytest.fixture
def read(monkeypatch):
    """How many bytes were read of each object, by the ending of its name."""
    counts: t.Dict[str, int] = {}
    real = LocalStore.open

    def counting(self, key, offset=0, size=None):
        file = real(self, key, offset, size)
        end = key.rpartition("/")[2]

        class Counted:
            def read(self, count=-1):
                data = file.read(count)
                counts[end] = counts.get(end, 0) + len(data)
                return data

            def readinto(self, view):
                count = file.readinto(view)
                counts[end] = counts.get(end, 0) + count
                return count

            def close(self):
                file.close()

        return Counted()

    monkeypatch.setattr(LocalStore, "open", counting)
    return counts


def content(result: t.Any) -> bytes:
    return b"".join(bytes(part) for part in result.content())


class TestCat:
    def test_a_file_by_either_name(self, host):
        (host.tree / "a.txt").write_text("hello")
        host.take()
        for path in (str(host.tree / "a.txt"), host.place("a.txt")):
            result = cat(host.config, "latest", path, keyring=host.keyring)
            assert (result.error, result.component, result.size) == (None, "files", 5)
            assert content(result) == b"hello"

    def test_links_holes_and_odd_names(self, host):
        (host.tree / "a").write_bytes(b"linked")
        os.link(host.tree / "a", host.tree / "b")
        odd = os.fsdecode(b"caf\xe9\n")
        (host.tree / odd).write_bytes(b"odd")
        (host.tree / "empty").touch()
        with open(host.tree / "holes", "wb") as file:
            for place in (1 << 20, 5 << 20):
                file.seek(place)
                file.write(b"island")
            file.truncate(8 << 20)
        host.take()
        for name in ("a", "b", odd, "empty", "holes"):
            result = cat(host.config, "latest", str(host.tree / name), keyring=host.keyring)
            assert content(result) == (host.tree / name).read_bytes(), name

    def test_what_has_no_content_or_is_not_there(self, host):
        os.symlink("elsewhere", host.tree / "link")
        host.take()
        for name, told in (("", "it is a directory"), ("link", "a symbolic link to elsewhere"), ("other", "has no")):
            result = cat(host.config, "latest", str(host.tree / name), keyring=host.keyring)
            assert result.exit_code == 12 and told in result.error["message"]
        assert "its components are: files" in cat(host.config, "latest", "x", component="y").error["message"]

    def test_only_what_holds_it_is_read(self, host, read):
        rng = random.Random(3)
        for n in range(6000):
            (host.tree / ("%05d-%s" % (n, rng.randbytes(90).hex()))).write_bytes(rng.randbytes(4000))
        host.take()
        read.clear()
        result = cat(host.config, "latest", str(next(host.tree.glob("03000-*"))), keyring=host.keyring)
        assert len(content(result)) == 4000
        folder = jobs.backup_folder(host.config, show(host.config, "latest").backup["id"])
        for name, count in read.items():
            if (folder / name).exists() and "frames.json" not in name:
                # A frame of grouped files is hardly larger than 1 MiB; one of the index is 256 KiB before it is compressed. A
                # header may have 64 KiB, and chunks are decrypted whole.
                limit = (2 << 20) if ".index" not in name else (350 << 10)
                assert count < limit, (name, count)
                assert count < (folder / name).stat().st_size / 2, (name, count)

    def test_damage_is_told_after_what_can_be_read(self, host):
        (host.tree / "a").write_bytes(random.Random(1).randbytes(3 << 20))
        backup_id = host.take()
        (volume,) = [
            p for p in jobs.backup_folder(host.config, backup_id).iterdir() if ".zst" in p.name or ".zip" in p.name
            if "index" not in p.name
        ]  # fmt: skip
        data = bytearray(volume.read_bytes())
        data[2 << 20] ^= 1
        volume.write_bytes(data)
        result = cat(host.config, "latest", str(host.tree / "a"), keyring=host.keyring)
        with pytest.raises(Exception, match=volume.name.partition(".")[0]):
            content(result)


class TestFind:
    def test_newest_first_in_all_backups(self, host, read):
        (host.tree / "a.jpg").write_text("1")
        first = host.take()
        (host.tree / "b.jpg").write_text("2")
        (host.tree / "c.txt").write_text("3")
        second = host.take()
        read.clear()
        rows = list(find(host.config, "*.jpg", keyring=host.keyring).rows())
        assert [(r["backup"], r["path"].rpartition("/")[2]) for r in rows] == [
            (second, "a.jpg"), (second, "b.jpg"), (first, "a.jpg"),
        ]  # fmt: skip
        assert not [name for name in read if "index" not in name and not name.startswith((first, second))], read
        anchored = find(host.config, str(host.tree / "c.txt"), job="app", keyring=host.keyring).to_dict()
        assert [r["backup"] for r in anchored["found"]] == [second]
        assert (anchored["matches"], anchored["backups"]) == (1, 2)

    def test_nothing(self, host):
        assert find(host.config, "*", keyring=host.keyring).exit_code == 12
        host.take()
        nothing = find(host.config, "*.jpg", keyring=host.keyring).to_dict()
        assert (nothing["error"]["code"], nothing["found"]) == ("not-found", [])
        assert find(host.config, "[", keyring=host.keyring).exit_code == 2

    def test_a_damaged_index_is_passed_over(self, host):
        (host.tree / "a.jpg").write_text("1")
        first, second = host.take(), host.take()
        (index,) = jobs.backup_folder(host.config, second).glob("*.index*")
        index.write_bytes(index.read_bytes()[:-30])
        result = find(host.config, "*.jpg", keyring=host.keyring)
        assert [r["backup"] for r in result.rows()] == [first]
        assert [w.code for w in result.warnings] == ["damaged"]


class TestDiff:
    def test_every_kind_of_difference(self, host, read):
        for name in ("gone", "same", "content", "mode", "time", "kind"):
            (host.tree / name).write_text(name)
            os.utime(host.tree / name, (10**9, 10**9))
        os.utime(host.tree, (10**9, 10**9))
        first = host.take()
        (host.tree / "gone").unlink()
        (host.tree / "a-new").write_text("new")
        (host.tree / "content").write_text("CONTENT")
        (host.tree / "mode").chmod(0o600)
        os.utime(host.tree / "time", (10**9, 2 * 10**9))
        (host.tree / "kind").unlink()
        os.symlink("same", host.tree / "kind")
        for name in ("content", "kind"):
            os.utime(host.tree / name, (10**9, 10**9), follow_symlinks=False)
        os.utime(host.tree, (10**9, 10**9))
        second = host.take()
        read.clear()
        result = diff(host.config, first, "latest", keyring=host.keyring)
        found = {r["path"].rpartition("/")[2]: (r["change"], r.get("what")) for r in result.rows()}
        assert found.pop("kind")[1][:2] == ["type", "content"]
        assert found == {
            "a-new": ("added", None),
            "content": ("changed", ["content"]),
            "gone": ("removed", None),
            "mode": ("changed", ["mode"]),
            "time": ("changed", ["time"]),
        }
        assert (result.added, result.removed, result.changed_entries) == (1, 1, 4)
        assert not [name for name in read if "index" not in name and not name.startswith((first, second))], read
        json.dumps(result.to_dict())
        backwards = diff(host.config, second, first, keyring=host.keyring)
        assert sum(1 for _row in backwards.rows()) == 6
        assert (backwards.added, backwards.removed) == (1, 1)
        assert list(diff(host.config, second, second, keyring=host.keyring).rows()) == []

    def test_increments_and_what_was_not_there_before(self, tmp_path, ahead):
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "f").write_text(name)
        jobs.take(jobs.configure(tmp_path, jobs.files(tmp_path / "a", "a")))
        config = jobs.configure(tmp_path, jobs.files(tmp_path / "a", "a"), jobs.files(tmp_path / "b", "b"))
        (tmp_path / "a" / "g").write_text("g")
        both = jobs.take(config, kind="incremental").id
        ids = sorted(p.name[:-5] for p in (tmp_path / "store/web1/app").glob("*.json"))
        rows = list(diff(config, ids[0], both).rows())
        assert {(r["component"], r["change"], r["path"].rpartition("/")[2]) for r in rows} == {
            ("a", "changed", "a"), ("a", "added", "g"), ("b", "added", "b"), ("b", "added", "f"),
        }  # fmt: skip
        assert {r["change"] for r in diff(config, both, ids[0], component="b").rows()} == {"removed"}
        assert diff(config, both, "2001").exit_code == 12


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return command.build(tmp_path_factory.mktemp("agent") / "fleet-backup.pyz")


def test_the_verbs(program, tmp_path):
    fleet = command.Command(program, tmp_path)
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"\x00\xff\n")
    fleet.add_job("shop", jobs.files(folder))
    fleet("run", "shop")
    (folder / "b.txt").write_text("b")
    fleet("run", "shop")
    first, second = fleet.backups("shop")
    with open(tmp_path / "out", "wb") as out:
        fleet("cat", first, str(folder / "a.txt"), stdout=out)
    assert (tmp_path / "out").read_bytes() == b"\x00\xff\n"
    assert fleet("cat", first, "nothing", exit=12).stdout == ""
    fleet("cat", first, "a", "--json", exit=2)
    told = fleet("find", "b.txt").stdout
    assert second in told and first not in told and "app/b.txt" in told
    assert fleet.json("find", "*.txt", "shop")["matches"] == 3
    none = fleet.json("find", "*.jpg", exit=12)
    assert (none["found"], none["error"]["code"]) == ([], "not-found")
    told = fleet("diff", first, second).stdout.splitlines()
    assert told[-1] == "1 added, 0 removed, 1 changed" and any(line.startswith("+ files  ") for line in told)
    rows = fleet.json("diff", first, second)
    assert [r["change"] for r in rows["differences"]] == ["changed", "added"] and rows["outcome"] == "success"
    assert fleet("diff", first, second, "--query", "differences[?change=='added'] | length(@)").stdout == "1\n"
    assert fleet.json("show", first, "--files")["entries"][1]["path"].endswith("a.txt")
    made = fleet("keygen", str(tmp_path / "key"))
    assert "age1" in made.stdout and "SECRET" not in made.stdout
    assert fleet.json("keygen", str(tmp_path / "key"), exit=2)["error"]["code"] == "configuration"
    assert "AGE-SECRET-KEY-1" in fleet("keygen").stdout
    fleet("keygen", "--json", exit=2)


def test_json_of_a_damaged_index_is_still_one_document(program, tmp_path):
    fleet = command.Command(program, tmp_path)
    folder = tmp_path / "app"
    folder.mkdir()
    for n in range(3000):
        (folder / ("%04d-%s" % (n, "x" * 200))).touch()
    fleet.add_job("shop", jobs.files(folder), compression={"algorithm": "none"})
    fleet("run", "shop")
    (index,) = (tmp_path / "store").rglob("files.index")
    data = bytearray(index.read_bytes())
    data[300 << 10 : 301 << 10] = b'"' * 1024
    index.write_bytes(data)
    document = fleet.json("show", "latest", "--files", exit=9)
    assert 0 < len(document["entries"]) < 3000
    assert (document["outcome"], document["error"]["code"]) == ("failure", "integrity")
