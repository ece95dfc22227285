# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes: real ones, that fail, hang, flood, and leave others behind."""

from __future__ import annotations

import errno
import os
import sys
import threading

import pytest

from _engine import interruption, process
from _engine.errors import InterruptedRunError, MissingDependencyError, RestoreError, SourceError
from _engine.process import KEPT_OUTPUT, last_lines, run

# Tells its process id to a fifo (so that a test knows that it runs), then holds the fifo open until it dies.
FIFO_HOLDER = """
import os, signal, sys
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, b"%d\\n" % os.getpid())
signal.pause()
"""


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


@pytest.fixture
def fifo(tmp_path):
    """A fifo and its reader: what came out of it until every writer was gone."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    received = []

    def read():
        with open(path, "rb") as file:
            received.append(file.read())

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def until_all_writers_are_gone():
        # On a slow machine the child may have been stopped before it came to the fifo, or the reader may not be there yet:
        # a writer that comes and goes at once lets the reader see that there is none, and hides none that there is.
        for _ in range(600):
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                assert error.errno == errno.ENXIO
            thread.join(0.1)
            if not thread.is_alive():
                break
        assert not thread.is_alive(), "a process was left behind"
        return received[0]

    return path, until_all_writers_are_gone


def test_output_and_exit_code():
    finished = run(python("import sys; sys.stdout.write('out'); sys.stderr.write('err'); sys.exit(7)"))
    assert (finished.returncode, finished.stdout, finished.stderr) == (7, b"out", b"err")
    assert finished.complete and not finished.timed_out and not finished.succeeded


def test_check_passes_success_on():
    finished = run(["true"])
    assert finished.check("nothing") is finished


def test_check_raises_what_was_being_done_and_the_last_words():
    finished = run(python("import sys; sys.stderr.write('a\\n\\nb\\nthe disk is gone\\n'); sys.exit(3)"))
    with pytest.raises(SourceError, match=r"reading x: python\S* ended with exit code 3: a \| b \| the disk is gone"):
        finished.check("reading x")
    with pytest.raises(RestoreError):
        finished.check("writing x", RestoreError)


def test_arguments_are_not_told():
    with pytest.raises(SourceError) as error:
        run(python("import sys; sys.exit(1)", "s3cret")).check("this")
    assert "s3cret" not in str(error.value)


def test_a_signal_is_named():
    with pytest.raises(SourceError, match="ended by signal 9"):
        run(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")).check("this")


def test_input_is_given_and_ends():
    assert run(["cat"], stdin=b"x" * 300000).stdout == b"x" * 300000


def test_without_input_there_is_none():
    assert run(["cat"]).stdout == b""


def test_a_child_that_does_not_read_its_input():
    assert run(["true"], stdin=b"x" * (4 << 20)).returncode == 0


def test_env_is_added_to_the_environment(monkeypatch):
    monkeypatch.setenv("OLD", "1")
    assert run(["sh", "-c", 'echo "$OLD $NEW"'], env={"NEW": "2"}).stdout == b"1 2\n"


def test_a_program_that_does_not_exist():
    with pytest.raises(MissingDependencyError, match="no-such-program"):
        run(["no-such-program"])


def test_a_program_that_may_not_run(tmp_path):
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\n")
    with pytest.raises(MissingDependencyError, match="cannot be started: Permission denied"):
        run([str(path)])


def test_a_flood_of_output_is_drained_and_its_end_kept():
    flood = "import sys\nfor n in range(100): sys.stdout.write('%99d\\n' % n * 10486); sys.stderr.write('x' * (1 << 20))\n"
    finished = run(python(flood + "sys.stdout.write('the end')"))
    assert finished.returncode == 0
    assert len(finished.stdout) == KEPT_OUTPUT and not finished.complete
    assert finished.stdout.endswith(b"99\nthe end")


@pytest.mark.parametrize("more", [-1, 0, 1, KEPT_OUTPUT - 1, KEPT_OUTPUT, KEPT_OUTPUT + 1])
def test_complete_says_whether_anything_was_lost(more):
    finished = run(python("import sys; sys.stdout.write('x' * int(sys.argv[1]))", KEPT_OUTPUT + more))
    assert finished.complete is (more <= 0)
    assert len(finished.stdout) == min(KEPT_OUTPUT + more, KEPT_OUTPUT)


def test_a_child_that_hangs_is_stopped(fifo):
    path, gone = fifo
    finished = run(python(FIFO_HOLDER, path, ""), timeout=1)
    assert finished.timed_out and not finished.succeeded
    with pytest.raises(SourceError, match="did not finish in time"):
        finished.check("this")
    gone()


def test_a_child_that_ignores_sigterm_is_stopped(fifo):
    path, gone = fifo
    finished = run(python(FIFO_HOLDER, path, "deaf"), timeout=1, grace=0.1)
    assert finished.timed_out
    gone()


def test_a_child_that_is_stopped_may_clean_up_first():
    finished = run(["sh", "-c", "trap 'echo cleaned up; exit 0' TERM; while :; do sleep 600 & wait; done"], timeout=1)
    assert finished.timed_out and not finished.succeeded
    assert finished.stdout == b"cleaned up\n"


def test_a_timeout_ends_grandchildren_too(fifo):
    # The child obeys SIGTERM, its own child does not.
    path, gone = fifo
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2], 'deaf'])"
    finished = run(python(code, FIFO_HOLDER, path), timeout=1, grace=0.1)
    assert finished.timed_out
    gone()


def test_an_interrupted_run_leaves_no_child(fifo):
    path, gone = fifo
    pid = os.getpid()
    code = FIFO_HOLDER.replace("signal.pause()", "sys.stdin.read(); os.kill(%d, signal.SIGINT); signal.pause()" % pid)
    with pytest.raises(KeyboardInterrupt):
        run(python(code, path, ""), stdin=b"what is fed once the child is known")
    assert gone()


def test_a_signal_while_a_child_is_being_started_leaves_none(monkeypatch):
    started = []
    start = process.start

    def interrupted_start(*arguments):
        started.append(start(*arguments))
        interruption.stop(InterruptedRunError("stopped"))
        return started[0]

    monkeypatch.setattr(process, "start", interrupted_start)
    with pytest.raises(InterruptedRunError):
        run(python("import signal; signal.pause()"))
    assert started[0].returncode is not None


def test_a_signal_that_comes_too_late_stops_no_child(monkeypatch):
    """What takes back what a run stored may need programs too."""
    with interruption.uninterrupted():
        interruption.stop(InterruptedRunError("stopped"))
        assert run(python("pass")).succeeded
    interruption.forget()


def test_a_grandchild_that_lives_on_does_not_hold_the_run_up(fifo):
    # A hook that starts a service: it is over when the hook is, and the service stays.
    path, gone = fifo
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2], ''])\n"
        "sys.stdout.write('started %d' % child.pid)"
    )
    finished = run(python(code, FIFO_HOLDER, path))
    assert finished.returncode == 0
    started, pid = finished.stdout.split()
    assert started == b"started"
    os.kill(int(pid), 15)
    gone()


def test_last_lines_are_short_and_say_something():
    assert last_lines(b"a\n\n  b \n\xff\n", 2) == ["b", "\ufffd"]
    assert last_lines(b"x" * 600, 1) == ["x" * 500 + "..."]
