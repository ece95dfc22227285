# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress bar and the questions, on a real terminal."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("pty")

from terminal import Terminal, screen

ENGINE = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"

BAR = """
import sys
from _engine.cli.console import Console
console = Console(verbose={verbose}, quiet={quiet}, json={json})
progress = console.progress()
progress.phase("back up uploads", 1000)
for line in sys.stdin:
    if line == "advance\\n":
        progress.advance(100)
    elif line == "message\\n":
        progress.message("left out: a socket")
    elif line == "fast\\n":
        for n in range(200000):
            progress.advance(0)
    elif line == "phase\\n":
        progress.phase("verify")
    else:
        break
progress.close()
console.line("the result")
"""


def bar(columns=100, verbose=False, quiet=False, json=False, env=None):
    code = BAR.format(verbose=verbose, quiet=quiet, json=json)
    return Terminal([sys.executable, "-c", code], columns, {"PYTHONPATH": str(ENGINE), **(env or {})}, echo=False)


def run_bar(*words, **settings):
    with bar(**settings) as terminal:
        for word in (*words, "end"):
            terminal.type(word)
        code = terminal.finish()
    assert code == 0
    return terminal


def test_it_shows_and_leaves_nothing_behind():
    terminal = run_bar("advance")
    assert "\rback up uploads  [%s]    0%%  0 B of 1.0 KiB" % ("-" * 40) in terminal.raw
    assert terminal.screen() == ["the result", ""]


@pytest.mark.parametrize("columns", [2, 5, 12, 40, 79, 300])
def test_it_never_fills_the_width_of_the_terminal(columns):
    terminal = run_bar("advance", "phase", columns=columns)
    drawn = [piece for piece in re.split(r"[\r\n]", terminal.raw) if piece]
    assert max(len(piece) for piece in drawn if piece != "the result") <= columns - 1


def test_it_is_drawn_rarely_however_often_it_is_told():
    terminal = run_bar("fast")
    # 200,000 reports take well under ten seconds even here, and it is drawn ten times a second at most.
    assert terminal.raw.count("back up uploads") <= 100


def test_details_stand_above_it():
    terminal = run_bar("message", verbose=True)
    assert terminal.screen() == ["back up uploads (1.0 KiB)", "left out: a socket", "the result", ""]
    assert "left out" not in run_bar("message").raw


@pytest.mark.parametrize("settings", [{"quiet": True}, {"json": True}, {"env": {"TERM": "dumb"}}])
def test_it_keeps_silent_when_it_is_not_wanted(settings):
    assert run_bar("advance", **settings).screen() == ["the result", ""]


def test_a_screen_obeys_returns_and_wraps():
    assert screen("abcdef\rxy\r\nlong line", 6) == ["xycdef", "long l", "ine"]


CHOOSE = """
import json
from _engine.cli import choose
from _engine.cli.console import Console
console = Console()
try:
    print("CHOSEN", json.dumps({call}))
except choose.Left:
    print("LEFT")
"""


def ask(call, *answers):
    with Terminal([sys.executable, "-c", CHOOSE.format(call=call)], env={"PYTHONPATH": str(ENGINE)}) as terminal:
        for answer in answers:
            terminal.expect(": ")
            terminal.type(answer)
        assert terminal.finish() == 0
    ended = re.search(r"CHOSEN (.*?)\r\n|(LEFT)", terminal.raw)
    return (ended.group(1) or ended.group(2)), terminal.raw


PICK = "choose.pick(console, 'Which?', ['a', 'b\\x1b[2J'])"
PICK_DEFAULT = "choose.pick(console, 'Which?', ['a', 'b'], 1)"
SOME = "choose.pick_some(console, 'Which?', ['a', 'b', 'c'])"
CONFIRM = "choose.confirm(console, 'Sure: ', ['yes', 'app'])"


@pytest.mark.parametrize(
    ("call", "answers", "chosen"),
    [
        (PICK, ["2"], "1"),
        (PICK, ["0", "3", "-1", "x", "", "9" * 99, "1"], "0"),
        (PICK, ["q"], "LEFT"),
        (PICK, ["x", "Q"], "LEFT"),
        (PICK, ["\x04"], "LEFT"),
        (PICK_DEFAULT, [""], "1"),
        (SOME, [""], "[0, 1, 2]"),
        (SOME, ["3, 1"], "[0, 2]"),
        (SOME, ["2 2"], "[1]"),
        (SOME, ["1-2", "4", "q"], "LEFT"),
        (CONFIRM, ["yes"], "true"),
        (CONFIRM, ["app"], "true"),
        (CONFIRM, ["y"], "false"),
        (CONFIRM, [""], "false"),
        (CONFIRM, ["\x04"], "LEFT"),
    ],
)
def test_questions(call, answers, chosen):
    ended, raw = ask(call, *answers)
    assert ended == chosen
    assert "\x1b" not in raw


def test_a_terminal_that_hangs_up_does_not_leave_a_question_waiting():
    with Terminal([sys.executable, "-c", CHOOSE.format(call=PICK)], env={"PYTHONPATH": str(ENGINE)}) as terminal:
        terminal.expect(": ")
        terminal.hang_up()
        assert terminal.process.wait(60) is not None


def test_without_a_terminal_nobody_is_asked():
    code = "from _engine.cli.console import Console; import sys; sys.exit(Console().interactive)"
    with Terminal([sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}) as terminal:
        assert terminal.finish() == 1
    with open(os.devnull) as nothing:
        import subprocess

        ended = subprocess.run(
            [sys.executable, "-c", code], check=False, stdin=nothing, env={**os.environ, "PYTHONPATH": str(ENGINE)}
        )
    assert ended.returncode == 0
