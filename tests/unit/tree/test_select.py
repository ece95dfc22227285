# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries of a component a list of patterns means."""

from __future__ import annotations

import pytest

from _engine.errors import ConfigurationError
from _engine.tree.select import Selection

TREE = [
    "srv/",
    "srv/app/",
    "srv/app/a.log",
    "srv/app/conf/",
    "srv/app/conf/a.ini",
    "srv/app/conf/b.log",
    "srv/app-2",
    "srv/b/",
    "srv/b/conf",
]

CASES = [
    ([], TREE),
    (["*.ini"], ["(srv/)", "(srv/app/)", "(srv/app/conf/)", "srv/app/conf/a.ini"]),
    (["conf/"], ["(srv/)", "(srv/app/)", "srv/app/conf/", "srv/app/conf/a.ini", "srv/app/conf/b.log"]),
    (["conf", "!*.log"], ["(srv/)", "(srv/app/)", "srv/app/conf/", "srv/app/conf/a.ini", "(srv/b/)", "srv/b/conf"]),
    (["/srv/app"], ["(srv/)", "srv/app/", "srv/app/a.log", "srv/app/conf/", "srv/app/conf/a.ini", "srv/app/conf/b.log"]),
    (["/srv", "!conf/"], ["srv/", "srv/app/", "srv/app/a.log", "srv/app-2", "srv/b/", "srv/b/conf"]),
    (
        ["/srv", "!conf/", "a.ini"],
        ["srv/", "srv/app/", "srv/app/a.log", "(srv/app/conf/)", "srv/app/conf/a.ini", "srv/app-2", "srv/b/", "srv/b/conf"],
    ),
    (["app-*"], ["(srv/)", "srv/app-2"]),
    (["nothing"], []),
]


@pytest.mark.parametrize(("include", "expected"), CASES)
def test_choose(include: list[str], expected: list[str]) -> None:
    entries = [(p.rstrip("/").encode(), {"type": "directory" if p.endswith("/") else "file"}) for p in TREE]
    told = []
    for path, entry, is_parent in Selection(include).of(entries):
        text = path.decode() + "/" * (entry["type"] == "directory")
        told.append("(%s)" % text if is_parent else text)
    assert told == expected


@pytest.mark.parametrize(("include", "expected"), CASES)
def test_one_path_is_judged_as_in_the_list(include: list[str], expected: list[str]) -> None:
    selection = Selection(include)
    means = [p for p in TREE if selection.means(p.rstrip("/").encode(), p.endswith("/"))]
    assert means == [p for p in expected if not p.startswith("(")]


def test_a_wrong_pattern_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="include: .*never closed"):
        Selection(["[a"])
