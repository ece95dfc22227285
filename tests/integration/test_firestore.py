# SPDX-License-Identifier: GPL-3.0-or-later
"""Firestore, in the emulator: every type of value, collections below collections, one moment for all."""

from __future__ import annotations

import gzip
import json
import os
import threading
import typing as t
import uuid

import jobs
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fake_service import Reply, Service
from fault_proxy import Fault, FaultProxy, always, only
from firestore_emulator import Database, number, text

from _engine.errors import ConfigurationError, SourceError
from _engine.firestore.client import Firestore
from _engine.firestore.lines import kind_of
from _engine.job import parse_config
from _engine.operations.database_dump import database_dump
from _engine.operations.restore import RestoreRequest, restore
from _engine.sources.firestore import FirestoreSource

NASTY_NAMES = ("\u00f1and\u00fa \U0001f600", "with space", "..a", "%2F", "quote'\"", "__x", "a?b*c[d]", "\n", "\u202e")


@pytest.fixture
def database(firestore_emulator):
    return Database(firestore_emulator.host, "p-" + uuid.uuid4().hex[:12])


def values(database):
    """A value of every type, and the odd ones of each."""
    reference = "%s/clientes/c1" % database.root
    single = {
        "null": {"nullValue": None},
        "yes": {"booleanValue": True},
        "no": {"booleanValue": False},
        "big": {"integerValue": "9223372036854775807"},
        "small": {"integerValue": "-9223372036854775808"},
        "third": {"doubleValue": 0.1 + 0.2},
        "huge": {"doubleValue": 1.7976931348623157e308},
        "tiny": {"doubleValue": 5e-324},
        "nan": {"doubleValue": "NaN"},
        "infinite": {"doubleValue": "-Infinity"},
        "moment": {"timestampValue": "2026-11-28T05:40:42.123456Z"},
        "early": {"timestampValue": "0001-01-01T00:00:00Z"},
        "text": text('\u00f1 \U0001f600 \u0000 \u2028 " \\ \n'),
        "empty": text(""),
        "bytes": {"bytesValue": "AAECA//+"},
        "nothing": {"bytesValue": ""},
        "reference": {"referenceValue": reference},
        "place": {"geoPointValue": {"latitude": -34.603722, "longitude": -58.381592}},
        "zero": {"geoPointValue": {}},
    }
    nested = {
        "map": {"mapValue": {"fields": {"deep": {"mapValue": {"fields": single}}, "none": {"mapValue": {}}}}},
        "list": {"arrayValue": {"values": [*single.values(), {"mapValue": {"fields": single}}]}},
        "none": {"arrayValue": {}},
        "odd `name`.\u00f1": number(1),
    }
    return {**single, **nested}


def fill(database):
    documents = {"clientes/c%03d" % n: {"n": number(n), "name": text("client %d" % n)} for n in range(250)}
    documents["clientes/c1"] = values(database)
    documents["clientes/c1/pagos/p1"] = {"amount": number(5)}
    documents["clientes/c1/pagos/p1/detalle/d1"] = {"deep": number(1)}
    documents["clientes/ghost/pagos/p9"] = {"of": text("a document that does not exist")}
    documents["configuracion/empty"] = {}
    documents["clientes2/x"] = {"near": number(1)}
    documents.update(("aumentos/" + name, {"name": text(name)}) for name in NASTY_NAMES)
    database.write(documents)
    return database.read()


def source(database, **options):
    return {"name": "data", "firestore": {"project": database.project, "emulator_host": database.host, **options}}


def put_back(config, **options):
    return restore(config, "app", RestoreRequest(confirm=True, **options))


def lines(config, taken):
    reader = jobs.reader(config, taken.id, "data")
    return [json.loads(line) for entry in reader.in_stream_order() for line in joined(reader, entry).splitlines()]


def joined(reader, entry):
    return b"".join(bytes(part) for part in reader.read(entry))


