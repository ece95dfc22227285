# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent puts on a host, on this machine, in a folder."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import zipfile

import jobs
import pytest
from command import write_agent

from _engine.operations.install import Places, install, uninstall


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The command as the controller builds it."""
    path = tmp_path_factory.mktemp("agent") / "fleet-backup.pyz"
    write_agent(str(path))
    return path


@pytest.fixture
def places(tmp_path):
    names = ("lib", "bin/fleet-backup", "config", "facts/fleet_backup.fact", "logrotate/fleet-backup")
    return Places(*(str(tmp_path / "host" / name) for name in names))


@pytest.fixture
def description(tmp_path):
    (tmp_path / "app").mkdir()
    return jobs.describe(tmp_path, jobs.files(tmp_path / "app"), compression={"algorithm": "gzip"})


def put(description, places, program, **more):
    return install(description, hashlib.sha256(program.read_bytes()).hexdigest(), places, command=str(program), **more)


def test_the_audit_log_is_rotated_and_stays_private(description, places, program, tmp_path):
    if shutil.which("logrotate") is None:
        pytest.skip("logrotate is not installed")
    assert put(description, places, program).outcome == "success"
    for _ in range(2):
        subprocess.run([places.program, "run", "app", "--quiet"], check=True)
        log = tmp_path / "state" / "audit.log"
        (line,) = log.read_text().splitlines()
        assert json.loads(line)["operation"] == "backup"
        assert log.stat().st_mode & 0o777 == 0o600
        subprocess.run(["logrotate", "--force", "--state", str(tmp_path / "rotated"), places.logrotate], check=True)
    for number in (1, 2):
        old = tmp_path / "state" / ("audit.log.%d.gz" % number)
        assert json.loads(gzip.decompress(old.read_bytes()))["operation"] == "backup"
        assert old.stat().st_mode & 0o777 == 0o600


def test_what_was_set_on_the_host_must_go_with_what_is_deployed(description, places, program, tmp_path):
    put(description, places, program)
    local = tmp_path / "host" / "config" / "conf.d" / "local.json"
    local.parent.mkdir()
    local.write_text(json.dumps({"jobs": [{"name": "app", "notify": ["ops"]}], "notifiers": []}))
    deployed = tmp_path / "host" / "config" / "jobs.json"
    before = deployed.read_bytes()
    refused = put({**description, "sign": True}, places, program)
    assert (refused.exit_code, deployed.read_bytes()) == (2, before)
    assert "local.json: jobs[0].notify[0]: there is no notifier 'ops'" in refused.error["message"]
    notifier = {"name": "ops", "webhook": {"url": "http://127.0.0.1:9/"}}
    assert put({**description, "notifiers": [notifier]}, places, program).outcome == "success"


def test_the_version_before_is_kept_and_an_older_one_is_not(description, places, program, tmp_path):
    versions = tmp_path / "host" / "lib" / "versions"
    found = []
    for n in range(3):
        other = tmp_path / "other.pyz"
        shutil.copy(program, other)
        with zipfile.ZipFile(other, "a") as archive:
            archive.writestr("version", str(n))
        found.append(put(description, places, other).version)
    assert {path.name for path in versions.iterdir()} == set(found[1:])
    assert (tmp_path / "host" / "lib" / "current").readlink().name == found[-1]


def test_nothing_stays_but_the_backups(description, places, program, tmp_path):
    put(description, places, program)
    subprocess.run([places.program, "run", "app", "--quiet"], check=True)
    assert uninstall(places, dry_run=True).changed
    assert (tmp_path / "state").exists()
    assert uninstall(places).changed
    left = [path for path in (tmp_path / "host").rglob("*") if not path.is_dir()]
    assert (left, (tmp_path / "state").exists()) == ([], False)
    assert list((tmp_path / "store").rglob("*.json"))
    assert not uninstall(places).changed
