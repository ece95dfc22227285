# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Dropbox has: sessions that go on where they broke, its checksum, capital letters, permissions of an app, limits."""

from __future__ import annotations

import datetime
import hashlib
import json
import sys

import pytest
from dropbox import users
from fake_dropbox import SCOPES, Node
from fake_service import LOST, Reply

from _engine.dropbox.content_hash import ContentHash
from _engine.errors import (
    ConfigurationError,
    MissingDependencyError,
    NotFoundError,
    StoreFullError,
    StoreRefusedError,
    StoreUnavailableError,
)
from _engine.job import parse_config

from .dropbox_place import DropboxPlace
from .place import MIB, keys, put, write


@pytest.fixture
def box(request, tmp_path):
    made = DropboxPlace(request, tmp_path)
    yield made
    made.close()


def asks(route):
    return lambda request: request.path == "/2/files/" + route


def arguments(box, route):
    """What the requests to a route asked for."""
    return [json.loads(r.headers["dropbox-api-arg"]) for r in box.service.log if asks(route)(r)]


def failed(box, data=b"x", key="web1/data"):
    """Put an object that is refused or lost; nothing may be left of it."""
    upload = write(box.store(), key, data)
    try:
        upload.commit()
    finally:
        upload.abort()


@pytest.mark.parametrize("size", [0, 1, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9 << 20])
def test_the_content_hash_is_dropboxs(random_bytes, size):
    from dropbox.content_hash import DropboxContentHasher  # which old ones do not have

    data = random_bytes(size)
    theirs, ours = DropboxContentHasher(), ContentHash()
    theirs.update(data)
    for begin in range(0, size, 3 << 20):
        ours.update(data[begin : begin + (3 << 20)])
    assert ours.hexdigest() == ContentHash(data).hexdigest() == theirs.hexdigest()


def test_small_objects_go_at_once_and_large_ones_in_sessions(box, random_bytes):
    put(box.store(), "web1/small", random_bytes(MIB))
    assert [r.path for r in box.service.log if "upload" in r.path] == ["/2/files/upload"]
    put(box.store(), "web1/large", random_bytes(MIB + 1))
    (small,), (commit,) = arguments(box, "upload"), arguments(box, "upload_session/finish")
    for made in (small, commit["commit"]):
        assert made["strict_conflict"] is True and made["mute"] is True
        # What the library leaves out is the default of Dropbox.
        assert made.get("mode", {".tag": "add"}) in ("add", {".tag": "add"}) and not made.get("autorename")
    pieces = arguments(box, "upload_session/start") + arguments(box, "upload_session/append_v2")
    assert len(pieces) == 2 and all(argument["content_hash"] for argument in [small, *pieces])


@pytest.mark.parametrize("route", ["upload_session/start", "upload_session/append_v2", "upload_session/finish"])
def test_an_upload_goes_on_after_an_answer_that_was_lost(box, random_bytes, route):
    data = random_bytes(3 * MIB + 5)
    with box.service.once(asks(route), LOST):
        put(box.store(), "web1/data", data)
    assert box.objects() == {"web1/data": data}
    # Nothing was sent twice but what could not be known to have arrived.
    sent = sum(int(r.headers["content-length"]) for r in box.service.log if "upload_session" in r.path)
    assert sent <= len(data) + MIB


def test_a_small_object_whose_answer_was_lost_is_there(box):
    with box.service.once(asks("upload"), LOST):
        put(box.store(), "web1/data", b"x")
    assert box.objects() == {"web1/data": b"x"}
    with box.service.once(asks("upload"), LOST), pytest.raises(StoreRefusedError, match="exists already"):
        failed(box, b"other")
    assert box.objects() == {"web1/data": b"x"}


def test_what_came_of_an_answer_that_was_lost_is_taken_back(box):
    store = box.store()
    upload = write(store, "web1/data", b"x")
    silent = box.service.failing(lambda r: LOST if asks("upload")(r) else Reply(500) if asks("get_metadata")(r) else None)
    put(store, "web1/other", b"y")  # the folder was looked at
    with silent, pytest.raises(StoreUnavailableError):
        upload.commit()
    assert "web1/data" in box.objects()
    upload.abort()
    assert box.objects() == {"web1/other": b"y"}


@pytest.mark.parametrize("reply", [LOST, Reply(503)])
def test_the_same_object_of_somebody_else_is_not_taken_back(box, reply):
    put(box.store(), "web1/data", b"x")
    box.service.nodes[(box.root + "/web1/data").lower()].modified -= datetime.timedelta(days=1)
    with box.service.once(asks("upload"), reply), pytest.raises(StoreRefusedError, match="exists already"):
        failed(box, b"x")
    with box.service.failing(lambda r: reply if asks("upload")(r) else None), pytest.raises(StoreUnavailableError):
        failed(box, b"x")
    assert box.objects() == {"web1/data": b"x"}


