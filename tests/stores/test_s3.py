# SPDX-License-Identifier: GPL-3.0-or-later
"""What only S3 has: hosts that may put and nothing else, locks, encryption by the server, answers that are lost."""

from __future__ import annotations

import datetime
import re
import tracemalloc
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse
from seaweedfs import ADMIN, BUCKET, LOCKED

from _engine.errors import ConfigurationError, StoreFullError, StoreRefusedError, StoreUnavailableError
from _engine.job import parse_config
from _engine.result import utc_now
from _engine.s3.parts import Parts, size_of_part
from _engine.stores.s3 import S3Store

from .place import MIB, get, put, write
from .s3_place import S3Place


@pytest.fixture
def s3_place(request, tmp_path):
    return S3Place(request, tmp_path)


def requests(store):
    """The operations that a store asks for from now on."""
    made = []
    store._bucket._connect().meta.events.register("before-call.s3", lambda model, **_rest: made.append(model.name))
    return made


@pytest.mark.parametrize("size", [0, 1000, 12 * MIB])
def test_putting_asks_for_nothing_but_putting(s3_place, random_bytes, size):
    store = s3_place.store()
    made = requests(store)
    put(store, "web1/data", random_bytes(size))
    assert set(made) <= {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}


@pytest.mark.parametrize("size", [32 * MIB, 64 * MIB])
def test_memory_is_bounded_however_large_parts_are(size):
    piece = memoryview(bytes(MIB))
    parts = Parts(4)
    tracemalloc.start()
    try:
        for number in range(1, 4):
            buffer = parts.buffer(size)
            while buffer.room:
                buffer.add(piece)
            parts.send(buffer, lambda _number, sent: sent.body(), number)
        parts.finish()
        assert tracemalloc.get_traced_memory()[1] < 66 * MIB
    finally:
        tracemalloc.stop()
        parts.close()


def test_parts_grow_so_that_every_object_fits():
    assert sum(size_of_part(8 * MIB, number) for number in range(10_000)) >= 5 << 40
    assert size_of_part(8 * MIB, 999) == 8 * MIB
    assert max(size_of_part(64 * MIB, number) for number in range(10_000)) <= 5 << 30


def test_a_part_that_is_too_large_for_memory_waits_in_a_file(s3_place, random_bytes, monkeypatch):
    monkeypatch.setattr("_engine.s3.parts._LARGEST_IN_MEMORY", MIB)
    data = random_bytes(s3_place.huge)
    store = s3_place.store()
    put(store, "web1/data", data)
    assert s3_place.objects() == {"web1/data": data}


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_objects_are_locked(s3_place, random_bytes, size):
    store = s3_place.store(bucket=LOCKED, object_lock_mode="compliance", object_lock_days=3)
    store.check()
    assert "object lock: compliance, 3 days" in store.remarks()
    put(store, "web1/data", random_bytes(size))
    key = s3_place.prefix + "/web1/data"
    head = s3_place.server.admin.head_object(Bucket=LOCKED, Key=key)
    assert head["ObjectLockMode"] == "COMPLIANCE"
    with pytest.raises(s3_place.server.admin.exceptions.ClientError):
        s3_place.server.admin.delete_object(Bucket=LOCKED, Key=key, VersionId=head["VersionId"])


def test_a_bucket_without_locks_is_noticed(s3_place):
    with pytest.raises(StoreRefusedError, match="no object lock"):
        s3_place.store(object_lock_mode="governance", object_lock_days=3).check()


def test_a_server_that_overwrites_is_noticed(s3_place):
    """One that does not know conditional requests."""

    def forget(params, **_rest):
        params["headers"].pop("If-None-Match", None)

    store = s3_place.store()
    store._bucket._connect().meta.events.register_last("before-call.s3", forget)
    store.check()
    assert [remark for remark in store.remarks() if "conditional_create: false" in remark]
    careful = s3_place.store(conditional_create=False)
    careful.check()
    assert careful.remarks() == [] and s3_place.objects() == {}
    put(careful, "web1/data", b"x")
    with pytest.raises(StoreRefusedError):
        put(careful, "web1/data", b"y")


def test_a_clock_that_differs_is_noticed(s3_place, monkeypatch):
    monkeypatch.setattr("_engine.s3.bucket.utc_now", lambda: utc_now() - datetime.timedelta(minutes=10))
    store = s3_place.store()
    store.check()
    (remark,) = store.remarks()
    assert re.match(r"the clock of this host is (599|60\d|6\d\d)\S* s behind", remark), remark


