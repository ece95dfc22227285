# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns, against a table of the hard cases and against git itself."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from _engine.tree.patterns import Patterns

# patterns, path (a trailing slash: a folder), verdict
CASES = [
    ("*.tmp", "a.tmp", True),
    ("*.tmp", "deep/er/a.tmp", True),
    ("*.tmp", "a.tmp/", True),
    ("*.tmp", "a.tmp.txt", None),
    ("*.tmp", ".tmp", True),
    ("name", "name", True),
    ("name", "a/name", True),
    ("name", "a/name/b", None),
    ("name", "rename", None),
    ("/name", "name", True),
    ("/name", "a/name", None),
    ("a/name", "a/name", True),
    ("a/name", "b/a/name", None),
    ("/a/name", "a/name", True),
    ("name/", "name", None),
    ("name/", "name/", True),
    ("name/", "a/name/", True),
    ("a/name/", "a/name/", True),
    ("a/name/", "a/name", None),
    ("**/name", "name", True),
    ("**/name", "a/b/name", True),
    ("**/name/", "a/b/name", None),
    ("**/name/", "a/b/name/", True),
    ("**/a/name", "a/name", True),
    ("**/a/name", "x/y/a/name", True),
    ("**/a/name", "xa/name", None),
    ("a/**", "a/b", True),
    ("a/**", "a/b/c", True),
    ("a/**", "a/", None),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("a/**/b", "a/xb", None),
    ("a/**/**/b", "a/b", True),
    ("a/**/*.c", "a/x.c", True),
    ("**", "a/b", True),
    ("/**", "a/b", True),
    ("**/", "a/b", None),
    ("**/", "a/b/", True),
    ("a**b", "axxb", True),
    ("a**b", "ax/xb", None),
    ("x/a***b", "x/acb", True),
    ("*/b", "a/b", True),
    ("*/b", "a/c/b", None),
    ("a/*", "a/b", True),
    ("a/*", "a/b/c", None),
    ("a?c", "abc", True),
    ("a?c", "a/c", None),
    ("/a?c", "a/c", None),
    ("/a[/]c", "a/c", None),
    ("/a[!b]c", "a/c", None),
    ("[abc].x", "b.x", True),
    ("[!abc].x", "b.x", None),
    ("[^abc].x", "d.x", True),
    ("[]].x", "].x", True),
    ("[!]].x", "].x", None),
    ("[a-c]", "b", True),
    ("[a-]", "-", True),
    ("[-a]", "-", True),
    ("[\\]]", "]", True),
    ("[\\-a]", "\\", None),
    ("[a\\-c]", "b", None),
    ("[[:digit:]]", "5", True),
    ("[[:digit:]x-z]", "y", True),
    ("[![:digit:]]", "5", None),
    ("[[:]", ":", True),
    ("[[:]", "[", True),
    ("\\!name", "!name", True),
    ("\\#name", "#name", True),
    ("#recycle/", "#recycle/", True),
    ("\\*", "*", True),
    ("\\*", "a", None),
    ("a\\b", "ab", True),
    ("name  ", "name", True),
    ("name\\ ", "name ", True),
    ("name\\  ", "name ", True),
    ("name\\\\ ", "name\\", True),
    (" name", " name", True),
    (" name", "name", None),
    ("name\t", "name\t", True),
    ("*", "a/b", True),
    ("a.b", "axb", None),
    ("a\nb", "a\nb", True),
    ("a*b", "a\nb", True),
    # One character is one character, however many bytes it has; a stray byte is one too.
    ("?", "\u00e9", True),
    ("??", "\u00e9", None),
    ("a?b", "a\u20acb", True),
    ("?", "\U0001f600", True),
    ("?", "\udcff", True),
    ("[\u00e4\u00f6]*", "\u00f6l", True),
    ("[\u00e4\u00f6]*", "\u00e9l", None),
    ("[!\u00e4]", "\u00f6", True),
    ("[!\u00e4]", "\u00e4", None),
    ("[\u4e00-\u9fa5]", "\u6f22", True),
    ("[\u4e00-\u9fa5]", "\u3042", None),
    ("[a-\u00ff]", "\u00e9", True),
    ("\udcff*", "\udcffx", True),
    ("*.\udcff", "x.\udcff", True),
]


@pytest.mark.parametrize(("pattern", "path", "verdict"), CASES)
def test_one_pattern(pattern: str, path: str, verdict: bool | None) -> None:
    name = os.fsencode(path.rstrip("/"))
    assert Patterns([pattern]).match(name, path.endswith("/")) is verdict
    assert Patterns(["!" + pattern]).match(name, path.endswith("/")) is (None if verdict is None else False)
    # Among others the verdict is the same: whichever way the list is compiled.
    others = ["zz/*/zz", "z[z]z", "zzz", "/zzz/z", "*.zzz"]
    assert Patterns([*others, pattern]).match(name, path.endswith("/")) is verdict
    assert Patterns([pattern, *others]).match(name, path.endswith("/")) is verdict


