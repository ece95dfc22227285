# SPDX-License-Identifier: GPL-3.0-or-later
"""--query."""

from __future__ import annotations

import sys

import pytest

from _engine.cli.query import Query
from _engine.errors import ConfigurationError, MissingDependencyError

DOCUMENT = {"backups": [{"id": "a", "bytes": 1}, {"id": "b", "bytes": 5}]}


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("backups[].id", ["a", "b"]),
        ("backups[?bytes > `2`].id | [0]", "b"),
        ("sum(backups[].bytes)", 6),
        ("nothing.there", None),
        ("@", DOCUMENT),
    ],
)
def test_what_is_chosen(expression, chosen):
    pytest.importorskip("jmespath")
    assert Query(expression).choose(DOCUMENT) == chosen


@pytest.mark.parametrize("expression", ["", "backups[", "a..b", "backups[?]", "'"])
def test_what_is_no_expression_is_told_before_anything_is_done(expression):
    pytest.importorskip("jmespath")
    with pytest.raises(ConfigurationError, match="--query"):
        Query(expression)


@pytest.mark.parametrize("expression", ["length(nothing)", "no_such_function(@)", "sum(backups[].id)"])
def test_what_does_not_fit_is_told(expression):
    pytest.importorskip("jmespath")
    with pytest.raises(ConfigurationError, match="--query"):
        Query(expression).choose(DOCUMENT)


def test_without_the_library_the_package_and_the_option_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jmespath", None)
    with pytest.raises(MissingDependencyError, match=r"--query needs .* python3-jmespath"):
        Query("a")
