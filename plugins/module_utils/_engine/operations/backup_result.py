# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of a job tells of the backup that it took, or could not take."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..result import Result


@dataclass
class ComponentSummary:
    """``reason`` tells why a component of an increment is full."""

    name: str
    source: str
    kind: str
    entries: int
    bytes: int
    stored: int
    facts: t.Dict[str, t.Any] = field(default_factory=dict)
    reason: str = ""


@dataclass
class Copy:
    """What became of the backup on one store."""

    store: str
    driver: str
    outcome: str
    confirms: str
    error: t.Optional[t.Dict[str, str]] = None
    #: How this run knew of earlier backups there: from the ``store``, or, where it may only write, from this host's ``record``.
    known_by: str = "store"
    #: Bytes sent, seconds from the first to the last, objects that had to be sent again.
    bytes: int = 0
    seconds: float = 0
    retries: int = 0
    #: Where people find it, without any secret; None where a store has no such thing.
    link: t.Optional[str] = None


@dataclass
class Completed:
    """A backup that a store has now. ``source``: the store that it came from."""

    id: str
    store: str
    source: str
    bytes: int


@dataclass
class BackupResult(Result):
    """``id`` is None when nothing was taken: a dry run, a failure, or a backup that is new enough (``newer``).

    ``kind`` is what the backup is; ``reason`` tells why that is not what was asked for.
    """

    id: t.Optional[str] = None
    kind: str = "full"
    reason: str = ""
    tag: str = ""
    newer: t.Optional[str] = None
    entries: int = 0
    bytes: int = 0
    stored: int = 0
    components: t.List[ComponentSummary] = field(default_factory=list)
    copies: t.List[Copy] = field(default_factory=list)
    #: The ids of the backups that were pruned after it.
    pruned: t.List[str] = field(default_factory=list)
    #: Copies of earlier backups that this run made up for.
    completed: t.List[Completed] = field(default_factory=list)
    log: t.Optional[str] = None