def test_the_hosts_own_credentials(s3_place, monkeypatch):
    """As Amazon's own programs find them."""
    access, secret = ADMIN
    alone = s3_place.store(access_key=None, secret_key=None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreRefusedError):
        put(alone, "web1/data", b"x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    put(s3_place.store(access_key=None, secret_key=None), "web1/data", b"x")
    assert s3_place.objects() == {"web1/data": b"x"}


def test_what_new_objects_get(s3_place):
    put(s3_place.store(encryption="AES256", storage_class="STANDARD_IA"), "web1/data", b"x")
    head = s3_place.server.admin.head_object(Bucket=BUCKET, Key=s3_place.prefix + "/web1/data")
    assert (head["ServerSideEncryption"], head["StorageClass"]) == ("AES256", "STANDARD_IA")


def test_a_check_asks_for_what_backups_ask_for(s3_place):
    """A bucket may refuse what is not encrypted; a server that knows no such encryption may say nothing, as the one here."""
    store = s3_place.store(encryption="AES256", storage_class="STANDARD_IA", object_lock_mode="governance", object_lock_days=3)
    sent = []
    store._bucket._connect().meta.events.register(
        "before-call.s3.PutObject", lambda params, **_rest: sent.append(params["headers"])
    )
    with pytest.raises(StoreRefusedError, match="no object lock"):
        store.check()
    assert sent[0]["x-amz-server-side-encryption"] == "AES256" and sent[0]["x-amz-storage-class"] == "STANDARD_IA"
    # What is only tried need not stay.
    assert not any("lock" in name for name in sent[0])
    ignored = s3_place.store(encryption="aws:kms:dsse")
    ignored.check()
    assert [remark for remark in ignored.remarks() if "does not say that it encrypts" in remark]


def answering(store, status, code=""):
    """The requests of a store that begin objects; each is answered with this error."""
    body = b"<Error><Code>%s</Code><Message>words of the server</Message></Error>" % code.encode() if code else b""
    seen = []

    def answer(request, **_rest):
        seen.append(request)
        raw = SimpleNamespace(stream=lambda: iter([body]), close=lambda: None)
        return AWSResponse(request.url, status, {"Content-Type": "application/xml"}, raw)

    for operation in ("PutObject", "CreateMultipartUpload"):
        store._bucket._connect().meta.events.register("before-send.s3." + operation, answer)
    return seen


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_keys_of_the_key_management(s3_place, random_bytes, size):
    """None is here to ask; so what is asked for is seen on its way."""
    store = s3_place.store(encryption="aws:kms", kms_key_id="alias/backups")
    seen = answering(store, 403, "KMS.DisabledException")
    with pytest.raises(StoreRefusedError, match="words of the server"):
        put(store, "web1/data", random_bytes(size))
    assert seen[0].headers["x-amz-server-side-encryption"] in ("aws:kms", b"aws:kms")
    assert seen[0].headers["x-amz-server-side-encryption-aws-kms-key-id"] in ("alias/backups", b"alias/backups")


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "QuotaExceeded", StoreFullError, None),
        (507, "XMinioStorageFull", StoreFullError, None),
        (507, "", StoreFullError, None),
        (403, "RequestTimeTooSkewed", StoreRefusedError, "the clock of this host"),
        (301, "PermanentRedirect", StoreRefusedError, "set the option region"),
        (404, "NoSuchBucket", StoreRefusedError, "no such bucket"),
        (403, "AccessDenied", StoreRefusedError, "words of the server"),
        (501, "NotImplemented", StoreRefusedError, "conditional_create"),
        (400, "BadDigest", StoreUnavailableError, "words of the server"),
    ],
)
def test_what_a_server_says_is_understood(s3_place, status, code, kind, words):
    store = s3_place.store()
    answering(store, status, code)
    with pytest.raises(kind, match=words):
        put(store, "web1/data", b"x")


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_an_answer_that_is_lost(s3_place, random_bytes, size):
    """The object arrived, and nobody was told."""
    data = random_bytes(size)
    store = s3_place.store()
    upload = write(store, "web1/data", data)
    lost = []

    real = store._bucket.try_call

    def losing(operation, *args, **named):
        answer = real(operation, *args, **named)
        if operation in ("put_object", "complete_multipart_upload") and not lost:
            lost.append(operation)
            raise ConnectionResetError("lost")
        return answer

    store._bucket.try_call = losing
    upload.commit()
    assert lost
    assert s3_place.objects() == {"web1/data": data}
    assert s3_place.leftovers() == []


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_an_answer_that_is_lost_together_with_the_way(s3_place, random_bytes, size):
    """Nobody can look either: it failed, and is put again."""
    data = random_bytes(size)
    store = s3_place.store()
    upload = write(store, "web1/data", data)
    real = store._bucket.try_call

    def losing(operation, *args, **named):
        if operation in ("put_object", "complete_multipart_upload"):
            real(operation, *args, **named)
        raise ConnectionResetError("lost")

    store._bucket.try_call = losing
    with pytest.raises(StoreUnavailableError):
        upload.commit()
    upload.abort()
    store._bucket.try_call = real
    put(store, "web1/data", data)
    assert s3_place.objects() == {"web1/data": data}
    assert get(store, "web1/data") == data
    with pytest.raises(StoreRefusedError):
        put(store, "web1/data", b"something else")


def test_options_that_belong_together(s3_place):
    wrong = {
        "bucket": "b",
        "access_key": "a",
        "kms_key_id": "k",
        "object_lock_mode": "governance",
        "endpoint_url": "s3.example.org",
        "part_size": "1MiB",
    }
    with pytest.raises(ConfigurationError) as caught:
        parse_config({"host": "web1", "stores": [{"name": "far", "s3": wrong}], "jobs": []})
    assert {problem.split(":")[0] for problem in caught.value.problems} == {
        "stores[0].s3." + name for name in ("secret_key", "kms_key_id", "object_lock_days", "endpoint_url", "part_size")
    }


def test_it_says_what_it_needs():
    assert S3Store.requires == ("boto3",)
