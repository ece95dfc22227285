# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the command. One file a verb; this is their registry.

A verb's module is imported only when its verb was asked for.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import argparse

    from ...result import Result
    from ..console import Console
    from ..session import Session

    class Verb(t.Protocol):
        """What a verb's module has. Its docstring is the text of its help."""

        def add_arguments(self, parser: argparse.ArgumentParser) -> None:
            """Declare the arguments that only this verb has."""

        def run(self, session: Session) -> Result:
            """Do it. Raises FleetBackupError for what no operation was begun for."""

        def subject(self, result: t.Any) -> t.Optional[str]:
            """What the audit log says that it was done to; None when no backup was changed or read."""

        def show(self, result: t.Any, console: Console) -> None:
            """Tell people the result; warnings and the error are told by others."""


#: Name and summary of every verb, in the order of the help.
SUMMARIES: t.Dict[str, str] = {
    "run": "take a backup of a job, or of all jobs",
    "list": "list the backups of a job, or of all jobs",
    "show": "show one backup: its components, facts and files",
    "find": "find files across backups",
    "diff": "tell what differs between two backups",
    "cat": "write one file of a backup to stdout",
    "verify": "check that stored backups are whole",
    "copy": "copy backups to other stores, or to a folder",
    "restore": "bring back a backup, or parts of it",
    "prune": "remove the backups that the retention rules do not keep",
    "accept": "say that a suspicious backup is as it should be",
    "pin": "keep a backup whatever the retention rules say",
    "unpin": "leave a backup to the retention rules again",
    "check": "check the configuration, the sources and the stores",
    "store": "give a store access to somebody's Google Drive or Dropbox",
    "status": "tell how the jobs of this host are",
    "schedule": "run operations by themselves: apply, list, remove, test",
    "notify": "send a test message, or tell of backups that are too old",
    "keygen": "make a key pair for encrypted backups",
    "unwrap": "write the file keys of one encrypted backup",
    "module": "carry out a module of the Ansible collection: what Windows hosts are managed by",
    "menu": "choose from a numbered menu",
    "version": "show the version",
}


#: Those that have nothing to tell with --quiet as long as all goes well.
DOING = ("run", "verify", "copy", "restore", "prune", "accept", "pin", "unpin", "check", "schedule", "notify", "module")


def load(verb: str) -> Verb:  # noqa: C901 - a branch for each
    """Return the module of a verb. The import stands in a branch, as in the other registries."""
    if verb == "run":
        from . import run

        return run
    if verb == "list":
        from . import list as listing

        return listing
    if verb == "show":
        from . import show

        return show
    if verb == "find":
        from . import find

        return find
    if verb == "diff":
        from . import diff

        return diff
    if verb == "cat":
        from . import cat

        return cat
    if verb == "verify":
        from . import verify

        return verify
    if verb == "copy":
        from . import copy

        return copy
    if verb == "restore":
        from . import restore

        return restore
    if verb == "prune":
        from . import prune

        return prune
    if verb == "accept":
        from . import accept

        return accept
    if verb == "pin":
        from . import pin

        return pin
    if verb == "unpin":
        from . import unpin

        return unpin
    if verb == "check":
        from . import check

        return check
    if verb == "store":
        from . import store

        return store
    if verb == "status":
        from . import status

        return status
    if verb == "schedule":
        from . import schedule

        return schedule
    if verb == "notify":
        from . import notify

        return notify
    if verb == "keygen":
        from . import keygen

        return keygen
    if verb == "unwrap":
        from . import unwrap

        return unwrap
    if verb == "module":
        from . import module

        return module
    if verb == "menu":
        from . import menu

        return menu
    if verb == "version":
        from . import version

        return version
    raise KeyError(verb)