def test_the_last_match_decides() -> None:
    patterns = Patterns(["*.log", "!keep.log", "/old/keep.log"])
    assert patterns.match(b"a.log") is True
    assert patterns.match(b"new/keep.log") is False
    assert patterns.match(b"old/keep.log") is True
    assert patterns.match(b"a.txt") is None


def test_an_empty_list_matches_nothing_and_is_false() -> None:
    assert Patterns([]).match(b"a", True) is None
    assert not Patterns([])
    assert Patterns(["a"])


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("!", "empty"),
        ("/", "empty"),
        ("!/", "empty"),
        ("a//b", "two slashes"),
        ("//a", "two slashes"),
        ("a//", "two slashes"),
        ("a\\", "backslash"),
        ("[abc", "never closed"),
        ("[]", "never closed"),
        ("[a-\\", "never closed"),
        ("[a\\", "never closed"),
        ("[[:nope:]]", "nope"),
        ("[z-a]", "backwards"),
        ("a\0b", "NUL"),
    ],
)
def test_what_is_wrong_is_said(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        Patterns(["fine", pattern])
    assert repr(pattern) in str(caught.value)


def test_many_stars_against_a_long_name_end_soon() -> None:
    # Tried one after another this would be 200**7 / 7! ways.
    assert Patterns(["*a*a*a*a*a*a*a*b"]).match(b"a" * 250) is None
    assert Patterns(["x/*a*a*a*a*a*a*a*b"]).match(b"x/" + b"a" * 250) is None


_GLYPHS = st.sampled_from(["a", "b", "ab", ".x", "*", "?", "[ab]", "[!a]", "[a-b]", "\\a", "\\*", "\\?", " ", "-", "[[:alpha:]]"])
_PART = st.one_of(st.just("**"), st.lists(_GLYPHS, min_size=1, max_size=3).map("".join))
_PATTERN = st.builds(
    lambda negated, anchor, parts, slash: negated + anchor + "/".join(parts) + slash,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(_PART, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)
_NAME = st.sampled_from(["a", "b", "ab", "ba", "a.x", "b.x", "a b", " ", "-", "*", "abc", "aab", "a\udcff"])
_PATH = st.tuples(st.lists(_NAME, min_size=1, max_size=4).map("/".join), st.booleans())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("git"))
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


def _by_walk(patterns: Patterns, path: str, is_dir: bool) -> bool:
    """Whether a walk would leave ``path`` out: it does not go into a folder that is."""
    parts = os.fsencode(path).split(b"/")
    for depth in range(1, len(parts)):
        if patterns.match(b"/".join(parts[:depth]), True):
            return True
    return bool(patterns.match(os.fsencode(path), is_dir))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(_PATTERN, min_size=1, max_size=4), paths=st.lists(_PATH, min_size=1, max_size=12))
def test_the_same_as_git(repository: str, patterns: list[str], paths: list[tuple[str, bool]]) -> None:
    # git takes '**' behind plain text ('a**/b') for one between slashes, against its own documentation.
    assume(not any("**" in part and part.strip("*") for p in patterns for part in p.lstrip("!").split("/")))
    try:
        ours = Patterns(patterns)
    except ValueError:
        assume(False)
    with open(os.path.join(repository, ".git", "info", "exclude"), "wb") as file:
        file.write(os.fsencode("\n".join(patterns) + "\n"))
    # git looks at what is there; a trailing slash alone would have it match an empty name.
    made = [path for path in paths if _make(repository, *path)]
    answer = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=repository,
        input=b"".join(os.fsencode(path) + b"\0" for path, _ in made),
        capture_output=True,
        check=False,
    )
    assert answer.returncode in (0, 1), answer.stderr
    ignored = set(answer.stdout.split(b"\0"))
    for name in os.listdir(repository):
        if name != ".git":
            place = os.path.join(repository, name)
            (shutil.rmtree if os.path.isdir(place) else os.unlink)(place)
    for path, is_dir in made:
        assert _by_walk(ours, path, is_dir) == (os.fsencode(path) in ignored), (patterns, path, is_dir)


def _make(repository: str, path: str, is_dir: bool) -> bool:
    """Make a path; False when it cannot be that because it is something else already."""
    place = os.path.join(repository, path)
    try:
        os.makedirs(place if is_dir else os.path.dirname(place), exist_ok=True)
        if not is_dir:
            open(place, "x").close()
    except (FileExistsError, NotADirectoryError):
        return False
    return True
