# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking that backups would work, on real folders and files."""

from __future__ import annotations

import json

import pytest

from _engine.job import parse_config
from _engine.operations import check as check_module
from _engine.operations.check import check


@pytest.fixture
def app(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "page.html").write_text("hello")
    return tmp_path / "app"


def configuration(tmp_path, **changes):
    description = {
        "host": "web1",
        "state_dir": str(tmp_path / "state"),
        "stores": [{"name": "disk", "local": {"path": str(tmp_path / "disk")}}],
        "jobs": [
            {"name": "shop", "sources": [{"name": "app", "files": {"paths": [str(tmp_path / "app")]}}], "stores": ["disk"]},
            {"name": "blog", "sources": [{"name": "app", "files": {"paths": [str(tmp_path / "app")]}}], "stores": ["disk"]},
        ],
    }
    return parse_config({**description, **changes})


def told(result):
    json.dumps(result.to_dict())
    return [(f.what, f.name.rpartition("/")[2], f.job, f.outcome) for f in result.findings]


def test_all_is_well(tmp_path, app):
    result = check(configuration(tmp_path))
    assert result.exit_code == 0
    assert told(result) == [
        ("state", "state", None, "success"),
        ("library", "zstd", None, "success"),
        ("store", "disk", None, "success"),
        ("source", "app", "shop", "success"),
        ("source", "app", "blog", "success"),
    ]
    store, source = result.findings[2:4]
    assert store.bytes > 0
    assert (source.entries, source.bytes) == (2, 5)


def test_it_leaves_nothing_behind(tmp_path, app):
    check(configuration(tmp_path))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["app", "disk", "page.html", "state"]


def test_one_job_alone(tmp_path, app):
    assert [f[2] for f in told(check(configuration(tmp_path), ["blog"]))] == [None, None, None, "blog"]
    assert check(configuration(tmp_path), ["other"]).exit_code == 12


def test_every_problem_is_told_and_the_first_is_the_error(tmp_path):
    stores = [{"name": "disk", "local": {"path": str(tmp_path / "not" / "mounted")}}]
    result = check(configuration(tmp_path, stores=stores))
    assert [f.outcome for f in result.findings] == ["success", "success", "failure", "failure", "failure"]
    assert result.findings[2].error == "store-unavailable" and "not mounted" in result.findings[2].message
    assert result.findings[3].error == "source" and str(tmp_path / "app") in result.findings[3].message
    assert result.exit_code == 7


def test_a_state_folder_that_cannot_be_made(tmp_path, app):
    (tmp_path / "file").touch()
    result = check(configuration(tmp_path, state_dir=str(tmp_path / "file" / "state")))
    assert told(result)[0][3] == "failure" and result.exit_code == 2


def test_a_state_folder_that_is_read_only(tmp_path, app):
    result = check(configuration(tmp_path, state_dir="/proc/self"))
    assert told(result)[0][3] == "failure" and result.exit_code == 2


def test_without_zstd_it_says_what_happens_instead(tmp_path, app, monkeypatch):
    monkeypatch.setattr(check_module, "zstd_module", lambda: None)
    result = check(configuration(tmp_path))
    assert told(result)[1] == ("library", "zstd", None, "warning")
    assert result.exit_code == 3 and "gzip" in result.warnings[0].message


def test_zstd_is_not_asked_for_where_no_job_uses_it(tmp_path, app):
    job = {"name": "shop", "sources": [{"name": "app", "files": {"paths": [str(app)]}}], "stores": ["disk"], "format": "zip"}
    assert "library" not in [f[0] for f in told(check(configuration(tmp_path, jobs=[job])))]
