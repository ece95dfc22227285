# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for people."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _engine.cli import output


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (102348, "99.9 KiB"),
        (102400, "100 KiB"),
        (1024 * 1023, "1.0 MiB"),
        (1503238553, "1.4 GiB"),
        (5 << 40, "5.0 TiB"),
        (3000 << 60, "3000 EiB"),
    ],
)
def test_sizes(count, text):
    assert output.size(count) == text


@given(st.integers(min_value=0, max_value=900 << 60))
def test_a_size_has_at_most_three_digits_and_is_right_to_one_in_twenty(count):
    number, unit = output.size(count).split(" ")
    assert len(number.replace(".", "")) <= 3
    factor = 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].index(unit)
    assert abs(float(number) * factor - count) <= 0.05 * count


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (192, "3 min 12 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (90000, "1 d 01 h"),
    ],
)
def test_durations(seconds, text):
    assert output.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "5 s"),
        (120, "2 min"),
        (119, "119 s"),
        (7199, "119 min"),
        (7200, "2 h"),
        (3600 * 26, "26 h"),
        (86400 * 2, "2 d"),
        (86400 * 400, "400 d"),
        (-120, "-2 min"),
    ],
)
def test_ages(seconds, text):
    assert output.span(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        ("\u00e4\u4e2d", "\u00e4\u4e2d"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("evil\u202etxt.exe", "evil\\u202etxt.exe"),
        ("\udcff.txt", "\\udcff.txt"),
    ],
)
def test_names_cannot_act_on_a_terminal(text, shown):
    assert output.safe(text) == shown


@given(st.text())
def test_whatever_is_shown_is_printable_and_can_be_encoded(text):
    shown = output.safe(text)
    assert shown.isprintable()
    shown.encode("utf-8")


def test_a_table_is_aligned_numbers_to_the_right_and_without_trailing_spaces():
    lines = output.table(("JOB", "SIZE", "NOTE"), [("web", "1.4 GiB", ""), ("database", "12 B", "x\ny")], right=("SIZE",))
    assert lines == [
        "JOB          SIZE  NOTE",
        "web       1.4 GiB",
        "database     12 B  x\\ny",
    ]


def test_colours_do_not_change_the_alignment():
    rows = [(output.Cell("failed", "red"), "1"), (output.Cell("ok", ""), "22")]
    plain = output.table(("STATE", "N"), rows, right=("N",))
    coloured = output.table(("STATE", "N"), rows, right=("N",), colours=True)
    assert coloured != plain
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in coloured] == plain


def test_a_table_without_rows_has_its_headers():
    assert output.table(("A", "B"), []) == ["A  B"]
