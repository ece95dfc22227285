# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a verb that reads one backup, or looks through many, is told to look."""

from __future__ import annotations

import typing as t

from ..operations.place import bare_catalog
from .keys import add_key_arguments, given_keyring

if t.TYPE_CHECKING:
    import argparse

    from .session import Session


def add_place_arguments(parser: argparse.ArgumentParser, job: bool = True) -> None:
    if job:
        parser.add_argument("--job", metavar="JOB", help="look at this job only")
    parser.add_argument("--store", metavar="NAME", help="look at this store only")
    parser.add_argument("--from", dest="folder", metavar="DIR", help="look into this plain folder instead of the stores")
    add_key_arguments(parser)


def given_place(session: Session) -> t.Dict[str, t.Any]:
    """The arguments of an operation that say where to look and what opens it. Raises ConfigurationError, NotFoundError."""
    arguments = session.arguments
    keyring = given_keyring(session)
    catalog = bare_catalog(arguments.folder, keyring) if arguments.folder else None
    return {
        "config": None if catalog else session.config,
        "job": arguments.job,
        "store": arguments.store,
        "catalog": catalog,
        "keyring": keyring,
    }
