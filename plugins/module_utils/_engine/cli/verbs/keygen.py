# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a key pair for encrypted backups: an identity, which opens them, and its recipient, which a job encrypts to.

Keep the identity off the hosts that are backed up, and twice: without it their backups are lost. Without a file the identity
is written to stdout, as age-keygen does.
"""

from __future__ import annotations

import typing as t

from ...operations.keygen import KeygenResult, keygen
from ...result import FAILURE, Result

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="the identity file to write, which must not exist")


def run(session: Session) -> Result:
    if session.arguments.file is None and session.console.json:
        from ...errors import ConfigurationError

        raise ConfigurationError("name a FILE for the identity: a result (--json) never holds a secret")
    return keygen(session.arguments.file)


def subject(result: KeygenResult) -> t.Optional[str]:
    return None


def show(result: KeygenResult, console: Console) -> None:
    if result.outcome == FAILURE:
        return
    text = result.identity_text()
    if text is not None:
        console.lines(text.splitlines())
        return
    console.line("recipient, for a job's encryption.recipients: %s" % result.recipient)
    console.line("identity, which opens its backups: %s" % result.path)
