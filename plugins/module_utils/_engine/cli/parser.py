# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: a verb, its arguments, and the options that may stand before or after it."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationError
from . import verbs
from .config_path import VARIABLE, default_config

if t.TYPE_CHECKING:
    import argparse

_WITH_VALUE = ("--config", "--query")

_HELP = """\
usage: fleet-backup [OPTIONS] VERB ...

Take, list, verify and restore backups of the applications on this host.

verbs:
{verbs}

options, before or after the verb:
  --config PATH         a job file, or a folder of job files (default: ${variable}, or {config})
  --json                write the result as one JSON document
  --query EXPRESSION    write only the part of the result that a JMESPath expression chooses
  --quiet, -q           write only warnings, errors and what list, show and version are asked for
  --verbose, -v         tell more
  --help, -h            show this help, or that of a verb: fleet-backup VERB --help
  --version             the same as the verb version

Exit code 0 means success and nothing else, 3 that there are warnings, 2 that the command or the
configuration is wrong; docs/exit-codes.md lists all.
"""


def help_text() -> str:
    """The help of the whole command."""
    lines = "\n".join("  %-20s  %s" % item for item in verbs.SUMMARIES.items())
    return _HELP.format(verbs=lines, variable=VARIABLE, config=default_config())


def split(argv: t.Sequence[str]) -> t.Tuple[t.Optional[str], t.List[str]]:
    """Return the verb (None when there is none) and all other arguments."""
    skip = False
    for n, word in enumerate(argv):
        if skip:
            skip = False
        elif word in _WITH_VALUE:
            skip = True
        elif not word.startswith("-"):
            return word, [*argv[:n], *argv[n + 1 :]]
    return None, list(argv)


def parse(verb: str, arguments: t.Sequence[str]) -> argparse.Namespace:
    """Return the checked arguments of a verb. Raises ConfigurationError; ``--help`` writes the help and raises SystemExit."""
    parser = _parser(verb)
    values, unknown = parser.parse_known_args(arguments)
    if unknown:
        options = [o for action in parser._actions for o in action.option_strings if o.startswith("--")]
        word = unknown[0]
        what = "there is no option %s" % word if word.startswith("-") else "%r is one argument too many" % word
        raise ConfigurationError("%s%s%s" % (what, near(word.split("=")[0], options), _hint(verb)))
    return values


def check_verb(verb: str) -> None:
    """Raise ConfigurationError when there is no such verb."""
    if verb not in verbs.SUMMARIES:
        there = ", ".join(verbs.SUMMARIES)
        raise ConfigurationError("there is no verb %r%s; the verbs are: %s" % (verb, near(verb, list(verbs.SUMMARIES)), there))


def near(word: str, known: t.Sequence[str]) -> str:
    """``; did you mean X?`` when something known is like ``word``, otherwise nothing."""
    import difflib

    found = difflib.get_close_matches(word, known, 1)
    return "; did you mean %s?" % found[0] if found else ""


def _hint(verb: str) -> str:
    return "; see fleet-backup %s --help" % verb


def _parser(verb: str) -> argparse.ArgumentParser:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> t.NoReturn:
            raise ConfigurationError("%s%s" % (message, _hint(verb)))

    module = verbs.load(verb)
    # No abbreviations: "--del" must not remove files the day a second option begins so.
    parser = Parser(
        prog="fleet-backup %s" % verb,
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    common = parser.add_argument_group("options of every verb")
    common.add_argument("--config", metavar="PATH", help="a job file, or a folder of job files")
    common.add_argument("--json", action="store_true", help="write the result as one JSON document")
    common.add_argument("--query", metavar="EXPRESSION", help="write only what this JMESPath expression chooses of the result")
    common.add_argument("--quiet", "-q", action="store_true", help="write only warnings, errors and what was asked to be shown")
    common.add_argument("--verbose", "-v", action="store_true", help="tell more")
    return parser
