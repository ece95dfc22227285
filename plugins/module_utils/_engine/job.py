# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a host's backups: jobs, their sources, stores, hooks and retention, parsed and checked."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from .errors import ConfigurationError, MissingDependencyError, NotFoundError
from .job_options import CONFIG, HOOK_POINTS
from .options import check
from .schedules import AUTO
from .secret import Secret

# Of a store, whatever its driver.
_COMMON = ("bandwidth_limit", "retries", "stall_timeout", "wait", "write_only", "retention")


@dataclass(frozen=True)
class SourceConfig:
    name: str
    driver: str
    options: t.Dict[str, t.Any]


@dataclass(frozen=True)
class StoreConfig:
    name: str
    driver: str
    options: t.Dict[str, t.Any]
    bandwidth_limit: t.Optional[int] = None
    retries: int = 5
    stall_timeout: int = 900
    wait: bool = False
    write_only: bool = False
    retention: t.Optional[t.Dict[str, t.Any]] = None


@dataclass(frozen=True)
class NotifierConfig:
    name: str
    driver: str
    options: t.Dict[str, t.Any]
    on: t.Tuple[str, ...]
    language: str


@dataclass(frozen=True)
class Hook:
    command: t.Tuple[str, ...]
    timeout: int


@dataclass(frozen=True)
class Compression:
    """``algorithm``: zstd, gzip or none; ``level`` within what it allows."""

    algorithm: str
    level: int


@dataclass(frozen=True)
class Encryption:
    """Either ``recipients`` or ``passphrase``."""

    recipients: t.Tuple[str, ...]
    passphrase: t.Optional[Secret]


@dataclass(frozen=True)
class Job:
    name: str
    sources: t.Tuple[SourceConfig, ...]
    stores: t.Tuple[str, ...]
    format: str
    compression: Compression
    encryption: t.Optional[Encryption]
    retention: t.Dict[str, t.Any]
    guard: t.Dict[str, t.Any]
    hooks: t.Dict[str, t.Tuple[Hook, ...]]
    timezone: t.Optional[str]
    full_every: int
    max_increments: t.Optional[int]
    delta_cache: int
    delta_from: int
    volume_size: t.Optional[int]
    spool_size: int
    max_age: t.Optional[int]
    lock_timeout: int
    notify: t.Tuple[str, ...] = ()
    schedules: t.Tuple[t.Dict[str, t.Any], ...] = ()


