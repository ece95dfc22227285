# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules on real schedulers: systemd as process 1, and cron, in a container; what is not ours stays."""

from __future__ import annotations

import json

import pytest
from hosts import PROGRAM, Host
from terminal import Terminal

MINE = "# somebody else's\n5 5 * * * root true\n"


@pytest.fixture(scope="module")
def machine(host_image):
    with Host() as started:
        started.install()
        started.write("/srv/app/page.html", "hello")
        yield started


@pytest.fixture
def host(machine):
    """The machine as if it had never been used."""
    machine.run("sh", "-c", "test ! -e /etc/fleet-backup || %s schedule remove --quiet" % PROGRAM)
    machine.run("sh", "-c", "rm -rf /etc/fleet-backup /var/lib/fleet-backup /var/backups/fleet; mkdir /var/backups/fleet")
    return machine


def description(*schedules, user="", **more):
    job = {
        "name": "app", "sources": [{"name": "files", "files": {"paths": ["/srv/app"]}}], "stores": ["disk"],
        "compression": {"algorithm": "gzip"}, "schedules": list(schedules), **more.pop("job", {}),
    }  # fmt: skip
    path = "/home/%s/backups" % user if user else "/var/backups/fleet"
    return {"host": "web1", "stores": [{"name": "disk", "local": {"path": path}}], "jobs": [job], **more}


def states(result):
    return {"%s.%s" % (row["job"], row["name"]): row["state"] for row in result["schedules"]}


def backups(host, **more):
    return [row["tag"] for row in host.fleet_backup("list", **more)["jobs"][0]["backups"]]


def wait_for(host, text, path="/var/lib/fleet-backup/audit.log"):
    """Until a line of a log has ``text``."""
    done = host.run(
        "timeout", "200", "sh", "-c", 'tail -n +1 -F "$0" 2>/dev/null | grep -q -m 1 -e "$1"', path, text, check=False
    )
    assert done.returncode == 0, "nothing happened in time"


def test_systemd(host):
    host.write("/etc/systemd/system/fleet-backup-own.timer", "[Timer]\nOnCalendar=daily\n")
    host.write("/etc/systemd/system/other.service", "[Service]\nExecStart=true\n")
    foreign = host.run("sha256sum", "/etc/systemd/system/fleet-backup-own.timer", "/etc/systemd/system/other.service").stdout
    host.configure(description({"at": "02:00", "splay": "1h"}, {"operation": "prune", "at": "04:00"}))

    planned = host.fleet_backup("schedule", "apply", "--dry-run")
    assert planned["changed"]
    assert states(host.fleet_backup("schedule", "list", code=3)) == {"app.daily": "missing", "app.prune": "missing"}

    first = host.fleet_backup("schedule", "apply")
    assert (first["changed"], first["scheduler"]) == (True, "systemd")
    assert states(first) == {"app.daily": "active", "app.prune": "active"}
    assert not host.fleet_backup("schedule", "apply")["changed"]
    host.run("systemd-analyze", "verify", "/etc/systemd/system/fleet-backup-app.daily.timer")
    timers = host.run("systemctl", "list-timers", "--all", "--no-legend").stdout
    hour, minute = first["schedules"][0]["next"][0][11:13], first["schedules"][0]["next"][0][14:16]
    assert " %s:%s:00 " % (hour, minute) in next(line for line in timers.splitlines() if "app.daily" in line)

    tried = host.fleet_backup("schedule", "test", "app", "daily")
    assert tried["schedules"][0]["outcome"] == "success"
    assert backups(host) == ["daily"]

    # Changed times, an entry less; then the switch; then everything away.
    host.configure(description({"at": "03:00"}))
    assert states(host.fleet_backup("schedule", "list", code=3)) == {"app.daily": "changed", "app.prune": "foreign"}
    assert states(host.fleet_backup("schedule", "apply")) == {"app.daily": "active"}
    host.configure(description({"at": "03:00"}, schedules_enabled=False))
    assert states(host.fleet_backup("schedule", "apply")) == {"app.daily": "disabled"}
    host.configure(description({"at": "03:00"}))
    host.fleet_backup("schedule", "apply")
    assert host.fleet_backup("schedule", "remove")["changed"]
    assert not host.fleet_backup("schedule", "remove")["changed"]
    assert host.run("sh", "-c", "ls /var/lib/systemd/timers | grep fleet-backup", check=False).stdout == ""
    left = host.run("sh", "-c", "ls /etc/systemd/system | grep fleet-backup").stdout.split()
    assert left == ["fleet-backup-own.timer"]
    assert foreign == host.run("sha256sum", *(line.split()[1] for line in foreign.splitlines())).stdout
    host.run("rm", *(line.split()[1] for line in foreign.splitlines()))


