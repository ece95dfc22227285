# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the configuration as arguments of a verb: from the same declarations."""

from __future__ import annotations

import re
import typing as t

from ..errors import ConfigurationError

if t.TYPE_CHECKING:
    import argparse

    from ..options import Option

_MARKUP = re.compile(r"\b[VOCM]\(([^)]*)\)")


def add_option_arguments(parser: argparse.ArgumentParser, title: str, options: t.Sequence[Option]) -> None:
    """``--at`` for the option ``at``, and so on. None of them has a default: what is not given is not changed."""
    import argparse

    group = parser.add_argument_group(title)
    for option in options:
        described: t.Dict[str, t.Any] = {"dest": _place(option), "help": _plain(option.help)}
        if option.type == "bool":
            described["action"] = argparse.BooleanOptionalAction
        elif option.type == "list":
            described.update(action="append", metavar=option.name.upper(), choices=option.choices or None)
            described["help"] += " May be repeated."
        else:
            described["metavar"] = option.name.upper()
            described["choices"] = option.choices or None
            if option.choices:
                described["help"] += " One of %s." % ", ".join(option.choices)
            if option.type == "int":
                described["type"] = int
        group.add_argument("--" + option.name.replace("_", "-"), **described)


def given_options(arguments: argparse.Namespace, options: t.Sequence[Option]) -> t.Dict[str, t.Any]:
    """Those that were given, as people write them in a job file."""
    values = {option.name: getattr(arguments, _place(option)) for option in options}
    return {name: value for name, value in values.items() if value is not None}


def refuse(arguments: argparse.Namespace, options: t.Sequence[Option], what: str) -> None:
    """Raise ConfigurationError when any was given to something that does not take them."""
    for name in given_options(arguments, options):
        raise ConfigurationError("--%s goes with set, not with %s" % (name.replace("_", "-"), what))


def _place(option: Option) -> str:
    return "option_" + option.name


def _plain(text: str) -> str:
    # argparse takes % for a place to fill in.
    return _MARKUP.sub(r"\1", text).replace("%", "%%")
