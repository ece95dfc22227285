# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command was given to open encrypted backups. Secrets come from files, variables or a person, never from arguments."""

from __future__ import annotations

import os
import typing as t

from ..errors import ConfigurationError
from ..keyring import Keyring, open_keyring
from ..secret import Secret
from .console import EndOfInput

if t.TYPE_CHECKING:
    import argparse

    from .session import Session

IDENTITY, PASSPHRASE = "FLEET_BACKUP_IDENTITY", "FLEET_BACKUP_PASSPHRASE"


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for encrypted backups")
    group.add_argument(
        "--identity", metavar="FILE", action="append", default=[],
        help="open with the identities in this file; several times: of all of them (default: $%s)" % IDENTITY,
    )  # fmt: skip
    group.add_argument(
        "--passphrase-file", metavar="FILE",
        help="open with the passphrase in this file (default: $%s, else it is asked for at a terminal)" % PASSPHRASE,
    )  # fmt: skip
    group.add_argument("--file-keys", metavar="FILE", help="open with these file keys only: what unwrap wrote")


def given_keyring(session: Session) -> Keyring:
    """The keyring that the arguments and the environment make. Raises ConfigurationError, MissingDependencyError."""
    arguments = session.arguments
    variable = os.environ.get(IDENTITY)
    identities = arguments.identity or ([variable] if variable else [])
    passphrase: t.Optional[str] = None
    if arguments.passphrase_file:
        passphrase = Secret("file", arguments.passphrase_file, "--passphrase-file").reveal()
    elif not arguments.identity and not arguments.file_keys:
        passphrase = os.environ.get(PASSPHRASE)
    file_keys = read_names(arguments.file_keys, "--file-keys") if arguments.file_keys else None
    if file_keys is not None and not arguments.identity:
        identities = []
    return open_keyring(identities, passphrase, file_keys, lambda: _ask(session))


def _ask(session: Session) -> t.Optional[str]:
    console = session.console
    if console.json or not console.interactive:
        return None
    session.progress.close()
    try:
        return console.ask_secret("passphrase of the backup: ") or None
    except EndOfInput:
        return None


def read_names(path: str, option: str) -> t.Dict[str, str]:
    """What unwrap wrote: texts by ``<backup id>/<object>``. Raises ConfigurationError."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except OSError as error:
        raise ConfigurationError("%s: %s cannot be read: %s" % (option, path, error.strerror)) from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigurationError("%s: %s: is not what fleet-backup unwrap writes" % (option, path))
    return t.cast(t.Dict[str, str], value)
