# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the schedules of jobs into force with a scheduler of this host, and carry them out when they are due."""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t
from dataclasses import dataclass, field

from ..errors import ConfigurationError, FleetBackupError, LockedError, NotFoundError, ScheduleError
from ..job import Config, Job
from ..lock import JobLock
from ..progress import SILENT, Progress
from ..result import Result, from_iso, utc_now
from ..schedules import AUTO, NAMES, Entry, Planned, Scheduler, available, load
from ..schedules.planned import planned
from ..schedules.record import Record, Run
from ..telling import tell
from ..zones import zone

# A scheduled run waits for another run of the job at least so long.
_LOCK_SECONDS = 3600

# How many of the next times are told.
_NEXT = 3

# Who is due less than this ago may be about to be started by the scheduler itself.
_PATIENCE = datetime.timedelta(minutes=10)


@dataclass
class ScheduleRow:
    """One schedule. ``when``: the five fields of crontab; ``next``: its next times, in its time zone.

    ``state``: ``active``; ``missing``, ``changed``: the scheduler does not have it, or otherwise; ``foreign``: it is of no job of
    the configuration; ``disabled``. ``origin``: the job file that it stands in.
    """

    job: str
    name: str
    title: str = ""
    when: str = ""
    next: t.List[str] = field(default_factory=list)
    state: str = ""
    started: t.Optional[str] = None
    outcome: t.Optional[str] = None
    origin: str = ""


@dataclass
class ScheduleResult(Result):
    """``before`` and ``after``: what the scheduler was told of each schedule, by ``<job>.<schedule>``."""

    scheduler: str = ""
    schedules: t.List[ScheduleRow] = field(default_factory=list)
    before: t.Dict[str, str] = field(default_factory=dict)
    after: t.Dict[str, str] = field(default_factory=dict)


def apply_schedules(
    config: Config, command: t.Sequence[str], *, remove: bool = False, scheduler: t.Optional[str] = None, dry_run: bool = False
) -> ScheduleResult:
    """Make the scheduler's entries those of the configuration, or (``remove``) take all of ours away, from every scheduler.

    ``command``: how the command is called here, with an absolute program and ``--config``. Other schedulers lose what they have
    of ours.
    """
    result = ScheduleResult("schedule", config.host, dry_run=dry_run)
    result.begin()
    try:
        put_into_force(config, command, result, remove=remove, scheduler=scheduler)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def put_into_force(
    config: Config, command: t.Sequence[str], result: ScheduleResult, *, remove: bool = False, scheduler: t.Optional[str] = None
) -> None:
    """The same, told to a result that is already there. Raises FleetBackupError."""
    chosen = _choose(config, scheduler or config.scheduler, optional=remove)
    wanted = [] if remove or not config.schedules_enabled else _planned(config, command)
    _make_it_so(config, chosen, wanted, result)
    if not remove:
        result.schedules = _rows(config, chosen, command)
        _tell_idle(config, result)


def _tell_idle(config: Config, result: Result) -> None:
    for what in config.origins.idle:
        result.warn("local", what)


