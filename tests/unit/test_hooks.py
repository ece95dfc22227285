# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: real programs around a run."""

from __future__ import annotations

import json
import sys

import pytest

from _engine.errors import HookError
from _engine.hooks import run_hooks
from _engine.job import parse_config


def job_with(point, *commands, timeout="1m"):
    return parse_config(
        {
            "host": "web1",
            "stores": [{"name": "disk", "local": {"path": "/var/backups"}}],
            "jobs": [
                {
                    "name": "shop",
                    "sources": [{"name": "app", "files": {"paths": ["/srv/app"]}}],
                    "stores": ["disk"],
                    "hooks": {point: [{"command": list(command), "timeout": timeout} for command in commands]},
                }
            ],
        }
    ).job("shop")


def touch(path, code=0):
    return ["sh", "-c", 'touch "$1"; exit %d' % code, "sh", str(path)]


def test_no_hooks_do_nothing():
    run_hooks(job_with("after"), "before", {}, pytest.fail)


def test_a_hook_knows_what_it_runs_for(tmp_path):
    out = tmp_path / "out"
    code = "import json, os, sys; json.dump({k: v for k, v in os.environ.items() if 'FLEET' in k}, open(sys.argv[1], 'w'))"
    run_hooks(
        job_with("after", [sys.executable, "-c", code, str(out)]),
        "after",
        {"FLEET_BACKUP_JOB": "shop", "FLEET_BACKUP_OUTCOME": "success"},
        lambda line: None,
    )
    assert json.loads(out.read_text()) == {
        "FLEET_BACKUP_JOB": "shop",
        "FLEET_BACKUP_OUTCOME": "success",
        "FLEET_BACKUP_POINT": "after",
    }


@pytest.mark.parametrize("point", ["before", "before_restore"])
def test_the_first_guard_that_fails_stops_the_others(tmp_path, point):
    job = job_with(point, touch(tmp_path / "1"), touch(tmp_path / "2", 3), touch(tmp_path / "3"))
    with pytest.raises(HookError, match="hook %s: sh ended with exit code 3" % point):
        run_hooks(job, point, {}, lambda line: None)
    assert (tmp_path / "1").exists() and (tmp_path / "2").exists() and not (tmp_path / "3").exists()


@pytest.mark.parametrize("point", ["after", "on_failure", "after_restore"])
def test_what_puts_things_back_all_runs_and_every_failure_is_told(tmp_path, point):
    job = job_with(point, touch(tmp_path / "1", 3), ["no-such-program"], touch(tmp_path / "3", 4), touch(tmp_path / "4"))
    with pytest.raises(HookError) as error:
        run_hooks(job, point, {}, lambda line: None)
    told = str(error.value).splitlines()
    assert len(told) == 3
    assert "exit code 3" in told[0] and "no-such-program" in told[1] and "exit code 4" in told[2]
    assert (tmp_path / "4").exists()


def test_a_failure_quotes_the_last_words_but_not_the_arguments():
    job = job_with("before", ["sh", "-c", "echo first >&2; echo cannot stop it >&2; exit 1", "s3cret"])
    with pytest.raises(HookError, match=r"first \| cannot stop it") as error:
        run_hooks(job, "before", {}, lambda line: None)
    assert "s3cret" not in str(error.value)


def test_output_goes_to_the_log():
    lines = []
    run_hooks(job_with("before", ["sh", "-c", "echo stopped; echo careful >&2"]), "before", {}, lines.append)
    assert lines == [
        "hook before: sh: output: stopped",
        "hook before: sh: error output: careful",
        "hook before: sh succeeded",
    ]


def test_a_flood_of_output_does_not_flood_the_log():
    lines = []
    run_hooks(job_with("before", [sys.executable, "-c", "print('x\\n' * 1000000)"]), "before", {}, lines.append)
    assert len(lines) == 51


def test_a_hook_that_hangs_fails_in_time_and_says_which_option_helps():
    with pytest.raises(HookError, match=r"sleep did not finish in time .*after 1 s; its timeout option"):
        run_hooks(job_with("before", ["sleep", "600"], timeout="1s"), "before", {}, lambda line: None)
