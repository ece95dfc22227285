# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions of a restore that was begun without arguments."""

from __future__ import annotations

import os
import typing as t

from .choose import ask, pick_some
from .pickers import pick_backup, pick_job, pick_tenant

if t.TYPE_CHECKING:
    from .session import Session


def fill_in(session: Session) -> None:
    """Ask for the job, the backup, its components and the place; put the answers into the arguments.

    What was given as an option is not asked for. Raises choose.Left, NotFoundError.
    """
    arguments, console = session.arguments, session.console
    console.tell("Restore, step by step. q or Ctrl-D leaves; nothing is touched before you have confirmed it.")
    arguments.job = pick_tenant(session, pick_job(session))
    if arguments.backup == "latest" and not arguments.at:
        row = pick_backup(session, arguments.job, arguments.store)
        arguments.backup = row.id
        components = [] if arguments.component else row.components or _components(session, row.id)
        if len(components) > 1:
            arguments.component = [components[n] for n in pick_some(console, "Which components?", components)]
    if not arguments.to:
        console.tell()
        answer = ask(console, "Into which folder? (Enter for the original place): ")
        arguments.to = os.path.expanduser(answer) or None


def _components(session: Session, backup_id: str) -> t.List[str]:
    """The names of a backup's components; none when they cannot be told: the restore itself will say why."""
    from ..operations.show import show

    shown = show(session.config, backup_id, job=session.arguments.job, store=session.arguments.store)
    return [component["name"] for component in shown.backup["components"]] if shown.backup else []
