# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on the worked examples: back up, destroy, restore, compare."""

from __future__ import annotations

import json
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
        }
        marketplace.make(self.application, vehicles=40)

    def play(self, name, *options, **more):
        variables = json.dumps({**self._variables, **more})
        inventory = ROOT / "inventories" / "marketplace"
        linux = ["--limit", "all:!windows"]
        return self._ansible.playbook("-i", inventory, PLAYBOOKS / (name + ".yml"), "-e", variables, *linux, *options)


@pytest.fixture
def example(ansible, tmp_path):
    return Marketplace(ansible, tmp_path)


def manifests(example):
    return sorted(example.backups.glob("*/*/*.json"))


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
    assert example.play("backup").returncode == 0
    whole = example.play("verify")
    assert whole.returncode == 0, whole.stdout
    (manifest,) = manifests(example)
    assert "%s whole" % manifest.stem in whole.stdout
    (manifest.with_suffix("") / "uploads.tar.zst").unlink()
    damaged = example.play("verify", level="quick")
    assert damaged.returncode != 0
    assert "%s DAMAGED" % manifest.stem in damaged.stdout
    assert "uploads.tar.zst" in damaged.stdout


def test_list_and_prune_tell_people(example):
    for _round in range(2):
        assert example.play("backup").returncode == 0
    ids = [path.stem for path in manifests(example)]
    listed = example.play("list")
    assert all(backup_id in listed.stdout for backup_id in ids)
    assert '"marketplace: 2 backups"' in listed.stdout
    stats = listed.stdout[listed.stdout.index("CUSTOM STATS") :]
    assert '"newest": "%s"' % ids[1] in stats
    pruned = example.play("prune", "--check")
    assert pruned.returncode == 0, pruned.stdout
    assert [path.stem for path in manifests(example)] == ids


def test_a_new_enough_backup_is_enough(example):
    for _round in range(2):
        assert example.play("backup", unless_newer_than="1h").returncode == 0
    assert len(manifests(example)) == 1


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
    for playbook, more in (("backup", {}), ("restore", {"job": "secret", "confirm": "yes"}), ("verify", {}), ("list", {})):
        done = example.play(playbook, "-vvv", "-e", "@%s" % variables, **more)
        assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in done.stdout
        assert secret not in done.stdout + done.stderr


def test_status_and_copy(example, tmp_path):
    unhealthy = example.play("status", fail=True)
    assert unhealthy.returncode != 0
    assert "NO BACKUP" in unhealthy.stdout
    assert example.play("backup").returncode == 0
    healthy = example.play("status", fail=True)
    assert healthy.returncode == 0, healthy.stdout
    assert "marketplace: healthy, the newest backup" in healthy.stdout
    disk = tmp_path / "disk"
    disk.mkdir()
    copied = example.play("copy", to_dir=str(disk))
    assert copied.returncode == 0, copied.stdout
    assert sorted(p.name for p in disk.glob("*/*/*.json")) == [p.name for p in manifests(example)]


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
    ansible.environment.update(LOCKED_PASSPHRASE="correct-horse", FLEET_BACKUP_PASSPHRASE="correct-horse")
    assert example.play("backup", fleet_backup_jobs=[job]).returncode == 0
    done = example.play("restore", fleet_backup_jobs=[job], to=str(tmp_path / "there"), confirm="yes")
    assert done.returncode == 0, done.stdout
    assert "correct-horse" not in done.stdout
    assert list((tmp_path / "there").rglob("app.py"))
