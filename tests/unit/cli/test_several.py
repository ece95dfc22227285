# SPDX-License-Identifier: GPL-3.0-or-later
"""One result for several jobs."""

from __future__ import annotations

import pytest

from _engine.errors import ConfigurationError, InterruptedRunError, SourceError, StoreFullError
from _engine.job import parse_config
from _engine.operations.several import for_each, parts
from _engine.result import Result

NAMES = ("a", "b", "c")


@pytest.fixture
def jobs(tmp_path):
    source = {"name": "x", "files": {"paths": [str(tmp_path)]}}
    return parse_config(
        {
            "host": "h",
            "stores": [{"name": "s", "local": {"path": str(tmp_path / "s")}}],
            "jobs": [{"name": name, "sources": [source], "stores": ["s"]} for name in NAMES],
        }
    ).jobs


def carry_out(jobs, **errors):
    began = []

    def do(job):
        began.append(job.name)
        result = Result("backup", "h", job.name)
        result.begin()
        error = errors.get(job.name)
        if error == "warning":
            result.warn("x", "y")
        elif error:
            result.fail(error)
        result.changed = not error
        result.end()
        return result

    return for_each("backup", jobs, do), began


def test_success_is_that_of_all(jobs):
    several, began = carry_out(jobs)
    assert (several.exit_code, several.changed, several.host, began) == (0, True, "h", list(NAMES))
    assert [part.job for part in parts(several)] == list(NAMES)


def test_a_warning_of_one_is_a_warning(jobs):
    assert carry_out(jobs, b="warning")[0].exit_code == 3


def test_the_first_failure_gives_code_and_exit_code_and_the_others_have_their_turn(jobs):
    several, began = carry_out(jobs, a="warning", b=SourceError("gone"), c=StoreFullError("full"))
    assert began == list(NAMES)
    assert (several.exit_code, several.error["code"]) == (SourceError.exit_code, "source")
    assert several.error["message"] == "2 of 3 jobs failed: b, c"
    data = several.to_dict()
    assert [r["outcome"] for r in data["results"]] == ["warning", "failure", "failure"]
    assert "error_exit_code" not in data
    assert "error_exit_code" not in data["results"][0]


def test_a_signal_ends_all_and_what_was_not_begun_is_named(jobs):
    several, began = carry_out(jobs, a=SourceError("gone"), b=InterruptedRunError("stopped"))
    assert began == ["a", "b"]
    assert (several.exit_code, several.error["code"]) == (15, "interrupted")
    assert several.error["message"] == "2 of 3 jobs failed: a, b; these were not done: c"


def test_a_signal_during_the_last_one_is_told_too(jobs):
    several, _began = carry_out(jobs, a=SourceError("gone"), c=InterruptedRunError("stopped"))
    assert (several.exit_code, several.error["message"]) == (15, "2 of 3 jobs failed: a, c")


def test_all_of_no_jobs_is_no_success():
    with pytest.raises(ConfigurationError, match="no job"):
        carry_out(())