def test_every_document_comes_back(tmp_path, database):
    before = fill(database)
    config = jobs.configure(tmp_path, source(database))
    taken = jobs.take(config)
    assert taken.outcome == "success"
    facts = taken.components[0].facts
    assert facts["tables"] == {
        "aumentos": len(NASTY_NAMES), "clientes": 251, "clientes/*/pagos": 2, "clientes/*/pagos/*/detalle": 1,
        "clientes2": 1, "configuracion": 1,
    }  # fmt: skip
    reader = jobs.reader(config, taken.id, "data")
    assert [(e["path"], e["type"]) for e in reader.entries()] == [
        (name, "collection") for name in ("aumentos", "clientes", "clientes2", "configuracion")
    ]
    assert {line["path"]: line["fields"] for line in lines(config, taken)} == before
    database.clear()
    assert database.read() == {}
    restored = put_back(config)
    assert (restored.error, restored.outcome, restored.components[0].plan.create_count) == (None, "success", len(before))
    assert database.read() == before


def test_only_what_differs_is_written(tmp_path, database):
    before = fill(database)
    config = jobs.configure(tmp_path, source(database))
    jobs.take(config)
    database.write({"clientes/c007": {"n": number(-1)}, "clientes/c008": None, "clientes/new": {}, "otra/new": {}})
    planned = restore(config, "app", RestoreRequest(dry_run=True)).components[0].plan
    assert (planned.overwrite, planned.create, planned.remove) == (["clientes/c007"], ["clientes/c008"], [])
    restored = put_back(config)
    assert restored.safety_backup
    assert database.read() == {**before, "clientes/new": {}, "otra/new": {}}
    database.write({"clientes/c009": {"n": number(-1)}})
    removed = put_back(config, delete=True).components[0].plan
    assert removed.remove == ["clientes/new"]
    assert database.read() == {**before, "otra/new": {}}, "a collection that the backup does not have stays"


@pytest.mark.parametrize(
    ("include", "restored"),
    [
        ("/clientes/", lambda path: path.startswith("clientes/")),
        ("/clientes/c1/", lambda path: path.startswith("clientes/c1/")),
        ("/clientes/c007", lambda path: path == "clientes/c007"),
        ("pagos/", lambda path: "/pagos/" in path),
    ],
)
def test_a_part_is_restored(tmp_path, database, include, restored):
    before = fill(database)
    config = jobs.configure(tmp_path, source(database))
    jobs.take(config)
    database.clear()
    assert put_back(config, include=(include,)).error is None
    expected = {path: fields for path, fields in before.items() if restored(path)}
    assert expected
    assert database.read() == expected


def test_all_pages_are_of_one_moment(tmp_path, database, monkeypatch):
    """A counter moves through the collections while they are read; the copy has it once."""
    monkeypatch.setattr("_engine.firestore.client._FIRST_PAGE", 2)
    monkeypatch.setattr("_engine.firestore.client._LARGEST_PAGE", 3)
    collections = ["a", "b", "c", "d"]
    database.write(
        {"%s/%02d" % (name, n): {"has": number(int((name, n) == ("a", 0)))} for name in collections for n in range(15)}
    )
    places = ["%s/%02d" % (name, n) for name in collections for n in range(15)]
    stop = threading.Event()

    def move():
        at = 0
        while not stop.is_set():
            there = (at + 7) % len(places)
            database.write({places[at]: {"has": number(0)}, places[there]: {"has": number(1)}})
            at = there

    mover = threading.Thread(target=move)
    mover.start()
    config = jobs.configure(tmp_path, source(database))
    try:
        for _round in range(5):
            taken = jobs.take(config)
            documents = lines(config, taken)
            assert len(documents) == len(places)
            assert sum(int(document["fields"]["has"]["integerValue"]) for document in documents) == 1
    finally:
        stop.set()
        mover.join()


