# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules fire by themselves, and only what is ours is there."""

import json

testinfra_hosts = ["docker://molecule-schedule-cron"]


def test_it_fires(host):
    log = "/var/lib/fleet-backup/audit.log"
    host.run_test("timeout 200 sh -c %s", "tail -n +1 -F %s 2>/dev/null | grep -q -m 1 backup" % log)
    listed = json.loads(host.check_output("fleet-backup list --json"))
    assert {row["tag"] for row in listed["jobs"][0]["backups"]} == {"minutely"}


def test_all_schedules_are_in_force(host):
    listed = json.loads(host.check_output("fleet-backup schedule list --json"))
    assert listed["scheduler"] == "cron"
    assert {row["name"]: row["state"] for row in listed["schedules"]} == {"minutely": "active", "prune": "active"}


def test_one_file_of_our_own(host):
    file = host.file("/etc/cron.d/fleet-backup")
    assert (file.mode, file.user) == (0o644, "root")
    assert "schedule run shop prune" in file.content_string
    assert host.run("ls /etc/systemd/system | grep fleet-backup").rc == 1
