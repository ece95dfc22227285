# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the host's command: the engine, zipped into one file that Python runs (PEP 441).

The same sources give the same bytes, wherever and with whatever Python they are built: entries are sorted and stored, not
deflated (a newer zlib may deflate differently), times and modes are fixed, line ends are those of Unix.
This runs on the controller; it is used by ``make agent`` and by plugins.
"""

from __future__ import annotations

import io
import os
import tempfile
import typing as t
import zipfile

PACKAGE = "fleet_backup"

SHEBANG = b"#!/usr/bin/env python3\n"

# The first thing that runs, on whatever Python a host has: it must be valid in all of them.
_MAIN = b"""\
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("fleet-backup needs Python 3.9 or newer; this is %s\\n" % sys.version.split()[0])
    raise SystemExit(4)

import os

# Libraries for exactly this interpreter, where the command is installed (operations/install.py).
folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0]))))
folder = os.path.join(folder, "python", sys.implementation.cache_tag or "python")
if os.path.isdir(folder):
    sys.path.insert(0, folder)

from fleet_backup.cli.main import main

raise SystemExit(main())
"""

# The oldest time that a zip can tell.
_TIME = (1980, 1, 1, 0, 0, 0)


def engine_folder() -> str:
    """The folder of the engine beside this file."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "module_utils", "_engine")


def agent_bytes(engine: t.Optional[str] = None) -> bytes:
    """Return the bytes of the command, built from the folder ``engine`` (default: the collection's own). Raises OSError."""
    buffer = io.BytesIO()
    buffer.write(SHEBANG)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", _MAIN)
        for name, path in _modules(engine or engine_folder()):
            with open(path, "rb") as file:
                _add(archive, "%s/%s" % (PACKAGE, name), file.read().replace(b"\r\n", b"\n"))
    return buffer.getvalue()


def write_agent(path: str, engine: t.Optional[str] = None) -> None:
    """Write the command to ``path``, executable, whole or not at all. Raises OSError."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".fleet-backup-", dir=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(agent_bytes(engine))
        os.chmod(temporary, 0o755)  # noqa: S103 - a program for everyone; it holds no secret
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, data)


def _modules(engine: str) -> t.List[t.Tuple[str, str]]:
    """Name (with ``/``) and path of every module of the engine, sorted."""
    found = []
    for folder, names, files in os.walk(engine):
        names[:] = [name for name in names if name != "__pycache__"]
        found += [os.path.join(folder, file) for file in files if file.endswith(".py") and not file.startswith(".")]
    return sorted((os.path.relpath(path, engine).replace(os.sep, "/"), path) for path in found)