def test_chosen_collections(tmp_path, database):
    fill(database)
    config = jobs.configure(tmp_path, source(database, collections=["configuracion", "clientes2", "mistyped"]))
    taken = jobs.take(config)
    assert [notice.code for notice in taken.warnings] == ["collection-empty"]
    assert [line["path"] for line in lines(config, taken)] == ["clientes2/x", "configuracion/empty"]


def test_another_project_gets_references_to_its_own_documents(tmp_path, database, firestore_emulator):
    fill(database)
    jobs.take(jobs.configure(tmp_path, source(database)))
    other = Database(firestore_emulator.host, "q-" + uuid.uuid4().hex[:12])
    config = jobs.configure(tmp_path, source(other))
    assert put_back(config).error is None
    assert other.read()["clientes/c1"]["reference"] == {"referenceValue": "%s/clientes/c1" % other.root}
    assert other.read()["clientes/c1"] == values(other)


def test_a_failed_restore_puts_back_what_was_there(tmp_path, database, monkeypatch):
    monkeypatch.setattr("_engine.firestore.restoring._WRITES", 50)
    fill(database)
    config = jobs.configure(tmp_path, source(database))
    jobs.take(config)
    database.clear()
    database.write({"clientes/c%03d" % n: {"n": number(-n)} for n in range(0, 250, 3)})
    before = database.read()
    commit, calls = Firestore.commit, []

    def failing(self, writes):
        calls.append(len(writes))
        commit(self, writes)
        if len(calls) == 3:
            raise SourceError("the network is gone")

    monkeypatch.setattr(Firestore, "commit", failing)
    restored = put_back(config, safety_backup=False)
    assert (restored.error["code"], restored.undone) == ("source", True)
    assert database.read() == before


def test_restored_into_a_folder(tmp_path, database):
    before = fill(database)
    config = jobs.configure(tmp_path, source(database))
    jobs.take(config)
    database.clear()
    assert put_back(config, to=str(tmp_path / "there")).error is None
    with open(tmp_path / "there" / "data.jsonl", encoding="utf-8") as file:
        assert {line["path"]: line["fields"] for line in map(json.loads, file)} == before
    assert database.read() == {}


def test_the_next_day_costs_what_changed(tmp_path, database):
    fill(database)
    config = jobs.configure(tmp_path, source(database))
    full = jobs.take(config)
    database.write({"clientes/c007": {"n": number(-1)}})
    taken = jobs.take(config, kind="incremental")
    assert taken.stored < full.stored / 2
    before = database.read()
    database.clear()
    assert put_back(config).error is None
    assert database.read() == before


def test_a_dump_is_lines_of_json(tmp_path, database):
    before = fill(database)
    dest = tmp_path / "dump.jsonl.gz"
    dump = {"firestore": source(database)["firestore"], "dest": str(dest)}
    result = database_dump(dump)
    assert (result.error, result.changed) == (None, True)
    with gzip.open(dest, "rt", encoding="utf-8") as file:
        assert {line["path"]: line["fields"] for line in map(json.loads, file)} == before
    assert not database_dump(dump).changed


def test_what_goes_wrong_is_told(tmp_path, database, monkeypatch):
    monkeypatch.setattr("_engine.firestore.client._RETRIES", 0)
    dead = jobs.configure(tmp_path, {"name": "data", "firestore": {"project": "p", "emulator_host": "127.0.0.1:9"}})
    failed = jobs.backup(dead, dead.jobs[0])
    assert failed.error["code"] == "source" and failed.id is None
    key = {"type": "service_account", "private_key": "c4nary", "client_email": "x"}
    with_key = jobs.configure(tmp_path, {"name": "data", "firestore": {"project": "p", "service_account": json.dumps(key)}})
    failed = jobs.backup(with_key, with_key.jobs[0])
    assert failed.error["code"] == "configuration" and "service_account" in failed.error["message"]
    for folder, _folders, names in os.walk(tmp_path):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert b"c4nary" not in file.read(), name
    with pytest.raises(ConfigurationError, match="no collection at the root"):
        parse_config(jobs.describe(tmp_path, source(database, collections=["a/b"])))


