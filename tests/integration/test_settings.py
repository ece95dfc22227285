# SPDX-License-Identifier: GPL-3.0-or-later
"""What people set on a host: it goes over what was deployed, by name, and is checked as a whole before anything is written."""

from __future__ import annotations

import json
import os
import re

import jobs
import pytest
from receivers import PASSWORD, USERNAME, smtp_server
from terminal import Terminal

from _engine.errors import ConfigurationError
from _engine.job_files import load_config
from _engine.operations.schedule import list_schedules
from _engine.operations.settings import set_mail, set_schedule, unset_notifier, unset_schedule

COMMAND = ("/usr/local/bin/fleet-backup", "--config", "/etc/fleet-backup")
DEPLOYED = [{"at": "02:00", "kind": "incremental"}, {"operation": "prune", "at": "04:00"}]


class Folder:
    """A folder of job files, as a deployment leaves it, and cron with its table in another one."""

    def __init__(self, path, cron):
        self.path = path / "config"
        self.local = self.path / "conf.d" / "local.json"
        self.cron = cron
        self.path.mkdir()
        self.description = jobs.describe(path, jobs.files(path), schedules=DEPLOYED, notify=["hook"])
        self.description["notifiers"] = [{"name": "hook", "webhook": {"url": "http://127.0.0.1:9/"}}]
        self.deploy()

    def deploy(self):
        (self.path / "jobs.json").write_text(json.dumps(self.description))

    def config(self):
        return load_config(str(self.path))

    def schedule(self, name, **given):
        return set_schedule(str(self.path), COMMAND, "app", name, given)

    def schedules(self):
        return {s["name"]: s for s in self.config().jobs[0].schedules}

    def written(self):
        return json.loads(self.local.read_text())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    cron = tmp_path / "cron.d" / "fleet-backup"
    cron.parent.mkdir()
    monkeypatch.setattr("_engine.schedules.cron.FILE", str(cron))
    monkeypatch.setattr("_engine.schedules.cron.is_superuser", lambda: True)
    monkeypatch.setattr("_engine.operations.schedule.available", lambda: ["cron"])
    return Folder(tmp_path, cron)


def test_a_deployed_schedule_is_changed_and_put_into_force(folder):
    result = folder.schedule("daily", at="03:15", weekday="monday")
    assert (result.outcome, result.changed, result.name) == ("success", True, "app.daily")
    assert (result.before, result.after["at"], result.after["kind"]) == (None, "03:15", "incremental")
    assert "15 3 * * 1 root" in folder.cron.read_text()
    assert "0 4 * * * root" in folder.cron.read_text()
    assert folder.local.stat().st_mode & 0o777 == 0o600
    assert folder.local.parent.stat().st_mode & 0o777 == 0o700
    origins = {row.name: (row.state, row.origin) for row in list_schedules(folder.config(), COMMAND).schedules}
    assert origins == {
        "daily": ("active", "conf.d/local.json, instead of jobs.json"),
        "prune": ("active", "jobs.json"),
    }
    assert not folder.schedule("daily", at="03:15", weekday="monday").changed

    # Other times stand instead of the old ones, not beside them; the rest stays.
    folder.schedule("daily", every="6h")
    assert folder.written()["jobs"] == [{"name": "app", "schedules": [{"name": "daily", "kind": "incremental", "every": "6h"}]}]
    folder.schedule("daily", enabled=False)
    assert "schedule run app daily" not in folder.cron.read_text()

    taken_back = unset_schedule(str(folder.path), COMMAND, "app", "daily")
    assert (taken_back.changed, taken_back.after) == (True, None)
    assert "0 2 * * * root" in folder.cron.read_text()
    assert folder.written() == {}
    again = unset_schedule(str(folder.path), COMMAND, "app", "daily")
    assert (again.exit_code, "--no-enabled" in again.error["message"]) == (12, True)


def test_a_new_schedule_gets_the_usual_name(folder):
    assert folder.schedule(None, operation="verify", at="05:00", sample="5%").name == "app.verify"
    assert set(folder.schedules()) == {"daily", "prune", "verify"}
    assert "schedule run app verify" in folder.cron.read_text()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"at": "25:00"}, "at: '25:00' is no time of day"),
        ({"weekday": "monday"}, "at: give exactly one of at, every and cron"),
        ({"every": "5h"}, "every: must be minutes"),
        ({"kind": "partial"}, "kind: 'partial' is none of"),
        ({"timezone": "Asia/Tokyo"}, "cron knows only the host's time zone"),
        ({"at": "03:00", "splay": "soon"}, "splay: a duration is"),
    ],
)
def test_what_is_wrong_is_not_written(folder, given, problem):
    folder.schedule("prune", at="05:00")
    before = folder.local.read_bytes(), folder.cron.read_bytes()
    result = folder.schedule("daily", **given)
    assert (result.outcome, result.exit_code) == ("failure", 2)
    assert problem in result.error["message"]
    assert before == (folder.local.read_bytes(), folder.cron.read_bytes())


