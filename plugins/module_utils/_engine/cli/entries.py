# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of an index as lines for people, in the manner of ``ls -l``."""

from __future__ import annotations

import datetime
import stat
import typing as t

from ..archive.index import entry_path, entry_target
from ..names import printable
from .output import local_time, safe, size

_LETTERS = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "link": stat.S_IFREG,
    "fifo": stat.S_IFIFO,
    "character": stat.S_IFCHR,
    "block": stat.S_IFBLK,
}


def entry_line(component: str, entry: t.Dict[str, t.Any]) -> str:
    """One entry: component, mode, owner, size, time, path and where a link leads."""
    kind = entry["type"]
    mode = stat.filemode(_LETTERS[kind] | int(entry.get("mode", "0"), 8)) if kind in _LETTERS else kind
    owner = "%s:%s" % (entry.get("user") or entry.get("uid", ""), entry.get("group") or entry.get("gid", ""))
    owner = "" if owner == ":" else safe(owner)
    count = size(entry["size"]) if "size" in entry else ""
    path = printable(entry_path(entry))
    if kind in ("symlink", "link"):
        path += (" -> %s" if kind == "symlink" else " = %s") % printable(entry_target(entry))
    return "%s  %-10s  %-17s  %9s  %-19s  %s" % (component, mode, owner, count, _time(entry), path)


def _time(entry: t.Dict[str, t.Any]) -> str:
    if "mtime" not in entry:
        return ""
    try:
        return local_time(datetime.datetime.fromtimestamp(entry["mtime"] // 10**9, datetime.timezone.utc))
    except (ValueError, OverflowError, OSError):
        return "out of range"
