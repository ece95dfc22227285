# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a job: one run at a time, and nothing stale after a crash. The other runs are real processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from _engine.errors import ConfigurationError, LockedError
from _engine.lock import JobLock

ENGINE = Path(__file__).parents[2] / "plugins" / "module_utils"

# Takes the lock, says so, and holds it until its input ends.
HOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from _engine.lock import JobLock
with JobLock(sys.argv[2], "shop"):
    sys.stdout.write("locked\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(ENGINE), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_told_who_holds_the_lock(tmp_path, holder):
    with pytest.raises(LockedError, match=r"shop.*process %d, since 20\d\d-" % holder.pid), JobLock(str(tmp_path), "shop"):
        pass


def test_the_lock_of_a_killed_run_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    with JobLock(str(tmp_path), "shop"):
        pass


def test_a_run_waits_for_the_other_one_to_end(tmp_path, holder):
    lock = JobLock(str(tmp_path), "shop", 60)
    holder.stdin.close()
    with lock:
        assert holder.wait(60) == 0


def test_waiting_ends_with_the_timeout(tmp_path, holder):
    with pytest.raises(LockedError, match="after waiting 0 s"), JobLock(str(tmp_path), "shop", 0.05):
        pass


def test_jobs_do_not_wait_for_each_other(tmp_path, holder):
    with JobLock(str(tmp_path), "other"):
        pass


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), JobLock(str(tmp_path), "shop"):
        raise KeyError
    with JobLock(str(tmp_path), "shop"):
        pass


def test_what_the_file_says_decides_nothing(tmp_path):
    with JobLock(str(tmp_path), "shop"):
        pass
    path = tmp_path / "locks" / "shop.lock"
    path.write_text('{"pid": 1, "since": "2020-01-01T00:00:00.000Z"}\n')
    with JobLock(str(tmp_path), "shop"):
        assert '"pid": %d,' % os.getpid() in path.read_text()


def test_a_holder_that_says_nothing_readable(tmp_path, holder):
    (tmp_path / "locks" / "shop.lock").write_bytes(b"\xff[")
    with pytest.raises(LockedError, match="has not said who it is"), JobLock(str(tmp_path), "shop"):
        pass


def test_only_the_owner_may_look(tmp_path):
    with JobLock(str(tmp_path / "state"), "shop"):
        pass
    for path, mode in (("state", 0o700), ("state/locks", 0o700), ("state/locks/shop.lock", 0o600)):
        assert (tmp_path / path).stat().st_mode & 0o777 == mode, path


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "locks").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "locks" / "shop.lock").symlink_to(victim)
    with pytest.raises(ConfigurationError, match=r"shop\.lock"), JobLock(str(tmp_path), "shop"):
        pass
    assert victim.read_text() == "precious"


def test_a_state_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="state_dir"), JobLock(str(tmp_path / "file" / "state"), "shop"):
        pass


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(_fd):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("_engine.lock.lock_file", refuse)
    with (
        pytest.raises(ConfigurationError, match="cannot be locked: No locks available; put state_dir"),
        JobLock(str(tmp_path), "app"),
    ):
        pass