def list_schedules(config: Config, command: t.Sequence[str], scheduler: t.Optional[str] = None) -> ScheduleResult:
    """Every schedule of the configuration, what the scheduler has of it, and when it is due next. Changes nothing."""
    result = ScheduleResult("schedule", config.host)
    result.begin()
    try:
        chosen = _choose(config, scheduler or config.scheduler)
        result.scheduler = chosen.name if chosen else ""
        result.schedules = _rows(config, chosen, command)
        _tell_idle(config, result)
        for row in result.schedules:
            if row.state in ("missing", "changed", "foreign"):
                result.warn(
                    "schedule",
                    "job %s, schedule %s: %s; fleet-backup schedule apply mends it" % (row.job, row.name, row.state),
                )
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def test_schedule(config: Config, command: t.Sequence[str], job_name: str, name: str) -> ScheduleResult:
    """Have the scheduler run one schedule now, and wait for its end."""
    result = ScheduleResult("schedule", config.host, job_name)
    result.begin()
    try:
        chosen = _choose(config, config.scheduler)
        if chosen is None:
            raise NotFoundError("this host has no scheduler")
        result.scheduler = chosen.name
        one = next((p for p in _planned(config, command) if (p.job, p.name) == (job_name, name)), None)
        if one is None:
            raise NotFoundError("job %s has no schedule %s that is in force" % (job_name, name))
        if one.key not in chosen.entries():
            raise ScheduleError("%s has no schedule %s; fleet-backup schedule apply puts it there" % (chosen.name, one.key))
        started = Record(config.state_dir).runs().get(one.key, {}).get("started")
        chosen.start(one)
        run = Record(config.state_dir).runs().get(one.key, {})
        if run.get("started") == started or run.get("ended") is None:
            raise ScheduleError("%s started it, but no run came to an end; see its log" % chosen.name)
        result.schedules = [row for row in _rows(config, chosen, command) if (row.job, row.name) == (job_name, name)]
        result.changed = True
        if run["outcome"] == "failure":
            raise ScheduleError("the run failed; fleet-backup list and its log tell why")
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def run_schedule(config: Config, job_name: str, name: str, progress: Progress = SILENT) -> Result:
    """Carry out one schedule: what the scheduler calls. Returns the result of the operation.

    A run that was killed before is told now, if nobody told it.
    """
    result = Result("schedule", config.host, job_name)
    result.begin()
    key = "%s.%s" % (job_name, name)
    record = Record(config.state_dir)
    try:
        job = config.job(job_name)
        schedule = next((s for s in job.schedules if s["name"] == name), None)
        if schedule is None:
            raise NotFoundError("job %s has no schedule %s; schedule apply takes it from the scheduler" % (job_name, name))
        with _running(config, key):
            _tell_killed(config, job, name, record.begin(key))
            outcome = _operate(config, job, schedule, progress)
            record.end(key, outcome.outcome)
            return outcome
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def catch_up(config: Config, progress: Progress = SILENT, now: t.Optional[datetime.datetime] = None) -> t.List[Result]:
    """Carry out what was due while the host was off: for a scheduler that forgets. Returns the results."""
    runs = Record(config.state_dir).runs()
    results = []
    for job in config.jobs:
        for one in planned(config, job, ()):
            run = runs.get(one.key)
            last = (run or {}).get("started") or (run or {}).get("since")
            if last is None:
                continue
            moment = _in_zone(now or utc_now(), one.timezone)
            due = one.calendar.before(moment - _PATIENCE)
            if due is not None and from_iso(last) < due:
                results.append(run_schedule(config, one.job, one.name, progress))
    return results


def tell_killed(config: Config, key: str) -> Result:
    """Tell that a scheduled run was killed, if it was: systemd says so of every run that failed, also of those that told it."""
    result = Result("schedule", config.host)
    result.begin()
    try:
        job_name, _dot, name = key.partition(".")
        job = config.job(job_name)
        with _running(config, key):
            record = Record(config.state_dir)
            run = record.runs().get(key)
            if run is not None and _tell_killed(config, job, name, run):
                record.end(key, "failure")
                result.changed = True
    except LockedError:
        pass  # the next run is under way already, and has told it
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _operate(config: Config, job: Job, schedule: t.Dict[str, t.Any], progress: Progress) -> Result:
    from .tenants import backup_each, each_tenant

    operation = schedule["operation"]
    # What meets another run of the job waits for it: there is nobody to try again.
    job = dataclasses.replace(job, lock_timeout=max(job.lock_timeout, _LOCK_SECONDS))
    if operation == "verify":
        from .verify import verify

        return verify(config, [job.name], level=schedule["level"], sample=schedule["sample"], progress=progress)
    if operation == "prune":
        from .prune import prune

        return each_tenant(config, job, operation, lambda one: prune(config, one, progress=progress))
    if operation == "copy":
        from .copy import copy_each

        return copy_each(config, job.name, everything=True, progress=progress)
    return backup_each(config, [job], kind=schedule["kind"], tag=schedule["tag"], progress=progress)


