# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a store access to somebody's Google Drive or Dropbox.

setup   asks a person to allow it (in a browser, or by a short code), tries it, and writes the refresh token where the
        description of the store says (refresh_token_file, mode 0600). A store that is not in the configuration yet is
        added to its conf.d/local.json, which deployments leave alone
"""

from __future__ import annotations

import os
import typing as t

from ...errors import ConfigurationError
from ...operations.store_setup import StoreSetupResult, set_up_store
from ...result import FAILURE, Result
from ..choose import Left
from ..config_path import is_there
from ..output import safe, size
from ..person import TerminalPerson

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="WHAT", choices=("setup",), help="setup")
    parser.add_argument("name", metavar="NAME", help="the name of a store; a new one is added")
    parser.add_argument("--type", metavar="DRIVER", help="what a new store is: gdrive or dropbox (else it is asked for)")
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[],
        help="an option of a new store, such as client_id=..., client_secret_file=..., app_key=... (repeatable)",
    )  # fmt: skip
    parser.add_argument("--device", action="store_true", help="Google Drive: allow it by a short code, on any other device")
    parser.add_argument("--print", action="store_true", help="write the refresh token to stdout, for a vault, and nowhere else")


def run(session: Session) -> Result:
    arguments, console = session.arguments, session.console
    if console.json or not console.interactive:
        raise ConfigurationError("store setup asks a person to allow access: it needs a terminal, and no --json")
    options = {}
    for text in arguments.option:
        name, equals, value = text.partition("=")
        if not equals or name in options:
            raise ConfigurationError("--option %s: is not of the form NAME=VALUE, or given twice" % text)
        options[name] = value
    # A controller that only wants a token for its vault needs no configuration.
    config = session.config if is_there(session.arguments.config) or not arguments.print else None
    folder = session.config_path if os.path.isdir(session.config_path) else None
    session.progress.close()
    try:
        return set_up_store(
            config,
            folder,
            arguments.name,
            TerminalPerson(console),
            driver=arguments.type,
            options=options,
            device=arguments.device,
            keep=not arguments.print,
        )
    except Left:
        raise ConfigurationError("left; nothing was written") from None


def subject(result: StoreSetupResult) -> t.Optional[str]:
    return "the access to store %s" % result.store if result.changed else None


def show(result: StoreSetupResult, console: Console) -> None:
    if result.outcome == FAILURE:
        return
    account = "the account of %s" % safe(result.account) if result.account else "an account that does not say whose it is"
    free = "" if result.free is None else ", %s free" % size(result.free)
    console.tell("store %s has access to %s%s" % (result.store, account, free))
    for path in result.written:
        console.tell("wrote %s" % safe(path))
    token = result.granted()
    if token is not None:
        console.line(token)
    else:
        console.tell("fleet-backup check tries everything that its jobs need")
