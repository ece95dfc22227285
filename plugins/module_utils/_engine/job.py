# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a host's backups: jobs, their sources, stores, hooks and retention, parsed and checked."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass

from .errors import ConfigurationError, NotFoundError
from .notifiers import EVENTS, LANGUAGES
from .options import Option, check
from .schedules import AUTO
from .schedules import NAMES as SCHEDULERS
from .schedules.planned import SCHEDULE, check_schedules
from .secret import Secret

_HOOK = (
    Option("command", "list", "The program and its arguments. No shell is involved.", required=True),
    Option("timeout", "duration", "How long it may run before it is killed and counts as failed.", default="10m"),
)

HOOK_POINTS = ("before", "after", "on_failure", "before_restore", "after_restore")

_HOOKS = (
    Option("before", "list", "Run before a backup. The first that fails stops the run.", elements="dict", options=_HOOK),
    Option("after", "list", "Run after a backup that was committed.", elements="dict", options=_HOOK),
    Option("on_failure", "list", "Run when a backup failed, whatever made it fail.", elements="dict", options=_HOOK),
    Option(
        "before_restore", "list", "Run before a restore writes anything, to stop a service, say.", elements="dict", options=_HOOK
    ),
    Option(
        "after_restore", "list", "Run after a restore, also after one that failed and was undone.", elements="dict", options=_HOOK
    ),
)

_KEEP = (
    Option("keep_last", "int", "Keep the newest backups, this many.", minimum=1),
    Option("keep_hourly", "int", "Keep the newest backup of each of the last hours that have one, this many.", minimum=1),
    Option("keep_daily", "int", "Keep the newest backup of each of the last days that have one, this many.", minimum=1),
    Option("keep_weekly", "int", "Keep the newest backup of each of the last ISO weeks that have one, this many.", minimum=1),
    Option("keep_monthly", "int", "Keep the newest backup of each of the last months that have one, this many.", minimum=1),
    Option("keep_yearly", "int", "Keep the newest backup of each of the last years that have one, this many.", minimum=1),
    Option("keep_within", "duration", "Keep every backup that is younger than this."),
)

RETENTION = _KEEP + (
    Option("min_keep", "int", "Never go below this many backups, whatever the other rules say.", default=1, minimum=1),
    Option(
        "max_delete",
        "amount",
        "The most that one run may remove from a store, a number of backups or a share of all that are there. A run that would"
        " remove more removes nothing and fails, until somebody has looked at it. Without it there is no limit: a job that is"
        " pruned more seldom than it is backed up loses most of its backups each time.",
        example="50%",
    ),
    Option(
        "tags",
        "list",
        "Rules for the backups of one tag. They are then kept by these rules alone.",
        elements="dict",
        options=(Option("name", "name", "The tag.", required=True),) + _KEEP,
    ),
)

GUARD = (
    Option("enabled", "bool", "Whether backups are judged at all.", default=True),
    Option(
        "shrink",
        "percent",
        "The share of its usual entries or bytes (the median of the last seven backups) that a component may lose. One that is"
        " empty and was not is always suspicious.",
        default="75%",
    ),
    Option("rows", "int", "A table that had at least this many rows, and has none, is suspicious.", default=100, minimum=1),
)

COMPRESSION = (
    Option(
        "algorithm",
        "str",
        "How data is compressed. Default: V(zstd), and V(gzip) (deflate) in a zip.",
        choices=("zstd", "gzip", "none"),
    ),
    Option("level", "int", "The level: 1 to 19 for V(zstd) (default 3), 0 to 9 for V(gzip) (default 6).", minimum=0, maximum=19),
)

