# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to Google Drive and Dropbox, as a person allows it: in each way that there is, refused, mistyped, too late."""

from __future__ import annotations

import json
import stat
import threading
import types
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from canary import Canary
from consenting import Someone, browse, redirected
from fake_drive import CLIENT_ID, FULL, OWN_FILES, TV_CLIENT_ID, USER_CODE, FakeDrive
from fake_dropbox import APP_KEY, SCOPES, FakeDropbox
from fake_service import Reply

from _engine import lock
from _engine.gdrive import consent
from _engine.job import Config, parse_config
from _engine.job_files import load_config
from _engine.oauth.loopback import Loopback
from _engine.oauth.pkce import Proof
from _engine.operations.check import check
from _engine.operations.local_file import LocalFile
from _engine.operations.settings import set_mail
from _engine.operations.store_setup import StoreSetupResult, set_up_store

Description = t.Dict[str, t.Any]


@pytest.fixture
def drive(google_drive: FakeDrive) -> t.Iterator[FakeDrive]:
    yield google_drive
    google_drive.decision = "allow"


def described(service: t.Any, folder: Path, **more: t.Any) -> Description:
    """A store that has everything but the access."""
    (folder / "client").write_text(service.client_secret)
    return {
        "client_id": CLIENT_ID, "client_secret_file": str(folder / "client"), "refresh_token_file": str(folder / "token"),
        "endpoint_url": service.url, "ca_bundle": str(service.ca), **more,
    }  # fmt: skip


def boxed(service: FakeDropbox, folder: Path, **more: t.Any) -> Description:
    return {
        "app_key": APP_KEY, "refresh_token_file": str(folder / "token"), "endpoint_url": service.url,
        "ca_bundle": str(service.ca), **more,
    }  # fmt: skip


def configured(folder: Path, driver: str, options: Description) -> Config:
    job = {"name": "app", "sources": [{"name": "f", "files": {"paths": [str(folder)]}}], "stores": ["cloud"]}
    store = {"name": "cloud", driver: options}
    return parse_config({"host": "web1", "state_dir": str(state_dir(folder)), "stores": [store], "jobs": [job]})


def state_dir(folder: Path) -> Path:
    return folder.parent / (folder.name + "-state")


def set_up(config: Config, person: Someone, **more: t.Any) -> StoreSetupResult:
    return set_up_store(config, None, "cloud", person, **more)


def kept(folder: Path) -> str:
    """The token that was written, for its owner's eyes only, and nothing else was."""
    token = folder / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert sorted(p.name for p in folder.iterdir()) in (["client", "token"], ["token"])
    return token.read_text().strip()


def unchanged(result: StoreSetupResult, folder: Path, words: str) -> None:
    assert result.error is not None and words in result.error["message"], result.error
    assert sorted(p.name for p in folder.iterdir()) in (["client"], []) and result.written == []


def test_drive_in_a_browser(drive, tmp_path):
    config, person = configured(tmp_path, "gdrive", described(drive, tmp_path)), Someone(drive.ca)
    result = set_up(config, person)
    assert result.error is None, result.error
    assert (result.account, result.written) == ("ana@example.org", [str(tmp_path / "token")])
    assert result.free is not None and result.free > 10 << 30
    token = kept(tmp_path)
    # No more than is needed was asked for.
    assert drive.refresh[token].scope == OWN_FILES
    assert "fleet-backup has its answer" in person.pages[0]
    assert not Canary(token).found(state_dir(tmp_path), json.dumps(result.to_dict()), *person.told, *person.pages)
    assert check(config).findings[-2].outcome == "success"
    # Once more: the new one takes its place.
    assert set_up(config, Someone(drive.ca)).error is None
    assert kept(tmp_path) != token


def test_a_folder_that_was_made_by_hand_needs_the_whole_drive(drive, tmp_path):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path, folder_id=drive.folder("backups").id))
    assert set_up(config, Someone(drive.ca)).error is None
    assert drive.refresh[kept(tmp_path)].scope == FULL
    unchanged_before = (tmp_path / "token").read_bytes()
    result = set_up(config, Someone(drive.ca), device=True)
    assert result.error is not None and "folder_id" in result.error["message"] and result.exit_code == 2
    assert (tmp_path / "token").read_bytes() == unchanged_before