@dataclass(frozen=True)
class Origins:
    """Which file each schedule (``<job>.<schedule>``) and each notifier stands in, for people.

    ``idle``: what was set on the host and counts for nothing.
    """

    schedules: t.Mapping[str, str] = field(default_factory=dict)
    notifiers: t.Mapping[str, str] = field(default_factory=dict)
    idle: t.Tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    host: str
    stores: t.Tuple[StoreConfig, ...]
    jobs: t.Tuple[Job, ...]
    state_dir: str
    sign: bool = False
    signing_key: t.Optional[str] = None
    trusted_hosts: t.Tuple[str, ...] = ()
    notifiers: t.Tuple[NotifierConfig, ...] = ()
    scheduler: str = AUTO
    schedules_enabled: bool = True
    scheduler_account: t.Optional[str] = None
    origins: Origins = field(default_factory=Origins)

    def job(self, name: str) -> Job:
        """Return the job called ``name``; NotFoundError names those that exist."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise NotFoundError("there is no job %r; the jobs are: %s" % (name, ", ".join(j.name for j in self.jobs) or "none"))

    def store(self, name: str) -> StoreConfig:
        """Return the store called ``name``; NotFoundError names those that exist."""
        for store in self.stores:
            if store.name == name:
                return store
        raise NotFoundError("there is no store %r; the stores are: %s" % (name, ", ".join(s.name for s in self.stores) or "none"))

    def notifier(self, name: str) -> NotifierConfig:
        """Return the notifier called ``name``; NotFoundError names those that exist."""
        for notifier in self.notifiers:
            if notifier.name == name:
                return notifier
        there = ", ".join(n.name for n in self.notifiers) or "none"
        raise NotFoundError("there is no notifier %r; the notifiers are: %s" % (name, there))


def parse_config(description: t.Any) -> Config:
    """Return the checked form of a whole description (what a host's job file holds).

    Raises ConfigurationError listing every problem with its place.
    """
    value = check(description, CONFIG, "")
    problems: t.List[str] = []
    stores = tuple(StoreConfig(s["name"], s["driver"], s["options"], *(s[key] for key in _COMMON)) for s in value["stores"])
    notifiers = tuple(_notifier(n, "notifiers[%d]" % i, problems) for i, n in enumerate(value["notifiers"]))
    for n, store in enumerate(stores):
        _check_store(store, "stores[%d].%s" % (n, store.driver), problems)
    names = {s.name for s in stores}, {n.name for n in notifiers}
    jobs = tuple(_job(j, "jobs[%d]" % n, *names, problems) for n, j in enumerate(value["jobs"]))
    prunable = {store.name for store in stores if not store.write_only}
    for n, job in enumerate(jobs):
        if job.retention["after_backup"] and not prunable.intersection(job.stores):
            problems.append("jobs[%d].retention.after_backup: all stores of the job are write_only; prune from elsewhere" % n)
    if value["trusted_hosts"]:
        from .signing import TrustedHosts

        try:
            TrustedHosts.from_text("\n".join(value["trusted_hosts"]))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(*problems)
    return Config(
        host=value["host"],
        stores=stores,
        jobs=jobs,
        state_dir=value["state_dir"] or default_state_dir(),
        sign=value["sign"],
        signing_key=value["signing_key"],
        trusted_hosts=tuple(value["trusted_hosts"]),
        notifiers=notifiers,
        scheduler=value["scheduler"],
        schedules_enabled=value["schedules_enabled"],
        scheduler_account=value["scheduler_account"],
    )


def default_state_dir() -> str:
    """The folder for status files, locks and logs: the system's for root, the user's own otherwise."""
    from .system import IS_WINDOWS, is_superuser

    if IS_WINDOWS:
        return os.path.join(os.environ.get("PROGRAMDATA", "C:\\ProgramData"), "fleet-backup", "state")
    if is_superuser():
        return "/var/lib/fleet-backup"
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "fleet-backup")


def _notifier(value: t.Dict[str, t.Any], place: str, problems: t.List[str]) -> NotifierConfig:
    from .notifiers import load

    driver, options = value["driver"], value["options"]
    problems.extend("%s.%s.%s" % (place, driver, problem) for problem in load(driver).check_options(options))
    return NotifierConfig(value["name"], driver, options, tuple(value["on"]), value["language"])


def _job(
    value: t.Dict[str, t.Any], place: str, stores: t.Container[str], notifiers: t.Container[str], problems: t.List[str]
) -> Job:  # fmt: skip
    for key, there, what in (("stores", stores, "store"), ("notify", notifiers, "notifier")):
        for n, name in enumerate(value[key]):
            if name not in there:
                problems.append(
                    "%s.%s[%d]: there is no %s %r; define it under %ss, or name one that is" % (place, key, n, what, name, what)
                )
            if name in value[key][:n]:
                problems.append("%s.%s[%d]: %r is named twice" % (place, key, n, name))
    for n, source in enumerate(value["sources"]):
        _check_source(source, "%s.sources[%d].%s" % (place, n, source["driver"]), problems)
    _check_timezone(value["timezone"], place + ".timezone", problems)
    if value["schedules"]:
        from .schedules.planned import check_schedules

        check_schedules(value["schedules"], place + ".schedules", problems)
    for n, schedule in enumerate(value["schedules"]):
        _check_timezone(schedule["timezone"], "%s.schedules[%d].timezone" % (place, n), problems)
    hooks = value["hooks"]
    return Job(
        name=value["name"],
        sources=tuple(SourceConfig(s["name"], s["driver"], s["options"]) for s in value["sources"]),
        stores=tuple(value["stores"]),
        format=value["format"],
        compression=resolve_compression(value["format"], value["compression"], place + ".compression", problems),
        encryption=_encryption(value["encryption"], place + ".encryption", problems),
        retention=value["retention"],
        guard=value["guard"],
        hooks={point: tuple(Hook(tuple(h["command"]), h["timeout"]) for h in hooks[point]) for point in HOOK_POINTS},
        timezone=value["timezone"],
        full_every=value["full_every"],
        max_increments=value["max_increments"],
        delta_cache=value["delta_cache"],
        delta_from=value["delta_from"],
        volume_size=value["volume_size"],
        spool_size=value["spool_size"],
        max_age=value["max_age"],
        lock_timeout=value["lock_timeout"],
        notify=tuple(value["notify"]),
        schedules=tuple(value["schedules"]),
    )


def _check_store(store: StoreConfig, place: str, problems: t.List[str]) -> None:
    from .stores import load

    problems.extend("%s.%s" % (place, problem) for problem in load(store.driver).check_options(store.options))


def _check_source(source: t.Dict[str, t.Any], place: str, problems: t.List[str]) -> None:
    """Let the driver check what one option alone cannot tell (patterns that do not parse, options that exclude each other)."""
    from .sources import load

    problems.extend("%s.%s" % (place, problem) for problem in load(source["driver"]).check_options(source["options"]))


def resolve_compression(archive: str, value: t.Dict[str, t.Any], place: str, problems: t.List[str]) -> Compression:
    """The compression that checked options mean for an archive format; what is wrong with them goes to ``problems``."""
    algorithm = value["algorithm"] or ("gzip" if archive == "zip" else "zstd")
    if archive == "zip" and algorithm == "zstd":
        problems.append("%s.algorithm: a zip is compressed with gzip's method (deflate) or not at all; use gzip or none" % place)
    low, high, default = {"zstd": (1, 19, 3), "gzip": (0, 9, 6), "none": (0, 0, 0)}[algorithm]
    level = default if value["level"] is None else value["level"]
    if not low <= level <= high:
        problems.append("%s.level: must be %d to %d for %s, not %d" % (place, low, high, algorithm, level))
    return Compression(algorithm, level)


def _encryption(
    value: t.Optional[t.Dict[str, t.Any]], place: str, problems: t.List[str]
) -> t.Optional[Encryption]:  # fmt: skip
    if value is None:
        return None
    recipients, passphrase = value["recipients"], value["passphrase"]
    if bool(recipients) == (passphrase is not None):
        problems.append("%s: give either recipients or a passphrase; age allows no mix" % place)
    from .age.keys import parse_recipient

    for n, recipient in enumerate(recipients):
        try:
            parse_recipient(recipient)
        except ConfigurationError as error:
            problems.append("%s.recipients[%d]: %s" % (place, n, error))
    return Encryption(tuple(recipients), passphrase)


def _check_timezone(name: t.Optional[str], place: str, problems: t.List[str]) -> None:
    if name is None:
        return
    from .zones import zone

    try:
        zone(name)
    except MissingDependencyError:
        pass  # told when it is needed: what installs the library must be able to read the job
    except ConfigurationError as error:
        problems.append("%s: %s" % (place, error))
