# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the version of the command, of the format that it writes, and of what it runs on."""

from __future__ import annotations

import platform
import sys
import typing as t
from dataclasses import dataclass

from ... import VERSION
from ...archive.codec import zstd_module
from ...manifest import FORMAT
from ...result import Result
from ..output import safe

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


@dataclass
class VersionResult(Result):
    """``zstd``: the Python library that compresses with zstd, or null; without one gzip is used."""

    version: str = VERSION
    format: int = FORMAT
    python: str = ""
    platform: str = ""
    program: str = ""
    zstd: t.Optional[str] = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none of its own."""


def run(session: Session) -> Result:
    result = VersionResult("version")
    result.begin()
    result.python = platform.python_version()
    result.platform = platform.platform()
    result.program = sys.argv[0]
    library = zstd_module()
    result.zstd = library.__name__ if library else None
    result.end()
    return result


def subject(result: VersionResult) -> t.Optional[str]:
    return None


def show(result: VersionResult, console: Console) -> None:
    console.line("fleet-backup %s" % result.version)
    if console.verbose:
        console.line("format of the backups: %d" % result.format)
        console.line("Python %s on %s" % (result.python, result.platform))
        console.line("zstd: %s" % (result.zstd or "no library found, gzip is used instead"))
        console.line("program: %s" % safe(result.program))
