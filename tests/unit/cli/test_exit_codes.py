# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented exit codes are those of the error tree."""

from __future__ import annotations

import re
from pathlib import Path

from _engine import errors
from _engine.result import WARNING_EXIT_CODE, Notice, Result

DOC = Path(__file__).resolve().parents[3] / "docs" / "exit-codes.md"


def documented():
    rows = re.findall(r"^\| (\d+) \| (?:`([a-z-]+)`)? ?\| (.+) \| (.+) \|$", DOC.read_text(encoding="utf-8"), re.MULTILINE)
    return [(int(number), code) for number, code, _what, _do in rows]


def classes():
    found = [errors.FleetBackupError, errors.InterruptedRunError]
    for cls in found:
        found += cls.__subclasses__()
    return [cls for cls in found if cls.__module__ == errors.__name__]


def test_every_error_is_documented_with_its_exit_code_and_nothing_else_is():
    expected = [(cls.exit_code, cls.code) for cls in classes()] + [(0, ""), (WARNING_EXIT_CODE, "")]
    assert documented() == sorted(expected)


def test_no_two_outcomes_share_an_exit_code():
    numbers = [number for number, _code in documented()]
    assert len(numbers) == len(set(numbers))


def test_only_success_is_zero():
    result = Result("backup")
    assert result.exit_code == 0
    result.warnings.append(Notice("x", "y"))
    result.warn("x", "y")
    assert result.exit_code == WARNING_EXIT_CODE
    for cls in classes():
        failed = Result("backup")
        failed.fail(cls("no"))
        assert failed.exit_code == cls.exit_code != 0
