# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of one run."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _engine import runlog
from _engine.errors import ConfigurationError
from _engine.runlog import RunLog

RUN = "20261122T020000Z-full-daily-3f9a"


@pytest.fixture
def log(tmp_path):
    log = RunLog(str(tmp_path), "shop", RUN)
    yield log
    log.close()


def test_the_file_and_the_lines_for_the_backup_are_the_same(log, tmp_path):
    log.line("begins")
    log.line("caf\u00e9")
    log.close()
    data = (tmp_path / "logs" / "shop" / (RUN + ".log")).read_bytes()
    assert data == log.data()
    stamp = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ "
    assert re.fullmatch("%sbegins\n%scaf\u00e9\n" % (stamp, stamp), data.decode("utf-8"))


def test_only_the_owner_may_look(log):
    assert os.stat(log.path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(log.path)).st_mode & 0o777 == 0o700


@given(text=st.text(st.characters()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_line_is_one_line_whatever_is_in_it(log, text):
    before = len(log.data())
    log.line(text)
    line = log.data()[before:].decode("utf-8")
    assert line.endswith("\n") and line[:-1].isprintable()
    if text.isprintable():
        assert line.endswith(" %s\n" % text)


def test_names_that_are_not_utf8_can_be_logged(log):
    log.line("skipped " + os.fsdecode(b"a\xff\nb"))
    assert log.data().endswith(b"skipped a\\udcff\\nb\n")


def test_a_log_too_long_for_the_backup_says_so_and_goes_on_in_the_file(log):
    for _ in range(6):
        log.line("x" * (1 << 20))
    assert len(log.data()) < runlog.KEPT_BYTES + 100
    assert log.data().endswith(b"... the rest is only in the log on the host\n")
    assert os.path.getsize(log.path) > 6 << 20


def test_old_logs_go(tmp_path):
    folder = tmp_path / "logs" / "shop"
    for n in range(runlog.KEPT_LOGS + 5):
        RunLog(str(tmp_path), "shop", "202611%02dT%06dZ-full-daily-0000" % (n % 28 + 1, n)).close()
    (folder / "notes.txt").touch()
    RunLog(str(tmp_path), "shop", "20261201T000000Z-full-daily-0000").close()
    logs = sorted(folder.glob("*.log"))
    assert len(logs) == runlog.KEPT_LOGS
    assert logs[-1].name.startswith("20261201") and logs[0].name > "20261102"
    assert (folder / "notes.txt").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_does_not_stop_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(runlog, "open_private", lambda path, flags: os.open("/dev/full", os.O_WRONLY))
    log = RunLog(str(tmp_path), "shop", RUN)
    log.line("one")
    log.line("two")
    log.close()
    assert "No space left" in log.problem
    assert log.data().count(b"\n") == 2


def test_a_name_that_is_taken_by_a_folder(tmp_path):
    (tmp_path / "logs" / "shop" / (RUN + ".log")).mkdir(parents=True)
    log = RunLog(str(tmp_path), "shop", RUN)
    log.line("still there")
    assert log.problem and b"still there" in log.data()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "logs").touch()
    with pytest.raises(ConfigurationError, match="logs"):
        RunLog(str(tmp_path), "shop", RUN)
