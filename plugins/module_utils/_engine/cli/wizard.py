# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions of a restore that was begun without arguments."""

from __future__ import annotations

import os
import typing as t

from .choose import ask, pick_some
from .pickers import pick_backup, pick_job

if t.TYPE_CHECKING:
    from .session import Session


def fill_in(session: Session) -> None:
    """Ask for the job, the backup, its components and the place; put the answers into the arguments.

    What was given as an option is not asked for. Raises choose.Left, NotFoundError.
    """
    arguments, console = session.arguments, session.console
    console.tell("Restore, step by step. q or Ctrl-D leaves; nothing is touched before you have confirmed it.")
    arguments.job = pick_job(session)
    if arguments.backup == "latest" and not arguments.at:
        row = pick_backup(session, arguments.job, arguments.store)
        arguments.backup = row.id
        if not arguments.component and len(row.components) > 1:
            chosen = pick_some(console, "Which components?", row.components)
            arguments.component = [row.components[n] for n in chosen]
    if not arguments.to:
        console.tell()
        answer = ask(console, "Into which folder? (Enter for the original place): ")
        arguments.to = os.path.expanduser(answer) or None