@pytest.mark.parametrize("kind", ["cut", "truncate"])
def test_a_service_that_goes_away_meanwhile(tmp_path, database, monkeypatch, kind):
    """After the first pages. What was read until then is no backup."""
    monkeypatch.setattr("_engine.firestore.client._RETRIES", 0)
    fill(database)
    address = database.host.rpartition(":")
    with FaultProxy((address[0], int(address[2])), always(Fault(kind, 60_000, up=False))) as proxy:
        config = jobs.configure(tmp_path, source(database, emulator_host="%s:%d" % proxy.address))
        result = jobs.backup(config, config.jobs[0])
        # Once in a while is no trouble.
        monkeypatch.undo()
        proxy.plan = only(proxy.connections, Fault(kind, 60_000, up=False))
        again = jobs.configure(tmp_path / "again", source(database, emulator_host="%s:%d" % proxy.address))
        assert jobs.take(again).components[0].facts["tables"]["clientes"] == 251
    assert result.error["code"] == "source" and "Firestore cannot be asked" in result.error["message"], result.error
    left = [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert len(left) == 1 and left[0].endswith(".failed.json")


def test_the_emulator_of_the_environment_counts(tmp_path, database, monkeypatch):
    fill(database)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", database.host)
    config = jobs.configure(tmp_path, {"name": "data", "firestore": {"project": database.project}})
    assert jobs.take(config).components[0].facts["tables"]["clientes"] == 251


class Refusing(Service):
    """Firestore, and where tokens are had for it. ``error``: what it says; of status 400 it is the tokens that are refused."""

    error: t.Dict[str, t.Any] = {}

    def handle(self, request):
        status, words = self.error["code"], self.error["message"]
        if request.path == "/token" and status == 400:
            return Reply(400, {"error": "invalid_grant", "error_description": words})
        if request.path == "/token":
            return Reply(200, {"access_token": "c4nary-token", "expires_in": 3599, "token_type": "Bearer"})
        # Some answers are streams.
        return Reply(status, [{"error": self.error}] if request.path.endswith(":runQuery") else {"error": self.error})


@pytest.fixture
def refusing(tmp_path, monkeypatch):
    service = Refusing(tmp_path)
    monkeypatch.setattr("_engine.firestore.client._ADDRESS", service.url)
    monkeypatch.setattr("httplib2.CA_CERTS", str(service.ca))
    yield service
    service.close()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Request had invalid authentication credentials."),
        (403, "Missing or insufficient permissions."),
        (400, "Invalid grant: account not found"),
    ],
)
def test_credentials_that_are_refused(tmp_path, refusing, status, message):
    refusing.error = {"code": status, "message": message}
    private = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = {
        "type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": private,
        "client_email": "host@p.iam.gserviceaccount.com", "token_uri": refusing.url + "/token",
    }  # fmt: skip
    config = jobs.configure(tmp_path, {"name": "data", "firestore": {"project": "p", "service_account": json.dumps(key)}})
    for dry_run in (False, True):
        result = jobs.backup(config, config.jobs[0], dry_run=dry_run)
        assert (result.error["code"], result.exit_code, result.id) == ("source", SourceError.exit_code, None)
        told = result.error["message"]
        assert "projects/p/databases/(default)" in told and message in told and "role roles/datastore.user" in told, told
        shown = json.dumps(result.to_dict())
        assert "c4nary" not in shown and private.splitlines()[1] not in shown and "{" not in told
    # It is not asked again in vain.
    assert sum(request.path != "/token" for request in refusing.log) <= 6


def test_kinds_of_documents():
    assert kind_of("a/1") == "a"
    assert kind_of("a/1/b/2/c/3") == "a/*/b/*/c"
    assert FirestoreSource.shape == "stream"
