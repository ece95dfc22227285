# SPDX-License-Identifier: GPL-3.0-or-later
"""The command and its job file are there, only root may read what is secret, and a backup comes back."""

import json

testinfra_hosts = ["docker://molecule-agent"]


def run(host, words, code=0):
    done = host.run("fleet-backup %s --json" % words)
    assert done.rc == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_files(host):
    jobs = host.file("/etc/fleet-backup/jobs.json")
    assert (jobs.mode, jobs.user) == (0o600, "root")
    assert [job["name"] for job in json.loads(jobs.content_string)["jobs"]] == ["shop"]
    assert host.file("/usr/local/bin/fleet-backup").mode == 0o755
    assert host.file("/usr/local/lib/fleet-backup/current").is_symlink


def test_a_backup_comes_back(host):
    taken = run(host, "run shop")
    assert taken["outcome"] == "success", taken["warnings"]
    host.run_test("rm -r /srv/shop")
    host.run_test("mkdir /srv/shop")
    restored = run(host, "restore shop --yes")
    assert restored["id"] == taken["id"]
    assert (
        host.check_output(
            "python3 -c %s",
            "import sqlite3; print(*sqlite3.connect('/srv/shop/shop.db')"
            ".execute('SELECT count(*), sum(cents) FROM orders').fetchone())",
        )
        == "1000 499500"
    )
    assert host.file("/srv/shop/pictures/logo.svg").exists


def test_the_host_tells_how_it_is(host):
    run(host, "run shop")
    assert run(host, "status")["healthy"]
    fact = json.loads(host.check_output("/etc/ansible/facts.d/fleet_backup.fact"))
    assert fact["jobs"][0]["job"] == "shop"


def test_the_schedule_is_in_force(host):
    (schedule,) = run(host, "schedule list")["schedules"]
    assert (schedule["name"], schedule["state"]) == ("daily", "active")
