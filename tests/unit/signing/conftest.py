# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys made by the real ssh-keygen, and both implementations of ed25519."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from _engine.signing import library

ENGINE = Path(__file__).parents[3] / "plugins" / "module_utils"

# Hides a library from everything that is imported later, as if it were not installed.
_BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "cryptography":
            raise ImportError("no " + name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture
def ssh_keygen():
    """Run ssh-keygen and return the finished process; it must succeed unless ``check`` is false."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")

    def run(*arguments, data=b"", check=True):
        finished = subprocess.run(["ssh-keygen", *map(str, arguments)], input=data, capture_output=True, check=False)
        assert not check or finished.returncode == 0, finished.stderr
        return finished

    return run


@pytest.fixture
def make_key(ssh_keygen, tmp_path):
    """Make a key file with ssh-keygen and return its path."""

    def make(name="key", kind="ed25519", passphrase=""):
        path = tmp_path / name
        ssh_keygen("-q", "-t", kind, "-N", passphrase, "-C", "made by ssh-keygen", "-f", path)
        return path

    return make


@pytest.fixture(params=["cryptography", "ssh-keygen"])
def way(request, monkeypatch, ssh_keygen):
    """Run the test with each of the two implementations."""
    if request.param == "ssh-keygen":
        monkeypatch.setattr(library, "available", lambda: False)
    else:
        assert library.available()
    return request.param


@pytest.fixture
def python():
    """Start Python with the engine on its path; ``without`` names what it cannot find: cryptography, ssh-keygen."""

    def start(code, *arguments, without=()):
        code = (_BLOCKER if "cryptography" in without else "") + "import sys\nsys.path.insert(0, %r)\n%s" % (str(ENGINE), code)
        environment = {**os.environ, **({"PATH": "/nowhere"} if "ssh-keygen" in without else {})}
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    return start
