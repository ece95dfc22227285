# SPDX-License-Identifier: GPL-3.0-or-later
"""CPython for Windows, as python.org builds it, under Wine: what the engine meets there is the real ``os`` of Windows.

It is put together from wheels of PyPI (windows/python/requirements.txt says which), the pure Python part of Debian's Python
3.11, and a python.exe of ten instructions. All of it lies below ``build``, with a Windows for it to run in.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zipfile
from pathlib import Path

_PARTS = Path(__file__).parent / "windows" / "python"
_BUILD = Path(__file__).resolve().parents[1] / "build"

_WINE, _SERVER = "/usr/lib/wine/wine64", "/usr/lib/wine/wineserver64"
_DLLS = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows"
_TOOL = "x86_64-w64-mingw32-"
_LIBRARY = "/usr/lib/python3.11"

# Of panda3d: the interpreter, its modules, and what these are linked with.
_INTERPRETER = re.compile(r"deploy_libs/([^/]+\.pyd|python311\.dll|VCRUNTIME140\.dll|sqlite3\.dll|lib(crypto|ssl|ffi)-\d\.dll)")

_QUIET = {
    "LC_ALL": "C.UTF-8",  # or it cannot read the names of files
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree,mshtml=",  # neither .NET nor a browser is asked for
}
_PATIENCE = 240  # seconds; nothing here takes as long


def missing() -> t.Optional[str]:
    """What this machine lacks for it, and the package to install; None when all is there."""
    needed = ((_WINE, "wine64"), ("/usr/bin/%sld" % _TOOL, "binutils-mingw-w64-x86-64"), (_LIBRARY, "python3 of Debian 12"))
    lacks = [package for path, package in needed if not os.path.exists(path)]
    return "no Windows Python: this machine lacks %s" % ", ".join(lacks) if lacks else None


class Windows:
    """A running Windows with a Python. Several processes may use it; when the last one closes it, it ends."""

    def __init__(self) -> None:
        inputs = sorted(_PARTS.iterdir()) + [Path(__file__)]
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()[:12]
        self.folder = _BUILD / ("windows-%s" % digest)
        self.drive = self.folder / "prefix" / "drive_c"
        #: Python, for programs there.
        self.program = self.path(self.folder / "python" / "python.exe")
        self._environment = {**os.environ, **_QUIET, "WINEPREFIX": str(self.folder / "prefix")}
        _BUILD.mkdir(exist_ok=True)
        with open(_BUILD / "windows.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.folder.exists():
                self._build()
        self._users = open(_BUILD / "windows.users", "wb")
        fcntl.flock(self._users, fcntl.LOCK_SH)
        # Its services would hold the pipes of the first program that is run; so that one has none.
        with contextlib.suppress(subprocess.CalledProcessError):  # it runs already
            self._wine(_SERVER, "-p")
        self._wine(_WINE, "wineboot")

    @staticmethod
    def path(path: Path) -> str:
        """How programs there call a file of this machine."""
        return "Z:" + str(path).replace("/", "\\")

    def close(self) -> None:
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            self._wine(_SERVER, "-k")
        self._users.close()

    def python(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run Python with these arguments."""
        return self.run(self.program, "-B", *words)

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Run a program. Of this machine's files only pipes are handed on, so it gets nothing else."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.run([_WINE, *command], env=self._environment, input=b"", timeout=_PATIENCE, check=False, **pipes)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start Python with pipes to talk to it."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([_WINE, self.program, "-B", *words], env=self._environment, **pipes)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End it as Task Scheduler does: it is not asked."""
        process.kill()
        process.wait(_PATIENCE)

    def _wine(self, *command: str, **environment: str) -> None:
        """Run a program of Wine's own. What it leaves running must hold no pipe of ours."""
        null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        subprocess.run(command, env={**self._environment, **environment}, timeout=_PATIENCE, check=True, **null)

    def _build(self) -> None:
        """Put everything into a folder that gets its name when it is whole."""
        for old in _BUILD.glob("windows-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=_BUILD, prefix="new-windows-") as folder:
            made = Path(folder) / "made"
            _put_together(made / "python", Path(folder))
            self._wine(_WINE, "wineboot", "--init", WINEPREFIX=str(made / "prefix"))
            self._wine(_SERVER, "--wait", WINEPREFIX=str(made / "prefix"))
            made.rename(self.folder)


def _put_together(python: Path, scratch: Path) -> None:
    wheels = scratch / "wheels"
    target = ["--platform", "win_amd64", "--python-version", "3.11", "--only-binary=:all:", "--no-deps"]
    pinned = ["--require-hashes", "--requirement", str(_PARTS / "requirements.txt"), "--dest", str(wheels)]
    _run(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *target, *pinned)
    python.mkdir(parents=True)
    for path in wheels.iterdir():
        with zipfile.ZipFile(path) as wheel:
            if not path.name.startswith("panda3d"):
                wheel.extractall(python / "packages")
                continue
            for name in filter(_INTERPRETER.fullmatch, wheel.namelist()):
                (python / os.path.basename(name)).write_bytes(wheel.read(name))
    library, start = str(python / "python311.dll"), str(scratch / "python.o")
    _run(_TOOL + "as", str(_PARTS / "python.s"), "-o", start)
    libraries = [library, _DLLS + "/kernel32.dll", _DLLS + "/shell32.dll"]
    _run(_TOOL + "ld", "--entry", "start", "--subsystem", "console", start, *libraries, "-o", str(python / "python.exe"))
    # What extension modules for any Python 3 are linked with: it only says that everything is in the other library.
    names = re.findall(r"^\t\[ *\d+\] (\w+)$", _run(_TOOL + "objdump", "--private-headers", library), re.MULTILINE)
    exports = scratch / "python3.def"
    exports.write_text("LIBRARY python3.dll\nEXPORTS\n" + "".join("%s=python311.%s\n" % (name, name) for name in names))
    _run(_TOOL + "ld", "--shared", str(exports), "-o", str(python / "python3.dll"))
    # https://docs.python.org/3/using/windows.html#finding-modules; Z: is the root of this machine
    (python / "python311._pth").write_text("%s\n.\npackages\n" % Windows.path(Path(_LIBRARY)))


def _run(*command: str) -> str:
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=300, check=True).stdout
