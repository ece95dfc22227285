# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared fixtures; where CI=true stands in the environment, a skipped test is a failed one.

But for one: the Firestore emulator comes with the gcloud SDK only, which no package repository of Debian has.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from dockers import container
from firestore_emulator import NO_EMULATOR, Emulator, program

_CONTAINERS = Path(__file__).parent / "containers"


def pytest_configure():
    """Signals that whoever started us ignores (nohup, a job in the background) are ignored by every program that we start."""
    for name in ("SIGINT", "SIGHUP", "SIGTERM", "SIGCHLD"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What CI cannot run, CI does not prove."""
    outcome = yield
    report = outcome.get_result()
    permitted = NO_EMULATOR in str(report.longrepr)
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail") and not permitted:
        report.outcome = "failed"
        report.longrepr = "skipped, which CI does not accept: %s" % (report.longrepr,)


@pytest.fixture(scope="session")
def restore_image(tmp_path_factory):
    """The name of an image that has the stock tools of RESTORE.txt, and no Python."""
    return _image("restore", tmp_path_factory)


@pytest.fixture(scope="session")
def host_image(tmp_path_factory):
    """The name of an image that is a host: systemd, cron, sshd, Python."""
    return _image("host", tmp_path_factory)


@pytest.fixture(scope="session")
def redis_image(tmp_path_factory):
    """The name of an image with a redis server."""
    return _image("redis", tmp_path_factory)


@pytest.fixture(scope="session")
def mariadb_image(tmp_path_factory):
    """The name of an image of a MariaDB server."""
    return _image("mariadb", tmp_path_factory)


@pytest.fixture(scope="session")
def postgresql_image(tmp_path_factory):
    """The name of an image of a PostgreSQL server."""
    return _image("postgresql", tmp_path_factory)


def _image(name, tmp_path_factory):
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker daemon that this user may use")
    # Two workers of one run must not build it at the same time.
    lock = tmp_path_factory.getbasetemp().parent / "image.lock"
    subprocess.run(["flock", str(lock), str(_CONTAINERS / "build.sh"), name], check=True)
    return "fleet-backup/%s:bookworm" % name


@pytest.fixture(scope="session")
def plain_container(restore_image):
    """The id of a running container without anything special in it."""
    with container(restore_image, "sleep", "infinity") as made:
        yield made


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of this worker's own; each test uses databases of its own on it."""
    if not os.path.isdir("/usr/lib/postgresql") or os.geteuid() != 0:
        pytest.skip("PostgreSQL's server is not installed, or this is not root, who can start it as its own user")
    from postgres import Server

    server = Server()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory):
    """A real S3 server of this worker's own; each test uses a prefix of its own on it."""
    from seaweedfs import SeaweedFS

    server = SeaweedFS(tmp_path_factory.mktemp("seaweedfs") / "server")
    yield server
    server.close()


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's clock for judging what is young is a minute ahead, so that nothing is young."""
    real = time.time_ns
    monkeypatch.setattr("_engine.archive.tree_writer.time.time_ns", lambda: real() + 60 * 10**9)


@pytest.fixture(scope="session")
def firestore_emulator():
    """A running Firestore emulator; its databases are those of the projects that a test makes up."""
    if program() is None:
        pytest.skip(NO_EMULATOR)
    emulator = Emulator()
    yield emulator
    emulator.stop()
