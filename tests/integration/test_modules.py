# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules, through real plays: what they do, what they leave alone, what they say."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess

import pytest
import trees
from playing import Ansible


@pytest.fixture
def ansible(tmp_path):
    return Ansible(tmp_path / "ansible")


@pytest.fixture
def place(tmp_path):
    """An application (a tree and a database) and an empty store."""
    (tmp_path / "app").mkdir()
    trees.make_tree(tmp_path / "app" / "tree", seed=1, entries=30, odd=False)
    with contextlib.closing(sqlite3.connect(tmp_path / "app" / "app.db")) as connection, connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(100)])
    (tmp_path / "store").mkdir()
    return tmp_path


@pytest.fixture
def options(place):
    """The options that describe a job, as every module takes them."""
    return {
        "host": "here",
        "state_dir": str(place / "state"),
        "stores": [{"name": "disk", "local": {"path": str(place / "store")}}],
        "job": {
            "name": "app",
            "sources": [
                {"name": "tree", "files": {"paths": [str(place / "app" / "tree")]}},
                {"name": "database", "sqlite": {"path": str(place / "app" / "app.db")}},
            ],
            "stores": ["disk"],
            "retention": {"keep_last": 1},
        },
    }


def backup(options, **more):
    return {"fleet.backup.backup": {**options, **more}}


def info(options, **more):
    return {"fleet.backup.backup_info": {**options, **more}}


def prune(options, **more):
    return {"fleet.backup.prune": {**options, **more}}


def everything(place):
    """The state of all that a module could touch."""
    return trees.snapshot(place / "app"), trees.snapshot(place / "store"), (place / "state").exists()


def test_a_backup_is_taken_unless_there_is_a_newer_one(ansible, options):
    first, second, third = ansible.tasks(
        backup(options, unless_newer_than="1h"), backup(options, unless_newer_than="1h"), backup(options)
    )
    assert [answer["changed"] for answer in (first, second, third)] == [True, False, True]
    assert first["backup"]["outcome"] == "success"
    assert [component["name"] for component in first["backup"]["components"]] == ["tree", "database"]
    assert first["backup"]["components"][1]["facts"]["tables"] == {"numbers": 100}
    assert second["backup"]["id"] is None
    assert second["backup"]["newer"] == first["backup"]["id"]
    assert third["backup"]["id"] > first["backup"]["id"]


def test_check_mode_of_a_backup_is_a_plan_and_writes_nothing(ansible, place, options):
    before = everything(place)
    (plan,) = ansible.tasks(backup(options), options=["--check", "--diff"])
    assert everything(place) == before
    assert (plan["changed"], plan["backup"]["id"], plan["backup"]["dry_run"]) == (True, None, True)
    assert plan["backup"]["copies"][0]["outcome"] == "success"
    assert [c["entries"] for c in plan["backup"]["components"]] == [len(trees.snapshot(place / "app" / "tree")), 1]
    assert "tree (files)" in plan["diff"]["after"]


def test_check_mode_reaches_sources_and_stores(ansible, place, options):
    (place / "app" / "app.db").unlink()
    (no_source,) = ansible.tasks(backup(options), options=["--check"])
    assert (no_source["failed"], no_source["error"]["code"]) == (True, "source")
    (place / "app" / "app.db").write_bytes(b"")
    options["stores"][0]["local"]["path"] = str(place / "not" / "mounted")
    (no_store,) = ansible.tasks(backup(options), options=["--check"])
    assert (no_store["failed"], no_store["error"]["code"]) == (True, "store-unavailable")