def test_a_dry_run_writes_nothing(folder):
    result = set_schedule(str(folder.path), COMMAND, "app", "daily", {"at": "03:00"}, dry_run=True)
    assert (result.changed, result.schedules[0].when) == (True, "0 4 * * *")
    mail = set_mail(str(folder.path), "ops", {}, MAIL, password="x", dry_run=True)
    assert (mail.outcome, mail.changed) == ("success", True)
    assert [path.name for path in folder.path.iterdir()] == ["jobs.json"]
    assert not folder.cron.exists()


def test_there_is_no_such_job(folder):
    result = set_schedule(str(folder.path), COMMAND, "shop", "daily", {"at": "03:00"})
    assert (result.exit_code, result.error["message"]) == (12, "there is no job 'shop'; the jobs are: app")


def test_a_single_job_file_has_no_place_for_it(folder):
    result = set_schedule(str(folder.path / "jobs.json"), COMMAND, "app", "daily", {"at": "03:00"})
    assert (result.exit_code, "is no folder" in result.error["message"]) == (2, True)


def test_a_job_that_is_deployed_no_more_harms_no_other(folder):
    folder.schedule("daily", at="03:00")
    folder.description["jobs"] = [{**folder.description["jobs"][0], "name": "shop"}]
    folder.deploy()
    listed = list_schedules(folder.config(), COMMAND)
    assert any("there is no job app any more" in notice.message for notice in listed.warnings)
    assert [job.name for job in folder.config().jobs] == ["shop"]
    assert unset_schedule(str(folder.path), COMMAND, "app", "daily").outcome == "success"
    assert folder.config().origins.idle == ()


def test_jobs_of_the_hosts_own_are_set_like_others(folder):
    folder.local.parent.mkdir()
    own = {**folder.description["jobs"][0], "name": "own", "schedules": [{"at": "01:00"}], "notify": []}
    folder.local.write_text(json.dumps({"jobs": [own]}))
    result = set_schedule(str(folder.path), COMMAND, "own", "daily", {"at": "01:30"})
    assert result.outcome == "success"
    assert folder.written()["jobs"] == [
        {key: [{"name": "daily", "at": "01:30"}] if key == "schedules" else value for key, value in own.items() if value}
    ]


@pytest.mark.parametrize(
    ("local", "problem"),
    [
        ({"jobs": [{"name": "app", "stores": []}]}, "jobs[0].stores: the job app is described by another file"),
        ({"jobs": {"name": "app"}}, "jobs: must be a list of dictionaries"),
        ({"jobs": [{"name": "app", "schedules": "daily"}]}, "schedules: must be a list of dictionaries"),
        ({"jobs": [{"name": "app", "notify": ["nobody"]}]}, "there is no notifier 'nobody'"),
        ({"state_dir": "/elsewhere"}, "state_dir is already set"),
        ([], "must hold one JSON object"),
    ],
)
def test_what_is_wrong_in_the_file_itself_is_told_with_its_place(folder, local, problem):
    folder.local.parent.mkdir()
    folder.local.write_text(json.dumps(local))
    with pytest.raises(ConfigurationError) as raised:
        folder.config()
    assert "local.json" in str(raised.value)
    assert problem in str(raised.value)


MAIL = {"to": ["ops@example.org"], "preset": "gmail", "username": USERNAME}


def test_mail_is_set_changed_and_taken_back(folder):
    path = str(folder.path)
    first = set_mail(path, "ops", {"on": ["failure"]}, MAIL, jobs=["app"], password=PASSWORD)
    assert (first.outcome, first.changed) == ("success", True)
    assert PASSWORD not in json.dumps(first.to_dict()) + folder.local.read_text()
    secret = folder.path / "secrets" / "mail-ops"
    assert secret.read_text() == PASSWORD + "\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    config = folder.config()
    assert config.jobs[0].notify == ("hook", "ops")
    assert config.notifier("ops").options["password"].reveal() == PASSWORD
    assert config.origins.notifiers == {"hook": "jobs.json", "ops": "conf.d/local.json"}

    # Another server: nothing of the preset is left, the password is.
    set_mail(path, "ops", {}, {"server": "mail.example.org", "port": 2525})
    options = folder.written()["notifiers"][0]["mail"]
    assert options == {
        "to": MAIL["to"], "username": USERNAME, "password_file": str(secret), "server": "mail.example.org", "port": 2525,
    }  # fmt: skip
    assert folder.config().notifier("ops").on == ("failure",)
    wrong = set_mail(path, "ops", {}, {"to": ["nonsense"]})
    assert (wrong.exit_code, "'nonsense' is no mail address" in wrong.error["message"]) == (2, True)
    assert not set_mail(path, "ops", {}, {"port": 2525}).changed

    assert unset_notifier(path, "ops").changed
    assert (folder.written(), secret.exists()) == ({}, False)
    assert folder.config().jobs[0].notify == ("hook",)


