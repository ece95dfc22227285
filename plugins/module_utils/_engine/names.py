# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and backup ids: what is allowed, how an id is made and read (docs/format.md, Names)."""

from __future__ import annotations

import datetime
import os
import re
import typing as t

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_HOST = re.compile(r"[a-z0-9][a-z0-9_.-]{0,252}\Z")
_ID = re.compile(r"(\d{8}T\d{6}Z)-(full|differential|incremental)-([a-z0-9][a-z0-9_-]{0,62})-([0-9a-f]{4})\Z")
_STAMP = "%Y%m%dT%H%M%SZ"

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: reserved, also with an extension.
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + ["com%d" % n for n in range(1, 10)] + ["lpt%d" % n for n in range(1, 10)]
)

#: The tag of what a restore saves of the state that it replaces.
SAFETY_TAG = "pre-restore"

#: How the private folder begins that a restore stages things in, beside their places. It is never backed up.
STAGING_PREFIX = ".fleet-backup-restore-"

KINDS = ("full", "differential", "incremental")

NAME_RULE = "1 to 63 of a-z, 0-9, '_' and '-', starting with a letter or digit, and no Windows device name"
HOST_RULE = "1 to 253 of a-z, 0-9, '_', '-' and '.', starting with a letter or digit, and no Windows device name"


def is_name(text: str) -> bool:
    """True for a valid job, source, store or tag name."""
    return bool(_NAME.match(text)) and text not in _WINDOWS_DEVICES


def is_host(text: str) -> bool:
    """True for a valid host name (dots allowed)."""
    return bool(_HOST.match(text)) and text.split(".", 1)[0] not in _WINDOWS_DEVICES and not text.endswith(".")


class BackupId(t.NamedTuple):
    """The parts of a backup id such as ``20261122T020000Z-full-daily-3f9a``."""

    started: datetime.datetime
    kind: str
    tag: str
    suffix: str

    def __str__(self) -> str:
        return "%s-%s-%s-%s" % (self.started.strftime(_STAMP), self.kind, self.tag, self.suffix)


def parse_backup_id(text: str) -> t.Optional[BackupId]:
    """Return the parts of ``text``, or None when it is not a backup id."""
    found = _ID.match(text)
    if not found:
        return None
    try:
        started = datetime.datetime.strptime(found.group(1), _STAMP).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return BackupId(started, found.group(2), found.group(3), found.group(4))


def is_safety(backup_id: str) -> bool:
    """Whether it is what a restore saved of the state that it replaced: nobody means that by the latest backup."""
    parts = parse_backup_id(backup_id)
    return parts is not None and parts.tag == SAFETY_TAG


def new_backup_id(now: datetime.datetime, kind: str, tag: str, newest: t.Optional[str] = None) -> t.Tuple[str, bool]:
    """Return ``(id, clock_behind)``: an id that sorts strictly after ``newest``.

    When the clock stands at or behind the newest known id, the new id is one second after that one. Only a
    clock that is *behind* sets ``clock_behind``: two runs within a second are no fault of the clock's. What no clock can have
    said, and nothing could follow, is not followed.
    """
    started = now.astimezone(datetime.timezone.utc).replace(microsecond=0)
    behind = False
    latest = parse_backup_id(newest) if newest else None
    if latest is not None and started <= latest.started and latest.started.year < datetime.MAXYEAR:
        behind = started < latest.started - datetime.timedelta(seconds=60)
        started = latest.started + datetime.timedelta(seconds=1)
    return str(BackupId(started, kind, tag, os.urandom(2).hex())), behind


def printable(path: bytes) -> str:
    """A path as people may see it: what is not UTF-8, and control characters, as backslash escapes. On one line."""
    text = path.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text])


def as_text(text: str) -> str:
    """Text that can be stored and sent: Python's stand-ins for bytes that are not UTF-8, as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def path_component(name: bytes) -> bytes:
    """A name of the database as a component of an entry's path: ``/``, ``%`` and control characters are percent-encoded."""
    if name in (b".", b".."):
        return b"%2E" + name[1:]
    return b"".join(b"%%%02X" % c if c < 0x20 or c in b"/%\x7f" else b"%c" % c for c in name)


def encode_tenant(tenant: str) -> str:
    """A tenant as a part of a job's name: what no name may hold is percent-encoded."""
    return "".join(chr(c) if chr(c) in "abcdefghijklmnopqrstuvwxyz0123456789_-" else "%%%02X" % c for c in tenant.encode("utf-8"))


def decode_tenant(text: str) -> str:
    """The tenant that was encoded so."""
    from urllib.parse import unquote

    return unquote(text)