def test_a_job_that_is_described_on_the_host(ansible, place, options):
    job_file = place / "jobs.json"
    job_file.write_text(json.dumps({**{k: v for k, v in options.items() if k != "job"}, "jobs": [options["job"]]}))
    taken, other, unnamed, listed = ansible.tasks(
        backup({"config": str(job_file)}, name="app", tag="before-upgrade"),
        backup({"config": str(job_file)}, name="ap"),
        backup({"config": str(job_file)}),
        info({"config": str(job_file)}),
    )
    assert taken["backup"]["tag"] == "before-upgrade"
    assert other["error"] == {"code": "not-found", "message": "there is no job 'ap'; the jobs are: app"}
    assert "with config, name one of its jobs: app" in unnamed["msg"]
    assert [row["id"] for row in listed["info"]["jobs"][0]["backups"]] == [taken["backup"]["id"]]


def test_wrong_options_are_told_with_their_place(ansible, options):
    relative = json.loads(json.dumps(options))
    relative["job"]["sources"][0]["files"]["paths"] = ["srv/app"]
    relative["job"]["compression"] = {"level": 20}
    misspelt = json.loads(json.dumps(options))
    misspelt["job"]["sources"][0]["files"]["exclud"] = ["*.tmp"]
    both = json.loads(json.dumps(options))
    both["job"]["sources"][0]["sqlite"] = {"path": "/x"}
    undefined = json.loads(json.dumps(options))
    undefined["job"]["stores"] = ["disk", "tape"]
    first, second, third, fourth, fifth, sixth = ansible.tasks(
        backup(relative),
        backup(misspelt),
        backup(both),
        backup(options, unless_newer_than="6"),
        backup(options, host="Not A Host"),
        backup(undefined),
    )
    assert first["error"]["code"] == "configuration"
    assert "job.sources[0].files.paths[0]: 'srv/app' is not absolute" in first["msg"]
    assert "job.compression.level: must be at most 19" in first["msg"]
    assert "job.sources.files.exclud" in second["msg"]
    assert "mutually exclusive: files|sqlite" in third["msg"] and "found in job -> sources" in third["msg"]
    assert fourth["msg"].startswith("unless_newer_than: a duration is")
    assert "host: 'Not A Host' is no valid host name" in fifth["msg"]
    assert "job.stores[1]: there is no store 'tape'" in sixth["msg"]


def test_one_backup_is_shown_with_its_entries(ansible, place, options):
    taken, shown, listed, missing = ansible.tasks(
        backup(options),
        info(options, backup="latest", entries=True, component="tree"),
        info(options),
        info(options, backup="19990101T000000Z"),
    )
    assert shown["info"]["backup"]["id"] == taken["backup"]["id"]
    assert len(shown["info"]["entries"]) == len(trees.snapshot(place / "app" / "tree"))
    assert {entry["component"] for entry in shown["info"]["entries"]} == {"tree"}
    assert listed["info"]["jobs"][0]["newest"] == taken["backup"]["id"]
    assert [answer["changed"] for answer in (shown, listed)] == [False, False]
    assert (missing["failed"], missing["error"]["code"]) == (True, "not-found")


def test_prune_plans_in_check_mode_and_then_does_it(ansible, place, options):
    taken = ansible.tasks(backup(options), backup(options), backup(options))
    ids = [answer["backup"]["id"] for answer in taken]
    before = everything(place)
    (plan,) = ansible.tasks(prune(options), options=["--check", "--diff"])
    assert everything(place) == before
    assert (plan["changed"], plan["prune"]["deleted"]) == (True, ids[:2])
    (difference,) = plan["diff"]
    assert all(backup_id in difference["before"] for backup_id in ids)
    assert [backup_id in difference["after"] for backup_id in ids] == [False, False, True]
    done, again = ansible.tasks(prune(options), prune(options))
    assert (done["changed"], done["prune"]["deleted"]) == (True, ids[:2])
    assert (again["changed"], again["prune"]["deleted"]) == (False, [])
    (listed,) = ansible.tasks(info(options))
    assert [row["id"] for row in listed["info"]["jobs"][0]["backups"]] == ids[2:]


