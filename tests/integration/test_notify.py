# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling people: real mails over TLS with a password, signed webhooks, pings, metrics; what cannot be told waits."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

import jobs
import pytest
from receivers import PASSWORD, USERNAME, http_server, smtp_server

from _engine.errors import ConfigurationError
from _engine.job import Config, parse_config
from _engine.operations.backup import backup
from _engine.operations.notify import notify
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify

ALL = ["success", "warning", "failure", "stale"]


def host(folder: Path, *notifiers: t.Dict[str, t.Any], **job: t.Any) -> Config:
    """A host with a folder to back up, and notifiers that are told everything."""
    (folder / "app").mkdir(exist_ok=True)
    (folder / "app" / "page.html").write_text("<b>hello</b>")
    description = jobs.describe(folder, jobs.files(folder / "app"), notify=[n["name"] for n in notifiers], **job)
    return parse_config({**description, "notifiers": [{"on": ALL, **n} for n in notifiers]})


def mail(mailbox, security="starttls", **options):
    return {
        "name": "ops",
        "mail": {
            "to": ["admin@example.org", "boss@example.org"], "server": "localhost", "port": mailbox.port, "security": security,
            "username": USERNAME, "password": PASSWORD, "ca_file": str(mailbox.ca_file), **options,
        },
    }  # fmt: skip