def test_both_schedulers_fire_and_one_takes_the_place_of_the_other(host):
    """A timer of root's and an entry of a user's crontab, so that the next minute is waited for only once."""
    every_minute = {"cron": "* * * * *", "tag": "minutely"}
    host.write("/etc/cron.d/mine", MINE)
    host.run("crontab", "-", user="ops", stdin="MAILTO=me\n5 5 * * * true # mine, 100%\n")
    before = host.run("crontab", "-l", user="ops").stdout
    users = "/home/ops/jobs.json"
    host.configure(description(every_minute, user="ops", scheduler="cron"), users, "ops")
    host.configure(description(every_minute))
    host.fleet_backup("schedule", "apply")
    assert not host.fleet_backup("schedule", "list", "--config", users, user="ops", code=3)["schedules"][0]["started"]
    host.fleet_backup("schedule", "apply", "--config", users, user="ops")
    assert not host.fleet_backup("schedule", "apply", "--config", users, user="ops")["changed"]
    told = host.run("crontab", "-l", user="ops").stdout
    assert told.startswith(before)
    assert "schedule run app minutely" in told

    wait_for(host, '"operation": "backup"')
    wait_for(host, '"operation": "backup"', "/home/ops/.local/state/fleet-backup/audit.log")
    assert backups(host)[0] == "minutely"
    listed = host.fleet_backup("list", "--config", users, user="ops")
    assert listed["jobs"][0]["backups"][0]["tag"] == "minutely"
    tried = host.fleet_backup("schedule", "test", "app", "minutely", "--config", users, user="ops")
    assert tried["schedules"][0]["outcome"] == "success"
    host.fleet_backup("schedule", "remove", "--config", users, user="ops")
    assert host.run("crontab", "-l", user="ops").stdout == before

    # To cron: the timers go, cron's file comes; and back.
    assert host.fleet_backup("schedule", "apply", "--scheduler", "cron")["scheduler"] == "cron"
    assert "fleet-backup" not in host.run("ls", "/etc/systemd/system").stdout
    assert states(host.fleet_backup("schedule", "list", "--scheduler", "cron")) == {"app.minutely": "active"}
    assert host.run("stat", "-c", "%a", "/etc/cron.d/fleet-backup").stdout.strip() == "644"
    host.fleet_backup("schedule", "apply")
    assert "fleet-backup" not in host.run("ls", "/etc/cron.d").stdout.split()
    assert host.run("cat", "/etc/cron.d/mine").stdout == MINE


def test_the_menu_sets_a_schedule_that_no_deployment_takes_back(host):
    host.configure(description({"at": "02:00", "kind": "incremental"}))
    host.fleet_backup("schedule", "apply")
    with Terminal(["docker", "exec", "-it", host.name, PROGRAM, "menu"]) as menu:
        for question, answer in (
            ("What shall be done?", "9"), ("Which job?", "1"), ("Which schedule?", "2"), ("What about daily?", "1"),
            ("When?", "2"), ("Which days?", "1,5"), ("At which time", "03:15"),
        ):  # fmt: skip
            menu.expect(question)
            menu.expect(": ")
            menu.type(answer)
        menu.expect("$ fleet-backup schedule set app daily --at 03:15 --weekday ")
        menu.expect("What shall be done?")
        menu.type("q")
        assert menu.finish() == 0
    host.configure(description({"at": "02:00", "kind": "incremental"}))
    (row,) = host.fleet_backup("schedule", "list")["schedules"]
    assert (row["state"], row["when"], row["origin"]) == ("active", "15 3 * * 1,5", "conf.d/local.json, instead of jobs.json")
    assert "03:15:00" in host.run("systemctl", "cat", "fleet-backup-app.daily.timer").stdout
    assert host.fleet_backup("schedule", "unset", "app", "daily")["schedules"][0]["when"] == "0 2 * * *"