def test_a_piece_that_was_cut_goes_on_in_its_middle(box, random_bytes):
    data = random_bytes(3 * MIB + 5)
    half = MIB // 2
    real, cut = box.service.handle, []

    def handle(request):
        if asks("upload_session/append_v2")(request) and not cut:
            cut.append(request)
            real(request._replace(body=request.body[:half], whole=False))
            return Reply(503)
        return real(request)

    box.service.keeps_parts, box.service.handle = True, handle
    try:
        put(box.store(), "web1/data", data)
    finally:
        box.service.keeps_parts = False
        del box.service.handle
    assert box.objects() == {"web1/data": data}
    offsets = [argument["cursor"]["offset"] for argument in arguments(box, "upload_session/append_v2")]
    assert offsets == [MIB, MIB, MIB + half, 2 * MIB, 3 * MIB]


def test_a_session_that_lost_something_is_no_object(box, random_bytes):
    def forget(request):
        if asks("upload_session/finish")(request):
            for received in box.service.sessions.values():
                del received[5:]

    with box.service.failing(forget), pytest.raises(StoreUnavailableError):
        failed(box, random_bytes(2 * MIB))
    assert box.objects() == {}


def test_another_checksum_is_noticed_and_taken_back(box, monkeypatch):
    real = Node.metadata

    def metadata(node):
        found = real(node)
        if node.content is not None:
            found.content_hash = hashlib.sha256(b"").hexdigest()
        return found

    monkeypatch.setattr(Node, "metadata", metadata)
    with pytest.raises(StoreUnavailableError, match="something else"):
        failed(box)
    assert box.objects() == {}


def limited(seconds):
    body = {"error_summary": "x/..", "error": {"reason": {".tag": "too_many_write_operations"}, "retry_after": seconds}}
    return Reply(429, body, {"Retry-After": str(seconds)})


@pytest.mark.parametrize(
    "reply", [limited(0), Reply(503, b"later"), Reply(429, b"", {"Retry-After": "0", "Content-Type": "text/plain"})]
)
def test_a_busy_service_is_asked_again(box, reply):
    with box.service.once(asks("upload"), reply):
        put(box.store(), "web1/data", b"x")
    assert box.objects() == {"web1/data": b"x"}


def test_who_asks_for_too_long_a_wait_is_unavailable_at_once(box):
    busy = box.service.failing(lambda r: limited(300) if asks("upload")(r) else None)
    with busy, pytest.raises(StoreUnavailableError, match="wait for 300 s"):
        failed(box)
    assert len(arguments(box, "upload")) == 1


def test_a_wait_that_is_asked_for_is_kept(box, monkeypatch):
    slept = []
    monkeypatch.setattr("_engine.asking_again.time.sleep", slept.append)
    with box.service.once(asks("upload"), limited(17)):
        put(box.store(), "web1/data", b"x")
    assert slept == [17]


