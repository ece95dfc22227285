# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one file of a backup to stdout, and nothing else. Only what holds it is read, not the rest of the backup.

PATH is where it was on the host, or its name in the archive, as show --files tells it.
"""

from __future__ import annotations

import typing as t

from ...errors import ConfigurationError
from ...operations.cat import CatResult, cat
from ...result import Result
from ..places import add_place_arguments, given_place

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the id of a backup, the beginning of one, or latest")
    parser.add_argument("path", metavar="PATH", help="the file")
    parser.add_argument("--component", metavar="NAME", help="look in this component only")
    add_place_arguments(parser)


def run(session: Session) -> Result:
    arguments = session.arguments
    if session.console.json:
        raise ConfigurationError("cat writes the file itself and cannot be asked for JSON; show tells about a backup")
    return cat(backup_id=arguments.id, path=arguments.path, component=arguments.component, **given_place(session))


def subject(result: CatResult) -> t.Optional[str]:
    return result.id or ""


def show(result: CatResult, console: Console) -> None:
    console.raw(result.content())
