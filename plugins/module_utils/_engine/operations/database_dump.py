# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a database consistently into one file, checked, while applications use it."""

from __future__ import annotations

import itertools
import os
import tempfile
import typing as t
from dataclasses import dataclass, field

from ..archive.listing import content_sha256
from ..archive.single import pack
from ..errors import ConfigurationError, FleetBackupError, IntegrityError
from ..job import default_state_dir, resolve_compression
from ..job_options import COMPRESSION
from ..options import Option, check
from ..replacement import new_file
from ..result import Result
from ..sources import load

_ENDINGS = ((".gz", "gzip"), (".zst", "zstd"))

#: What can be copied; exactly one is named.
DRIVERS: t.Dict[str, str] = {
    "sqlite": "An SQLite database.",
    "mysql": "Databases of a MariaDB or MySQL server, as SQL.",
    "postgresql": "Databases of a PostgreSQL server, as SQL.",
    "rows": "Rows of chosen tables of a PostgreSQL or SQLite database, as lines of JSON.",
    "firestore": "A Firestore database, as lines of JSON.",
    "redis": "A Redis server, as an RDB file.",
    "command": "What a command writes.",
}

_OPTIONS: t.Tuple[Option, ...] = (
    Option("dest", "path", "The copy. It takes the place of the one before in one step.", required=True),
    Option("compression", "dict", "How it is compressed. Default: as its name ends.", default={}, options=COMPRESSION),
)


@dataclass
class DumpResult(Result):
    """``bytes`` and ``sha256`` are of the copy itself, ``size`` of the file as it is stored; ``facts`` are the source's."""

    dest: str = ""
    source: str = ""
    compression: str = ""
    bytes: int = 0
    size: int = 0
    sha256: t.Optional[str] = None
    facts: t.Dict[str, t.Any] = field(default_factory=dict)


def options(drivers: t.Iterable[str] = tuple(DRIVERS)) -> t.Tuple[Option, ...]:
    """The options of a copy, with those of ``drivers``."""
    return tuple(Option(name, "dict", DRIVERS[name], options=tuple(load(name).OPTIONS)) for name in drivers) + _OPTIONS


def database_dump(description: t.Any, *, dry_run: bool = False) -> DumpResult:
    """Make a copy as ``description`` says (see options()). Nothing is replaced when the copy is the same as what is there.

    A dry run looks at the database and at where the copy would go, and neither reads nor writes it.
    """
    result = DumpResult("database_dump", dry_run=dry_run)
    result.begin()
    try:
        result.source, checked = _checked(description)
        result.dest = checked["dest"]
        wanted = dict(checked["compression"])
        if wanted["algorithm"] is None:
            wanted["algorithm"] = next((algorithm for ending, algorithm in _ENDINGS if result.dest.endswith(ending)), "none")
        problems: t.List[str] = []
        compression = resolve_compression("tar", wanted, "compression", problems)
        if problems:
            raise ConfigurationError(*problems)
        source = load(result.source)("dump", checked[result.source])
        # What runs of this host keep there makes two dumps of the same alike.
        source.spool = next(filter(os.path.isdir, [default_state_dir()]), None)
        with tempfile.TemporaryFile() as scratch, new_file(result.dest, dry_run) as file:
            if dry_run:
                plan = source.plan()
                result.bytes, result.facts, result.changed = plan.bytes, plan.details, True
            else:
                packed = pack(source, "tar", compression, file.write, scratch, result)
                result.facts, result.compression = packed.facts, packed.component.compression
                result.bytes, result.size = packed.component.bytes, packed.component.stored
                entries = list(itertools.islice(packed.reader.entries(), 2))
                result.sha256 = entries[0]["sha256"] if len(entries) == 1 else _sha256(file.temporary)
                result.changed = _sha256(result.dest) != result.sha256
                if result.changed:
                    file.commit()
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _checked(description: t.Any) -> t.Tuple[str, t.Dict[str, t.Any]]:
    """The driver that is named, and the checked options. Raises ConfigurationError."""
    given = dict(description) if isinstance(description, dict) else {}
    # Ansible hands over all that could be named.
    given = {key: value for key, value in given.items() if key not in DRIVERS or value is not None}
    named = [name for name in DRIVERS if name in given]
    if len(named) != 1:
        raise ConfigurationError("exactly one of %s must be named" % ", ".join(DRIVERS))
    checked = check(given, options(named), "")
    problems = load(named[0]).check_options(checked[named[0]])
    if problems:
        raise ConfigurationError(*("%s.%s" % (named[0], problem) for problem in problems))
    return named[0], checked


def _sha256(path: str) -> t.Optional[str]:
    """The hash of the copy that is there; None when there is none that can be read."""
    try:
        return content_sha256(path)
    except (IntegrityError, OSError):
        return None
