# SPDX-License-Identifier: GPL-3.0-or-later
"""The new version goes on where the old one stopped, and so does the old one after a way back."""

import json
import pathlib
import tarfile

import pytest

testinfra_hosts = ["docker://molecule-upgrade"]

OLD = "0.1.0-9e84481d"
FULL, INCREMENT = "20261128T101235Z-full-weekly-a97b", "20261128T101240Z-incremental-daily-c801"
LIBRARY = "/usr/local/lib/fleet-backup"


@pytest.fixture(scope="module")
def before():
    """A function that returns a file as it was."""
    with tarfile.open(pathlib.Path(__file__).parents[1] / "host.tgz") as archive:
        yield lambda path: archive.extractfile(path.lstrip("/")).read()


def run(host, words, code=0):
    done = host.run("fleet-backup %s --json" % words)
    assert done.rc == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_state_and_what_people_have_set_are_kept(host, before):
    for path in ("/var/lib/fleet-backup/signing_key", "/etc/fleet-backup/conf.d/local.json"):
        assert host.file(path).content == before(path)
    assert host.file("/var/lib/fleet-backup/audit.log").content.startswith(before("/var/lib/fleet-backup/audit.log"))
    (job,) = run(host, "status", 3)["jobs"]
    assert (job["last_backup"], job["consecutive_failures"]) == (INCREMENT, 1)
    assert job["last_verified"] == "2026-11-28T10:12:44.946Z"
    daily = run(host, "schedule list")["schedules"][0]
    assert (daily["name"], daily["state"], daily["outcome"]) == ("daily", "active", "success")


def test_the_backups_that_are_there_are_whole_and_come_back(host):
    assert run(host, "verify shop")["outcome"] == "success"
    assert run(host, "restore shop --backup %s --to /root/first" % FULL)["id"] == FULL
    assert host.file("/root/first/srv/shop/pictures/logo.svg").content_string == "<svg xmlns='http://www.w3.org/2000/svg'/>\n"


def test_the_next_backup_builds_upon_them_and_so_does_the_old_version(host):
    current = host.check_output("readlink %s/current" % LIBRARY)
    assert current != "versions/" + OLD
    taken = run(host, "run shop --kind incremental")
    shown = run(host, "show %s --job shop" % taken["id"])
    assert (shown["backup"]["kind"], shown["backup"]["previous"]["id"]) == ("incremental", INCREMENT)

    host.run_test("ln -sfn versions/%s %s/current" % (OLD, LIBRARY))
    try:
        older = run(host, "run shop --kind incremental")
        assert older["outcome"] == "success"
        assert run(host, "status")["healthy"]
    finally:
        host.run_test("ln -sfn %s %s/current" % (current, LIBRARY))
    ids = [row["id"] for row in run(host, "list shop")["jobs"][0]["backups"]]
    assert ids == [older["id"], taken["id"], INCREMENT, FULL]
    assert run(host, "verify shop")["outcome"] == "success"