@pytest.mark.parametrize(("decision", "words"), [("deny", "not allowed in the browser"), ("untick", "leave it ticked")])
def test_a_no_is_taken_for_a_no(drive, tmp_path, decision, words):
    drive.decision = decision
    result = set_up(configured(tmp_path, "gdrive", described(drive, tmp_path)), Someone(drive.ca))
    unchanged(result, tmp_path, words)


def test_who_did_not_ask_cannot_exchange_the_code(drive, tmp_path, monkeypatch):
    real = consent.new_proof
    monkeypatch.setattr(consent, "new_proof", lambda: Proof(real().verifier, real().challenge))
    result = set_up(configured(tmp_path, "gdrive", described(drive, tmp_path)), Someone(drive.ca))
    unchanged(result, tmp_path, "begin again: invalid_grant")


def test_nobody_else_can_answer_for_the_browser(drive, tmp_path):
    """Who does not know the state is not listened to."""
    answers = []

    class Attacked(Someone):
        def show_page(self, url: str) -> None:
            end = redirected(url, str(drive.ca))
            base, state = end.split("?")[0], end.split("state=")[1].split("&")[0]
            forged = ("?code=theirs&state=x", "?code=theirs", "favicon.ico", "?state=" + state, "?code=a&code=b&state=" + state)
            for end_of in forged:
                answers.append(browse(base + end_of, str(drive.ca)))
            browse(end, str(drive.ca))

    assert set_up(configured(tmp_path, "gdrive", described(drive, tmp_path)), Attacked(drive.ca)).error is None
    assert len(answers) == 5 and all("not what" in answer for answer in answers)
    kept(tmp_path)


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr("_engine.oauth.loopback.PATIENCE", 0)
    monkeypatch.setattr("_engine.oauth.loopback._LOOK", 0.01)
    with Loopback() as loopback, pytest.raises(Exception, match="nobody answered"):
        loopback.code()


def test_drive_with_a_browser_elsewhere(drive, tmp_path):
    """What a person mistyped is asked for again."""

    class Elsewhere(Someone):
        def ask(self, question: str) -> str:
            end = redirected(next(line for line in self.told if line.startswith("https://")), str(drive.ca))
            self.asked.append(question)
            return end if len(self.asked) == 4 else ["http://127.0.0.1:1/", end.replace("state=", "state=x")][len(self.asked) - 2]

    person = Elsewhere(drive.ca, "0", browser=False)
    assert set_up(configured(tmp_path, "gdrive", described(drive, tmp_path)), person).error is None
    assert person.told.count("this is not the address that the page ended at") == 2
    kept(tmp_path)


class Clock:
    """Time passes by sleeping only; ``then`` is called with how often that was."""

    def __init__(self, drive: FakeDrive, then: t.Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.slept = 1000.0, []  # type: t.Tuple[float, t.List[float]]
        self._then = then
        monkeypatch.setattr(drive, "clock", lambda: self.now)
        monkeypatch.setattr(consent, "time", types.SimpleNamespace(sleep=self.sleep, monotonic=lambda: self.now))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self._then(len(self.slept))


def test_drive_by_a_short_code(drive, tmp_path, monkeypatch):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path, client_id=TV_CLIENT_ID))
    drive.decision = "wait"

    def then(count: int) -> None:
        for device in drive.devices.values():
            device.interval += 3 * (count == 2)  # the service wants more peace than it said
        drive.decision = "allow" if count == 4 else "wait"
        drive.plan = (lambda request: Reply(503) if request.path == "/token" else None) if count == 3 else None

    clock, person = Clock(drive, then, monkeypatch), Someone(drive.ca, "1", browser=False)
    result = set_up(config, person)
    drive.plan = None
    assert result.error is None, result.error
    assert clock.slept == [1, 1, 6, 12]
    assert "https://www.google.com/device" in person.told[0] and USER_CODE in person.told[0]
    assert drive.refresh[kept(tmp_path)].scope == OWN_FILES
    assert check(config).findings[-2].outcome == "success"


