# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack files and folders into one tar or zip, when it does not hold just that already."""

from __future__ import annotations

import os
import tempfile
import typing as t
from dataclasses import dataclass, field

from ..archive.index import entry_path
from ..archive.listing import Fingerprint, archive_fingerprints, entry_fingerprint
from ..archive.single import Packed, pack
from ..errors import ConfigurationError, FleetBackupError, IntegrityError
from ..job import Compression, resolve_compression
from ..job_options import COMPRESSION
from ..names import printable
from ..options import Option, check
from ..replacement import new_file
from ..result import Notice, Result
from ..sources.files import FilesSource

_FROM_FILES = ("paths", "exclude", "include")

OPTIONS: t.Tuple[Option, ...] = (
    *(option for option in FilesSource.OPTIONS if option.name in _FROM_FILES),
    Option("dest", "path", "The archive. It takes the place of the one before in one step.", required=True),
    Option("format", "str", "The format. Default: V(zip) for a name that ends so, else V(tar).", choices=("tar", "zip")),
    Option("compression", "dict", "How it is compressed. Default: as its name ends.", default={}, options=COMPRESSION),
)

_ENDINGS = ((".tar.gz", "gzip"), (".tgz", "gzip"), (".tar.zst", "zstd"), (".tar", "none"))


@dataclass
class ArchiveResult(Result):
    """``size`` is the archive's; ``bytes`` those of the files in it.

    ``added``, ``updated`` and ``removed`` compare it with the one before: at most Notice.LIMIT archive paths each, and how many.
    """

    dest: str = ""
    format: str = ""
    compression: str = ""
    entries: int = 0
    bytes: int = 0
    size: int = 0
    added: t.List[str] = field(default_factory=list)
    updated: t.List[str] = field(default_factory=list)
    removed: t.List[str] = field(default_factory=list)
    added_count: int = 0
    updated_count: int = 0
    removed_count: int = 0


def archive(description: t.Any, *, dry_run: bool = False) -> ArchiveResult:
    """Make an archive as ``description`` says (see OPTIONS), unless what is there holds the same.

    Compared are names, types, modes, owners, times to the second and content. A dry run reads all that, and writes nothing.
    """
    result = ArchiveResult("archive", dry_run=dry_run)
    result.begin()
    try:
        options = check(description, OPTIONS, "")
        problems = FilesSource.check_options({**_defaults(), **options})
        result.dest = options["dest"]
        result.format = options["format"] or ("zip" if result.dest.endswith(".zip") else "tar")
        wanted = dict(options["compression"])
        if wanted["algorithm"] is None and result.format == "tar":
            wanted["algorithm"] = next((algorithm for ending, algorithm in _ENDINGS if result.dest.endswith(ending)), "zstd")
        compression = resolve_compression(result.format, wanted, "compression", problems)
        problems += ["dest: lies inside paths: %s" % path for path in options["paths"] if _inside(result.dest, path)]
        if problems:
            raise ConfigurationError(*problems)
        _pack(options, compression, result)
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _defaults() -> t.Dict[str, t.Any]:
    return {option.name: [] if option.type == "list" else option.default for option in FilesSource.OPTIONS}


def _inside(path: str, folder: str) -> bool:
    real, top = os.path.realpath(path), os.path.realpath(folder)
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)


def _pack(options: t.Dict[str, t.Any], compression: Compression, result: ArchiveResult) -> None:
    source = FilesSource("archive", {**_defaults(), **options, "on_unreadable": "failure"})
    with tempfile.TemporaryFile() as scratch, new_file(result.dest, result.dry_run) as file:
        _compare(pack(source, result.format, compression, file.write, scratch, result), result)
        if result.changed:
            file.commit()


def _compare(packed: Packed, result: ArchiveResult) -> None:
    """Say what is new in comparison with the archive that is there."""
    result.compression = packed.component.compression
    result.entries, result.bytes, result.size = packed.component.entries, packed.component.bytes, packed.component.stored
    before = _before(result)
    for entry in packed.reader.entries():
        fingerprint = entry_fingerprint(entry, result.format)
        if fingerprint is None:
            continue
        path = entry_path(entry)
        old = before.pop(path, None)
        if old is None:
            result.added_count += 1
            _tell(result.added, path)
        elif old != fingerprint:
            result.updated_count += 1
            _tell(result.updated, path)
    for path in before:
        result.removed_count += 1
        _tell(result.removed, path)
    result.changed = bool(result.added_count or result.updated_count or result.removed_count)


def _before(result: ArchiveResult) -> t.Dict[bytes, Fingerprint]:
    try:
        return archive_fingerprints(result.dest)
    except FileNotFoundError:
        return {}
    except IntegrityError as error:
        result.warn("replaced", "what is there is replaced: %s" % error)
        return {}
    except OSError as error:
        raise ConfigurationError("%s: cannot be read: %s" % (result.dest, error.strerror)) from None


def _tell(paths: t.List[str], path: bytes) -> None:
    if len(paths) < Notice.LIMIT:
        paths.append(printable(path))
