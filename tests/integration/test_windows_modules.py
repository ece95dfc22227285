# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules and roles on a host that says it is Windows (tests/windows/README.md): no Windows was involved."""

from __future__ import annotations

import json
import sqlite3

import pytest
from playing import ROOT
from windows_host import WindowsHost

SECRET = "canary-Pa55"  # noqa: S105


class Fleet:
    """One such host, its application, and what the inventory says of it."""

    def __init__(self, folder):
        (folder / "host").mkdir()
        self.host = WindowsHost(folder / "host")
        self.ansible = self.host.ansible(folder / "controller")
        self.app, self.database = self.host.folder / "app", self.host.folder / "shop.sqlite"
        self.app.mkdir()
        (self.app / "page.html").write_bytes(b"hello")
        with sqlite3.connect(self.database) as connection:
            connection.execute("CREATE TABLE t (a)")
        connection.close()
        sources = [
            {"name": "files", "files": {"paths": [str(self.app)]}},
            {"name": "database", "sqlite": {"path": str(self.database)}},
        ]
        self.variables = {
            "ansible_connection": "tests.host.folder",
            "fleet_backup_host": "win1",
            "fleet_backup_stores": [{"name": "disk", "local": {"path": str(self.host.folder / "store")}}],
            "fleet_backup_notifiers": [{"name": "hook", "webhook": {"url": "http://127.0.0.1:9/", "secret": SECRET}}],
            "fleet_backup_jobs": [
                {
                    "name": "shop",
                    "sources": sources,
                    "stores": ["disk"],
                    "compression": {"algorithm": "gzip"},
                    "schedules": [{"at": "02:00"}, {"every": "6h", "kind": "incremental"}],
                    "retention": {"keep_last": 1},
                }
            ],
            "agent_packages": False,
            "agent_libraries": "report",
        }

    def play(self, *tasks, options=(), **variables):
        """Run tasks and return what each returned."""
        file = self.host.folder / "variables.json"
        file.write_text(json.dumps({**self.variables, **variables}))
        settings = "{{ lookup('fleet.backup.settings') }}"
        defaults = {"module_defaults": {"group/fleet.backup.all": settings}}
        without = {"ansible.builtin.include_role", "fleet.backup.schedule"}
        described = [{**task, **({} if without & {*task} else defaults)} for task in tasks]
        options = ["-e", "@%s" % file, *options]
        return self.ansible.tasks(*described, options=options, environment={"FLEET_BACKUP_WINDOWS": str(self.host.description)})


JOB = {"job": "{{ fleet_backup_jobs[0] }}"}


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path)


def role(name, **variables):
    return {"ansible.builtin.include_role": {"name": "fleet.backup." + name}, "vars": variables}


def test_roll_out_back_up_restore_and_take_away(fleet):
    host = fleet.host
    # Nothing was deployed: the command is sent for this task.
    (planned,) = fleet.play({"fleet.backup.backup": JOB}, options=["--check", "--diff"])
    assert planned["changed"] and planned["backup"]["dry_run"] and planned["diff"]["after"]
    assert not (host.programs / "fleet-backup").exists() and not (host.folder / "store").exists()

    answers = fleet.play(
        role("agent"),
        role("schedule"),
        {"fleet.backup.agent": {"jobs": "{{ fleet_backup_jobs }}", "interpreter": "{{ agent_interpreter }}"}},
        {"fleet.backup.schedule": {}},
        {"fleet.backup.backup": JOB},
        {"fleet.backup.verify": JOB},
        {"fleet.backup.backup_info": {**JOB, "backup": "latest"}},
        {"fleet.backup.notify": {"what": "stale"}},
        {"fleet.backup.backup": {"job": {"name": "shop"}}},
        agent_interpreter="C:\\Python\\python.exe",
    )
    agent, schedule, backup, verify, info, stale, wrong = answers[2:]
    # The roles have done it all.
    assert not agent["changed"] and not schedule["changed"], (agent, schedule)
    assert agent["agent"]["program"] == str(host.programs / "fleet-backup" / "fleet-backup.cmd")
    batch = (host.programs / "fleet-backup" / "fleet-backup.cmd").read_text()
    assert batch == '@"C:\\Python\\python.exe" -I "%s" %%*\n' % (host.programs / "fleet-backup" / "fleet-backup.py")
    assert [row["state"] for row in schedule["schedule"]["schedules"]] == ["active", "active"]
    assert {path.name for path in host.tasks.iterdir()} == {"fleet-backup.shop.daily", "fleet-backup.shop.scheduled"}
    assert backup["changed"] and backup["backup"]["outcome"] == "success", backup
    assert not verify["changed"] and verify["verify"]["outcome"] == "success", verify
    assert info["info"]["backup"]["id"] == backup["backup"]["id"]
    assert stale["notify"]["stale"] == []
    assert wrong["failed"] and "sources" in wrong["msg"], wrong
    jobs = host.data / "fleet-backup" / "config" / "jobs.json"
    assert json.loads(jobs.read_text())["notifiers"][0]["webhook"]["secret"] == SECRET
    assert host.access == [
        [str(host.data / "fleet-backup"), "/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F"]
    ]
    # Secrets went through a file that is gone.
    assert SECRET not in json.dumps(answers)
    assert list((fleet.ansible.folder / "ansible" / "tmp").glob("ansible-tmp-*")) == []

    # What Task Scheduler starts.
    script = host.programs / "fleet-backup" / "fleet-backup.py"
    done = host.run(script, "schedule", "test", "shop", "daily")
    assert done.returncode == 0, done.stderr
    (fleet.app / "page.html").write_bytes(b"broken")
    fleet.database.unlink()
    restored, again, pruned, gone = fleet.play(
        {"fleet.backup.restore": {**JOB, "backup": backup["backup"]["id"], "confirm": True}},
        {"fleet.backup.restore": {**JOB, "backup": backup["backup"]["id"], "confirm": True}},
        {"fleet.backup.prune": JOB},
        role("agent", agent_state="absent"),
    )
    assert restored["changed"], restored
    # What is as in the backup is seen to be: modes and owners, which say nothing here, are not compared.
    plan = next(c["plan"] for c in again["restore"]["components"] if c["name"] == "files")
    assert plan["unchanged_count"] and not plan["overwrite"] and not plan["create"], plan
    assert (fleet.app / "page.html").read_bytes() == b"hello" and fleet.database.exists()
    assert pruned["prune"]["outcome"] == "success" and pruned["changed"]
    assert list(host.tasks.iterdir()) == [] and list(host.programs.iterdir()) == [] and list(host.data.iterdir()) == []
    assert any((host.folder / "store").rglob("*.json"))


def test_what_goes_wrong_is_said(fleet):
    fleet.host.remove_python()
    no_python, asynchronous = fleet.play({"fleet.backup.backup": JOB}, {"fleet.backup.backup": JOB, "async": 60, "poll": 1})
    assert no_python["failed"] and "py.exe -3 cannot run fleet-backup" in no_python["msg"], no_python
    assert "cannot find the file" in no_python["msg"] and "all users" in no_python["msg"]
    assert asynchronous["failed"] and "asynchronously" in asynchronous["msg"], asynchronous


def test_no_script_of_our_own_runs_on_windows():
    assert list((ROOT / "plugins").rglob("*.ps1")) == [] and list((ROOT / "roles").rglob("*.ps1")) == []
