# SPDX-License-Identifier: GPL-3.0-or-later
"""Change on a host itself what runs when, and who is told: in ``conf.d/local.json``, which no deployment touches.

The whole configuration is checked as it would be before anything is written; the file is replaced in one step.
"""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass, field

from ..errors import ConfigurationError, FleetBackupError, NotFoundError
from ..job import Config
from ..job_files import Description, JobFiles, schedules_of
from ..job_options import NOTIFIER
from ..notifiers.mail import MailNotifier
from ..options import redacted, written
from ..result import Result
from ..schedules.options import SCHEDULE
from ..schedules.planned import usual_name
from .local_file import LocalFile, changing
from .schedule import ScheduleResult, ScheduleRow, put_into_force

_PASSWORD = next(option for option in MailNotifier.OPTIONS if option.name == "password")

# What says when a schedule is due: whoever gives one of them means none of the others.
_WHEN = ("at", "weekday", "day", "every", "cron")


@dataclass
class SettingResult(Result):
    """``path``: the file; ``name``: the schedule (``<job>.<schedule>``) or the notifier.

    ``before`` and ``after``: its entry in the file, without secrets; None where the file has none. ``schedules``: what the
    scheduler then has.
    """

    name: str = ""
    path: str = ""
    before: t.Optional[t.Dict[str, t.Any]] = None
    after: t.Optional[t.Dict[str, t.Any]] = None
    schedules: t.List[ScheduleRow] = field(default_factory=list)


def set_schedule(
    path: str, command: t.Sequence[str], job: str, name: t.Optional[str], given: t.Mapping[str, t.Any], *, dry_run: bool = False
) -> SettingResult:
    """Set a schedule of a job, and put it into force.

    ``path``: the folder of job files; ``command``: how the command is called here; ``given``: options of SCHEDULE as people write
    them. What is not given stays as it is; without a name it is that which the others give it.
    """

    def change(file: LocalFile, result: SettingResult) -> None:
        file.config().job(job)
        schedules = file.entry("jobs", job).setdefault("schedules", [])
        key = name or usual_name(given)
        mine = next((s for s in schedules if usual_name(s) == key), None)
        before = mine or file.deployed_schedule(job, key) or {}
        if not given.keys().isdisjoint(_WHEN):
            before = {option: value for option, value in before.items() if option not in _WHEN}
        entry = {**before, "name": key, **given}
        _tell(result, "%s.%s" % (job, key), mine, entry, SCHEDULE)
        schedules[:] = [s for s in schedules if s is not mine] + [entry]

    return _change(path, "schedule", change, command, dry_run)


def unset_schedule(path: str, command: t.Sequence[str], job: str, name: str, *, dry_run: bool = False) -> SettingResult:
    """Take back what was set on the host of a schedule: the deployed one is in force again, or none."""

    def change(file: LocalFile, result: SettingResult) -> None:
        mine = next((s for s in schedules_of(file.local, job) if usual_name(s) == name), None)
        if mine is None:
            raise NotFoundError(
                "%s has no schedule %s of job %s; what was deployed is switched off with fleet-backup schedule set %s %s"
                " --no-enabled" % (file.local_path, name, job, job, name)
            )
        _tell(result, "%s.%s" % (job, name), mine, None, SCHEDULE)
        entry = file.entry("jobs", job)
        entry["schedules"] = [s for s in entry["schedules"] if s is not mine]

    return _change(path, "schedule", change, command, dry_run)