@pytest.mark.parametrize(("decision", "words"), [("deny", "access was not allowed"), ("wait", "while it was valid")])
def test_a_short_code_that_is_refused_or_expires(drive, tmp_path, monkeypatch, decision, words):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path, client_id=TV_CLIENT_ID))
    drive.decision = decision
    clock = Clock(drive, lambda _count: None, monkeypatch)
    monkeypatch.setattr(clock, "_then", lambda _count: setattr(clock, "now", clock.now + 500))
    unchanged(set_up(config, Someone(drive.ca), device=True), tmp_path, words)


def test_a_short_code_needs_a_client_of_its_kind(drive, tmp_path):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path))
    unchanged(set_up(config, Someone(drive.ca), device=True), tmp_path, "TVs and limited input devices")


def test_a_wrong_secret_of_the_client(drive, tmp_path):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path))
    (tmp_path / "client").write_text("wrong-secret-9876543210")
    result = set_up(config, Someone(drive.ca))
    unchanged(result, tmp_path, "do not belong together")
    assert "wrong-secret-9876543210" not in json.dumps(result.to_dict())


def test_the_secret_of_the_client_is_asked_for_and_kept(drive, tmp_path):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path))
    (tmp_path / "client").unlink()
    person = Someone(drive.ca, drive.client_secret)
    result = set_up(config, person)
    assert result.error is None and len(result.written) == 2 and "client_secret" in person.asked[0]
    assert (tmp_path / "client").read_text().strip() == drive.client_secret
    assert stat.S_IMODE((tmp_path / "client").stat().st_mode) == 0o600
    kept(tmp_path)


def test_dropbox(dropbox_service, tmp_path):
    config = configured(tmp_path, "dropbox", boxed(dropbox_service, tmp_path))
    (tmp_path / "token").write_text("an old one")
    (tmp_path / "token").chmod(0o644)
    person = Someone(dropbox_service.ca)
    result = set_up(config, person)
    assert result.error is None, result.error
    assert result.account == "ana@example.org" and result.free is not None
    # What the group may do was chosen by somebody; the rest of the world may nothing.
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o640
    (tmp_path / "token").chmod(0o600)
    token = kept(tmp_path)
    assert not dropbox_service.refresh[token].needs_secret
    assert not Canary(token).found(state_dir(tmp_path), json.dumps(result.to_dict()), *person.told, *person.pages)
    assert check(config).findings[-2].outcome == "success"


def test_a_code_that_dropbox_does_not_know(dropbox_service, tmp_path):
    config = configured(tmp_path, "dropbox", boxed(dropbox_service, tmp_path))
    unchanged(set_up(config, Someone(dropbox_service.ca, "mistyped")), tmp_path, "does not take the code (400)")


def test_permissions_that_the_app_of_dropbox_lacks(dropbox_service, tmp_path, monkeypatch):
    config = configured(tmp_path, "dropbox", boxed(dropbox_service, tmp_path))
    monkeypatch.setattr(dropbox_service, "scopes", SCOPES - {"files.content.write"})
    unchanged(set_up(config, Someone(dropbox_service.ca)), tmp_path, "files.content.write")
    # Without this one nobody can say whose account it is; backups work all the same.
    monkeypatch.setattr(dropbox_service, "scopes", SCOPES - {"account_info.read"})
    result = set_up(config, Someone(dropbox_service.ca))
    assert (result.error, result.account, result.free) == (None, None, None)


def test_what_is_only_shown_is_not_written(drive, tmp_path):
    elsewhere = described(drive, tmp_path, refresh_token_file=None, refresh_token_env="TOKEN")
    config = configured(tmp_path, "gdrive", elsewhere)
    unchanged(set_up(config, Someone(drive.ca)), tmp_path, "is given as env, which cannot be written")
    result = set_up(config, Someone(drive.ca), keep=False)
    assert result.error is None and result.granted() in drive.refresh and not result.changed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["client"]
    assert str(result.granted()) not in json.dumps(result.to_dict())