def unreachable() -> int:
    """A port where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def take(config: Config, **options: t.Any):
    return backup(config, config.jobs[0], **options)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_of_a_backup(tmp_path, security):
    with smtp_server(tmp_path, security) as mailbox:
        result = take(host(tmp_path, mail(mailbox, security)))
    assert (result.outcome, result.warnings) == ("success", [])
    (told,) = mailbox.mails
    assert mailbox.envelopes[0].rcpt_tos == ["admin@example.org", "boss@example.org"]
    assert told["Subject"] == "[fleet.backup] web1/app: backup succeeded"
    text = told.get_body(("plain",)).get_content()
    page = told.get_body(("html",)).get_content()
    for part in (result.id, "files", "disk"):
        assert part in text
        assert part in page


def test_mail_of_a_failure_names_the_error_and_no_markup_of_it_lives(tmp_path):
    with smtp_server(tmp_path) as mailbox:
        config = host(tmp_path, {**mail(mailbox), "language": "es"})
        shutil.rmtree(tmp_path / "app")
        (tmp_path / "app").symlink_to(tmp_path / "<script>nowhere")
        result = take(config)
    assert result.outcome == "failure"
    (told,) = mailbox.mails
    assert told["Subject"] == "[fleet.backup] web1/app: copia de seguridad FALLO"
    assert result.error["message"] in told.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "<script>" not in told.get_body(("html",)).get_content()


def test_wrong_password_is_told_as_a_warning_without_the_password(tmp_path):
    with smtp_server(tmp_path) as mailbox:
        result = take(host(tmp_path, mail(mailbox, password="canary-wrong")))
    assert result.outcome == "success"
    (warning,) = result.warnings
    assert warning.code == "notification"
    assert "535" in warning.message
    assert "canary" not in json.dumps(result.to_dict())


def test_no_mail_goes_out_in_the_clear_by_mistake(tmp_path):
    with smtp_server(tmp_path, "none") as mailbox:
        result = take(host(tmp_path, mail(mailbox, "starttls")))
    assert mailbox.mails == []
    assert "STARTTLS" in result.warnings[0].message


def test_a_server_with_an_unknown_certificate_gets_nothing(tmp_path):
    with smtp_server(tmp_path) as mailbox:
        result = take(host(tmp_path, mail(mailbox, ca_file=None)))
    assert mailbox.mails == []
    assert "certificate" in result.warnings[0].message


def test_what_could_not_be_told_is_told_by_the_next_run(tmp_path):
    with smtp_server(tmp_path) as mailbox:
        good = mail(mailbox)
        dead = {**good, "mail": {**good["mail"], "port": unreachable()}}
        first = take(host(tmp_path, dead))
        assert "refused" in first.warnings[0].message
        second = take(host(tmp_path, good))
        third = take(host(tmp_path, good))
    assert second.warnings == third.warnings == []
    texts = [m.get_body(("plain",)).get_content() for m in mailbox.mails]
    assert [[r.id in text for r in (first, second, third)] for text in texts] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
    assert (tmp_path / "state" / "outbox" / "ops.json").stat().st_mode & 0o777 == 0o600


def test_a_server_that_never_answers_does_not_hang_the_run(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hook = {"name": "hook", "webhook": {"url": "http://127.0.0.1:%d/" % silent.getsockname()[1], "timeout": "1s"}}
        result = take(host(tmp_path, hook))
    assert result.outcome == "success"
    assert "timed out" in result.warnings[0].message


def test_webhook_is_signed(tmp_path):
    with http_server(tmp_path) as requests:
        hook = {
            "name": "hook",
            "webhook": {"url": requests.url, "secret": "s3cret", "authorization": "Bearer t", "ca_file": str(requests.ca_file)},
        }
        result = take(host(tmp_path, hook))
    assert result.warnings == []
    ((path, headers, body),) = requests.seen
    assert (path, headers["Authorization"], headers["Content-Type"]) == ("/hook/token-canary", "Bearer t", "application/json")
    seconds, digest = (part.partition("=")[2] for part in headers["X-Fleet-Backup-Signature"].split(","))
    assert digest == hmac.new(b"s3cret", seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    document = json.loads(body)
    assert (document["event"], document["result"]["id"]) == ("success", result.id)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_answer_but_success_is_a_problem_that_shows_no_token(tmp_path, status):
    with http_server() as requests:
        requests.status = status
        result = take(host(tmp_path, {"name": "hook", "webhook": {"url": requests.url}}))
    (warning,) = result.warnings
    assert str(status) in warning.message
    assert "token-canary" not in json.dumps(result.to_dict())


def test_healthcheck_pings(tmp_path):
    with http_server() as requests:
        config = host(tmp_path, {"name": "switch", "healthcheck": {"url": requests.url}, "on": ["failure"]})
        take(config)
        verify(config)
        shutil.rmtree(tmp_path / "app")
        take(config)
    assert [path for path, _headers, _body in requests.seen] == ["/hook/token-canary", "/hook/token-canary/fail"]


def test_apprise_tells_through_its_services(tmp_path):
    with http_server() as requests:
        url = requests.url.replace("http://", "json://")
        result = take(host(tmp_path, {"name": "chat", "apprise": {"urls": url}}))
        assert result.warnings == []
    ((_path, _headers, body),) = requests.seen
    assert "web1/app: backup succeeded" in json.loads(body)["title"]


def test_apprise_without_a_service_it_knows(tmp_path):
    result = take(host(tmp_path, {"name": "chat", "apprise": {"urls": "nosuch://token-canary"}}))
    assert "does not understand" in result.warnings[0].message
    assert "canary" not in json.dumps(result.to_dict())


def metrics(folder: Path) -> t.Dict[str, float]:
    lines = (folder / "fleet_backup_app.prom").read_text().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_metrics(tmp_path):
    folder = tmp_path / "textfile"
    folder.mkdir()
    config = host(tmp_path, {"name": "metrics", "prometheus": {"directory": str(folder)}}, max_age="26h")
    result = take(config)
    labels = '{host="web1",job="app",operation="backup"}'
    good = metrics(folder)
    assert good["fleet_backup_last_run_outcome" + labels] == 0
    assert good["fleet_backup_bytes" + labels] == result.bytes
    assert good["fleet_backup_copies" + labels] == 1
    assert good['fleet_backup_max_age_seconds{host="web1",job="app"}'] == 26 * 3600
    shutil.rmtree(tmp_path / "app")
    take(config)
    bad = metrics(folder)
    assert bad["fleet_backup_last_run_outcome" + labels] == 2
    assert bad["fleet_backup_consecutive_failures" + labels] == 1
    last = "fleet_backup_last_success_timestamp_seconds" + labels
    assert bad[last] == good[last] > 0
    assert (folder / "fleet_backup_app.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir()] == ["fleet_backup_app.prom"]


def test_only_what_people_wait_for_is_told_when_it_went_well(tmp_path):
    with http_server() as requests:
        config = host(tmp_path, {"name": "hook", "webhook": {"url": requests.url}})
        taken = take(config)
        verify(config)
        prune(config, config.jobs[0])
        restore(config, "app", RestoreRequest(to=str(tmp_path / "elsewhere"), confirm=True))
        volume = next((tmp_path / "store" / "web1" / "app" / taken.id).glob("files.tar*"))
        volume.write_bytes(b"damaged")
        verify(config)
    told = [json.loads(body) for _path, _headers, body in requests.seen]
    assert [(d["operation"], d["event"]) for d in told] == [
        ("backup", "success"),
        ("restore", "success"),
        ("verify", "failure"),
    ]


def test_a_dry_run_and_an_event_nobody_asked_for_tell_nothing(tmp_path):
    with http_server() as requests:
        take(host(tmp_path, {"name": "hook", "webhook": {"url": requests.url}}), dry_run=True)
        take(host(tmp_path, {"name": "hook", "webhook": {"url": requests.url}, "on": ["failure"]}))
    assert requests.seen == []


def test_stale_jobs_are_told(tmp_path):
    with http_server() as requests:
        config = host(tmp_path, {"name": "hook", "webhook": {"url": requests.url}}, max_age="1h")
        (tmp_path / "store").mkdir()
        result = notify(config, "stale")
        assert (result.stale, result.outcome) == (["app"], "success")
        take(config)
        assert notify(config, "stale").stale == []
    events = [json.loads(body)["event"] for _path, _headers, body in requests.seen]
    assert events == ["stale", "success"]


def test_a_test_message_fails_loudly(tmp_path):
    with smtp_server(tmp_path) as mailbox:
        good = mail(mailbox)
        dead = {"name": "hook", "webhook": {"url": "http://127.0.0.1:%d/" % unreachable()}}
        result = notify(host(tmp_path, good, dead), "test")
    assert (result.outcome, result.exit_code) == ("failure", 18)
    assert [(told.notifier, told.outcome) for told in result.told] == [("ops", "success"), ("hook", "failure")]
    assert "test message" in mailbox.mails[0]["Subject"]
    assert not (tmp_path / "state" / "outbox" / "hook.json").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mail": {"to": ["a@example.org"], "from": "b@example.org"}}, "notifiers[0].mail.server"),
        ({"mail": {"to": ["nonsense"], "from": "b@example.org", "server": "s"}}, "notifiers[0].mail.to"),
        ({"mail": {"to": ["a@example.org"], "server": "s"}}, "notifiers[0].mail.from"),
        ({"mail": {"to": ["a@x.org"], "from": "b@x.org", "server": "s", "username": "u"}}, "notifiers[0].mail.username"),
        ({"webhook": {}}, "notifiers[0].webhook.url"),
        ({"webhook": {"url": "http://x/"}, "on": ["sometimes"]}, "notifiers[0].on[0]"),
        ({"pigeon": {}}, "notifiers[0].pigeon"),
    ],
)
def test_wrong_options_name_their_place(tmp_path, options, problem):
    with pytest.raises(ConfigurationError) as raised:
        host(tmp_path, {"name": "ops", **options})
    assert problem in str(raised.value)


def test_a_job_cannot_name_a_notifier_that_is_not_there(tmp_path):
    description = jobs.describe(tmp_path, jobs.files(tmp_path), notify=["ops"])
    with pytest.raises(ConfigurationError, match=r"jobs\[0\]\.notify\[0\]: there is no notifier 'ops'"):
        parse_config(description)


def test_the_command(tmp_path):
    with http_server() as requests:
        host(tmp_path)
        description = jobs.describe(tmp_path, jobs.files(tmp_path / "app"), notify=["hook"], max_age="1h")
        description["notifiers"] = [{"name": "hook", "webhook": {"url": requests.url}}]
        path = tmp_path / "job.json"
        path.write_text(json.dumps(description))
        (tmp_path / "store").mkdir()
        engine = Path(__file__).parents[2] / "plugins" / "module_utils"
        program = "import sys; sys.path.insert(0, %r); from _engine.cli.main import main; sys.exit(main())" % str(engine)
        for words, code, expected in ((["test"], 0, "hook"), (["stale"], 0, "job app has no fresh backup")):
            done = subprocess.run(
                [sys.executable, "-c", program, "--config", str(path), "notify", *words],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (code, "")
            assert expected in done.stdout
    assert [json.loads(body)["event"] for _path, _headers, body in requests.seen] == ["test", "stale"]
