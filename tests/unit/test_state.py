# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers, on real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from _engine import state as state_module
from _engine.errors import StoreFullError
from _engine.result import Result
from _engine.state import State

ENGINE = Path(__file__).parents[2] / "plugins" / "module_utils"
OLD, NEW = "20261122T020000Z-full-daily-3f9a", "20261123T020000Z-full-daily-0000"


@pytest.fixture
def state(tmp_path):
    return State(str(tmp_path / "state"))


def finished(operation="backup", error=None):
    result = Result(operation, host="web1", job="shop")
    result.begin()
    if error:
        result.fail(error)
    result.end()
    return result


def test_a_job_that_never_ran(state):
    assert state.read_status("shop") == {"version": 1, "job": "shop", "newest_id": None, "confirmed": {}, "operations": {}}
    assert not state.notices and not os.path.exists(state.path), "reading makes nothing"


def test_success_and_failure_are_told_apart(state):
    good, bad = finished().to_dict(), finished(error=StoreFullError("no space")).to_dict()
    for result, failures in ((good, 0), (bad, 1), (bad, 2)):
        state.write_status("shop", result)
        assert state.read_status("shop")["operations"]["backup"]["consecutive_failures"] == failures
    entry = state.read_status("shop")["operations"]["backup"]
    assert (entry["last_run"], entry["last_success"], entry["last_failure"]) == (bad, good, bad)
    state.write_status("shop", good)
    assert state.read_status("shop")["operations"]["backup"]["consecutive_failures"] == 0


def test_a_run_with_warnings_is_no_failure(state):
    result = finished()
    result.warn("file-changed", "one file changed")
    state.write_status("shop", result.to_dict())
    entry = state.read_status("shop")["operations"]["backup"]
    assert entry["last_success"]["outcome"] == "warning" and entry["consecutive_failures"] == 0


def test_operations_and_jobs_do_not_mix(state):
    state.write_status("shop", finished("backup").to_dict())
    state.write_status("shop", finished("verify", StoreFullError("x")).to_dict())
    operations = state.read_status("shop")["operations"]
    assert operations["backup"]["consecutive_failures"] == 0 and operations["verify"]["consecutive_failures"] == 1
    assert state.read_status("other")["operations"] == {}


def test_the_newest_id_never_goes_back(state):
    assert state.newest_id("shop") is None
    state.take_id("shop", NEW)
    state.take_id("shop", OLD)
    assert state.newest_id("shop") == NEW


def test_confirmed_backups_per_store(state, monkeypatch):
    monkeypatch.setattr(state_module, "KEPT_IDS", 2)
    state.confirm("shop", OLD, ["disk", "offsite"])
    state.confirm("shop", OLD, ["disk"])
    state.confirm("shop", NEW, ["disk"])
    assert state.read_status("shop")["confirmed"] == {"disk": [OLD, NEW], "offsite": [OLD]}
    state.confirm("shop", NEW + "x", ["disk"])
    assert state.read_status("shop")["confirmed"]["disk"] == [NEW, NEW + "x"]


def test_only_the_owner_may_look(state):
    state.write_status("shop", finished().to_dict())
    state.audit(finished())
    assert os.stat(state.path).st_mode & 0o777 == 0o700
    for name in ("shop.json", "audit.log"):
        assert os.stat(os.path.join(state.path, name)).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(state.path)) == ["audit.log", "locks", "shop.json"], "no temporary files stay"


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"version": "1"}',
        b'{"version": 1}',
        b'{"version": 1, "newest_id": 5, "confirmed": {}, "operations": {}}',
        b'{"version": 1, "newest_id": null, "confirmed": {"disk": 3}, "operations": {}}',
        b'{"version": 1, "newest_id": null, "confirmed": {}, "operations": {"backup": {"consecutive_failures": "many"}}}',
    ],
)
def test_a_damaged_status_is_set_aside_and_a_new_one_begun(state, damage):
    os.makedirs(state.path)
    path = Path(state.path, "shop.json")
    path.write_bytes(damage)
    state.take_id("shop", NEW)
    assert state.newest_id("shop") == NEW
    assert Path(state.path, "shop.json.damaged").read_bytes() == damage
    assert len(state.notices) == 1 and "damaged" in state.notices[0].message


def test_what_a_newer_version_wrote_is_neither_used_nor_changed(state):
    os.makedirs(state.path)
    path = Path(state.path, "shop.json")
    path.write_text('{"version": 2, "newest_id": 7}')
    state.take_id("shop", NEW)
    assert state.newest_id("shop") is None
    assert path.read_text() == '{"version": 2, "newest_id": 7}'
    assert "newer" in state.notices[0].message


def test_unknown_keys_of_the_same_version_stay(state):
    state.take_id("shop", OLD)
    path = Path(state.path, "shop.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "later": 1}))
    state.take_id("shop", NEW)
    assert json.loads(path.read_text())["later"] == 1


def test_a_state_folder_that_cannot_be_written_is_a_notice(tmp_path):
    (tmp_path / "file").touch()
    state = State(str(tmp_path / "file" / "state"))
    state.write_status("shop", finished().to_dict())
    state.audit(finished())
    assert [n.code for n in state.notices] == ["state", "state"]
    assert state.read_status("shop")["operations"] == {}


def test_names_that_are_taken_by_folders_are_notices(state):
    os.makedirs(os.path.join(state.path, "shop.json"))
    os.makedirs(os.path.join(state.path, "audit.log"))
    assert state.newest_id("shop") is None
    state.take_id("shop", NEW)
    state.audit(finished())
    told = [n.message for n in state.notices]
    assert ["cannot be read" in told[0], "cannot be written" in told[-2], "audit log cannot be" in told[-1]] == [True] * 3


def test_the_audit_log_says_who_did_what(state, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ana")
    state.audit(finished("restore", StoreFullError("no\nspace")), what=OLD, actor="controller\njane")
    state.audit(finished("backup"))
    first, second = map(json.loads, Path(state.path, "audit.log").read_text().splitlines())
    assert first["uid"] == os.getuid() and first["sudo_user"] == "ana" and first["actor"] == "controller\njane"
    assert (first["operation"], first["what"], first["outcome"], first["error"]) == ("restore", OLD, "failure", "store-full")
    assert second["outcome"] == "success" and second["error"] is None and second["at"] >= first["at"]


def test_a_torn_last_line_of_the_audit_log_spoils_only_itself(state):
    state.audit(finished("backup"))
    path = Path(state.path, "audit.log")
    path.write_bytes(path.read_bytes() + b'{"at": "2026')
    state.audit(finished("prune"))
    lines = path.read_text().splitlines()
    assert json.loads(lines[0])["operation"] == "backup" and json.loads(lines[2])["operation"] == "prune"


def test_two_processes_at_once_lose_nothing(state):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from _engine.result import Result
from _engine.state import State
state = State(sys.argv[2])
for n in range(30):
    state.confirm("shop", "%s-%02d" % (sys.argv[3], n), ["disk"])
    state.audit(Result("verify", job=sys.argv[3]))
if state.notices:
    raise SystemExit(str(state.notices))
"""
    arguments = [sys.executable, "-c", code, str(ENGINE), state.path]
    processes = [subprocess.Popen(arguments + [name]) for name in ("a", "b", "c")]
    assert [p.wait() for p in processes] == [0, 0, 0]
    assert len(state.read_status("shop")["confirmed"]["disk"]) == 90
    lines = [json.loads(line) for line in Path(state.path, "audit.log").read_text().splitlines()]
    assert sorted(line["job"] for line in lines) == ["a"] * 30 + ["b"] * 30 + ["c"] * 30
