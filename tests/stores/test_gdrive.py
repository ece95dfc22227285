# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Google Drive has: names that are there twice, accounts without storage, uploads that go on where they broke."""

from __future__ import annotations

import datetime

import google.auth._helpers
import pytest
from fake_drive import OWN_FILES, UNIT, File
from fake_service import LOST, Reply

from _engine.errors import ConfigurationError, StoreFullError, StoreRefusedError, StoreUnavailableError
from _engine.job import parse_config

from .gdrive_place import GdrivePlace
from .place import MIB, get, keys, put, write


@pytest.fixture
def drive(request, tmp_path):
    place = GdrivePlace(request, tmp_path)
    yield place
    place.close()


def robot(drive, **changes):
    """The store as a service account sees it."""
    key = drive.service.robot_key()
    return drive.store(refresh_token=None, client_id=None, client_secret=None, service_account=key, **changes)


def is_piece(request):
    return request.method == "PUT" and bool(request.body)


def test_of_two_files_of_one_name_the_oldest_is_the_object(drive):
    store, service = drive.store(), drive.service
    put(store, "web1/data", b"the first")
    (_path, first) = next(service.below(drive.root))
    second = service._add("data", first.parents, service.person, "", b"by hand")
    second.mimeType, second.createdTime = "text/plain", "2999-01-01T00:00:00.000Z"
    twin = service.folder("web1", drive.root)
    third = service._add("other", [twin.id], service.person, "", b"in a folder of the same name")
    third.mimeType = "text/plain"
    assert keys(drive.store(), "web1") == ["web1/data", "web1/other"]
    assert drive.store().list("")[1] == ["web1"]
    assert get(drive.store(), "web1/data") == b"the first"
    assert get(drive.store(), "web1/other") == b"in a folder of the same name"
    drive.store().delete("web1/data")
    assert keys(drive.store(), "web1") == ["web1/other"]


def test_what_is_still_arriving_is_hidden_and_can_be_removed(drive):
    store, service = drive.store(), drive.service
    failing = service.failing(lambda r: Reply(500, b"") if r.method in ("PATCH", "DELETE") else None)
    with failing, pytest.raises(StoreUnavailableError):
        put(store, "web1/data", b"x")
    assert keys(store, "web1") == [] and drive.leftovers() == ["web1/data"]
    with pytest.raises(StoreRefusedError, match="prune --orphans"):
        put(drive.store(), "web1/data", b"y")
    # The store that left it knows its own.
    put(store, "web1/data", b"z")
    assert drive.objects() == {"web1/data": b"z"} and drive.leftovers() == []


@pytest.mark.parametrize("lost", ["piece", "last"])
def test_an_upload_goes_on_where_the_connection_broke(drive, random_bytes, lost):
    data = random_bytes(3 * MIB + 5)
    whole = "bytes %d-%d/%d" % (3 * MIB, len(data) - 1, len(data))
    wanted = (lambda r: r.headers.get("content-range") == whole) if lost == "last" else is_piece
    with drive.service.once(wanted, LOST):
        put(drive.store(), "web1/data", data)
    assert drive.objects() == {"web1/data": data} and drive.leftovers() == []


def test_a_server_may_take_less_than_it_is_sent(drive, random_bytes):
    data = random_bytes(2 * MIB + 5)
    drive.service.takes = UNIT
    put(drive.store(), "web1/data", data)
    assert drive.objects() == {"web1/data": data}


def test_another_checksum_is_noticed(drive, monkeypatch):
    real = File.resource
    monkeypatch.setattr(File, "resource", lambda file: {**real(file), "sha256Checksum": "0" * 64})
    with pytest.raises(StoreUnavailableError, match="something else"):
        upload = write(drive.store(), "web1/data", b"x")
        try:
            upload.commit()
        finally:
            upload.abort()
    assert drive.objects() == {} and drive.leftovers() == []