ENCRYPTION = (
    Option(
        "recipients",
        "list",
        "Public keys (C(age1...)) that can decrypt the backups; each of them alone can. The host needs no secret for it.",
        example=["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
    ),
    Option("passphrase", "str", "A passphrase instead of public keys. The host then knows it.", secret=True),
)

JOB = (
    Option("name", "name", "The name of the job.", required=True),
    Option(
        "sources",
        "list",
        "What to read, and later to write back.",
        required=True,
        elements="dict",
        drivers="sources",
        options=(Option("name", "name", "The name of the source; its component in a backup has the same.", required=True),),
    ),
    Option("stores", "list", "The names of the stores that each get a copy.", required=True, elements="name"),
    Option("format", "str", "The archive format of trees of files.", default="tar", choices=("tar", "zip")),
    Option("compression", "dict", "How components are compressed.", default={}, options=COMPRESSION),
    Option(
        "encryption",
        "dict",
        "Encrypt all that tells of the content, in the format of age. Names of components, sizes and counts stay readable.",
        options=ENCRYPTION,
    ),
    Option("retention", "dict", "Which backups C(prune) keeps. Without any rule it keeps all.", default={}, options=RETENTION),
    Option(
        "guard",
        "dict",
        "When a backup is suspicious, because it may be of what was lost: a component shrank, is empty, or misses tables that"
        " were there. It is kept, but counts neither as fresh nor for the retention, and nothing older goes until it is"
        " accepted.",
        default={},
        options=GUARD,
    ),
    Option("hooks", "dict", "Programs to run around a backup or a restore.", default={}, options=_HOOKS),
    Option(
        "timezone",
        "str",
        "The time zone of the retention's hours, days, weeks, months and years, as in the IANA database. Default: the host's.",
        example="Europe/Madrid",
    ),
    Option(
        "full_every",
        "duration",
        "A run that asks for an increment takes a full backup when the last full one is older than this.",
        default="30d",
    ),
    Option("max_increments", "int", "The same when there are this many increments since the last full one.", minimum=1),
    Option(
        "delta_cache",
        "size",
        "How much of the last full dumps and large files this host may keep (0600, below C(state_dir)) where it could not read"
        " them back from the stores, because they are encrypted or far away. In increments, databases and large files are then"
        " stored as what has changed since; without such a copy, or with V(0), in full.",
        default="2GiB",
    ),
    Option(
        "delta_from",
        "size",
        "In increments, changed files of at least this size are stored as what has changed. It needs the format V(tar), the"
        " compression V(zstd), and the older bytes: see O(delta_cache).",
        default="16MiB",
        minimum=64 << 10,
    ),
    Option(
        "volume_size",
        "size",
        "Split what a source leaves into numbered volumes of at most this size. An upload that fails is then repeated from the"
        " beginning of its volume, and a store or a disk that takes no large files does too. Without it each source leaves one"
        " volume, however large.",
        minimum=8 << 20,
        example="1GiB",
    ),
    Option("schedules", "list", "When operations on this job run by themselves.", elements="dict", options=SCHEDULE),
    Option("notify", "list", "The names of the notifiers that are told how operations on this job end.", elements="name"),
    Option(
        "spool_size",
        "size",
        "How many bytes are kept on this host, below C(state_dir), for stores that are slower than others, and to send them"
        " again. One store on this host alone needs none.",
        default="1GiB",
    ),
    Option("max_age", "duration", "The backup counts as stale when the newest is older than this.", example="26h"),
    Option("lock_timeout", "duration", "How long to wait for another run of the same job.", default="0s"),
)

STORE = (
    Option("name", "name", "The name of the store.", required=True),
    Option(
        "bandwidth_limit",
        "size",
        "The most bytes a second that are written to the store and read from it.",
        minimum=1024,
        example="5MB",
    ),
    Option(
        "retries",
        "int",
        "How often an object is sent again, or read on from where it was, when the store failed in a way that may pass. There are"
        " growing pauses between.",
        default=5,
        minimum=0,
    ),
    Option(
        "stall_timeout",
        "duration",
        "A run goes on without the store when that takes nothing for so long.",
        default="15m",
    ),
    Option(
        "wait",
        "bool",
        "Slow the run down when the store falls behind by more than C(spool_size), instead of leaving it out of the run.",
        default=False,
    ),
    Option(
        "write_only",
        "bool",
        "This host may write to the store, but neither list, nor read, nor delete: a stolen host then cannot destroy its backups."
        " A run relies on what the host itself has recorded of earlier ones, and cannot take back what a failed one left.",
        default=False,
    ),
    Option(
        "retention",
        "dict",
        "Which backups C(prune) keeps on this store, instead of what the job says.",
        options=RETENTION,
    ),
)

NOTIFIER = (
    Option("name", "name", "The name of the notifier.", required=True),
    Option(
        "on",
        "list",
        "What it is told. A notifier for which silence means something is told everything.",
        default=["warning", "failure", "stale"],
        choices=EVENTS,
    ),
    Option("language", "str", "The language of its messages.", choices=LANGUAGES, default="en"),
)

# Of a store, whatever its driver.
_COMMON = ("bandwidth_limit", "retries", "stall_timeout", "wait", "write_only", "retention")

CONFIG = (
    Option("host", "host", "The name under which this host's backups are stored. It is never guessed.", required=True),
    Option("stores", "list", "The places that keep backups.", elements="dict", drivers="stores", options=STORE),
    Option("jobs", "list", "The jobs of this host.", elements="dict", options=JOB),
    Option(
        "notifiers", "list", "The ways to tell people how operations end.", elements="dict", drivers="notifiers", options=NOTIFIER
    ),
    Option(
        "sign",
        "bool",
        "Sign every backup with a key of this host, so that a forged or altered one is found out by all who know the public key.",
        default=False,
    ),
    Option(
        "signing_key",
        "path",
        "An OpenSSH ed25519 private key to sign with, such as the host key of the SSH server. Default: one of its own, made in"
        " O(state_dir) when it is first needed.",
        example="/etc/ssh/ssh_host_ed25519_key",
    ),
    Option(
        "trusted_hosts",
        "list",
        "Keys that may sign backups, as lines of OpenSSH's allowed signers; the principal is the host. With any, only backups"
        " that are signed by their host count.",
    ),
    Option(
        "scheduler",
        "str",
        "Which scheduler of the host runs schedules. V(auto): systemd if it runs, else cron; Task Scheduler on Windows.",
        choices=(AUTO, *SCHEDULERS),
        default=AUTO,
    ),
    Option(
        "scheduler_account",
        "str",
        "The account that Task Scheduler runs schedules as on Windows, by default SYSTEM. No password is kept: an account of the"
        " host reaches only what lies on it, a group managed service account (its name ends with C($)) the network too. It"
        " must be able to read the job files and to write to O(state_dir): the module M(fleet.backup.agent) sees to that.",
        example="ACME\\backup$",
    ),
    Option("schedules_enabled", "bool", "One switch for all schedules of this host.", default=True),
    Option("state_dir", "path", "Where status files, locks and logs are kept.", example="/var/lib/fleet-backup"),
)


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


def load_config(path: str) -> Config:
    """Read a job file, or every ``*.json`` of a folder and of its ``conf.d``, and return the checked description.

    Lists (stores, jobs) of several files are joined. Raises ConfigurationError.
    """
    merged: t.Dict[str, t.Any] = {}
    files = _config_files(path)
    for name in files:
        part = _read_json(name)
        if not isinstance(part, dict):
            raise ConfigurationError("%s: must hold one JSON object" % name)
        for key, value in part.items():
            if isinstance(merged.get(key), list) and isinstance(value, list):
                merged[key] = merged[key] + value
            elif key in merged and merged[key] != value:
                raise ConfigurationError("%s: %s is already set to %r by another file" % (name, key, merged[key]))
            else:
                merged[key] = value
    try:
        return parse_config(merged)
    except ConfigurationError as error:
        raise ConfigurationError(*["%s: %s" % (", ".join(files), p) for p in error.problems]) from None


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
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        problems.append("%s: %r is no time zone of this host's IANA database (Europe/Madrid, UTC, ...)" % (place, name))


def _config_files(path: str) -> t.List[str]:
    if not os.path.isdir(path):
        return [path]
    files = []
    for folder in (path, os.path.join(path, "conf.d")):
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError("%s: cannot be read: %s" % (folder, error.strerror)) from None
        files += [os.path.join(folder, n) for n in names if n.endswith(".json") and not n.startswith(".")]
    if not files:
        raise ConfigurationError("%s: there is no job file (*.json) in this folder" % path)
    return files


def _read_json(path: str) -> t.Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ConfigurationError("%s: there is no such file; --config names a job file or a folder of them" % path) from None
    except OSError as error:
        raise ConfigurationError("%s: cannot be read: %s" % (path, error.strerror)) from None
    except ValueError as error:
        raise ConfigurationError("%s: is not valid JSON: %s" % (path, error)) from None