def test_a_deployed_mail_is_changed_and_another_notifier_is_not_taken_for_one(folder):
    mail = {"to": ["ops@example.org"], "server": "old", "username": USERNAME, "password": PASSWORD}
    folder.description["notifiers"].append({"name": "ops", "mail": mail})
    folder.deploy()
    result = set_mail(str(folder.path), "ops", {}, {"to": ["boss@example.org"]})
    assert result.outcome == "success"
    assert PASSWORD not in json.dumps(result.to_dict())
    assert folder.config().notifier("ops").options["to"] == ["boss@example.org"]
    assert folder.config().notifier("ops").options["server"] == "old"
    refused = set_mail(str(folder.path), "hook", {}, MAIL)
    assert (refused.exit_code, "sends no mail" in refused.error["message"]) == (2, True)


# The command


@pytest.fixture
def host(cli):
    """The command with a folder of job files: cli.path is the folder."""
    folder = cli.folder / "config"
    folder.mkdir()
    (folder / "jobs.json").write_text(json.dumps(cli.config))
    cli.path = folder
    return cli


def local(host):
    return json.loads((host.path / "conf.d" / "local.json").read_text())


def test_the_command_sets_mail_and_shows_where_it_stands(host):
    words = ["notify", "set", "ops", "--preset", "office365", "--username", USERNAME, "--to", "a@example.org", "--job", "app"]
    refused = host(*words, exit=2)
    assert "--password-stdin" in refused.stderr
    read, write = os.pipe()
    os.write(write, (PASSWORD + "\n").encode())
    os.close(write)
    done = host(*words, "--password-stdin", "--json", stdin=read)
    os.close(read)
    assert PASSWORD not in done.stdout + done.stderr
    assert json.loads(done.stdout)["after"]["mail"]["preset"] == "office365"
    row = re.split(" {2,}", host("notify", "list").stdout.splitlines()[1])
    assert row == ["ops", "mail", "warning, failure, stale", "app", "conf.d/local.json"]
    audit = json.loads((host.state / "audit.log").read_text().splitlines()[-1])
    assert audit["what"] == "notifier ops"
    assert "is unset" in host("notify", "unset", "ops").stdout


def test_the_command_refuses_what_is_no_schedule(host):
    done = host("schedule", "set", "app", "night", "--at", "26:00", "--weekday", "sunday", "--dry-run", exit=2)
    assert "'26:00' is no time of day" in done.stderr
    assert "takes 1 or 2 names" in host("schedule", "set", exit=2).stderr
    assert "--at goes with set" in host("schedule", "list", "--at", "02:00", exit=2).stderr


def test_the_menu_sets_mail_asks_for_the_password_and_sends_a_test(host, tmp_path):
    with (
        smtp_server(tmp_path) as mailbox,
        Terminal(host.argv("menu"), env=host.environment(SSL_CERT_FILE=str(mailbox.ca_file))) as menu,
    ):

        def answer(question, text):
            menu.expect(question)
            menu.expect("): ")
            menu.type(text)

        answer("What shall be done?", "10")
        answer("Which mail?", "1")
        answer("A name for it", "ops")
        answer("Through which server?", "3")
        menu.expect("Its host name: ")
        menu.type("localhost")
        answer("How is the connection protected?", "")
        answer("Its port", str(mailbox.port))
        answer("The account", USERNAME)
        answer("From which address", "")
        answer("Who gets it", "ops@example.org, boss@example.org")
        answer("When?", "2")
        answer("Which jobs tell it?", "1")
        menu.expect("$ fleet-backup notify set ops --server localhost")
        answer("password of %s" % USERNAME, PASSWORD)
        menu.expect("notifier ops is set in %s" % (host.path / "conf.d" / "local.json"))
        answer("Send a test mail now?", "")
        menu.expect("ops       mail         success")
        answer("What shall be done?", "q")
        assert menu.finish() == 0
    assert PASSWORD not in menu.raw
    assert [mail["To"] for mail in mailbox.mails] == ["ops@example.org, boss@example.org"]
    assert local(host)["jobs"] == [{"name": "app", "notify": ["ops"]}]
    # What was set is in use.
    assert "notification" in [warning["code"] for warning in host.json("run", "app")["warnings"]]


def test_leaving_the_question_for_the_password_changes_nothing(host):
    words = ["notify", "set", "ops", "--preset", "gmail", "--username", USERNAME, "--to", "a@example.org"]
    with Terminal(host.argv(*words), env=host.environment()) as terminal:
        terminal.expect("(not shown): ")
        terminal.type("\x04")
        assert terminal.finish() == 2
    assert not (host.path / "conf.d").exists()
