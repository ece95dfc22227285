# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of jobs, stores, notifiers and the whole description of a host, each declared once.

What checks a description, the argument specs of the modules, their documentation and the JSON schema all come from here.
"""

from __future__ import annotations

from .notifiers import EVENTS, LANGUAGES
from .options import Option
from .schedules import AUTO
from .schedules import NAMES as SCHEDULERS
from .schedules.options import SCHEDULE

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

_AFTER_BACKUP = Option(
    "after_backup",
    "bool",
    "Prune by these rules after each backup that succeeded, on every store that this host may delete from. When that fails, the"
    " run has a warning; the backup stands.",
    default=False,
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
    Option(
        "retention",
        "dict",
        "Which backups C(prune) keeps. Without any rule it keeps all.",
        default={},
        options=(*RETENTION, _AFTER_BACKUP),
    ),
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
        "How often an object is sent again, or sent or read on from where it was, when the store failed in a way that may pass."
        " There are growing pauses between.",
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
