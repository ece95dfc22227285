# SPDX-License-Identifier: GPL-3.0-or-later
"""Being asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from _engine.cli.signals import Signals
from _engine.errors import InterruptedRunError

posix = pytest.mark.skipif(os.name == "nt", reason="signals are sent differently there")


@pytest.fixture
def signals():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    found = Signals()
    found.install()
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


@posix
@pytest.mark.parametrize(("name", "leave"), [("SIGINT", False), ("SIGTERM", True), ("SIGHUP", True)])
def test_the_first_signal_ends_the_run_and_only_ctrl_c_lets_a_menu_go_on(signals, name, leave):
    with pytest.raises(InterruptedRunError, match=name):
        signal.raise_signal(getattr(signal, name))
    assert signals.leave is leave


@posix
def test_the_second_does_not_cut_the_cleaning_up_short_but_the_third_does(signals, capfd):
    with pytest.raises(InterruptedRunError):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert "cleaning up" in capfd.readouterr().err
    with pytest.raises(InterruptedRunError):
        signal.raise_signal(signal.SIGINT)


@posix
def test_the_next_run_begins_anew(signals):
    for _ in range(3):
        with pytest.raises(InterruptedRunError):
            signal.raise_signal(signal.SIGINT)
        signals.rearm()


@posix
def test_what_is_ignored_stays_ignored():
    code = (
        "import signal; from _engine.cli.signals import Signals; Signals().install();"
        "signal.raise_signal(signal.SIGHUP); print('went on')"
    )
    path = os.path.join(os.path.dirname(__file__), "..", "..", "..", "plugins", "module_utils")
    shown = subprocess.run(
        ["nohup", sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "went on\n"
