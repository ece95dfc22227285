# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the file keys of one encrypted backup, for restore --file-keys on a host that must not see the identity.

Only manifests are read. Where the store cannot be reached, --headers-only on the host writes what --headers takes here:

  host$        fleet-backup unwrap ID --headers-only > headers.json
  controller$  fleet-backup unwrap --headers headers.json --identity KEY > keys.json
  host$        fleet-backup restore JOB --backup ID --file-keys keys.json

The file keys open that backup, no other one; they are secret.
"""

from __future__ import annotations

import typing as t

from ...errors import ConfigurationError
from ...operations.unwrap import UnwrapResult, unwrap, unwrap_given
from ...result import FAILURE, Result
from ..keys import read_names
from ..places import add_place_arguments, given_place

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", nargs="?", help="the id of a backup, the beginning of one, or latest")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--headers-only", action="store_true", help="write the headers, which are no secret, instead of keys")
    how.add_argument("--headers", metavar="FILE", help="open the headers in this file; no ID, and no store, is needed")
    add_place_arguments(parser)


def run(session: Session) -> Result:
    arguments = session.arguments
    if session.console.json:
        raise ConfigurationError("unwrap writes JSON of its own, so leave --json away: a result never holds a secret")
    if (arguments.id is None) != (arguments.headers is not None):
        raise ConfigurationError("name either a backup or a file with --headers")
    if arguments.headers is not None:
        from ..keys import given_keyring

        return unwrap_given(read_names(arguments.headers, "--headers"), given_keyring(session))
    place = given_place(session)
    if arguments.headers_only:
        place["keyring"] = None
    result = unwrap(backup_id=arguments.id, **place)
    return result


def subject(result: UnwrapResult) -> t.Optional[str]:
    return result.id or ""


def show(result: UnwrapResult, console: Console) -> None:
    if result.outcome != FAILURE:
        console.document(result.file_keys() or result.headers)
