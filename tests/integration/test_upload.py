# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending one file to a store, from a play and without one."""

from __future__ import annotations

import pytest
from playing import Ansible

from _engine.operations.upload import upload


@pytest.fixture
def place(tmp_path):
    (tmp_path / "export.sql").write_bytes(b"x" * 3_000_000)
    return tmp_path


def options(place, **more):
    return {"src": str(place / "export.sql"), "store": {"local": {"path": str(place / "store")}}, **more}


def test_a_play(place):
    task = {"fleet.backup.upload": options(place, key="2026/export.sql")}
    planned, first, second = Ansible(place / "ansible").tasks({**task, "check_mode": True}, task, task)
    assert [a["changed"] for a in (planned, first, second)] == [True, True, False]
    assert (place / "store" / "2026" / "export.sql").read_bytes() == (place / "export.sql").read_bytes()
    assert first["upload"]["size"] == 3_000_000


def test_another_file_is_replaced_only_when_asked(place):
    assert upload(options(place)).changed
    (place / "export.sql").write_bytes(b"y" * 3_000_000)
    refused = upload(options(place))
    assert refused.error["code"] == "store-refused"
    assert (place / "store" / "export.sql").read_bytes()[:1] == b"x"
    assert upload(options(place, replace=True)).changed
    assert (place / "store" / "export.sql").read_bytes()[:1] == b"y"
    assert sorted(p.name for p in (place / "store").iterdir()) == ["export.sql"]


@pytest.mark.parametrize("key", ["", "/x", "a//b", "../x", "a/.b", "a\\b"])
def test_keys_that_lead_elsewhere_are_refused(place, key):
    result = upload(options(place, key=key))
    if key:
        assert result.error["code"] == "configuration"
    else:
        assert result.key == "export.sql"


def test_a_file_that_is_not_there(place):
    (place / "export.sql").unlink()
    assert "cannot be read" in upload(options(place)).error["message"]
