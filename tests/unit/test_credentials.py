# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as credentials of systemd: where they are read, which units load them, and taking them out of a description."""

from __future__ import annotations

import json

import jobs
import pytest

from _engine import credentials
from _engine.errors import ConfigurationError
from _engine.job import CONFIG, parse_config
from _engine.options import taken_out
from _engine.schedules.planned import planned

COMMAND = ("/usr/local/bin/fleet-backup", "--config", "/etc/fleet-backup")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """systemd's folders of credentials, plain and encrypted."""
    plain, encrypted = tmp_path / "credstore", tmp_path / "credstore.encrypted"
    for name, folder in (("PLAIN", plain), ("ENCRYPTED", encrypted)):
        folder.mkdir()
        monkeypatch.setattr(credentials, name, str(folder))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return plain, encrypted


def description(tmp_path, **more):
    notifier = {"name": "hook", "webhook": {"url_credential": "ping-url", **more}}
    job = jobs.describe(tmp_path, jobs.files(tmp_path), notify=["hook"], schedules=[{"at": "02:00"}])
    return {**job, "notifiers": [notifier, {"name": "idle", "webhook": {"url_credential": "unused"}}]}


def secret(tmp_path):
    return parse_config(description(tmp_path)).notifier("hook").options["url"]


def test_what_systemd_hands_over_goes_before_what_lies_there(tmp_path, folders, monkeypatch):
    (folders[0] / "ping-url").write_text("from the folder\n")
    assert secret(tmp_path).reveal() == "from the folder"
    handed = tmp_path / "handed"
    handed.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert secret(tmp_path).reveal() == "from the folder"
    (handed / "ping-url").write_text("from systemd\n")
    assert secret(tmp_path).reveal() == "from systemd"


def test_where_it_cannot_be_read_the_way_is_told(tmp_path, folders):
    with pytest.raises(ConfigurationError) as raised:
        secret(tmp_path).reveal()
    told = str(raised.value)
    assert told.startswith("notifiers[0].webhook.url_credential: ")
    way = "systemd-run --pipe --wait -p LoadCredential%s=ping-url:%s"
    assert way % ("Encrypted", folders[1] / "ping-url") in told


def test_units_load_what_their_job_needs_and_nothing_else(tmp_path, folders):
    config = parse_config(description(tmp_path, secret_credential="sign"))  # noqa: S106 - the name of one
    (one,) = planned(config, config.jobs[0], COMMAND)
    assert one.credentials == {"ping-url", "sign"}
    (folders[0] / "ping-url").touch()
    (folders[1] / "sign").touch()
    assert credentials.unit_lines([*one.credentials, "elsewhere"]).splitlines() == [
        "LoadCredential=elsewhere",
        "LoadCredential=ping-url:%s" % (folders[0] / "ping-url"),
        "LoadCredentialEncrypted=sign:%s" % (folders[1] / "sign"),
    ]


@pytest.mark.parametrize("name", ["../passwd", "a/b", "a:b", "%i", ".hidden", ""])
def test_a_name_that_is_none(tmp_path, name):
    with pytest.raises(ConfigurationError, match="url_credential: "):
        parse_config(description(tmp_path, url_credential=name))


def test_only_roots_systemd_keeps_secrets(monkeypatch):
    monkeypatch.setattr(credentials, "is_superuser", lambda: False)
    with pytest.raises(ConfigurationError, match="only root"):
        credentials.check_host()
    monkeypatch.setattr(credentials, "is_superuser", lambda: True)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match="no systemd-creds"):
        credentials.check_host()


def test_secrets_are_taken_out_by_names_that_tell_where_they_were(tmp_path):
    given = description(tmp_path, url_credential=None, url="https://canary/", secret="canary")
    given["jobs"][0]["encryption"] = {"passphrase": "canary"}
    ftp = {"host": "h", "user": "u", "password": "canary", "path": "/"}
    given["stores"].append({"name": "far", "ftp": ftp})
    rest, secrets = taken_out(given, CONFIG, "fleet-backup")
    assert secrets == {
        "fleet-backup.jobs.app.encryption.passphrase": "canary",
        "fleet-backup.notifiers.hook.webhook.secret": "canary",
        "fleet-backup.notifiers.hook.webhook.url": "https://canary/",
        "fleet-backup.stores.far.ftp.password": "canary",
    }
    assert "canary" not in json.dumps(rest)
    assert given["stores"][1]["ftp"] == ftp
    assert credentials.named_in(parse_config(rest)) == {*secrets, "unused"}
