# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs on this host, as other users and in containers: the same behaviour everywhere; with real processes and containers."""

from __future__ import annotations

import os
import pwd
import signal
import threading
import time

import pytest
from children import NOBODY, in_child
from dockers import container, docker

from _engine.connections import connect
from _engine.errors import ConfigurationError, InterruptedRunError, MissingDependencyError, RestoreError, SourceError
from _engine.process import KEPT_OUTPUT

OTHER = pwd.getpwuid(NOBODY).pw_name


@pytest.fixture(params=["host", "another user", "container"])
def place(request, tmp_path):
    options = {}
    if request.param == "another user":
        options = {"run_as": OTHER}
    elif request.param == "container":
        options = {"container": request.getfixturevalue("plain_container"), "run_as": OTHER}
    connection = connect(options)
    yield connection
    connection.close()


@pytest.fixture
def inside(plain_container):
    connection = connect({"container": plain_container})
    yield connection
    connection.close()


def sh(script, *arguments):
    return ["sh", "-c", script, "sh", *arguments]


def read_all(stream):
    parts = []
    while True:
        part = stream.read(1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)


def running(connection, mark):
    """Whether a process with this argument runs there."""
    script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' '\\n' <$f 2>/dev/null | grep -qx \"$MARK\" && echo yes; done; true"
    return b"yes" in connection.run(sh(script), env={"MARK": mark}).check("looking").stdout


def test_run(place):
    finished = place.run(sh('cat; echo "$1 $SECRET"; echo bad >&2; exit 3', "a b"), env={"SECRET": "s"}, stdin=b"in ")
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, b"in a b s\n", b"bad\n")
    with pytest.raises(SourceError, match="asking: sh ended with exit code 3: bad"):
        finished.check("asking")


def test_run_without_input_and_with_input_that_nobody_reads(place):
    assert place.run(["cat"]).stdout == b""
    assert place.run(["true"], stdin=b"x" * (4 << 20)).returncode == 0


def test_run_that_takes_too_long(place):
    finished = place.run(["sleep", "4711"], timeout=1)
    assert finished.timed_out and not finished.succeeded
    assert not running(place, "4711")


def test_a_program_that_does_not_exist(place):
    with pytest.raises(MissingDependencyError, match="no-such-program"):
        place.run(["no-such-program"])
    with pytest.raises(MissingDependencyError, match="no-such-program"), place.output(["no-such-program"]) as stream:
        read_all(stream)
        stream.finish("this")


def test_output(place):
    with place.output(sh("head -c 5000000 /dev/zero; echo '  warned' >&2; echo end")) as stream:
        buffer = memoryview(bytearray(100000))
        total = bytearray()
        while True:
            count = stream.readinto(buffer)
            if not count:
                break
            total += buffer[:count]
        finished = stream.finish("dumping")
    assert bytes(total) == bytes(5000000) + b"end\n"
    assert finished.stderr == b"  warned\n"


def test_output_of_a_program_that_fails_at_the_end(place):
    with place.output(sh("echo data; echo 'lost connection' >&2; exit 2")) as stream:
        assert read_all(stream) == b"data\n"
        with pytest.raises(SourceError, match=r"dumping.*: sh ended with exit code 2: lost connection"):
            stream.finish("dumping")


def test_a_flood_of_errors_does_not_block(place):
    with place.output(sh("head -c 3000000 /dev/zero >&2; echo data")) as stream:
        assert read_all(stream) == b"data\n"
        assert len(stream.finish("this").stderr) == KEPT_OUTPUT


def test_output_that_nobody_wants_any_more_is_ended(place):
    with pytest.raises(ZeroDivisionError), place.output(sh("sleep 4712 & yes", "4712")) as stream:
        stream.read(10)
        raise ZeroDivisionError
    assert not running(place, "4712")


def test_output_that_is_deaf_to_asking_is_ended(place):
    with pytest.raises(ZeroDivisionError), place.output(sh("trap '' TERM; echo here; sleep 4713", "4713")) as stream:
        stream.read(10)
        raise ZeroDivisionError
    assert not running(place, "4713")


def test_output_that_does_not_come(place):
    with pytest.raises(SourceError, match="stopped"), place.output(sh("echo here; sleep 4714"), timeout=1) as stream:
        read_all(stream)
        stream.finish("dumping")
    assert not running(place, "4714")


def test_input(place):
    block = os.urandom(1 << 20)
    with place.input(sh("wc -c; echo done >&2")) as stream:
        for _ in range(5):
            stream.write(block)
        finished = stream.finish("restoring", RestoreError)
    assert (finished.stdout.strip(), finished.stderr) == (b"%d" % (5 << 20), b"done\n")


