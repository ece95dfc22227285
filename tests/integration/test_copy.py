# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups: byte by byte what was stored, with all that they need, never half of one, never of what is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import jobs
import pytest
import trees
from playing import Ansible

from _engine.age.keys import keygen
from _engine.errors import StoreUnavailableError
from _engine.job import parse_config
from _engine.operations.backup import backup
from _engine.operations.copy import copy
from _engine.operations.marking import mark_backup
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify
from _engine.stores.local import LocalStore


class Scene:
    """A job that writes to the store ``disk``; its other store ``far`` was away until now."""

    def __init__(self, folder: Path, **job):
        self.folder = folder
        self.tree = folder / "tree"
        trees.make_tree(self.tree, seed=1, entries=30, odd=False)
        description = jobs.describe(folder, jobs.files(self.tree), **job)
        self.alone = parse_config(description)
        description["stores"].append({"name": "far", "local": {"path": str(folder / "far")}})
        description["jobs"][0]["stores"] = ["disk", "far"]
        self.both = parse_config(description)
        self.description = description

    def take(self, kind="full", change=True):
        if change:
            (self.tree / "changing").write_bytes(b"x" * (1 + len(list(self.stored()))))
        result = backup(self.alone, self.alone.jobs[0], kind=kind)
        assert result.error is None, result.error
        return result.id

    def stored(self, store="store"):
        return sorted((self.folder / store).rglob("*"))

    def content(self, store):
        base = self.folder / store
        return {str(p.relative_to(base)): p.read_bytes() for p in base.rglob("*") if p.is_file()}

    def lose(self):
        shutil.rmtree(self.folder / "store")
        (self.folder / "store").mkdir()


@pytest.fixture
def scene(tmp_path, ahead):
    return Scene(tmp_path)


def test_a_chain_is_copied_whole_and_once(scene):
    ids = [scene.take(), scene.take("incremental"), scene.take("incremental")]
    mark_backup(scene.alone, "pin", ids[0])
    first = copy(scene.both, "app")
    assert first.error is None
    assert [(c.id, c.from_store, c.to_store) for c in first.copied] == [(i, "disk", "far") for i in (ids[0], ids[2])]
    assert copy(scene.both, "app", everything=True).copied[0].id == ids[1]
    assert scene.content("far") == scene.content("store")
    again = copy(scene.both, "app")
    assert (again.copied, again.sent, again.changed) == ([], 0, False)
    assert verify(scene.both, store="far").outcome == "success"
    scene.lose()
    restored = restore(scene.both, "app", RestoreRequest(to=str(scene.folder / "back"), confirm=True))
    assert restored.error is None
    assert (scene.folder / "back" / str(scene.tree).lstrip("/") / "changing").read_bytes() == (
        scene.tree / "changing"
    ).read_bytes()


def test_all_of_them(scene):
    ids = [scene.take(), scene.take(), scene.take()]
    planned = copy(scene.both, "app", everything=True, dry_run=True)
    assert [c.id for c in planned.copied] == ids
    assert not (scene.folder / "far").exists()
    assert [c.id for c in copy(scene.both, "app", [ids[1]]).copied] == [ids[1]]
    assert [c.id for c in copy(scene.both, "app", everything=True).copied] == [ids[0], ids[2]]


@pytest.mark.parametrize("rules", [{"keep_last": 1}, {"keep_daily": 1}, {"keep_within": "1d", "keep_last": 1}])
def test_what_was_pruned_is_not_copied_again(scene, rules):
    """Each store by its own rules: the first keeps everything, the second is small."""
    ids = [scene.take(), scene.take("incremental"), scene.take(), scene.take("incremental")]
    copy(scene.both, "app", everything=True)
    (scene.description["stores"][1])["retention"] = rules
    small = parse_config(scene.description)
    gone = prune(small, small.jobs[0]).deleted
    for result in (copy(small, "app", everything=True), copy(small, "app", everything=True, dry_run=True)):
        assert (result.error, result.copied) == (None, [])
        assert [left.id for left in result.left_out] == gone and all(left.reasons for left in result.left_out)
    # A fresh store gets at once what it would keep, with what that needs, and prune has nothing to do there.
    shutil.rmtree(scene.folder / "far")
    fresh = copy(small, "app", everything=True)
    assert [c.id for c in fresh.copied] == [i for i in ids if i not in gone]
    assert prune(small, small.jobs[0]).deleted == []
    # What is named is meant, and a plain folder has no rules.
    assert ids[0] not in gone or [c.id for c in copy(small, "app", [ids[0]]).copied] == [ids[0]]
    (scene.folder / "disk").mkdir()
    assert [c.id for c in copy(small, "app", everything=True, to_dir=str(scene.folder / "disk")).copied] == ids


def test_what_is_there_already_asks_little(scene, monkeypatch):
    """Of each copy its manifest and one listing tell enough; the store that it came from is listed once."""
    ids = [scene.take(), scene.take("incremental"), scene.take()]
    mark_backup(scene.alone, "pin", ids[0])
    assert copy(scene.both, "app", everything=True).error is None
    asked = []
    for what in ("open", "list"):
        real = getattr(LocalStore, what)
        monkeypatch.setattr(
            LocalStore, what, lambda s, key, *more, real=real: asked.append("%s %s" % (s.name, key)) or real(s, key, *more)
        )
    assert copy(scene.both, "app", everything=True, to_stores=["far"]).copied == []
    looked = ["far web1/app/%s%s" % (i, ending) for i in ids for ending in ("", ".json")]
    assert sorted(asked) == ["disk web1/app", "far web1/app", *sorted(looked)]


