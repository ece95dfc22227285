# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell people what no run tells: that a notifier works, and that a job has no fresh backup."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..errors import ConfigurationError, FleetBackupError, NotFoundError, NotificationError
from ..job import Config, Job, NotifierConfig
from ..notifiers import EVENTS, TEST, load
from ..result import Result
from ..telling import tell_event
from .listing import list_backups
from .tenants import find_job

WHAT = ("test", "stale")


@dataclass
class Told:
    """One notifier that was told something, or why it could not tell it."""

    notifier: str
    driver: str
    event: str
    outcome: str
    job: t.Optional[str] = None
    error: str = ""


@dataclass
class NotifierRow:
    """One notifier. ``on``: what it is told; ``jobs``: by which jobs; ``origin``: the job file that it stands in."""

    name: str
    driver: str
    on: t.List[str]
    jobs: t.List[str]
    origin: str


@dataclass
class NotifyResult(Result):
    """``stale``: the jobs without a fresh backup. In a dry run ``told`` stays empty."""

    what: str = ""
    notifiers: t.List[NotifierRow] = field(default_factory=list)
    told: t.List[Told] = field(default_factory=list)
    stale: t.List[str] = field(default_factory=list)


def notify(
    config: Config, what: str, *, notifiers: t.Sequence[str] = (), jobs: t.Sequence[str] = (), dry_run: bool = False
) -> NotifyResult:  # fmt: skip
    """Tell it to the notifiers named (all by default).

    ``what``: ``test``, a test message; ``stale``, each of the ``jobs`` (all by default) whose newest backup is older than its
    ``max_age``, to the notifiers of that job. A notifier that cannot tell makes the result a failure, after the others did.
    """
    result = NotifyResult("notify", config.host, dry_run=dry_run, what=what)
    result.begin()
    try:
        chosen = [config.notifier(name) for name in notifiers] or list(config.notifiers)
        if what not in WHAT:
            raise ConfigurationError("what: %r is none of %s" % (what, ", ".join(WHAT)))
        if not chosen:
            raise NotFoundError("there is no notifier to tell; define one under notifiers")
        if what == "stale":
            _tell_stale(config, jobs, chosen, result)
        else:
            _tell(config, chosen, TEST, {"operation": "notify", "host": config.host, "job": None}, None, result)
    except FleetBackupError as error:
        result.fail(error)
    failed = [told for told in result.told if told.error]
    if failed and result.error is None:
        result.fail(NotificationError("; ".join("notifier %s: %s" % (told.notifier, told.error) for told in failed)))
    result.changed = len(result.told) > len(failed)
    result.end()
    return result


def list_notifiers(config: Config) -> NotifyResult:
    """Every notifier, and what it is told. Tells nobody."""
    result = NotifyResult("notify", config.host, what="list")
    result.begin()
    for notifier in config.notifiers:
        on = list(EVENTS if load(notifier.driver).told_everything else notifier.on)
        jobs = [job.name for job in config.jobs if notifier.name in job.notify]
        origin = config.origins.notifiers.get(notifier.name, "")
        result.notifiers.append(NotifierRow(notifier.name, notifier.driver, on, jobs, origin))
    for what in config.origins.idle:
        result.warn("local", what)
    result.end()
    return result


def _tell_stale(config: Config, names: t.Sequence[str], chosen: t.Sequence[NotifierConfig], result: NotifyResult) -> None:
    listed = list_backups(config, names or None)
    for listing in listed.jobs:
        if not listing.stale:
            continue
        result.stale.append(listing.job)
        job = find_job(config, listing.job)
        data = {
            "operation": "list", "host": config.host, "job": listing.job, "newest": listing.newest, "age": listing.age,
            "max_age": listing.max_age, "error": listed.error,
        }  # fmt: skip
        _tell(config, [c for c in chosen if c.name in job.notify], "stale", data, job, result)
    if listed.error is not None and not result.stale:
        # A store that cannot be asked may have no fresh backup either.
        raise NotificationError("whether backups are fresh is not known: %s" % listed.error["message"])


def _tell(
    config: Config, chosen: t.Sequence[NotifierConfig], event: str, data: t.Dict[str, t.Any], job: t.Optional[Job],
    result: NotifyResult,
) -> None:  # fmt: skip
    if result.dry_run:
        return
    drivers = {c.name: c.driver for c in chosen}
    for name, problem in tell_event(config, chosen, event, data, job).items():
        outcome = "failure" if problem else "success"
        result.told.append(Told(name, drivers[name], event, outcome, job.name if job else None, problem))
