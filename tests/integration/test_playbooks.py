# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on the worked examples: back up, destroy, restore, compare."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from fixtures import marketplace
from playing import ROOT, Ansible

PLAYBOOKS = ROOT / "playbooks"


@pytest.fixture
def ansible(tmp_path):
    return Ansible(tmp_path / "ansible")


class Marketplace:
    """The marketplace's inventory, with its application and its backups in ``folder``; on it alone unless ``everywhere``."""

    def __init__(self, ansible: Ansible, folder: Path, everywhere: bool = False) -> None:
        self.application = folder / "marketplace"
        self.backups = folder / "backups"
        self.backups.mkdir()
        self._ansible = ansible
        self._variables = {
            "marketplace_folder": str(self.application),
            "marketplace_backups": str(self.backups),
            **({} if everywhere else {"marketplace_stores": ["disk"]}),
            "fleet_backup_state_dir": str(folder / "state"),
            "poll_interval": 1,
        }
        marketplace.make(self.application, vehicles=40)

    def play(self, names, *options, **more):
        """Run playbooks one after another, in one run of Ansible: each costs seconds."""
        return self._ansible.playbook(*self._arguments(names, more), *options)

    def start(self, names, **more):
        return self._ansible.start(*self._arguments(names, more))

    def _arguments(self, names, more):
        variables = json.dumps({**self._variables, **more})
        inventory = ROOT / "inventories" / "marketplace"
        paths = [PLAYBOOKS / (name + ".yml") for name in names.split()]
        return ["-i", inventory, *paths, "-e", variables, "--limit", "all:!windows"]


@pytest.fixture
def example(ansible, tmp_path):
    return Marketplace(ansible, tmp_path)


def manifests(example):
    return sorted(example.backups.glob("*/*/*.json"))


def until(what, condition):
    """The first true value of ``condition``, which is asked for two minutes at most."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("waited for two minutes until %s" % what)


def opened(fifo):
    """A descriptor to write to it, once somebody reads it."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_one_component_comes_back_and_the_rest_stays(example):
    before = marketplace.state(example.application)
    assert example.play("backup").returncode == 0
    marketplace.destroy(example.application)
    harmed = (example.application / "app.py").read_text()
    done = example.play("restore", job="marketplace", components=["database"], confirm="yes")
    assert done.returncode == 0, done.stdout
    assert marketplace.rows(example.application / marketplace.DATABASE) == before["rows"]
    assert (example.application / "app.py").read_text() == harmed
    assert not (example.application / "static" / "uploads").exists()


def test_verify_tells_what_is_damaged(example):
    whole = example.play("backup verify")
    assert whole.returncode == 0, whole.stdout
    (manifest,) = manifests(example)
    assert "%s whole" % manifest.stem in whole.stdout
    (manifest.with_suffix("") / "uploads.tar.zst").unlink()
    damaged = example.play("verify", level="quick")
    assert damaged.returncode != 0
    assert "%s DAMAGED" % manifest.stem in damaged.stdout
    assert "uploads.tar.zst" in damaged.stdout


def test_the_data_of_production_goes_to_testing(ansible, tmp_path):
    """Onto that host alone, where its job has it; and what was there can be had back."""
    store = tmp_path / "store"
    store.mkdir()
    sites = {}
    for name in ("production", "testing"):
        sites[name] = tmp_path / name / "site"
        sites[name].mkdir(parents=True)
        (sites[name] / "page.html").write_text("of " + name)
    job = {"name": "site", "sources": [{"name": "files", "files": {"paths": ["{{ site }}"]}}], "stores": ["disk"]}
    everywhere = {
        "fleet_backup_jobs": [job],
        "fleet_backup_stores": [{"name": "disk", "local": {"path": str(store)}}],
        "fleet_backup_state_dir": str(tmp_path / "{{ inventory_hostname }}" / "state"),
        "site": str(tmp_path / "{{ inventory_hostname }}" / "site"),
    }
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": dict.fromkeys(sites), "vars": everywhere}}))

    def play(name, *options, **variables):
        extra = json.dumps({"poll_interval": 1, **variables})
        return ansible.playbook("-i", inventory, PLAYBOOKS / (name + ".yml"), "-e", extra, *options)

    assert play("backup", "--limit", "production").returncode == 0
    mistaken = play("restore", confirm="yes", from_host="production")
    assert mistaken.returncode != 0 and "of production, testing, name those that are meant" in mistaken.stdout
    both = play("restore", target="all", confirm="yes", from_host="production")
    assert "with from_host, name the one host that gets it, not production, testing" in both.stdout
    assert (sites["testing"] / "page.html").read_text() == "of testing"

    moves = {str(sites["production"]): str(sites["testing"])}
    done = play("restore", "--limit", "testing", confirm="yes", from_host="production", move=moves)
    assert done.returncode == 0, done.stdout
    assert (sites["testing"] / "page.html").read_text() == (sites["production"] / "page.html").read_text() == "of production"
    assert sorted(path.parent.parent.name for path in store.glob("*/*/*.json")) == ["production", "testing"]
    assert "pre-restore" in done.stdout


