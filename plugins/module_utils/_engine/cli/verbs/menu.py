# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose from a numbered menu what to do; each choice is shown as the command that it stands for.

q or Ctrl-D leaves a question, and the menu.
"""

from __future__ import annotations

import shlex
import typing as t
from dataclasses import dataclass

from ... import VERSION
from ...errors import ConfigurationError, FleetBackupError, InterruptedRunError, NotFoundError
from ...result import FAILURE, SUCCESS, WARNING, WARNING_EXIT_CODE, Result
from ...stores import load
from .. import verbs
from ..choose import Left, confirm, pick, yes
from ..output import safe
from ..pickers import pick_backup, pick_job, pick_tenant

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_OFFERED = ("run", "list", "show", "verify", "restore", "prune", "check", "store", "schedule", "notify")
_SUMMARIES = {**verbs.SUMMARIES, "schedule": "see and set what runs by itself, and when", "notify": "see and set who gets mail"}
_HOW_THOROUGH = {
    "read everything": [],
    "presence and sizes only (quick)": ["--quick"],
}


@dataclass
class MenuResult(Result):
    """Its exit code is that of the last command; 0 when there was none."""

    commands: int = 0

    def took(self, code: int) -> None:
        self.commands += 1
        self.error_exit_code = code
        self.outcome = {0: SUCCESS, WARNING_EXIT_CODE: WARNING}.get(code, FAILURE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none of its own."""


def subject(result: MenuResult) -> t.Optional[str]:
    """Each command that was chosen is told by itself."""
    return None


def show(result: MenuResult, console: Console) -> None:
    """Everything was shown when it happened."""


def run(session: Session) -> Result:
    console = session.console
    if console.json or not console.interactive:
        raise ConfigurationError("the menu needs a terminal, and people; fleet-backup --help lists the verbs for programs")
    result = MenuResult("menu", session.config.host)
    result.begin()
    console.tell("fleet-backup %s, host %s, configuration %s" % (VERSION, safe(session.config.host), safe(session.config_path)))
    try:
        while not session.signals.leave:
            _choose(session, result)
    except (Left, InterruptedRunError):
        console.tell()
    result.end()
    return result


def _choose(session: Session, result: MenuResult) -> None:
    """Offer the verbs once and carry out what is chosen. Raises Left when the menu is left."""
    session.read_again()
    chosen = pick(session.console, "What shall be done?", ["%-8s %s" % (verb, _SUMMARIES[verb]) for verb in _OFFERED])
    try:
        _carry_out(session, result, _OFFERED[chosen])
    except Left:
        session.console.tell("back to the menu")
    except InterruptedRunError:
        raise
    except FleetBackupError as error:  # what a question needed to know could not be found out
        session.console.error(str(error))
        result.took(error.exit_code)


def _carry_out(session: Session, result: MenuResult, verb: str) -> None:
    if verb == "run":
        _execute(session, result, [verb, pick_job(session)])
    elif verb == "list":
        job = pick_job(session, all_jobs=True)
        _execute(session, result, [verb, job] if job else [verb])
    elif verb == "show":
        job = pick_tenant(session, pick_job(session))
        _execute(session, result, [verb, pick_backup(session, job).id, "--job", job])
    elif verb == "verify":
        job = pick_job(session)
        how = list(_HOW_THOROUGH)
        _execute(session, result, [verb, job, *_HOW_THOROUGH[how[pick(session.console, "How thoroughly?", how, 0)]]])
    elif verb == "store":
        _execute(session, result, [verb, "setup", _pick_store(session)])
    elif verb == "prune":
        job = pick_job(session)
        if _execute(session, result, [verb, job, "--dry-run"]) in (0, WARNING_EXIT_CODE) and confirm(
            session.console, "Remove what is to be removed? Type the name of the job (Enter for no): ", [job]
        ):
            _execute(session, result, [verb, job])
    elif verb == "schedule":
        from ..schedule_questions import schedule_command

        _execute(session, result, [verb, "list"])
        _execute(session, result, schedule_command(session))
    elif verb == "notify":
        from ..mail_questions import mail_command

        _execute(session, result, [verb, "list"])
        words = mail_command(session)
        if _execute(session, result, words) == 0 and words[1] == "set" and yes(session.console, "Send a test mail now?"):
            _execute(session, result, [verb, "test", words[2]])
    else:
        _execute(session, result, [verb])


def _pick_store(session: Session) -> str:
    """A store that a person can give access to. Raises NotFoundError when there is none."""
    names = [store.name for store in session.config.stores if load(store.driver).granted]
    if not names:
        raise NotFoundError("no store of this configuration needs somebody's consent; fleet-backup store setup NAME adds one")
    return names[pick(session.console, "Which store?", names, 0)]


def _execute(session: Session, result: MenuResult, words: t.Sequence[str]) -> int:
    """Carry out one command line as if it had been typed; return its exit code."""
    from ..main import execute

    given = session.arguments
    common = ["--config", given.config] if given.config else []
    common += ["--verbose"] * given.verbose + ["--quiet"] * given.quiet
    session.console.tell("\n$ fleet-backup %s" % safe(shlex.join([*common, *words])))
    code = execute([*common, *words], session.signals)
    session.signals.rearm()
    result.took(code)
    return code
