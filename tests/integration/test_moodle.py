# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked example moodle: a database in a container and a volume, by the playbooks; and what goes wrong in containers."""

from __future__ import annotations

import json

import pytest
from canary import Canary
from dockers import docker
from fixtures import moodle
from jobs import configure, take
from playing import ROOT, Ansible

from _engine.operations.backup import backup
from _engine.operations.restore import RestoreRequest, restore
from _engine.result import FAILURE


@pytest.fixture(scope="module")
def example(mariadb_image):
    """One for all tests that leave it as it was."""
    with moodle.running(mariadb_image) as running:
        yield running


def source(example, **options):
    return {"name": "database", "mysql": {"container": example.database, "user": "root", "password": moodle.PASSWORD, **options}}


@pytest.mark.parametrize("group", ["testing", "production"])
def test_moodle_comes_back(example, tmp_path, group):
    host = {"testing": "moodle-testing.example.org", "production": "moodle.example.org"}[group]
    (tmp_path / "password").write_text(moodle.PASSWORD + "\n")
    (tmp_path / "backups").mkdir()
    variables = {
        "moodle_project": example.volume.rpartition("_")[0],
        "moodle_database_container": example.database,
        "moodle_backups": str(tmp_path / "backups"),
        "moodle_password_file": str(tmp_path / "password"),
        "fleet_backup_state_dir": str(tmp_path / "state"),
    }
    ansible = Ansible(tmp_path / "ansible")

    def play(name, **more):
        arguments = ["-i", ROOT / "inventories" / "moodle", "--limit", host, ROOT / "playbooks" / (name + ".yml")]
        return ansible.playbook(*arguments, "-e", json.dumps({**variables, **more}))

    before = example.state()
    seen = Canary(moodle.PASSWORD)
    with seen:
        taken = play("backup", tag="daily")
    assert taken.returncode == 0, taken.stdout
    (manifest,) = (tmp_path / "backups" / host).glob("*/*.json")
    example.destroy()
    told = [taken.stdout + taken.stderr]
    if group == "production":
        unconfirmed = play("restore")
        assert unconfirmed.returncode != 0 and "not confirmed; nothing was touched" in unconfirmed.stdout
        told.append(unconfirmed.stdout + unconfirmed.stderr)
    with seen:
        done = play("restore", confirm="yes", backup=manifest.stem)
    assert done.returncode == 0, done.stdout
    assert example.sql("SHOW DATABASES").split() == ["information_schema", "moodle", "mysql", "performance_schema", "sys"]
    after = example.state()
    assert after["database"] == before["database"]
    # What came later stays, as nobody asked for it to be deleted.
    assert after["files"] == {**before["files"], "filedir/ransom.txt": b"pay"}
    told.append(done.stdout + done.stderr)
    assert seen.found(tmp_path / "backups", *told) + seen.found(tmp_path / "state") == []
    # What was put into the container for the programs is gone.
    assert docker("exec", example.database, "sh", "-c", "ls /tmp") == ""


def test_to_another_container(example, mariadb_image, tmp_path):
    config = configure(tmp_path, source(example))
    take(config)
    before = example.state()
    with moodle.running(mariadb_image, files=1) as other:
        other.destroy()
        elsewhere = configure(tmp_path, source(other))
        result = restore(elsewhere, "app", RestoreRequest(confirm=True))
        assert result.error is None, result.error
        assert other.state()["database"] == before["database"]


def test_a_container_that_is_removed_meanwhile(mariadb_image, tmp_path):
    gone = []

    class Removing:
        def __getattr__(self, name):
            return lambda *_: None

        def advance(self, count):
            if not gone:
                gone.append(count)
                docker("rm", "--force", "--volumes", doomed.database)

    with moodle.running(mariadb_image, files=1) as doomed:
        doomed.sql("USE moodle; CREATE TABLE big (t longtext); INSERT INTO big SELECT REPEAT('x', 1000000) FROM seq_1_to_100")
        config = configure(tmp_path, source(doomed))
        result = backup(config, config.jobs[0], progress=Removing())
    assert gone and result.outcome == FAILURE, result
    assert "was removed while mariadb-dump ran in it" in result.error["message"]
    assert not list((tmp_path / "store").rglob("database*"))