def test_the_steps_on_their_own(ansible, place):
    folder, sums = str(place / "app" / "tree"), str(place / "SHA256SUMS")
    packed, unchanged, dumped, summed, checked = ansible.tasks(
        {"fleet.backup.archive": {"paths": [folder], "dest": str(place / "a.tar.gz")}},
        {"fleet.backup.archive": {"paths": [folder], "dest": str(place / "a.tar.gz"), "compression": {"level": 1}}},
        {"fleet.backup.database_dump": {"sqlite": {"path": str(place / "app" / "app.db")}, "dest": str(place / "copy.db")}},
        {
            "fleet.backup.checksum": {
                "paths": [str(place / "a.tar.gz"), str(place / "copy.db")],
                "sums": str(place / "SHA256SUMS"),
            }
        },
        {"fleet.backup.checksum": {"sums": sums}},
    )
    assert [a["changed"] for a in (packed, unchanged, dumped, summed, checked)] == [True, False, True, True, False]
    assert packed["archive"]["size"] == (place / "a.tar.gz").stat().st_size
    assert dumped["dump"]["facts"]["tables"] == {"numbers": 100}
    assert [found["digest"] for found in checked["checksum"]["files"]] == [
        found["digest"] for found in summed["checksum"]["files"]
    ]
    (place / "copy.db").write_text("damaged")
    (damaged,) = ansible.tasks({"fleet.backup.checksum": {"sums": sums}})
    assert (damaged["failed"], damaged["error"]["objects"]) == (True, [str(place / "copy.db")])


def test_defaults_for_all_modules_at_once(ansible, place, options):
    """The action group reaches every module, so that a play says once what its tasks have in common."""
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/fleet.backup.all": options},
            "tasks": [{"fleet.backup.backup": {}}, {"fleet.backup.backup_info": {}}, {"fleet.backup.prune": {}}],
        }
    ]
    (place / "play.yml").write_text(json.dumps(play))
    done = ansible.playbook("-i", "localhost,", place / "play.yml")
    assert done.returncode == 0, done.stdout
    assert len(list((place / "store" / "here" / "app").glob("*.json"))) == 1


def restore(options, **more):
    return {"fleet.backup.restore": {**options, **more}}


def test_a_restore_plans_in_check_mode_asks_for_confirmation_and_brings_back(ansible, place, options):
    source = place / "app" / "tree"
    (taken,) = ansible.tasks(backup(options))
    original = trees.snapshot(place / "app")
    victim = next(path for path in sorted(source.rglob("*")) if path.is_file())
    victim.write_text("overwritten")
    (place / "app" / "app.db").unlink()
    harmed = everything(place)

    (plan,) = ansible.tasks(restore(options), options=["--check", "--diff"])
    assert everything(place) == harmed
    tree, database = plan["restore"]["components"]
    assert tree["plan"]["overwrite"][-1:] == [str(victim)]
    assert database["plan"]["create"] == [str(place / "app" / "app.db")]
    assert "%s  as it was\n" % victim in plan["diff"][0]["before"]
    assert "%s  as in the backup\n" % victim in plan["diff"][0]["after"]

    (refused,) = ansible.tasks(restore(options))
    assert (refused["failed"], refused["error"]["code"]) == (True, "confirmation-needed")
    assert everything(place) == harmed

    done, again = ansible.tasks(restore(options, confirm=True), restore(options, backup=taken["backup"]["id"], confirm=True))
    assert done["changed"]
    assert done["restore"]["id"] == taken["backup"]["id"]
    assert done["restore"]["safety_backup"].split("-", 1)[1].startswith("full-pre-restore-")
    assert again["restore"]["components"][0]["plan"]["overwrite_count"] == 0
    assert trees.differences(original, trees.snapshot(place / "app"), ignore=("mtime_ns", "content", "size")) == []
    assert (
        trees.differences(
            {path: node for path, node in original.items() if path.startswith(b"tree")},
            {path: node for path, node in trees.snapshot(place / "app").items() if path.startswith(b"tree")},
        )
        == []
    )
    with contextlib.closing(sqlite3.connect(place / "app" / "app.db")) as connection:
        assert connection.execute("SELECT count(*), sum(n) FROM numbers").fetchone() == (100, 4950)


