# SPDX-License-Identifier: GPL-3.0-or-later
"""``store setup`` at a terminal, with a browser that does what a person does; nothing shows what was granted."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import consenting
import pytest
from canary import Canary
from fake_drive import CLIENT_ID, FakeDrive
from fake_dropbox import APP_KEY, FakeDropbox

pytest.importorskip("pty")

from terminal import Terminal


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    service = FakeDrive(tmp_path_factory.mktemp("drive"))
    yield service
    service.close()


@pytest.fixture
def cloudy(cli, drive):
    """The configuration has a store ``cloud`` that nobody has given access to yet."""
    secrets = cli.folder / "secrets"
    secrets.mkdir()
    (secrets / "client").write_text(drive.client_secret)
    options = {
        "client_id": CLIENT_ID, "client_secret_file": str(secrets / "client"), "refresh_token_file": str(secrets / "token"),
        "endpoint_url": drive.url, "ca_bundle": str(drive.ca),
    }  # fmt: skip
    cli.config["stores"].append({"name": "cloud", "gdrive": options})
    cli.save()
    return cli


def environment(cli, service):
    """With a browser, which is called as any is."""
    script = Path(consenting.__file__)
    return cli.environment(BROWSER="%s %s %s %%s" % (sys.executable, script, service.ca), DISPLAY="", WAYLAND_DISPLAY="")


def test_a_person_allows_it_in_their_browser(cloudy, drive):
    """By the menu, as people find it; then a backup goes there."""
    with Canary(drive.client_secret) as canary, Terminal(cloudy.argv("menu"), env=environment(cloudy, drive)) as terminal:
        terminal.expect("to leave): ")
        terminal.type("8")
        terminal.expect("Which store?")
        terminal.expect("Enter for 1): ")
        terminal.type("")
        terminal.expect("store setup cloud")
        told = terminal.expect("store cloud has access to the account of ana@example.org, ")
        terminal.expect("to leave): ")
        terminal.type("q")
        assert terminal.finish() == 0
    token = cloudy.folder / "secrets" / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    audited = json.loads((cloudy.state / "audit.log").read_text().splitlines()[-1])
    assert "cloud" in audited["what"]
    cloudy.config["jobs"][1]["stores"] = ["cloud"]
    cloudy.save()
    ran = cloudy("run", "notes", "-v")
    granted = Canary(token.read_text().strip())
    shown = [terminal.raw, ran.stdout, ran.stderr, *(str(request) for request in drive.log if request.path != "/token")]
    logged = [text.decode("utf-8", "replace") for text in canary.arguments]
    assert canary.saw(Path(sys.executable).name) and "code_challenge" in told
    assert granted.found(cloudy.state, *shown, *logged) == canary.found(cloudy.state, *shown) == []


def test_the_token_is_printed_for_a_vault_and_nowhere_else(cloudy, drive):
    words = cloudy.argv("store", "setup", "cloud", "--print")
    out = cloudy.folder / "out"
    with open(out, "wb") as file, Terminal(words, env=environment(cloudy, drive), stdout=file) as terminal:
        terminal.expect("store cloud has access")
        assert terminal.finish() == 0
    token = out.read_text().strip()
    assert token in drive.refresh and token not in terminal.raw
    assert not (cloudy.folder / "secrets" / "token").exists()


@pytest.mark.parametrize(("key", "code"), [("\x04", 2), ("q", 2), ("\x03", 15)])
def test_it_can_be_left(cloudy, key, code):
    with Terminal(cloudy.argv("store", "setup", "cloud"), env={**cloudy.environment(), "DISPLAY": "", "BROWSER": ""}) as terminal:
        terminal.expect("How is access allowed?")
        terminal.expect("Enter for 1): ")
        if key != "\x03":
            terminal.type("1")
            terminal.expect("address (begins with ")
            terminal.expect("): ")
        terminal.type(key)
        assert terminal.finish() == code
    assert [path.name for path in (cloudy.folder / "secrets").iterdir()] == ["client"]


def test_nobody_is_asked_where_nobody_is(cloudy):
    assert "needs a terminal" in cloudy("store", "setup", "cloud", exit=2, stdin=subprocess.DEVNULL).stderr


def test_a_new_dropbox_by_its_code(cli, tmp_path):
    """On a host whose job files are in a folder: the store is added to the host's own file."""
    service = FakeDropbox(tmp_path / "fake") if (tmp_path / "fake").mkdir() is None else None
    folder = tmp_path / "etc"
    folder.mkdir()
    cli.path.rename(folder / "jobs.json")
    options = ["app_key=" + APP_KEY, "endpoint_url=" + service.url, "ca_bundle=%s" % service.ca]
    words = ["store", "setup", "box", "--type", "dropbox", *(word for option in options for word in ("--option", option))]
    cli.path = folder
    try:
        with Terminal(cli.argv(*words), columns=1000, env={**cli.environment(), "DISPLAY": "", "BROWSER": ""}) as terminal:
            page = re.findall(r"https://localhost\S+", terminal.expect("code: "))[0]
            terminal.type(re.findall("<b>(.*)</b>", consenting.browse(page, str(service.ca)))[0])
            terminal.expect("store box has access to the account of ana@example.org")
            assert terminal.finish() == 0
        assert (folder / "box.refresh_token").read_text().strip() in service.refresh
        assert stat.S_IMODE((folder / "conf.d" / "local.json").stat().st_mode) == 0o600
        checked = cli.json("check")
        assert checked["outcome"] == "success", checked
    finally:
        service.close()