def set_mail(
    path: str, name: str, given: t.Mapping[str, t.Any], mail: t.Mapping[str, t.Any], *, jobs: t.Sequence[str] = (),
    password: t.Optional[str] = None, dry_run: bool = False,
) -> SettingResult:  # fmt: skip
    """Set a notifier that sends mail, and have the ``jobs`` tell it besides.

    ``given``: options of NOTIFIER, ``mail``: of the driver, as people write them; what is not given stays as it is. ``password``
    is kept in a file of its own (0600).
    """

    def change(file: LocalFile, result: SettingResult) -> None:
        mine = next((n for n in file.local.get("notifiers") or () if n.get("name") == name), None)
        before = mine or file.deployed_notifier(name) or {"mail": {}}
        if "mail" not in before:
            raise ConfigurationError("the notifier %s sends no mail; give this one another name" % name)
        options = _mail_options(before["mail"], mail)
        if password is not None:
            options = {**_without_password(options), "password_file": file.keep_secret("mail-%s" % name, password)}
        entry = {**before, **given, "name": name, "mail": options}
        _tell(result, name, mine, entry, NOTIFIER, "notifiers")
        notifiers = file.local.setdefault("notifiers", [])
        notifiers[:] = [n for n in notifiers if n is not mine] + [entry]
        for job in jobs:
            if name not in file.config().job(job).notify:
                file.entry("jobs", job).setdefault("notify", []).append(name)

    return _change(path, "notify", change, None, dry_run)


def unset_notifier(path: str, name: str, *, dry_run: bool = False) -> SettingResult:
    """Take back what was set on the host of a notifier: the deployed one is in force again, or none."""

    def change(file: LocalFile, result: SettingResult) -> None:
        mine = next((n for n in file.local.get("notifiers") or () if n.get("name") == name), None)
        if mine is None:
            raise NotFoundError("%s has no notifier %s; what was deployed is changed there" % (file.local_path, name))
        _tell(result, name, mine, None, NOTIFIER, "notifiers")
        file.local["notifiers"] = [n for n in file.local["notifiers"] if n is not mine]
        for job in file.local.get("jobs") or ():
            # The deployed one of the same name is told by whom it was deployed for.
            job["notify"] = [told for told in job.get("notify") or () if told != name]
        file.forget_secret("mail-%s" % name)

    return _change(path, "notify", change, None, dry_run)


def known_mail(path: str, name: str) -> Description:
    """The mail options of a notifier as they are now, as people wrote them; empty where there is none."""
    files = JobFiles(path)
    mine = next((n for n in files.local.get("notifiers") or () if n.get("name") == name), None)
    options: Description = (mine or files.deployed_notifier(name) or {}).get("mail") or {}
    return options


def _change(
    path: str,
    operation: str,
    change: t.Callable[[LocalFile, SettingResult], None],
    command: t.Optional[t.Sequence[str]],
    dry_run: bool,
) -> SettingResult:
    """Carry out a change of the file. With ``command`` schedules are applied."""
    result = SettingResult(operation, dry_run=dry_run)
    result.begin()
    try:
        with changing(path) as file:
            result.host, result.path = file.config().host, file.local_path
            change(file, result)
            file.tidy()
            config = file.config()
            if command is not None:
                # What the scheduler cannot do is not written.
                _apply(config, command, True, result)
            result.changed = file.is_changed
            if result.changed and not dry_run:
                file.write()
        if command is not None and not dry_run:
            _apply(config, command, False, result)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _tell(
    result: SettingResult, name: str, before: t.Optional[Description], after: t.Optional[Description], options: t.Any,
    drivers: str = "",
) -> None:  # fmt: skip
    """Tell what changes."""
    result.name = name
    result.before, result.after = (copy.deepcopy(redacted(e, options, drivers)) if e else None for e in (before, after))


def _apply(config: Config, command: t.Sequence[str], dry_run: bool, result: SettingResult) -> None:
    applied = ScheduleResult("schedule", config.host, dry_run=dry_run)
    put_into_force(config, command, applied)
    result.schedules = applied.schedules
    if not dry_run:
        for notice in applied.warnings:
            result.warn(notice.code, notice.message)


def _mail_options(before: Description, given: t.Mapping[str, t.Any]) -> Description:
    """What was given over what there was. Another server has another port, and none of the old ones is a preset's."""
    server = ("preset", "server", "port", "security")
    dropped = server if not given.keys().isdisjoint(server[:2]) else ()
    kept = {option: value for option, value in before.items() if option not in dropped}
    if not given.keys().isdisjoint(option.name for option in written([_PASSWORD])):
        kept = _without_password(kept)
    return {**kept, **given}


def _without_password(options: Description) -> Description:
    ways = {option.name for option in written([_PASSWORD])}
    return {option: value for option, value in options.items() if option not in ways}
