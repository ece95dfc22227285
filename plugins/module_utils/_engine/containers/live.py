# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that lie in a folder as files: what tells of each, so that nobody takes their files for a backup."""

from __future__ import annotations

import os
import typing as t

# Database, the source that reads it properly (None: there is none), and the names that tell: all of one line must be there.
_SIGNS: t.Tuple[t.Tuple[str, t.Optional[str], t.Tuple[str, ...]], ...] = (
    ("PostgreSQL", "postgresql", ("PG_VERSION", "global")),
    ("MySQL or MariaDB", "mysql", ("ibdata1",)),
    ("MySQL or MariaDB", "mysql", ("ib_logfile0",)),
    ("MySQL or MariaDB", "mysql", ("#innodb_redo",)),
    ("Redis", "redis", ("dump.rdb",)),
    ("Redis", "redis", ("appendonlydir",)),
    ("Redis", "redis", ("appendonly.aof",)),
    ("MongoDB", None, ("WiredTiger",)),
)

# Deeper than this below the root nobody lets a database server put its folder; looking everywhere would cost a walk.
_DEPTH = 3
_FOLDERS = 1000


def databases(folder: str) -> t.List[t.Tuple[str, t.Optional[str], str]]:
    """What is found in ``folder`` or not far below: database, source that reads it, path. What cannot be read is passed over."""
    found: t.List[t.Tuple[str, t.Optional[str], str]] = []
    level, looked = [folder], 0
    for _depth in range(_DEPTH):
        below: t.List[str] = []
        for path in level:
            looked += 1
            if looked > _FOLDERS:
                return found
            try:
                with os.scandir(path) as entries:
                    listed = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
            except OSError:
                continue
            kinds = {(kind, source) for kind, source, names in _SIGNS if all(name in listed for name in names)}
            found += [(kind, source, path) for kind, source in sorted(kinds, key=lambda sign: sign[0])]
            if not kinds:
                below += [os.path.join(path, name) for name in sorted(listed) if listed[name]]
        level = below
    return found
