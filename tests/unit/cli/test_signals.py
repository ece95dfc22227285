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
from _engine.interruption import checkpoint, uninterrupted

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
def test_what_must_not_be_cut_short_is_not_and_what_goes_on_asks(signals):
    with uninterrupted(), uninterrupted():
        signal.raise_signal(signal.SIGTERM)
    assert signals.stop
    with pytest.raises(InterruptedRunError, match="SIGTERM"):
        checkpoint()
    checkpoint()


@posix
def test_a_new_begin_knows_nothing_of_an_old_signal(signals):
    with uninterrupted():
        signal.raise_signal(signal.SIGTERM)
    signals.rearm()
    checkpoint()
    assert not signals.stop


@posix
def test_what_is_done_is_not_undone_by_a_signal(signals):
    signals.finished()
    signal.raise_signal(signal.SIGTERM)
    assert signals.leave


def test_an_interruption_is_taken_for_no_other_failure():
    """Else a signal in the middle of a write would be taken for the failure of one store, and the run would go on."""
    assert not issubclass(InterruptedRunError, Exception)


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
