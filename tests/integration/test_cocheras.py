# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked example cocheras: four collections of a Firestore database."""

from __future__ import annotations

import json
import uuid

import pytest
from firestore_emulator import Database
from fixtures import cocheras

from examples import Example


@pytest.fixture
def database(firestore_emulator):
    found = Database(firestore_emulator.host, "cocheras-" + uuid.uuid4().hex[:12])
    cocheras.make(found)
    return found


@pytest.fixture
def example(tmp_path, database):
    backups = tmp_path / "backups"
    return Example(tmp_path, "cocheras", backups, cocheras_project=database.project, cocheras_emulator=database.host)


def test_cocheras_comes_back(example, database):
    before = cocheras.state(database)
    example.play("backup", tag="daily")
    (manifest,) = example.manifests()
    (component,) = json.loads(manifest.read_text())["components"]
    assert component["entries"] == len(cocheras.COLLECTIONS)
    assert component["facts"]["tables"] == {
        "aumentos": 1, "clientes": 120, "clientes/*/historial": 120, "configuracion": 1, "pagos": 360,
    }  # fmt: skip
    cocheras.destroy(database)
    assert cocheras.state(database) != before
    told = example.play("restore", confirm="yes")
    assert manifest.stem in told
    assert cocheras.state(database) == before
    assert "sesiones/s1" in database.read()


def test_one_collection_of_cocheras_comes_back(example, database):
    before = cocheras.state(database)
    example.play("backup")
    cocheras.destroy(database)
    example.play("restore", confirm="yes", include=["/pagos/"])
    after = cocheras.state(database)
    assert {path: fields for path, fields in after.items() if path.startswith("pagos/")} == {
        path: fields for path, fields in before.items() if path.startswith("pagos/")
    }
    assert after["configuracion/general"] == {"precio": {"integerValue": "0"}}
