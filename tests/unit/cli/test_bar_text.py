# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the progress bar; what it does on a terminal is in test_terminal.py."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _engine.cli.progress_bar import Bar, Lines, line

MIB = 1 << 20


def test_a_wide_line_shows_everything():
    text = line("backup uploads", 512 * MIB, 2048 * MIB, 64.0 * MIB, 8.0, 119)
    assert text == "backup uploads  [%s%s]   25%%  512 MiB of 2.0 GiB  64.0 MiB/s  0:24 left" % ("#" * 10, "-" * 30)


def test_without_a_total_there_is_no_bar_and_no_guess():
    assert line("verify", 512 * MIB, None, 64.0 * MIB, 8.0, 119) == "verify  512 MiB  64.0 MiB/s  0:08"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (56, "backup   25%  512 MiB of 2.0 GiB  64.0 MiB/s  0:24 left"),
        (46, "backup  [#------]   25%  64.0 MiB/s  0:24 left"),
        (24, "backup   25%  0:24 left"),
        (14, "backup   25%"),
        (4, "back"),
    ],
)
def test_what_matters_least_goes_first(width, text):
    assert line("backup", 512 * MIB, 2048 * MIB, 64.0 * MIB, 8.0, width) == text


@given(
    st.text(alphabet="abc -[]", max_size=80),
    st.integers(0, 1 << 62),
    st.none() | st.integers(0, 1 << 62),
    st.floats(0, 1e15),
    st.floats(0, 1e9),
    st.integers(1, 200),
)
def test_it_always_fits(name, done, total, rate, elapsed, width):
    assert len(line(name, done, total, rate, elapsed, width)) <= width


def test_more_than_expected_is_full_and_not_more():
    assert " 100%" in line("x", 30, 10, 1.0, 1.0, 79)
    assert "left" not in line("x", 30, 10, 1.0, 1.0, 79)


def test_nothing_expected_is_done():
    assert " 100%" in line("x", 0, 0, 0.0, 0.0, 79)


class Gone(io.StringIO):
    """A terminal whose connection was closed."""

    def write(self, text):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("kind", [Lines, lambda stream: Bar(stream, True)])
def test_a_terminal_that_went_away_stops_nothing(kind):
    progress = kind(Gone())
    progress.phase("backup", 10)
    progress.advance(5)
    progress.message("hello")
    progress.close()


def test_lines_are_safe_and_one_each():
    stream = io.StringIO()
    progress = Lines(stream)
    progress.phase("backup uploads", 3 * MIB)
    progress.advance(5)
    progress.message("left out: a\nb\x1b[2J")
    progress.close()
    assert stream.getvalue() == "backup uploads (3.0 MiB)\nleft out: a\\nb\\x1b[2J\n"