def test_input_that_is_refused(place):
    with place.input(sh("head -c 10 >/dev/null; echo 'ERROR 1064 at line 1' >&2; exit 1")) as stream:
        with pytest.raises(SourceError, match="sh ended with exit code 1: ERROR 1064 at line 1"):
            for _ in range(200):
                stream.write(bytes(1 << 20))
        with pytest.raises(RestoreError, match=r"restoring.*: sh ended with exit code 1: ERROR 1064"):
            stream.finish("restoring", RestoreError)


def test_input_of_which_too_much_is_left(place):
    with place.input(["true"]) as stream, pytest.raises(SourceError, match="true ended well before it had read all"):
        for _ in range(200):
            stream.write(bytes(1 << 20))


def test_input_that_is_given_up_does_not_look_complete(place):
    # Ended before it sees the end of its input, which it would take for the end of the dump.
    script = "trap 'exit 1' TERM; cat >/dev/null; echo complete > \"$1\""
    path = "/tmp/fleet-backup-test-%d" % os.getpid()
    with pytest.raises(ZeroDivisionError), place.input(sh(script, path)) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert place.run(["cat", path]).returncode != 0


def test_session(place):
    with place.session(sh('while read -r line; do echo "you said $line"; done; echo bye')) as stream:
        for word in (b"one", b"two"):
            stream.write(word + b"\n")
            assert stream.read(100) == b"you said %s\n" % word
        stream.close_input()
        assert read_all(stream) == b"bye\n"
        assert stream.finish("talking").succeeded


def test_option_file(place):
    with place.option_file("password=\u00e4 \u2713\n") as path:
        assert place.run(["cat", path]).check("reading").stdout.decode("utf-8") == "password=\u00e4 \u2713\n"
        mode, owner = place.run(["stat", "-c", "%a %U", path]).check("looking").stdout.split()
        user = place.run(["id", "-un"]).check("asking").stdout.strip()
        assert (mode, owner) == (b"600", user)
    assert place.run(["cat", path]).returncode != 0


def test_the_other_user_is_that_user_and_nothing_more(tmp_path):
    connection = connect({"run_as": OTHER})
    assert connection.run(["id", "-u"]).stdout == b"%d\n" % NOBODY
    assert b"0" not in connection.run(["id", "-G"]).stdout.split()
    closed = tmp_path / "closed"
    closed.write_text("secret")
    closed.chmod(0o600)
    assert connection.run(["cat", str(closed)]).returncode == 1


def test_users_that_it_cannot_be():
    with pytest.raises(ConfigurationError, match="there is no user nosuchuser on this host"):
        connect({"run_as": "nosuchuser"})

    def as_nobody():
        try:
            connect({"run_as": "root"})
        except ConfigurationError as error:
            return str(error)

    assert in_child(as_nobody, NOBODY) == "only root can run programs as the user root (run_as)"


def test_an_interruption_ends_what_runs(place):
    def stop(*_):
        raise InterruptedRunError("stopped")

    old = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(InterruptedRunError), place.output(sh("echo here; sleep 4715")) as stream:
            stream.read(10)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            stream.read(10)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert not running(place, "4715")


def test_containers_that_are_not_there_or_do_not_run(restore_image):
    with pytest.raises(SourceError, match="there is no container no-such-container"):
        connect({"container": "no-such-container"})
    with container(restore_image, "sleep", "infinity") as made:
        docker("stop", "--time", "0", made)
        with pytest.raises(SourceError, match=r"is not running \(it is exited\); start it"):
            connect({"container": made})


def test_a_daemon_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="the Docker daemon at unix://.* cannot be reached"):
        connect({"container": "db", "docker_host": "unix://%s/none.sock" % tmp_path})


@pytest.mark.parametrize("how", [("rm", "--force"), ("stop", "--time", "0"), ("kill",)])
def test_a_container_that_goes_away_meanwhile(restore_image, how):
    with container(restore_image, "sleep", "infinity") as made:
        connection = connect({"container": made})
        with connection.output(sh("echo here; sleep 600")) as stream:
            assert stream.read(100) == b"here\n"
            docker(*how, made)
            assert read_all(stream) == b""
            with pytest.raises(SourceError, match="was (removed|stopped) while sh ran in it"):
                stream.finish("dumping")
        connection.close()


def test_time_of_our_own_is_not_its_fault(inside):
    with inside.output(sh("head -c 1000000 /dev/zero"), timeout=1) as stream:
        stream.read(10)
        time.sleep(2)
        read_all(stream)
        assert stream.finish("dumping").succeeded
