# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that stored backups are whole: of one job, of all jobs, or one backup. Everything is read, unless told otherwise."""

from __future__ import annotations

import typing as t

from ...errors import ConfigurationError
from ...operations.sampling import Coverage
from ...operations.verify import VerifyResult, verify
from ...options import percent
from ...result import Result, from_iso
from ..config_path import is_there
from ..keys import add_key_arguments, given_keyring
from ..output import Cell, local_time, number, plural, size, table

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_TOLD = {
    "quick": "presence and sizes",
    "hashes": "presence, sizes and hashes",
    "data": "every byte of every entry",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="JOB|ID", nargs="?", help="a job, or the id of a backup (default: all jobs)")
    parser.add_argument("--backup", metavar="ID", action="append", default=[], help="of the job only this one, such as latest")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", dest="level", action="store_const", const="quick", help="only presence and sizes")
    how.add_argument("--hashes", dest="level", action="store_const", const="hashes", help="only the hashes of what is stored")
    parser.add_argument(
        "--sample",
        metavar="SHARE",
        help="read this share of all, such as 5%%, another one each time; of the rest presence and sizes",
    )
    parser.add_argument("--store", metavar="NAME", help="look at this store only")
    parser.add_argument("--from", dest="folder", metavar="DIR", help="look into this plain folder instead of the stores")
    add_key_arguments(parser)


def run(session: Session) -> Result:
    arguments = session.arguments
    config = None if arguments.folder and not is_there(arguments.config) else session.config
    jobs: t.List[str] = []
    ids: t.List[str] = list(arguments.backup)
    target = arguments.target
    if target is not None:
        known = config.jobs if config else ()
        # Ids begin with a year; a job that is called like the beginning of one is still a job.
        if target[:1].isdigit() and all(job.name != target for job in known):
            ids.append(target)
        else:
            jobs.append(target)
    return verify(
        config,
        jobs,
        ids,
        level=arguments.level or "data",
        sample=_share(arguments.sample),
        store=arguments.store,
        from_dir=arguments.folder,
        keyring=given_keyring(session),
        progress=session.progress,
    )


def _share(text: t.Optional[str]) -> t.Optional[float]:
    try:
        return percent(text) if text is not None else None
    except ValueError as error:
        raise ConfigurationError("--sample: %s" % error) from None


def subject(result: VerifyResult) -> t.Optional[str]:
    return ", ".join(sorted({backup.id for backup in result.backups}))


def show(result: VerifyResult, console: Console) -> None:
    if not result.backups:
        return
    rows = [
        (
            backup.id,
            backup.job or "",
            backup.store,
            number(backup.objects),
            size(backup.bytes),
            Cell("whole", "green") if backup.ok else Cell("damaged", "red"),
        )
        for backup in result.backups
    ]
    told = _TOLD["quick" if result.sample is not None else result.level]
    console.line("%s checked: %s" % (plural(len(rows), "backup"), told))
    headers = ("ID", "JOB", "STORE", "OBJECTS", "READ", "OUTCOME")
    console.lines(table(headers, rows, ("OBJECTS", "READ"), console.colours))
    for coverage in result.coverage:
        console.line(_sampled(coverage))


def _sampled(coverage: Coverage) -> str:
    text = "%s on %s, %s: %s of %s now; %s since %s" % (
        coverage.job,
        coverage.store,
        _TOLD[coverage.level],
        size(coverage.bytes),
        size(coverage.whole),
        "all" if coverage.complete else "%d %%" % (100 * coverage.covered // max(coverage.whole, 1)),
        local_time(from_iso(coverage.since)),
    )
    if coverage.last_round and not coverage.complete:
        text += "; all from %s to %s" % tuple(local_time(from_iso(coverage.last_round[end])) for end in ("began", "ended"))
    return text