def test_list_and_prune_tell_people(example):
    listed = example.play("backup backup list")
    assert listed.returncode == 0, listed.stdout
    ids = [path.stem for path in manifests(example)]
    assert all(backup_id in listed.stdout for backup_id in ids)
    assert "marketplace: 2 backups\n" in listed.stdout
    stats = listed.stdout[listed.stdout.index("CUSTOM STATS") :]
    assert '"newest": "%s"' % ids[1] in stats
    pruned = example.play("prune", "--check")
    assert pruned.returncode == 0, pruned.stdout
    assert [path.stem for path in manifests(example)] == ids


def test_a_new_enough_backup_is_enough_and_takes_two_tasks(example):
    done = example.play("backup backup", unless_newer_than="1h")
    assert done.returncode == 0, done.stdout
    assert re.search(r"marketplace.example.org +: ok=4 +changed=1 ", done.stdout), done.stdout
    assert len(manifests(example)) == 1


def test_a_backup_outlives_its_controller(example, tmp_path):
    """And jobs that were not asked for are left alone."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    dump = {"name": "dump", "command": {"command": ["cat", str(fifo)]}}
    job = {"name": "long", "sources": [dump], "stores": ["disk"], "compression": {"algorithm": "none"}}
    with example.start("backup", fleet_backup_jobs__more=[job], job="long") as controller:
        pipe = until("somebody reads the dump", lambda: opened(fifo))
        os.killpg(controller.pid, signal.SIGKILL)
        assert controller.wait(60) == -signal.SIGKILL
    os.write(pipe, b"all of it")
    os.close(pipe)
    until("there is a backup", lambda: manifests(example))
    (manifest,) = manifests(example)
    assert manifest.parent.name == "long"
    assert [path.read_bytes() for path in manifest.with_suffix("").glob("dump.*") if "json" not in path.suffixes][
        0
    ] == b"all of it"


def test_one_job_that_fails_does_not_stop_the_others(ansible, example, tmp_path):
    broken = {"name": "broken", "sources": [{"name": "gone", "files": {"paths": [str(tmp_path / "gone")]}}], "stores": ["disk"]}
    done = example.play("backup", fleet_backup_jobs__a_broken=[broken])
    assert done.returncode != 0
    (manifest,) = [path for path in manifests(example) if ".failed" not in path.name]
    assert manifest.parent.name == "marketplace"
    assert "broken: FAILED: " in done.stdout
    stats = done.stdout[done.stdout.index("CUSTOM STATS") :]
    assert '"code": "source"' in stats


def test_variables_of_several_groups_are_joined(ansible, tmp_path):
    def job(name):
        return {"name": name, "sources": [{"name": "all", "files": {"paths": [str(tmp_path / "data")]}}], "stores": ["disk"]}

    (tmp_path / "data").mkdir()
    (tmp_path / "store").mkdir()
    inventory = tmp_path / "inventory"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text(
        json.dumps({"all": {"children": {"web": {"hosts": {"h": None}}, "db": {"hosts": {"h": None}}}}})
    )
    stores = [{"name": "disk", "local": {"path": "{{ store_folder }}"}}]
    common = {
        "fleet_backup_stores": stores,
        "store_folder": str(tmp_path / "store"),
        "fleet_backup_state_dir": str(tmp_path / "s"),
    }
    (inventory / "group_vars" / "all.json").write_text(json.dumps(common))
    (inventory / "group_vars" / "web.json").write_text(json.dumps({"fleet_backup_jobs__web": [job("site")]}))
    (inventory / "group_vars" / "db.json").write_text(json.dumps({"fleet_backup_jobs__db": [job("tables")]}))
    done = ansible.playbook("-i", inventory, PLAYBOOKS / "backup.yml")
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in (tmp_path / "store" / "h").iterdir()) == ["site", "tables"]

    (inventory / "group_vars" / "db.json").write_text(json.dumps({"fleet_backup_jobs__db": [job("site")]}))
    twice = ansible.playbook("-i", inventory, PLAYBOOKS / "backup.yml")
    assert twice.returncode != 0
    assert "fleet_backup_jobs__web[0].name: 'site' is already the name of fleet_backup_jobs__db[0]" in twice.stdout + twice.stderr


def test_a_secret_of_a_job_is_never_shown(ansible, example, tmp_path):
    """Not by a task that fails, not by the most talkative Ansible; the inventory alone holds it."""
    secret = "correct-horse-battery"
    job = {
        "name": "secret",
        "sources": [{"name": "gone", "files": {"paths": [str(tmp_path / "gone")]}}],
        "stores": ["disk"],
        "encryption": {"passphrase": secret},
    }
    variables = tmp_path / "secret.json"
    variables.write_text(json.dumps({"fleet_backup_jobs": [job]}))
    for playbook, more in (("list backup", {}), ("verify", {}), ("restore", {"job": "secret", "confirm": "yes"})):
        done = example.play(playbook, "-vvv", "-e", "@%s" % variables, **more)
        assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in done.stdout
        assert secret not in done.stdout + done.stderr


def test_status_and_copy(example, tmp_path):
    unhealthy = example.play("status", fail=True)
    assert unhealthy.returncode != 0
    assert "NO BACKUP" in unhealthy.stdout
    disk = tmp_path / "disk"
    disk.mkdir()
    healthy = example.play("backup status copy", fail=True, to_dir=str(disk))
    assert healthy.returncode == 0, healthy.stdout
    assert "marketplace: healthy, the newest backup" in healthy.stdout
    assert sorted(p.name for p in disk.glob("*/*/*.json")) == [p.name for p in manifests(example)]
    # Old enough for somebody who asks for more than the job does.
    stale = example.play("status", fail=True, max_age="1s")
    assert stale.returncode != 0
    assert "marketplace: STALE, the newest backup" in stale.stdout and "no fresh backup: marketplace" in stale.stdout


def test_the_project_for_awx_has_every_playbook(ansible):
    project = ROOT / "examples" / "awx_project"
    names = sorted(path.name for path in project.glob("*.yml"))
    assert names == sorted(path.name for path in PLAYBOOKS.glob("*.yml"))
    checked = ansible.playbook("-i", "localhost,", "--syntax-check", *(project / name for name in names))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("playbook: ") == len(names)


def test_the_passphrase_may_come_from_the_environment(ansible, example, tmp_path):
    """As AWX hands secrets to what runs on the controller."""
    job = {
        "name": "locked",
        "sources": [{"name": "app", "files": {"paths": [str(example.application)]}}],
        "stores": ["disk"],
        "encryption": {"passphrase_env": "LOCKED_PASSPHRASE"},
    }
    # The host does not have the controller's environment.
    host = tmp_path / "python"
    host.write_text('#!/bin/sh\nunset FLEET_BACKUP_PASSPHRASE\nexec "%s" "$@"\n' % sys.executable)
    host.chmod(0o755)
    ansible.environment.update(LOCKED_PASSPHRASE="correct-horse", FLEET_BACKUP_PASSPHRASE="correct-horse")
    done = example.play(
        "backup restore", fleet_backup_jobs=[job], to=str(tmp_path / "there"), confirm="yes", ansible_python_interpreter=str(host)
    )
    assert done.returncode == 0, done.stdout
    assert "correct-horse" not in done.stdout
    assert list((tmp_path / "there").rglob("app.py"))