def test_cron_catches_up_what_was_missed(host):
    host.configure(description({"at": "02:00"}, scheduler="cron"))
    host.fleet_backup("schedule", "apply")
    assert host.fleet_backup("schedule", "catch-up")["results"] == []
    record = "/var/lib/fleet-backup/schedules.json"
    runs = json.loads(host.run("cat", record).stdout)
    runs["runs"]["app.daily"]["since"] = "2026-01-01T00:00:00.000Z"
    host.write(record, json.dumps(runs), "0600")
    assert len(host.fleet_backup("schedule", "catch-up")["results"]) == 1
    assert host.fleet_backup("schedule", "catch-up")["results"] == []
    assert backups(host) == ["daily"]


def test_systemd_catches_up_what_was_missed(host):
    host.configure(description({"at": "02:00"}))
    host.fleet_backup("schedule", "apply")
    timer = "fleet-backup-app.daily.timer"
    host.run("systemctl", "stop", timer)
    host.run("touch", "-d", "3 days ago", "/var/lib/systemd/timers/stamp-%s" % timer)
    host.run("systemctl", "start", timer)
    wait_for(host, '"operation": "backup"')
    assert backups(host) == ["daily"]


def test_a_run_that_is_killed_is_told(host):
    notifier = {"name": "hook", "webhook": {"url": "http://127.0.0.1:9/", "timeout": "5s"}}
    hook = {"before": [{"command": ["sh", "-c", "touch /srv/begun; exec sleep 600"]}]}
    host.configure(description({"at": "02:00"}, job={"notify": ["hook"], "hooks": hook}, notifiers=[notifier]))
    host.fleet_backup("schedule", "apply")
    host.run("systemctl", "start", "--no-block", "fleet-backup-app.daily.service")
    host.run("timeout", "100", "sh", "-c", "until test -e /srv/begun; do sleep 0.1; done")
    # What still runs is not started again, whoever asks.
    assert host.fleet_backup("schedule", "run", "app", "daily", code=10)["error"]["code"] == "locked"
    host.run("systemctl", "kill", "-s", "KILL", "fleet-backup-app.daily.service")
    wait_for(host, "was killed", "/var/lib/fleet-backup/outbox/hook.json")
    # And only once.
    host.fleet_backup("schedule", "killed", "app.daily")
    waiting = json.loads(host.run("cat", "/var/lib/fleet-backup/outbox/hook.json").stdout)["messages"]
    assert [message["result"]["error"]["code"] for message in waiting] == ["schedule"]
    assert host.fleet_backup("list")["jobs"][0]["backups"] == []


def test_a_time_zone_that_is_not_the_hosts(host):
    host.configure(description({"at": "02:00", "timezone": "Asia/Tokyo"}))
    applied = host.fleet_backup("schedule", "apply")
    assert applied["schedules"][0]["next"][0].endswith("T02:00+0900")
    refused = host.fleet_backup("schedule", "apply", "--scheduler", "cron", code=2)
    assert "Asia/Tokyo" in refused["error"]["message"]
    assert states(host.fleet_backup("schedule", "list")) == {"app.daily": "active"}


def test_no_scheduler_here_is_an_error(host):
    host.configure(description({"at": "02:00"}, scheduler="task_scheduler"))
    assert (
        "this host has no task_scheduler; there is systemd, cron"
        in host.fleet_backup("schedule", "apply", code=19)["error"]["message"]
    )
