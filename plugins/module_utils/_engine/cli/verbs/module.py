# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a module of the Ansible collection, and write what it returns as JSON.

This is how the modules work on Windows hosts, which cannot run them themselves: the controller checks the options, puts them
into a file that only it and this host's administrators can read, calls this verb, and removes the file. The options must be
complete, as the module's argument spec makes them.
"""

from __future__ import annotations

import importlib
import json
import typing as t
from dataclasses import dataclass, field

from ...errors import ConfigurationError
from ...modules import Task, carry_out
from ...result import Result

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

NAMES = (
    "agent", "archive", "backup", "backup_info", "checksum", "copy_backup", "database_dump", "mark_backup", "notify", "prune",
    "restore", "schedule", "upload", "verify",
)  # fmt: skip


class _Options(t.Dict[str, t.Any]):
    """A module's options: one that is missing is the caller's fault, and said to be."""

    def __init__(self, module: str, given: t.Mapping[str, t.Any]) -> None:
        super().__init__(given)
        self._module = module

    def __missing__(self, name: str) -> t.Any:
        raise ConfigurationError(
            "--parameters: the option %s of the module %s is missing; here all of its options must be given, those that were"
            " not chosen with their defaults or null" % (name, self._module)
        )


@dataclass
class ModuleResult(Result):
    """``answer``: what the module returns."""

    answer: t.Dict[str, t.Any] = field(default_factory=dict)

    def to_dict(self) -> t.Dict[str, t.Any]:
        return self.answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", choices=NAMES, help="the module: " + ", ".join(NAMES))
    parser.add_argument("--parameters", metavar="FILE", required=True, help="its options, one JSON object")
    parser.add_argument("--check", action="store_true", help="change nothing, only tell what would be done")
    parser.add_argument("--diff", action="store_true", help="tell the state before and after too")


def run(session: Session) -> Result:
    arguments = session.arguments
    parameters = _Options(arguments.name, _parameters(arguments.parameters))
    result = ModuleResult("module")
    result.begin()
    outcome, result.answer = carry_out(_load(arguments.name), parameters, arguments.check, arguments.diff)
    result.outcome, result.error, result.error_exit_code = outcome.outcome, outcome.error, outcome.error_exit_code
    result.end()
    return result


def subject(result: Result) -> t.Optional[str]:
    return None


def show(result: ModuleResult, console: Console) -> None:
    console.document(result.to_dict())


def _parameters(path: str) -> t.Dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except OSError as error:
        raise ConfigurationError("%s: cannot be read: %s" % (path, error.strerror)) from None
    except ValueError as error:
        raise ConfigurationError("%s: is not valid JSON: %s" % (path, error)) from None
    if not isinstance(value, dict):
        raise ConfigurationError("%s: must hold one JSON object" % path)
    return value


def _load(name: str) -> Task:
    """A module's file, by its name: nothing but the whole command, which has them all, comes here."""
    return t.cast(Task, importlib.import_module("...modules.%s" % name, __package__))
