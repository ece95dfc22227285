# SPDX-License-Identifier: GPL-3.0-or-later
"""Which libraries a host's jobs need: what drivers import and what they say they do must agree."""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path

import jobs
import pytest

from _engine import libraries, notifiers, sources, stores
from _engine.errors import MissingDependencyError
from _engine.job import parse_config
from _engine.zones import zone

ENGINE = Path(libraries.__file__).parent
ALL = [(registry, name) for registry in (sources, stores, notifiers) for name in registry.NAMES]


@pytest.mark.parametrize(("registry", "name"), ALL, ids=lambda value: value if isinstance(value, str) else "")
def test_every_driver_names_libraries_that_are_known(registry, name):
    assert set(registry.load(name).requires) <= set(libraries.LIBRARIES)


def test_every_library_that_the_engine_imports_is_known():
    imported = set()
    for path in ENGINE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module)
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    known = {"backports" if name == "backports.zstd" else name for name in libraries.LIBRARIES}
    # What comes with them.
    known |= {"botocore", "compression", "google", "google_auth_httplib2", "httplib2", "requests", "stone", "urllib3"}
    assert {name.split(".")[0] for name in foreign} <= known


def test_what_a_host_needs(tmp_path):
    description = jobs.describe(tmp_path, jobs.files(tmp_path), encryption={"passphrase": "x"})
    description["notifiers"] = [{"name": "chat", "apprise": {"urls": "x"}}]
    needed = libraries.needed(parse_config(description))
    zstd = ["backports.zstd"] if sys.version_info < (3, 14) else []
    assert needed == ["apprise", *zstd, "cryptography"]
    description["jobs"][0]["compression"] = {"algorithm": "gzip"}
    assert libraries.needed(parse_config(description)) == ["apprise", "cryptography"]


def test_a_zone_needs_a_database(tmp_path, monkeypatch):
    description = jobs.describe(tmp_path, jobs.files(tmp_path), timezone="Europe/Madrid", compression={"algorithm": "gzip"})
    assert libraries.needed(parse_config(description)) == []
    monkeypatch.setattr("_engine.zones.zoneinfo", types.SimpleNamespace(ZoneInfo=_nothing_known, ZoneInfoNotFoundError=KeyError))
    assert libraries.needed(parse_config(description)) == ["tzdata"]
    with pytest.raises(MissingDependencyError, match="tzdata"):
        zone("Europe/Madrid")


def _nothing_known(name):
    raise KeyError(name)


def test_what_is_missing(monkeypatch):
    monkeypatch.setitem(libraries.LIBRARIES, "nosuch.thing", libraries.Library("nosuch.thing", "nosuch-thing", None))
    assert [library.distribution for library in libraries.missing(["nosuch.thing"])] == ["nosuch-thing"]
