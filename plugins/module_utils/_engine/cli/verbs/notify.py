# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a test message, tell of every job that has no fresh backup, or set who gets mail.

test       every notifier, or those named, sends a test message
stale      of each job whose newest backup is older than its max_age, the notifiers of that job are told
list       show each notifier, what it is told by which jobs, and which file it stands in
set NAME   set who gets mail, through which server: in conf.d/local.json, which no deployment touches, instead of what was
           deployed. The password is asked for, and kept in a file of its own that only its owner can read
unset NAME take back what was set: what was deployed is in force again, or nothing
"""

from __future__ import annotations

import typing as t

from ...errors import ConfigurationError
from ...job_options import NOTIFIER
from ...notifiers.mail import MailNotifier
from ...operations.notify import WHAT, NotifyResult, list_notifiers, notify
from ...operations.settings import SettingResult, known_mail, set_mail, unset_notifier
from ...options import written
from ...result import Result
from ..console import EndOfInput
from ..option_arguments import add_option_arguments, given_options, refuse
from ..output import Cell, table
from ..setting import show_setting

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_OWN = tuple(option for option in NOTIFIER if option.name != "name")
# A password on a command line could be read by every user of the host.
_MAIL = tuple(option for option in written(MailNotifier.OPTIONS) if option.name != "password")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = (*WHAT, "list", "set", "unset")
    parser.add_argument("what", metavar="WHAT", choices=what, help=", ".join(what))
    parser.add_argument("notifiers", metavar="NOTIFIER", nargs="*", help="the names of notifiers (default: all)")
    parser.add_argument(
        "--job", metavar="JOB", action="append", default=[],
        help="look at this job only; with set, this job tells the notifier besides (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="tell nobody and write nothing; only say what would be")
    password = parser.add_mutually_exclusive_group()
    password.add_argument("--ask-password", action="store_true", help="with set, ask for the password although there is one")
    password.add_argument("--password-stdin", action="store_true", help="with set, read the password from stdin")
    add_option_arguments(parser, "options of set (what is not given stays as it is)", (*_OWN, *_MAIL))


def run(session: Session) -> Result:
    arguments = session.arguments
    names = arguments.notifiers
    if arguments.what not in ("set", "unset"):
        refuse(arguments, (*_OWN, *_MAIL), arguments.what)
        if arguments.what == "list":
            return list_notifiers(session.config)
        return notify(session.config, arguments.what, notifiers=names, jobs=arguments.job, dry_run=arguments.dry_run)
    if len(names) != 1:
        raise ConfigurationError("notify %s: name one notifier; see fleet-backup notify --help" % arguments.what)
    session.config  # noqa: B018 - read, for the audit log
    if arguments.what == "unset":
        refuse(arguments, (*_OWN, *_MAIL), arguments.what)
        return unset_notifier(session.config_path, names[0], dry_run=arguments.dry_run)
    return set_mail(
        session.config_path, names[0], given_options(arguments, _OWN), given_options(arguments, _MAIL), jobs=arguments.job,
        password=_password(session, names[0]), dry_run=arguments.dry_run,
    )  # fmt: skip


def _password(session: Session, name: str) -> t.Optional[str]:
    """The password that is to be kept; None when there is one already, or the server wants none. Raises ConfigurationError."""
    arguments, console = session.arguments, session.console
    given, known = given_options(arguments, _MAIL), known_mail(session.config_path, name)
    ways = {option.name for option in written(MailNotifier.OPTIONS) if option.name.startswith("password")}
    username = given.get("username", known.get("username"))
    has_one = not ways.isdisjoint(given) or (username == known.get("username") and not ways.isdisjoint(known))
    if not arguments.password_stdin and not arguments.ask_password and (has_one or username is None):
        return None
    if arguments.dry_run:
        return "would be asked for"
    if arguments.password_stdin:
        password = console.read_line()
    elif console.interactive and not console.json:
        password = _ask(console, username)
    else:
        raise ConfigurationError(
            "the password of %s is needed: run this at a terminal, or give it with --password-stdin, or say where it is with"
            " --password-file" % username
        )
    if not password:
        raise ConfigurationError("the password is empty")
    return password


def _ask(console: Console, username: t.Optional[str]) -> str:
    try:
        return console.ask_secret("password of %s (not shown): " % username)
    except EndOfInput:
        raise ConfigurationError("no password was given; nothing was changed") from None


def subject(result: Result) -> t.Optional[str]:
    return "notifier %s" % result.name if isinstance(result, SettingResult) and result.changed else None


def show(result: t.Union[NotifyResult, SettingResult], console: Console) -> None:
    if isinstance(result, SettingResult):
        show_setting(result, "notifier", console)
        return
    if result.what == "list":
        notifiers = [(n.name, n.driver, ", ".join(n.on), ", ".join(n.jobs), n.origin) for n in result.notifiers]
        console.lines(table(("NOTIFIER", "DRIVER", "ON", "JOBS", "SET IN"), notifiers, colours=console.colours))
        return
    for name in result.stale:
        console.line("job %s has no fresh backup" % name)
    rows = [
        (told.notifier, told.driver, told.job or "", Cell(told.outcome, "red" if told.error else "green"), told.error)
        for told in result.told
    ]
    if rows:
        console.lines(table(("NOTIFIER", "DRIVER", "JOB", "OUTCOME", "ERROR"), rows, colours=console.colours))
    elif result.error is None and not result.stale:
        console.line("there is nothing to tell")
