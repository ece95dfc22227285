# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry of the command: arguments in, exit code out."""

from __future__ import annotations

import sys
import typing as t

from . import verbs
from .console import Console
from .parser import help_text, split

if t.TYPE_CHECKING:
    from ..errors import FleetBackupError, InterruptedRunError
    from ..result import Result
    from .query import Query
    from .session import Session
    from .signals import Signals


def main(argv: t.Optional[t.Sequence[str]] = None) -> int:
    """Run the command and return its exit code (docs/exit-codes.md)."""
    words = list(sys.argv[1:] if argv is None else argv)
    verb, rest = split(words)
    if verb == "help":
        words = [*rest, "--help"]
        verb, rest = split(words)
    if verb is None and not {"--help", "-h"}.isdisjoint(rest):
        Console().lines(help_text().splitlines())
        return 0
    from ..errors import InterruptedRunError
    from .signals import Signals

    signals = Signals()
    try:
        signals.install()
        return execute(words, signals)
    except InterruptedRunError as error:  # between two things: nothing was under way
        Console().error(str(error))
        return error.exit_code


def execute(words: t.Sequence[str], signals: Signals) -> int:
    """Run one command line, show its result, and return its exit code."""
    from ..errors import ConfigurationError, FleetBackupError, InterruptedRunError
    from .parser import check_verb, parse
    from .session import Session

    verb, rest = _verb(words)
    # Until the arguments are understood, an error is told in the way they seem to want it.
    console = Console(json=any(word.split("=")[0] in ("--json", "--query") for word in rest))
    query: t.Optional[Query] = None
    module: t.Optional[verbs.Verb] = None
    try:
        if not verb:
            raise ConfigurationError("say what to do; fleet-backup --help lists the verbs, fleet-backup menu asks")
        check_verb(verb)
        arguments = parse(verb, rest)
        console = Console(arguments.json or arguments.query is not None, arguments.quiet, arguments.verbose)
        if arguments.query is not None:
            from .query import Query

            query = Query(arguments.query)
        module = verbs.load(verb)
        session = Session(arguments, console, signals)
        result = _run(module, session)
        if verb in verbs.DOING:
            # What was done is not undone by a signal that comes while it is told.
            signals.finished()
        _audit(module, result, session)
    except (FleetBackupError, InterruptedRunError) as error:
        module, result = None, _failure(verb, error)
    except Exception as error:  # noqa: BLE001 - the last resort
        module, result = None, _failure(verb, _defect(error, console))
    from .report import report

    show = module.show if module and not (console.quiet and verb in verbs.DOING) else None
    return report(result, show, query, console)


def _verb(words: t.Sequence[str]) -> t.Tuple[str, t.List[str]]:
    verb, rest = split(words)
    if verb is None and "--version" in rest:
        return "version", [word for word in rest if word != "--version"]
    return verb or "", rest


def _run(module: verbs.Verb, session: Session) -> Result:
    try:
        return module.run(session)
    finally:
        session.progress.close()


def _audit(module: verbs.Verb, result: Result, session: Session) -> None:
    from ..operations.several import parts

    for part in parts(result):
        what = module.subject(part)
        if what is not None:
            session.audit(part, what)


def _failure(verb: str, error: t.Union[FleetBackupError, InterruptedRunError]) -> Result:
    from ..result import Result

    result = Result("backup" if verb == "run" else verb)
    result.begin()
    result.fail(error)
    result.end()
    return result


def _defect(error: Exception, console: Console) -> FleetBackupError:
    """What no one foresaw: one line that says what to report; the whole story with ``-v``."""
    import platform
    import traceback

    from .. import VERSION
    from ..errors import FleetBackupError

    if console.verbose:
        console.trace(traceback.format_exc())
    at = traceback.extract_tb(error.__traceback__)[-1]
    return FleetBackupError(
        "this is a defect of fleet-backup %s, please report it: %s: %s (%s, line %s; Python %s, %s)%s"
        % (VERSION, type(error).__name__, error, at.filename, at.lineno, platform.python_version(), platform.platform(),
           "" if console.verbose else "; -v shows the whole story")
    )  # fmt: skip
