# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules fire by themselves, and only what is ours is there."""

import json

testinfra_hosts = ["docker://molecule-schedule-systemd"]


def test_it_fires(host):
    log = "/var/lib/fleet-backup/audit.log"
    host.run_test("timeout 200 sh -c %s", "tail -n +1 -F %s 2>/dev/null | grep -q -m 1 backup" % log)
    listed = json.loads(host.check_output("fleet-backup list --json"))
    assert {row["tag"] for row in listed["jobs"][0]["backups"]} == {"minutely"}


def test_all_schedules_are_in_force(host):
    listed = json.loads(host.check_output("fleet-backup schedule list --json"))
    assert listed["scheduler"] == "systemd"
    assert {row["name"]: row["state"] for row in listed["schedules"]} == {"minutely": "active", "prune": "active"}


def test_timers_are_enabled_and_services_locked_in(host):
    for name in ("minutely", "prune"):
        timer = host.service("fleet-backup-shop.%s.timer" % name)
        assert timer.is_running
        assert timer.is_enabled
    shown = host.check_output("systemctl show -p NoNewPrivileges,ProtectSystem,Persistent fleet-backup-shop.prune.service")
    assert "NoNewPrivileges=yes" in shown
    assert not host.file("/etc/cron.d/fleet-backup").exists