def test_an_answer_that_is_none_of_dropboxs(box):
    page = Reply(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
    with box.service.failing(lambda r: page), pytest.raises(StoreUnavailableError, match="place"):
        box.store().list("web1")
    put(box.store(), "web1/data", b"x")
    portal = box.service.failing(lambda r: page if asks("list_folder")(r) else None)
    with portal, pytest.raises(StoreUnavailableError, match="not one of Dropbox's"):
        box.store().list("web1")


def test_capital_letters_are_told_apart(box):
    store = box.store()
    put(store, "web1/data", b"x")
    with pytest.raises(StoreRefusedError, match="capital letters"):
        failed(box, b"x", "web1/DATA")
    for look in (store.size, store.open):
        with pytest.raises(NotFoundError, match="'data'"):
            look("web1/DATA")
    store.delete("web1/DATA")
    assert box.objects() == {"web1/data": b"x"}


def test_a_folder_is_no_object(box):
    store = box.store()
    put(store, "web1/shop/data", b"x")
    store.delete("web1/shop")
    store.remove_leftovers("web1/shop")
    with pytest.raises(NotFoundError):
        store.open("web1/shop")
    with pytest.raises(StoreRefusedError):
        failed(box, b"x", "web1/shop")
    with pytest.raises(StoreRefusedError):
        failed(box, b"x", "web1/shop/data/below")
    assert box.objects() == {"web1/shop/data": b"x"}
    with pytest.raises(StoreRefusedError, match="is no folder"):
        box.store(path=box.root + "/web1/shop/data").list("")


def test_what_disappears_while_it_is_listed(box):
    for name in "abcd":
        put(box.store(), "web1/" + name, b"x")

    def remove(request):
        if asks("list_folder/continue")(request):
            box.service.remove(box.root + "/web1/a")

    box.service.page = 1
    try:
        with box.service.failing(remove):
            found = keys(box.store(), "web1")
            assert set(found) >= {"web1/b", "web1/c", "web1/d"}
        forgetful = box.service.failing(lambda r: box.service.cursors.clear())
        with forgetful, pytest.raises(StoreUnavailableError, match="reset"):
            keys(box.store(), "web1")
    finally:
        box.service.page = 100


def test_access_that_ends_is_renewed_and_access_that_was_revoked_is_told(box):
    store = box.store()
    put(store, "web1/one", b"1")
    box.service.expire()
    put(store, "web1/two", b"2")
    box.service.revoke()
    with pytest.raises(StoreRefusedError, match="no longer valid") as caught:
        box.store().list("")
    assert "canary" not in str(caught.value)


def test_an_app_without_its_secret(box):
    with_pkce = box.service.grant(needs_secret=False)
    put(box.store(refresh_token=with_pkce, app_secret=None), "web1/data", b"x")
    with pytest.raises(StoreRefusedError, match="do not belong together"):
        box.store(app_secret=None).check()


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_a_permission_that_the_app_lacks_is_named(box, scope):
    put(box.store(), "web1/data", b"x")
    store = box.store(refresh_token=box.service.grant(SCOPES - {scope}))
    if scope == "account_info.read":
        assert store.free_space() is None
        store.check()
    elif scope == "files.content.read":
        store.check()
        assert [scope in remark for remark in store.remarks()] == [True]
        store.delete("web1/data")
        assert box.objects() == {}
    else:
        with pytest.raises(StoreRefusedError, match=scope):
            store.check()


def test_a_full_dropbox_and_its_quota(box):
    with box.service.full(5):
        assert box.store().free_space() == 5
        with pytest.raises(StoreFullError, match="no space is left"):
            box.store().check()


@pytest.mark.parametrize(("allowed", "expected"), [(0, 700), (250, 150)])
def test_the_space_of_a_team(box, monkeypatch, allowed, expected):
    team = users.TeamSpaceAllocation(
        used=300, allocated=1000, user_within_team_space_allocated=allowed,
        user_within_team_space_limit_type=users.team_common.MemberSpaceLimitType.off, user_within_team_space_used_cached=100,
    )  # fmt: skip
    usage = users.SpaceUsage(used=100, allocation=users.SpaceAllocation.team(team))
    monkeypatch.setattr(box.service, "_do_get_space_usage", lambda call: call.reply(usage))
    assert box.store().free_space() == expected


def test_where_people_find_an_object(box):
    home = "https://www.dropbox.com/home"
    whole = box.store(path="Backups/of shop")
    assert whole.url("web1/a b#c") == home + "/Backups/of%20shop/web1?preview=a%20b%23c"
    own = box.store(path=None, app_folder="/Apps/fleet-backup/")
    assert own.url("web1/data") == home + "/Apps/fleet-backup/web1?preview=data"


def test_the_access_and_the_certificates_that_were_given_count(box, monkeypatch, tmp_path):
    """Whatever the environment says that the library would rather believe."""
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing"))
    box.store().check()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(StoreRefusedError, match="ca_bundle"):
        box.store(ca_bundle=None).check()


def test_no_secret_stands_in_an_address(box):
    put(box.store(), "web1/data", b"x")
    assert not [r for r in box.service.log if "canary" in r.path or "canary" in str(r.query)]


def test_a_host_without_the_library(box, monkeypatch):
    monkeypatch.setitem(sys.modules, "dropbox", None)
    for act in (lambda store: store.check(), lambda store: store.list(""), lambda store: store.open("x"), lambda s: s.size("x")):
        with pytest.raises(MissingDependencyError, match="library dropbox"):
            act(box.store())


def test_options_that_are_wrong():
    wrong = {"app_key": "a", "refresh_token": "b", "chunk_size": "200MiB", "endpoint_url": "http://x"}
    with pytest.raises(ConfigurationError) as caught:
        parse_config({"host": "web1", "stores": [{"name": "far", "dropbox": wrong}], "jobs": []})
    found = {problem.split(":")[0] for problem in caught.value.problems}
    assert found == {"stores[0].dropbox." + name for name in ("chunk_size", "endpoint_url")}
