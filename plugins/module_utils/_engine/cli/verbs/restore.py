# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring back a backup, or parts of it: checked first, staged, swapped in, and undone when anything fails.

Without arguments, at a terminal, it asks for everything. What would be overwritten is shown and must be confirmed: at a
terminal by typing the name of the job, elsewhere with --yes.
"""

from __future__ import annotations

import os
import typing as t

from ...errors import ConfigurationError, ConfirmationNeededError
from ...job import Config
from ...moment import EXAMPLES, parse_moment
from ...operations.restore import RestoreRequest, RestoreResult, restore_each
from ...result import FAILURE, Result
from ..choose import Left, confirm
from ..config_path import is_there
from ..keys import add_key_arguments, given_keyring
from ..output import duration, number, safe, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

#: How many paths are shown of each kind; all of them are in the result (--json).
SHOWN_PATHS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="the name of a job")
    parser.add_argument("--backup", metavar="ID", default="latest", help="which one: an id or its beginning (default: latest)")
    parser.add_argument("--at", metavar="TIME", help="the newest backup that had finished by then: %s" % EXAMPLES)
    parser.add_argument(
        "--component", metavar="NAME", action="append", default=[], help="only this component; several times: these"
    )
    parser.add_argument(
        "--include",
        metavar="GLOB",
        action="append",
        default=[],
        help="only what matches, as in .gitignore; several times: any of them",
    )
    parser.add_argument("--to", metavar="DIR", help="restore into this folder instead of the original place")
    parser.add_argument("--from", dest="folder", metavar="DIR", help="take the backup from this plain folder instead of a store")
    parser.add_argument("--store", metavar="NAME", help="take the backup from this store")
    parser.add_argument(
        "--from-host", metavar="HOST", help="take the backup of this other host; its data replaces that of this one"
    )
    parser.add_argument(
        "--move",
        metavar="OLD=NEW",
        action="append",
        default=[],
        help="restore a path and what was below it, or a Docker volume, to another path or volume; may be repeated",
    )
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an option of the source that holds for this restore, such as restore_as=shop=shop_copy; may be repeated",
    )
    add_key_arguments(parser)
    parser.add_argument("--delete", action="store_true", help="also remove what is there now and is not in the backup")
    parser.add_argument("--set-ids", action="store_true", help="restore set-uid and set-gid bits too")
    parser.add_argument("--devices", action="store_true", help="restore device nodes too")
    parser.add_argument("--no-safety-backup", action="store_true", help="do not back up first what is there now")
    parser.add_argument("--dry-run", action="store_true", help="check the backup and say what would be done")
    parser.add_argument("--yes", action="store_true", help="overwrite without asking")


def run(session: Session) -> Result:
    arguments = session.arguments
    asked = arguments.job is None and arguments.folder is None
    if asked:
        _ask_everything(session)
    config = _config(session)
    request = RestoreRequest(
        backup=arguments.backup,
        at=parse_moment(arguments.at, _timezone(config, arguments.job)) if arguments.at else None,
        components=tuple(arguments.component),
        include=tuple(arguments.include),
        to=os.path.abspath(arguments.to) if arguments.to else None,
        store=arguments.store,
        from_dir=arguments.folder,
        from_host=arguments.from_host,
        move=_moves(arguments.move),
        delete=arguments.delete,
        set_ids=arguments.set_ids,
        devices=arguments.devices,
        dry_run=arguments.dry_run,
        confirm=arguments.yes or (_confirmation(session, asked) if _can_ask(session) else False),
        safety_backup=not arguments.no_safety_backup,
        options=_options(arguments.option),
        keyring=given_keyring(session),
    )
    result = restore_each(config, arguments.job, request, progress=session.progress)
    if result.error and result.error["code"] == ConfirmationNeededError.code and request.confirm is False:
        result.error["message"] += "; look at it with --dry-run, then confirm it with --yes"
    return result


def subject(result: RestoreResult) -> t.Optional[str]:
    return result.id or ""


def show(result: RestoreResult, console: Console) -> None:
    if result.outcome == FAILURE:
        if result.undone:
            console.line("everything was put back as it was before")
        return
    place = " into %s" % safe(result.to) if result.to else ""
    if result.dry_run:
        console.line("would restore %s of %s from %s%s:" % (result.id, result.job, result.store, place))
    else:
        told = (result.id, result.job, result.store, place, duration(result.duration))
        console.line("restored %s of %s from %s%s in %s" % told)
    console.lines(_table(result, console.colours))
    if result.dry_run:
        console.lines(_paths(result, None if console.verbose else SHOWN_PATHS))
    if result.safety_backup:
        console.line("what was there before is in the backup %s" % result.safety_backup)


def _ask_everything(session: Session) -> None:
    if not _can_ask(session):
        raise ConfigurationError("name a job, or a folder with --from; at a terminal, restore without arguments asks")
    from ..wizard import fill_in

    try:
        fill_in(session)
    except Left:
        raise ConfigurationError("nothing was chosen, so nothing was restored") from None


def _options(given: t.Sequence[str]) -> t.Dict[str, t.Any]:
    """What --option says; of one that is repeated, all values."""
    result: t.Dict[str, t.Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError("--option %s: is not of the form NAME=VALUE" % text)
        if name in result:
            earlier = result[name]
            result[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            result[name] = value
    return result


def _moves(given: t.Sequence[str]) -> t.Dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for old, equals, new in pairs:
        if not (old and equals and new):
            raise ConfigurationError("--move %s%s%s: is not of the form OLD=NEW" % (old, equals, new))
    return {old: new for old, _equals, new in pairs}


def _can_ask(session: Session) -> bool:
    return session.console.interactive and not session.console.json


def _config(session: Session) -> t.Optional[Config]:
    """The configuration; None when there is none and none is needed: the folder holds all."""
    if session.arguments.folder and not is_there(session.arguments.config):
        return None
    return session.config


def _timezone(config: t.Optional[Config], job_name: t.Optional[str]) -> t.Optional[str]:
    jobs = config.jobs if config else ()
    return next((job.timezone for job in jobs if job.name == (job_name or "").partition("@")[0]), None)


def _confirmation(session: Session, always: bool) -> t.Callable[[RestoreResult], bool]:
    """What shows a person what would be done and asks; unless ``always``, only when something would be overwritten."""

    def ask(result: RestoreResult) -> bool:
        if not (always or result.overwrites):
            return True
        console = session.console
        session.progress.close()
        place = "into %s" % safe(result.to) if result.to else "at the original place"
        console.tell("\nbackup %s of job %s, from %s, %s:" % (result.id, result.job, result.store, place))
        for line in [*_table(result, False), *_paths(result, SHOWN_PATHS)]:
            console.tell(line)
        question = "\nType %s or yes to restore, anything else to leave: " % result.job
        try:
            return confirm(console, question, (str(result.job), "yes"))
        except Left:
            return False

    return ask


def _table(result: RestoreResult, colours: bool) -> t.List[str]:
    headers = ("COMPONENT", "SOURCE", "NEW", "OVERWRITTEN", "REMOVED", "UNCHANGED")
    rows = []
    for component in result.components:
        plan = component.plan
        counts = (plan.create_count, plan.overwrite_count, plan.remove_count, plan.unchanged_count)
        rows.append((component.name, component.source, *map(number, counts)))
    return table(headers, rows, headers[2:], colours)


def _paths(result: RestoreResult, limit: t.Optional[int]) -> t.Iterator[str]:
    """The first paths of what would be overwritten and removed; those that would only be made matter less."""
    for component in result.components:
        plan = component.plan
        yield from _some("overwrite", plan.overwrite, plan.overwrite_count, limit)
        yield from _some("remove", plan.remove, plan.remove_count, limit)
        if limit is None:
            yield from _some("make", plan.create, plan.create_count, limit)


def _some(verb: str, paths: t.Sequence[str], count: int, limit: t.Optional[int]) -> t.Iterator[str]:
    for path in paths[:limit]:
        yield "  %s %s" % (verb, safe(path))
    left = count - len(paths[:limit])
    if left:
        yield "  %s %s more" % (verb, number(left))
