# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolling backups out to hosts over SSH, and taking them away again."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml
from hosts import Host
from playing import ROOT, Ansible

SECRET = "canary-Pa55"  # noqa: S105


class Fleet:
    """One host over SSH, and an inventory of it."""

    def __init__(self, folder, host, user="root"):
        self.host = host
        self.ansible = Ansible(folder / "ansible")
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        host.let_in(key.with_suffix(".pub").read_text())
        self.inventory = folder / "hosts.yml"
        self.variables = {
            "ansible_connection": "ssh",
            "ansible_host": host.address,
            "ansible_user": user,
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def describe(self, **more):
        hosts = {"all": {"hosts": {"web1.example.org": {**self.variables, **more}}}}
        self.inventory.write_text(yaml.safe_dump(hosts))

    def play(self, name, *options):
        """Run a playbook; return its recap for the host."""
        done = self.ansible.playbook_over_ssh("-i", self.inventory, ROOT / "playbooks" / (name + ".yml"), *options)
        assert done.returncode == 0, done.stdout + done.stderr
        self.output = done.stdout + done.stderr
        recap = re.search(r"web1\.example\.org +: (.*)", done.stdout).group(1)
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", recap)}


@pytest.fixture
def fleet(host_image, tmp_path):
    with Host() as host:
        host.run("mkdir", "-p", "/srv/app", "/var/backups/fleet")
        host.write("/srv/app/page.html", "hello")
        yield Fleet(tmp_path, host)


def variables(path="/var/backups/fleet", **job):
    return {
        "fleet_backup_stores": [{"name": "disk", "local": {"path": path}}],
        "fleet_backup_notifiers": [{"name": "hook", "webhook": {"url": "http://127.0.0.1:9/%s" % SECRET, "timeout": "5s"}}],
        "fleet_backup_jobs__web": [
            {
                "name": "app",
                "sources": [{"name": "files", "files": {"paths": ["/srv/app"]}}],
                "stores": ["disk"],
                "notify": ["hook"],
                "schedules": [{"at": "02:00", "splay": "1h"}],
                "max_age": "26h",
                **job,
            }
        ],
    }


def test_deploy_twice_change_and_undeploy(fleet):
    host = fleet.host
    fleet.describe(**variables())
    planned = fleet.play("deploy", "--check", "--diff")
    assert planned["changed"] >= 1
    assert SECRET not in fleet.output
    assert host.run("test", "-e", "/etc/fleet-backup", check=False).returncode == 1

    first = fleet.play("deploy", "--diff", "-vvv")
    assert first["ok"] + first["changed"] <= 12
    assert SECRET not in fleet.output
    second = fleet.play("deploy")
    assert second["changed"] == 0
    assert second["ok"] <= 8
    assert host.run("stat", "-c", "%a %U", "/etc/fleet-backup/jobs.json").stdout.split() == ["600", "root"]
    written = json.loads(host.run("cat", "/etc/fleet-backup/jobs.json").stdout)
    assert written["jobs"] == variables()["fleet_backup_jobs__web"]
    assert host.run("sh", "-c", "ls /usr/local/lib/fleet-backup/current/").stdout.split() == [
        "fleet-backup.cpython-311.pyz",
        "fleet-backup.pyz",
    ]

    # It works as it stands: zstd came along, the timer is there, the fact tells.
    taken = host.fleet_backup("run", "app")
    assert (taken["outcome"], taken["warnings"]) == ("success", [])
    assert taken["components"][0]["stored"]
    assert host.fleet_backup("schedule", "list")["schedules"][0]["state"] == "active"
    fact = json.loads(host.run("/etc/ansible/facts.d/fleet_backup.fact").stdout)
    assert (fact["healthy"], fact["jobs"][0]["last_backup"]) == (True, taken["id"])

    # What people did on the host stays; what the inventory says is changed; what is only shown is not.
    host.fleet_backup("schedule", "set", "app", "daily", "--at", "03:00")
    local = host.run("cat", "/etc/fleet-backup/conf.d/local.json").stdout
    fleet.describe(**variables(max_age="2h"))
    shown = fleet.play("deploy", "--check", "--diff")
    assert shown["changed"] == 1
    assert '"max_age": "2h"' in fleet.output
    assert fleet.play("deploy")["changed"] == 1
    assert host.run("cat", "/etc/fleet-backup/conf.d/local.json").stdout == local
    assert fleet.play("deploy")["changed"] == 0
    (row,) = host.fleet_backup("schedule", "list")["schedules"]
    assert (row["state"], row["origin"]) == ("active", "conf.d/local.json, instead of jobs.json")

    assert fleet.play("undeploy")["changed"] == 1
    assert fleet.play("undeploy")["changed"] == 0
    left = host.run(
        "sh", "-c", "ls -d /etc/fleet-backup /usr/local/*/fleet-backup /var/lib/fleet-backup; ls /etc/systemd/system", check=False
    )
    assert "fleet-backup" not in left.stdout
    assert host.run("ls", "/var/backups/fleet/web1.example.org/app").stdout


def test_an_interpreter_that_is_gone_is_told_and_another_one_used(fleet):
    host = fleet.host
    host.run("cp", "/usr/bin/python3.11", "/opt/python")
    fleet.describe(agent_interpreter="/opt/python", **variables())
    fleet.play("deploy")
    assert host.run("fleet-backup", "version").stderr == ""
    host.run("rm", "/opt/python")
    done = host.run("fleet-backup", "version")
    assert "/opt/python is gone" in done.stderr
    assert done.stdout


def test_a_user_without_root(fleet):
    fleet.host.run("loginctl", "enable-linger", "ops")
    fleet.variables["ansible_user"] = "ops"
    fleet.describe(
        agent_packages=False,
        fleet_backup_scheduler="cron",
        **variables("/home/ops/backups"),
        schedule_config="/home/ops/.config/fleet-backup",
        schedule_program="/home/ops/.local/bin/fleet-backup",
    )
    fleet.play("deploy")
    assert fleet.play("deploy")["changed"] == 0
    done = fleet.host.run("/home/ops/.local/bin/fleet-backup", "run", "app", "--json", user="ops", check=False)
    assert json.loads(done.stdout)["outcome"] in ("success", "warning")
    assert "schedule run app daily" in fleet.host.run("crontab", "-l", user="ops").stdout
    fleet.play("undeploy")
    assert "fleet-backup" not in fleet.host.run("crontab", "-l", user="ops", check=False).stdout