def _tell_killed(config: Config, job: Job, name: str, run: Run) -> bool:
    if run["started"] is None or run["ended"] is not None:
        return False
    killed = Result("schedule", config.host, job.name)
    killed.begin()
    killed.fail(
        ScheduleError("the run of schedule %s that began at %s was killed, or the host went down" % (name, run["started"]))
    )
    killed.end()
    tell(config, [job], killed)
    return True


def _running(config: Config, key: str) -> JobLock:
    """Held while a schedule is carried out: one that still runs is not started again. The name is no job's."""
    return JobLock(config.state_dir, key + ".schedule")


def _make_it_so(config: Config, chosen: t.Optional[Scheduler], wanted: t.Sequence[Planned], result: ScheduleResult) -> None:
    after = {one.key: chosen.entry(one).text for one in wanted} if chosen else {}
    result.after = after
    for name in available():
        scheduler = load(name)(config.state_dir, config.scheduler_account)
        there = {key: entry.text for key, entry in scheduler.entries().items()}
        result.before.update(there)
        is_chosen = chosen is not None and chosen.name == name
        if is_chosen:
            result.scheduler = name
        active = is_chosen and all(entry.state in ("", "active") for entry in scheduler.entries().values())
        if there == (after if is_chosen else {}) and (active or not there):
            continue
        result.changed = True
        if not result.dry_run:
            scheduler.apply(wanted if is_chosen else [])
    if not result.dry_run:
        Record(config.state_dir).enact([one.key for one in wanted])


def _choose(config: Config, name: str, optional: bool = False) -> t.Optional[Scheduler]:
    there = available()
    if name == AUTO:
        if not there and not optional:
            raise ScheduleError("this host has no scheduler that is known: %s" % ", ".join(NAMES))
        name = there[0] if there else ""
    elif name not in there and not optional:
        raise ScheduleError("this host has no %s; there is %s" % (name, ", ".join(there) or "none that is known"))
    return load(name)(config.state_dir, config.scheduler_account) if name in there else None


def _planned(config: Config, command: t.Sequence[str]) -> t.List[Planned]:
    if not os.path.isabs(command[0]):
        raise ConfigurationError("%s: the program that a scheduler starts must be named by its absolute path" % command[0])
    return [one for job in config.jobs for one in planned(config, job, command)]


def _rows(config: Config, chosen: t.Optional[Scheduler], command: t.Sequence[str]) -> t.List[ScheduleRow]:
    there: t.Dict[str, Entry] = chosen.entries() if chosen else {}
    runs = Record(config.state_dir).runs()
    rows = []
    for one in _planned(config, command):
        state = "disabled" if not config.schedules_enabled else _state(there.pop(one.key, None), chosen, one)
        rows.append(_row(one, state, runs.get(one.key) or {}))
    for job in config.jobs:
        for schedule in job.schedules:
            if not schedule["enabled"]:
                state = "foreign" if there.pop("%s.%s" % (job.name, schedule["name"]), None) else "disabled"
                rows.append(ScheduleRow(job.name, schedule["name"], state=state))
    for row in rows:
        row.origin = config.origins.schedules.get("%s.%s" % (row.job, row.name), "")
    rows += [ScheduleRow(*key.partition(".")[::2], state="foreign") for key in there]
    return rows


def _state(entry: t.Optional[Entry], chosen: t.Optional[Scheduler], one: Planned) -> str:
    if entry is None or chosen is None:
        return "missing"
    if entry.text != chosen.entry(one).text:
        return "changed"
    return "active" if entry.state in ("", "active") else "missing"


def _row(one: Planned, state: str, run: t.Mapping[str, t.Any]) -> ScheduleRow:
    row = ScheduleRow(one.job, one.name, one.title, one.calendar.crontab(), [], state, run.get("started"), run.get("outcome"))
    moment: t.Optional[datetime.datetime] = _in_zone(utc_now(), one.timezone)
    while state != "disabled" and len(row.next) < _NEXT and moment is not None:
        moment = one.calendar.after(moment)
        if moment is not None:
            row.next.append(moment.strftime("%Y-%m-%dT%H:%M") + moment.strftime("%z"))
    return row


def _in_zone(moment: datetime.datetime, timezone: t.Optional[str]) -> datetime.datetime:
    return moment.astimezone(zone(timezone) if timezone else None)
