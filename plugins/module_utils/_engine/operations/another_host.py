# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring what another host has backed up, or to other places than those where it was.

This host's job says what is its own. What the backup would write elsewhere is refused: no safety backup would have it.
"""

from __future__ import annotations

import os
import typing as t

from ..archive.reader import ComponentReader
from ..errors import ConfigurationError
from ..job import Job
from ..names import HOST_RULE, is_host, printable
from ..sources import load as load_source

Moves = t.Mapping[str, str]


def check_host(name: str) -> None:
    """Raise ConfigurationError unless it is the name of a host."""
    if not is_host(name):
        raise ConfigurationError("from_host: %r is no valid host name: %s" % (name, HOST_RULE))


def place_roots(readers: t.Sequence[ComponentReader], moves: Moves) -> None:
    """Let the roots of trees lie where ``moves`` (an old path to a new one; what lies below goes along) says.

    Raises ConfigurationError.
    """
    for old, new in moves.items():
        if os.path.isabs(old) and not os.path.isabs(new):
            raise ConfigurationError("move: %r is not absolute; write the whole path" % new)
    for reader in readers:
        if _has_paths(reader):
            reader.move_roots({root.name: os.fsencode(_moved(os.fsdecode(root.path), moves)) for root in reader.roots})


def insist_on_own_places(job: t.Optional[Job], readers: t.Sequence[ComponentReader], moves: Moves) -> None:
    """Raise ConfigurationError unless this host's ``job`` has all sources, and backs up every place that would be written."""
    own = {source.name: source for source in job.sources} if job else {}
    for reader in readers:
        name, driver = reader.component.name, reader.component.source
        if name not in own or own[name].driver != driver:
            raise ConfigurationError(
                "this host's job has no source %s (%s), so it does not say where that goes; restore with to, or other components"
                % (name, driver)
            )
        kind = load_source(driver)
        mine = kind.places(own[name].options)
        if not mine:
            continue  # the job says it otherwise: a server, a file, a project
        names = [os.fsdecode(root.name) for root in reader.roots]
        moved = [os.fsdecode(root.path) for root in reader.roots]
        for place in moved if kind.roots_are_paths else [moves.get(root, root) for root in names]:
            if place.rstrip(os.sep) not in [path.rstrip(os.sep) for path in mine]:
                raise ConfigurationError(
                    "%s: the job of this host does not back that up, but %s; say with move where it goes"
                    % (printable(os.fsencode(place)), ", ".join(mine))
                )


def _has_paths(reader: ComponentReader) -> bool:
    return reader.component.shape == "tree" and load_source(reader.component.source).roots_are_paths


def _moved(path: str, moves: Moves) -> str:
    """The new path; of several that lie above it, the deepest counts."""
    for old in sorted(moves, key=len, reverse=True):
        below = path[len(old.rstrip(os.sep)) :]
        if path.startswith(old.rstrip(os.sep)) and (not below or below.startswith(os.sep)):
            return moves[old].rstrip(os.sep) + below
    return path