@pytest.mark.parametrize(
    ("status", "reason"), [(429, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (503, "backendError")]
)
def test_a_busy_service_is_asked_again(drive, status, reason):
    body = {"error": {"code": status, "message": "slow down", "errors": [{"reason": reason}]}}
    with drive.service.once(lambda r: r.method == "POST" and "upload" in r.path, Reply(status, body)):
        put(drive.store(), "web1/data", b"x")
    assert drive.objects() == {"web1/data": b"x"}


def test_access_that_ends_is_renewed_and_access_that_was_revoked_is_told(drive):
    store = drive.store()
    put(store, "web1/one", b"1")
    drive.service.expire()
    put(store, "web1/two", b"2")
    drive.service.revoke()
    with pytest.raises(StoreRefusedError, match="no longer valid") as caught:
        put(drive.store(), "web1/three", b"3")
    assert "canary" not in str(caught.value)


def test_a_full_drive_and_its_quota(drive):
    with drive.service.full(0):
        assert drive.store().free_space() == 0
        with pytest.raises(StoreFullError, match="quota"):
            drive.store().check()


def test_a_service_account_has_no_storage_of_its_own(drive):
    shared = drive.service.folder("shared with it", drive.root)
    with pytest.raises(StoreRefusedError, match="no storage of its own.*shared drive.*subject") as caught:
        robot(drive, folder_id=shared.id).check()
    assert "PRIVATE KEY" not in str(caught.value)


def test_a_service_account_in_a_shared_drive(drive):
    service = drive.service
    store = robot(drive, folder_id=service.shared.id)
    service.may_delete = True
    put(store, "web1/data", b"x")
    assert get(store, "web1/data") == b"x" and store.free_space() is None
    service.may_delete = False
    store.delete("web1/data")  # into the trash
    service.may_delete = True
    assert keys(store, "web1") == [] and [f.trashed for f in service.files.values() if f.name == "data"] == [True]


def test_a_service_account_that_acts_for_a_person(drive):
    store = robot(drive, subject=drive.service.person.name)
    with pytest.raises(StoreRefusedError, match="domain-wide delegation"):
        store.check()
    drive.service.delegated = True
    put(robot(drive, subject=drive.service.person.name), "web1/data", b"x")
    drive.service.delegated = False
    assert drive.objects() == {"web1/data": b"x"}


@pytest.mark.parametrize("minutes", [-90, 90])
def test_a_clock_that_is_wrong_is_told(drive, monkeypatch, minutes):
    """A service account signs the time at which it asks."""
    real = google.auth._helpers.utcnow
    monkeypatch.setattr("google.auth._helpers.utcnow", lambda: real() + datetime.timedelta(minutes=minutes))
    with pytest.raises(StoreRefusedError, match="the clock of this host is wrong"):
        robot(drive, folder_id=drive.service.shared.id).check()


def test_access_to_its_own_files_only(drive):
    store = drive.store(refresh_token=drive.service.grant(OWN_FILES), folder_id=None, path="backups of web1")
    put(store, "web1/data", b"x")
    assert get(store, "web1/data") == b"x"
    assert str(store.url("web1/data")).startswith("https://drive.google.com/file/d/")
    with pytest.raises(StoreRefusedError, match="drive.file"):
        drive.store(refresh_token=drive.service.grant(OWN_FILES)).check()


def test_a_folder_in_the_trash_is_no_place(drive):
    drive.root.trashed = True
    with pytest.raises(StoreRefusedError, match="trash"):
        drive.store().list("")


def test_no_secret_stands_in_an_address(drive):
    put(drive.store(), "web1/data", b"x")
    assert not [r for r in drive.service.log if "canary" in r.path or "canary" in str(r.query)]


def test_options_that_belong_together():
    wrong = {"refresh_token": "a", "subject": "s", "chunk_size": "300KiB", "endpoint_url": "http://x"}
    with pytest.raises(ConfigurationError) as caught:
        parse_config({"host": "web1", "stores": [{"name": "far", "gdrive": wrong}], "jobs": []})
    found = {problem.split(":")[0] for problem in caught.value.problems}
    assert found == {"stores[0].gdrive." + name for name in ("client_id", "subject", "chunk_size", "endpoint_url")}
