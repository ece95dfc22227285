# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolling backups out to hosts over SSH, and taking them away again."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys

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

    def play(self, names, *options, code=0, **variables):
        """Run playbooks one after another; return their recap for the host. They end with a summary."""
        more = [word for item in variables.items() for word in ("-e", "%s=%s" % item)]
        index = {"PIP_INDEX_URL": "http://127.0.0.1:9/"} if "agent_wheel_dir" in variables else {}
        paths = [ROOT / "playbooks" / (name + ".yml") for name in names.split()]
        done = self.ansible.playbook_over_ssh("-i", self.inventory, *paths, *options, *more, **index)
        self.output = done.stdout + done.stderr
        assert done.returncode == code, self.output
        # Each playbook adds to what the ones before have told.
        stats = json.loads(re.findall(r"RUN: (\{.*\})", done.stdout)[-1])
        self.summary = stats["fleet_backup"]["web1.example.org"]
        recap = re.findall(r"^web1\.example\.org +: (.*)", done.stdout, re.MULTILINE)[-1]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", recap)}

    def fact(self):
        """``ansible_local.fleet_backup``, as plays have it."""
        words = ["all", "-i", self.inventory, "-m", "ansible.builtin.setup", "-a", "gather_subset=!all,!min,local"]
        done = self.ansible.run("ansible", *words, check=True, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
        facts = json.loads(done.stdout.partition("=>")[2])["ansible_facts"]
        return facts["ansible_local"]["fleet_backup"]


@pytest.fixture(scope="module")
def machine(host_image):
    with Host() as host:
        host.run("mkdir", "-p", "/srv/app")
        host.write("/srv/app/page.html", "hello")
        yield host


@pytest.fixture
def fleet(machine, tmp_path):
    """One host, on which nothing is installed."""
    machine.run("sh", "-c", "rm -rf /var/backups/fleet /etc/fleet-backup; mkdir /var/backups/fleet")
    return Fleet(tmp_path, machine)


def wheels(folder):
    """A folder with what the host needs, and has not from its distribution."""
    filled = folder / "wheels"
    for_host = ["--python-version", "3.11", "--platform", "manylinux2014_%s" % platform.machine(), "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *for_host]
    subprocess.run([*command, "--dest", str(filled), "backports.zstd"], check=True)
    return filled


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


def test_deploy_twice_change_and_undeploy(fleet, tmp_path):
    host = fleet.host
    fleet.describe(**variables())
    planned = fleet.play("deploy", "--check", "--diff")
    assert planned["changed"] >= 1
    assert SECRET not in fleet.output
    assert host.run("test", "-e", "/etc/fleet-backup", check=False).returncode == 1

    # The libraries come from a folder of the controller alone: there is no index that it could ask.
    first = fleet.play("deploy", "--diff", "-vvv", agent_wheel_dir=wheels(tmp_path))
    assert first["ok"] + first["changed"] <= 12
    assert SECRET not in fleet.output
    assert (fleet.summary["install"]["changed"], fleet.summary["schedule"]["outcome"]) == (True, "success")
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
    fact = fleet.fact()
    assert (fact["healthy"], fact["jobs"][0]["last_backup"]) == (True, taken["id"])

    # From the controller, by the connection that may break.
    told = fleet.play("backup schedule_list notify_test", "-e", "poll_interval=1", code=2)
    assert (told["changed"], told["failed"]) == (1, 1)
    assert fleet.summary["app"]["id"] > taken["id"]
    assert re.search(r"^app: schedule daily \(\d+ 2 \* \* \*\) is active, next ", fleet.output, re.MULTILINE)
    assert fleet.summary["notify"]["error"]["code"] == "notification" and SECRET not in fleet.output

    # A second time changes nothing, whatever people set on the host; what the inventory says is changed, unless it is only shown.
    host.fleet_backup("schedule", "set", "app", "daily", "--at", "03:00")
    local = host.run("cat", "/etc/fleet-backup/conf.d/local.json").stdout
    second = fleet.play("deploy")
    assert second["changed"] == 0
    assert second["ok"] <= 8
    fleet.describe(**variables(max_age="2h"))
    shown = fleet.play("deploy", "--check", "--diff")
    assert shown["changed"] == 1
    assert '"max_age": "2h"' in fleet.output
    assert fleet.play("deploy")["changed"] == 1
    assert host.run("cat", "/etc/fleet-backup/conf.d/local.json").stdout == local
    (row,) = host.fleet_backup("schedule", "list")["schedules"]
    assert (row["state"], row["origin"]) == ("active", "conf.d/local.json, instead of jobs.json")

    assert fleet.play("undeploy undeploy")["changed"] == 1
    assert fleet.summary["uninstall"] == {"outcome": "success", "changed": False}
    kept = "-path /proc -o -path /sys -o -path /run -o -path /var/backups"
    assert host.run("sh", "-c", "find / \\( %s \\) -prune -o -iname '*fleet?backup*' -print" % kept).stdout == ""
    assert host.run("ls", "/var/backups/fleet/web1.example.org/app").stdout


def test_secrets_are_credentials_that_systemd_hands_to_the_jobs(fleet):
    host = fleet.host
    host.run("cp", "/usr/bin/python3.11", "/opt/python")
    # As on every host but a container: systemd mounts what it hands over where services see it.
    host.run("mount", "--make-rshared", "/")
    token = {
        "name": "token", "command": {"command": ["printenv", "TOKEN"], "environment": [{"name": "TOKEN", "value": SECRET}]},
    }  # fmt: skip
    handed = {"before": [{"command": ["sh", "-c", "ls -1 $CREDENTIALS_DIRECTORY > /srv/handed"]}]}
    fleet.describe(agent_interpreter="/opt/python", agent_secrets="systemd", **variables(sources=[token], hooks=handed))
    fleet.play("deploy", "--diff", "-vvv")
    assert SECRET not in fleet.output
    assert SECRET not in host.run("sh", "-c", "cat /etc/fleet-backup/*.json /etc/credstore.encrypted/*").stdout
    names = ["fleet-backup.jobs.app.sources.token.command.environment.TOKEN.value", "fleet-backup.notifiers.hook.webhook.url"]
    assert host.run("ls", "/etc/credstore.encrypted").stdout.split() == names
    assert fleet.play("deploy")["changed"] == 0
    assert host.fleet_backup("schedule", "test", "app", "daily")["schedules"][0]["outcome"] == "success"
    assert host.run("cat", "/srv/handed").stdout.split() == names
    failed = host.run("systemctl", "cat", "fleet-backup-failed@app.daily.service").stdout
    assert all(name in failed for name in names)

    # By hand there is no unit; root can read them nevertheless, others are told how.
    assert host.run("fleet-backup", "cat", "latest", "token", "--job", "app").stdout == SECRET + "\n"
    host.run("cp", "-r", "/etc/fleet-backup", "/srv/ops")
    host.run("chown", "-R", "ops", "/srv/ops")
    told = host.run("fleet-backup", "notify", "test", "--config", "/srv/ops", user="ops", check=False)
    assert "systemd-run --pipe --wait -p LoadCredentialEncrypted=%s:/etc/credstore.encrypted/" % names[1] in told.stderr

    # An interpreter that is gone is told, and another one used.
    assert host.run("fleet-backup", "version").stderr == ""
    host.run("rm", "/opt/python")
    done = host.run("fleet-backup", "version")
    assert "/opt/python is gone" in done.stderr
    assert done.stdout

    assert fleet.play("undeploy")["changed"] == 1
    assert host.run("ls", "/etc/credstore.encrypted").stdout == ""


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