def test_a_new_store_is_added_to_what_is_the_hosts_own(drive, tmp_path, monkeypatch):
    """The addresses are those of the stand-in here, which options of its store name."""
    config = written(tmp_path)
    local = tmp_path / "conf.d" / "local.json"
    local.parent.mkdir()
    local.write_text(json.dumps({"stores": [{"name": "disk", "local": {"path": "/mnt"}}], "notifiers": []}))
    options = {"endpoint_url": drive.url, "ca_bundle": str(drive.ca)}
    person = Someone(drive.ca, "1", CLIENT_ID, drive.client_secret)
    result = set_up_store(config, str(tmp_path), "second", person, options=options)
    assert result.error is None, result.error
    merged = load_config(str(tmp_path))
    assert [store.name for store in merged.stores] == ["here", "disk", "second"]
    assert merged.store("second").options["refresh_token"].reveal() in drive.refresh
    assert result.written == [str(tmp_path / "second.client_secret"), str(tmp_path / "second.refresh_token"), str(local)]


def test_what_others_set_meanwhile_is_not_lost(drive, tmp_path, monkeypatch):
    """While access is asked for somebody begins to set mail; what they write is awaited, and added to."""
    config = written(tmp_path)
    writes, waits = threading.Event(), threading.Event()
    real_lock, real_write = lock.lock_file, LocalFile.write

    def lock_file(fd: int) -> bool:
        got = real_lock(fd)
        if not got:
            waits.set()
        return got

    def write(file: LocalFile) -> None:
        if not writes.is_set():
            writes.set()
            waits.wait(10)
        real_write(file)

    monkeypatch.setattr(lock, "lock_file", lock_file)
    monkeypatch.setattr(LocalFile, "write", write)
    mail = {"to": ["a@example.org"], "from": "b@example.org", "server": "mail.example.org"}

    others = []

    class Meanwhile(Someone):
        def show_page(self, url: str) -> None:
            super().show_page(url)
            others.append(pool.submit(set_mail, str(tmp_path), "ops", {}, mail))
            assert writes.wait(10)

    options = {"endpoint_url": drive.url, "ca_bundle": str(drive.ca), "client_id": CLIENT_ID}
    with ThreadPoolExecutor(1) as pool:
        person = Meanwhile(drive.ca, drive.client_secret)
        result = set_up_store(config, str(tmp_path), "second", person, driver="gdrive", options=options)
    assert (result.error, others[0].result().error) == (None, None)
    merged = load_config(str(tmp_path))
    assert ([n.name for n in merged.notifiers], [s.name for s in merged.stores]) == (["ops"], ["here", "second"])


def written(folder: Path) -> Config:
    """The job files of a host without a cloud."""
    stores = [{"name": "here", "local": {"path": "/srv"}}]
    described = {"host": "web1", "state_dir": str(state_dir(folder)), "stores": stores, "jobs": []}
    (folder / "jobs.json").write_text(json.dumps(described))
    return load_config(str(folder))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("cloud", {"driver": "gdrive"}, "is in the configuration"),
        ("new", {"driver": "s3"}, "only these do: dropbox, gdrive"),
        ("new", {"driver": "gdrive", "options": {"client_id": "x", "client_secret": "y"}}, "give client_secret_file"),
        ("new", {"driver": "gdrive", "options": {"client_id": "x", "colour": "y"}}, "unknown key"),
        ("NO", {"driver": "gdrive", "options": {"client_id": "x"}}, "no valid name"),
    ],
)
def test_wrong_requests(drive, tmp_path, name, options, words):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path))
    unchanged(set_up_store(config, str(tmp_path), name, Someone(drive.ca), **options), tmp_path, words)


def test_one_job_file_takes_no_new_store(drive, tmp_path):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path))
    unchanged(set_up_store(config, None, "new", Someone(drive.ca), driver="gdrive"), tmp_path, "which is one file")


def test_a_service_account_needs_nobody(drive, tmp_path):
    options = {"service_account": "{}", "endpoint_url": drive.url}
    result = set_up(configured(tmp_path, "gdrive", options), Someone(drive.ca))
    assert result.error is not None and "nobody's consent is needed" in result.error["message"]


def test_a_place_that_cannot_be_written_is_told_first(drive, tmp_path):
    config = configured(tmp_path, "gdrive", described(drive, tmp_path, refresh_token_file=str(tmp_path / "no" / "token")))
    person = Someone(drive.ca)
    unchanged(set_up(config, person), tmp_path, "no/token")
    assert (person.told, person.pages) == ([], [])