def test_a_mark_that_came_later_is_copied_later(scene):
    taken = scene.take()
    copy(scene.both, "app")
    mark_backup(scene.alone, "pin", taken)
    copy(scene.both, "app")
    assert scene.content("far") == scene.content("store")


def test_an_encrypted_signed_backup_needs_no_key(tmp_path):
    _text, recipient = keygen()
    scene = Scene(tmp_path, encryption={"recipients": [recipient]})
    scene.take()
    assert copy(scene.both, "app").error is None
    assert scene.content("far") == scene.content("store")


def test_to_a_plain_folder(scene):
    taken = scene.take()
    disk = scene.folder / "external"
    disk.mkdir()
    result = copy(scene.alone, "app", to_dir=str(disk))
    assert [c.to_store for c in result.copied] == ["folder"]
    assert scene.content("external") == scene.content("store")
    assert verify(None, from_dir=str(disk / "web1" / "app")).backups[0].id == taken


def test_what_is_damaged_is_not_copied(scene):
    good, bad = scene.take(), scene.take()
    volume = next((scene.folder / "store" / "web1" / "app" / bad).glob("files.tar*"))
    data = bytearray(volume.read_bytes())
    data[100] ^= 1
    volume.write_bytes(data)
    result = copy(scene.both, "app", everything=True)
    assert [(c.id, c.outcome) for c in result.copied] == [(good, "success"), (bad, "failure")]
    assert result.error["code"] == "integrity"
    assert volume.name in result.error["message"]
    assert [p.name for p in (scene.folder / "far" / "web1" / "app").glob("*.json")] == [good + ".json"]


def test_an_interrupted_copy_goes_on_where_it_was(scene, monkeypatch):
    taken = scene.take()
    wrote = []
    real = LocalStore.put

    def put(self, key):
        if self.name == "far":
            if len(wrote) == 3:
                raise KeyboardInterrupt
            wrote.append(key)
        return real(self, key)

    monkeypatch.setattr(LocalStore, "put", put)
    with pytest.raises(KeyboardInterrupt):
        copy(scene.both, "app")
    monkeypatch.undo()
    assert not list((scene.folder / "far" / "web1" / "app").glob("*.json"))
    # One of those that came is damaged meanwhile: it is noticed, and sent again.
    (scene.folder / "far" / wrote[0]).write_bytes(b"x" * (scene.folder / "far" / wrote[0]).stat().st_size)
    result = copy(scene.both, "app")
    assert scene.content("far") == scene.content("store")
    assert 0 < result.sent < sum(map(len, scene.content("store").values()))
    assert [c.id for c in result.copied] == [taken]


def test_a_store_that_fails_for_a_moment_is_tried_again(scene, monkeypatch):
    scene.take()
    failed = []
    real = LocalStore.put

    def put(self, key):
        if self.name == "far" and len(failed) < 2:
            failed.append(key)
            raise StoreUnavailableError("store far: not now")
        return real(self, key)

    monkeypatch.setattr(LocalStore, "put", put)
    monkeypatch.setattr("_engine.copying._PAUSE", 0)
    assert copy(scene.both, "app").error is None
    assert scene.content("far") == scene.content("store")


def test_what_a_copy_lacks_is_completed(scene):
    taken = scene.take()
    copy(scene.both, "app")
    lost = next((scene.folder / "far" / "web1" / "app" / taken).glob("files.index*"))
    lost.unlink()
    result = copy(scene.both, "app")
    assert [c.id for c in result.copied] == [taken]
    assert scene.content("far") == scene.content("store")


def test_another_backup_of_that_id_is_left_alone(scene):
    taken = scene.take()
    copy(scene.both, "app")
    manifest = scene.folder / "far" / "web1" / "app" / (taken + ".json")
    lost = next((scene.folder / "far" / "web1" / "app" / taken).glob("files.index*"))
    lost.unlink()
    manifest.write_bytes(b"something else")
    before = scene.content("far")
    assert copy(scene.both, "app").error is not None
    assert scene.content("far") == before


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"to_dir": "relative"}, "not absolute"),
        ({"to_dir": "/x", "to_stores": ["far"]}, "not both"),
        ({"from_store": "far", "to_stores": ["far"]}, "no other store"),
        ({"from_store": "nowhere"}, "there is no store 'nowhere'"),
        ({"backups": ["2020"], "everything": True}, "name none"),
        ({"backups": ["2020"]}, "there is no backup 2020"),
    ],
)
def test_wrong_requests(scene, options, problem):
    scene.take()
    result = copy(scene.both, "app", **options)
    assert problem in result.error["message"]


def test_module_and_playbooks(tmp_path):
    scene = Scene(tmp_path)
    taken = scene.take()
    ansible = Ansible(tmp_path / "ansible")
    options = {
        "host": "web1", "state_dir": str(tmp_path / "state"),
        "stores": [{"name": n, "local": {"path": str(tmp_path / p)}} for n, p in (("disk", "store"), ("far", "far"))],
        "job": {"name": "app", "sources": [jobs.files(scene.tree)], "stores": ["disk", "far"]},
    }  # fmt: skip
    task = {"fleet.backup.copy_backup": {**options, "all": True}}
    planned, done, again = ansible.tasks({**task, "check_mode": True}, task, task)
    assert [a["changed"] for a in (planned, done, again)] == [True, True, False]
    assert [c["id"] for c in done["copy_backup"]["copied"]] == [taken]
    assert scene.content("far") == scene.content("store")