def test_a_part_is_restored_elsewhere_without_any_configuration(ansible, place, options):
    wanted = next(path for path in sorted((place / "app" / "tree").rglob("*")) if path.is_file())
    (taken,) = ansible.tasks(backup(options))
    folder = place / "copied"
    (place / "store" / "here" / "app").rename(folder)
    before = trees.snapshot(place / "app")
    (done,) = ansible.tasks(
        {
            "fleet.backup.restore": {
                "from_dir": str(folder),
                "components": ["tree"],
                "include": [wanted.name],
                "to": str(place / "out"),
            }
        }
    )
    assert (done["changed"], done["restore"]["id"]) == (True, taken["backup"]["id"])
    restored = [path for path in (place / "out").rglob("*") if path.is_file()]
    assert wanted.read_bytes() in [path.read_bytes() for path in restored]
    assert {path.name for path in restored} == {wanted.name}
    assert trees.snapshot(place / "app") == before


def test_verify_finds_damage_and_names_it(ansible, place, options):
    taken, whole = ansible.tasks(backup(options), {"fleet.backup.verify": options})
    (checked,) = whole["verify"]["backups"]
    assert (checked["id"], checked["ok"], whole["changed"]) == (taken["backup"]["id"], True, False)
    volume = place / "store" / "here" / "app" / taken["backup"]["id"] / "tree.tar.zst"
    content = bytearray(volume.read_bytes())
    content[len(content) // 2] ^= 1
    volume.write_bytes(content)
    quick, thorough, elsewhere = ansible.tasks(
        {"fleet.backup.verify": {**options, "level": "quick"}},
        {"fleet.backup.verify": {**options, "backups": ["latest"]}},
        {"fleet.backup.verify": {"from_dir": str(place / "store" / "here" / "app")}},
    )
    assert quick["verify"]["outcome"] == "success"
    for damaged in (thorough, elsewhere):
        assert (damaged["failed"], damaged["error"]["code"]) == (True, "integrity")
        assert [found["object"] for found in damaged["verify"]["backups"][0]["damaged"]] == ["tree.tar.zst"]


def test_what_concerns_the_host_reaches_the_engine(ansible, place, options):
    (signed,) = ansible.tasks(backup(options, sign=True))
    assert signed["backup"]["outcome"] == "success"
    assert (place / "store" / "here" / "app" / (signed["backup"]["id"] + ".json.sig")).exists()
    (untrusted,) = ansible.tasks(
        {"fleet.backup.verify": {**options, "trusted_hosts": ["other ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 42 + "=="]}}
    )
    assert untrusted["failed"]


def test_an_encrypted_backup_opens_with_its_identity_alone(ansible, place, options):
    identity = place / "identity.txt"
    subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
    recipient = subprocess.run(["age-keygen", "-y", identity], check=True, capture_output=True, text=True).stdout.strip()
    options["job"]["encryption"] = {"recipients": [recipient]}
    key = {"identities": [str(identity)]}
    taken, closed, hashed, opened, refused, restored, shown = ansible.tasks(
        backup(options),
        {"fleet.backup.verify": options},
        {"fleet.backup.verify": {**options, "level": "hashes"}},
        {"fleet.backup.verify": {**options, **key}},
        restore(options, to=str(place / "out")),
        restore(options, to=str(place / "out"), **key),
        info(options, backup="latest", entries=True, component="tree", **key),
    )
    assert (taken["backup"]["outcome"], closed["error"]["code"]) == ("success", "decryption")
    assert hashed["verify"]["outcome"] == "success"
    assert opened["verify"]["backups"][0]["bytes"] > 0
    assert (refused["failed"], refused["error"]["code"]) == (True, "decryption")
    assert restored["restore"]["id"] == taken["backup"]["id"]
    source = place / "app" / "tree"
    assert trees.differences(trees.snapshot(source), trees.snapshot(place / "out" / str(source).lstrip("/"))) == []
    assert len(shown["info"]["entries"]) == len(trees.snapshot(source))
