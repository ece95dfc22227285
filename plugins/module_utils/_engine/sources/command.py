# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command of the user's writes to its standard output; another command reads it back on its standard input.

Facts: ``program`` and, where it ran in one, ``container``. Arguments are not recorded: they are the user's, and may say too much.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ..connections import OPTIONS as CONNECTION
from ..connections import check_options as check_connection
from ..connections import connect
from ..errors import ConfigurationError, MissingDependencyError, RestoreError, SourceError
from ..file_restoring import FileRestoring
from ..file_restoring import plan as plan_file
from ..options import Option
from ..result import Notice
from ..tree.select import Selection
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader

_ENDING = re.compile(r"[a-z][a-z0-9_-]{0,15}\Z")

# What the names of a component's other objects end with.
_TAKEN = ("age", "frames", "gz", "index", "facts", "json", "tar", "zip", "zst", "zst-delta")


class CommandSource(Source):
    """See the module. A command that fails, or writes nothing where it should, leaves no backup."""

    OPTIONS = (
        Option(
            "command",
            "list",
            "The program and its arguments. There is no shell: no pipes, no variables. It must exit with 0.",
            required=True,
            example=["slapcat", "-n", "1"],
        ),
        Option(
            "restore_command",
            "list",
            "The program and its arguments that read the same on standard input when it is restored. Without it, a backup can be"
            " restored into a folder only, as a file.",
            example=["slapadd", "-n", "1"],
        ),
        Option("ending", "str", "What the name of the stored output ends with, such as V(ldif).", default="out", example="ldif"),
        Option(
            "environment",
            "list",
            "Variables that are added to the environment of both commands, for secrets above all: arguments can be seen by all"
            " users of a host.",
            elements="dict",
            options=(
                Option("name", "str", "The name of the variable.", required=True, example="PGPASSWORD"),
                Option("value", "str", "Its value.", secret=True),
            ),
        ),
        Option(
            "on_empty",
            "str",
            "What it means when the command succeeds and writes nothing.",
            default="failure",
            choices=("failure", "warning", "ignore"),
        ),
        Option(
            "timeout",
            "duration",
            "How long the command may keep the backup waiting, for output or for taking input, before it is ended.",
            default="1h",
        ),
        *CONNECTION,
    )
    shape = "stream"

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = check_connection(options)
        ending = options["ending"]
        if isinstance(ending, str) and (not _ENDING.match(ending) or ending in _TAKEN):
            problems.append("ending: %r cannot be one; it is a word such as sql, ldif or bin" % ending)
        for n, variable in enumerate(options["environment"]):
            name = variable.get("name")
            if isinstance(name, str) and ("=" in name or "\0" in name):
                problems.append("environment[%d].name: %r is no name of a variable" % (n, name))
            if variable.get("value") is None:
                problems.append("environment[%d].value: is missing" % n)
        return problems

    def plan(self) -> Plan:
        connection = connect(self.options, self.spool)
        connection.close()
        program = self.options["command"][0]
        if not self.options["container"] and shutil.which(program) is None:
            raise MissingDependencyError("the program %s does not exist on this host; install it or correct its name" % program)
        return Plan(1, 0, {"program": os.path.basename(program)})

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        options = self.options
        connection = connect(options, self.spool)
        try:
            stream = component.stream(component.name.encode("ascii"), "." + options["ending"])
            with connection.output(options["command"], env=_environment(options), timeout=options["timeout"]) as running:
                stream.write_all(running.readinto, progress)
                finished = running.finish("source %s" % self.name)
        finally:
            connection.close()
        reading = Reading({"program": finished.program})
        if options["container"]:
            reading.facts["container"] = options["container"]
        if not stream.bytes and options["on_empty"] != "ignore":
            message = "%s succeeded and wrote nothing" % finished.program
            if options["on_empty"] == "failure":
                raise SourceError("source %s: %s; if that may be, set on_empty" % (self.name, message))
            reading.notices.append(Notice("output-empty", message, self.name))
        return reading

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        if target.to is not None:
            return plan_file(_file(component, target.to))
        return _plan(component, target)

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        if target.to is not None:
            return FileRestoring(component, _file(component, target.to), target.include)
        return _CommandRestoring(component, target)


class _CommandRestoring:
    """See sources.Restoring. What a command did cannot be undone; so it runs only after everything else is checked."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self.plan = _plan(component, target)
        self._component = component
        self._options = target.options or {}
        self._begun = False

    def stage(self, progress: t.Callable[[int], None]) -> None:
        if self.plan.overwrite_count:
            for entry in self._component.entries():
                # Reading it is the check.
                for data in self._component.read(entry):
                    progress(len(data))

    def commit(self) -> t.List[Notice]:
        if not self.plan.overwrite_count:
            return []
        options = self._options
        try:
            connection = connect(options)
            try:
                with connection.input(
                    options["restore_command"], env=_environment(options), timeout=options["timeout"]
                ) as running:  # fmt: skip
                    self._begun = True
                    for entry in self._component.entries():
                        for data in self._component.read(entry):
                            running.write(data)
                    running.finish("restoring component %s" % self._component.component.name)
            finally:
                connection.close()
        except SourceError as error:
            raise RestoreError(str(error)) from None
        return []

    def undo(self) -> None:
        if self._begun:
            self._begun = False
            raise RestoreError(
                "component %s: what its restore_command has done cannot be undone; the safety backup has what was there before"
                % self._component.component.name
            )

    def finish(self) -> None:
        return


def _plan(component: ComponentReader, target: RestoreTarget) -> RestorePlan:
    name = component.component.name
    if not (target.options or {}).get("restore_command"):
        raise RestoreError("component %s: its source has no restore_command; name a folder to restore it to" % name)
    selection = Selection(target.include)
    plan = RestorePlan()
    if selection.means(name.encode("ascii"), False):
        # What it overwrites only the command knows.
        plan.overwrite, plan.overwrite_count = ["what the restore_command of %s replaces" % name], 1
    return plan


def _environment(options: t.Dict[str, t.Any]) -> t.Dict[str, str]:
    environment = {}
    for variable in options["environment"]:
        value = variable["value"].reveal()
        if "\0" in value:
            raise ConfigurationError("environment: the value of %s holds a NUL byte; no variable can" % variable["name"])
        environment[variable["name"]] = value
    return environment


def _file(component: ComponentReader, folder: str) -> str:
    """The name that RESTORE.txt gives it too."""
    name = component.component.volumes[0].name
    ending = next((part for part in name[len(component.component.name) :].split(".") if part and not part.isdigit()), "out")
    return os.path.join(folder, "%s.%s" % (component.component.name, ending))
