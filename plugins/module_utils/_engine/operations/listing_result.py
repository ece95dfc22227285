# SPDX-License-Identifier: GPL-3.0-or-later
"""What a listing tells."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..result import Result


@dataclass
class BackupRow:
    """One backup. ``entries``, ``bytes`` (logical) and ``stored`` of all components.

    ``finished`` to ``components`` are in its manifest: None when that was not read (``details`` of list_backups()). ``started``
    is then to the second, as the id has it. ``age``: seconds since it finished; while that is not known, since it was started.
    ``stores``: those that have it whole as far as a listing can tell; ``missing``: those of the job that do not. ``suspicious``:
    it may be of what was lost, and nobody has accepted it.
    """

    id: str
    started: str
    age: int
    kind: str
    tag: str
    finished: t.Optional[str] = None
    outcome: t.Optional[str] = None
    entries: t.Optional[int] = None
    bytes: t.Optional[int] = None
    stored: t.Optional[int] = None
    components: t.Optional[t.List[str]] = None
    suspicious: bool = False
    pinned: bool = False
    stores: t.List[str] = field(default_factory=list)
    missing: t.List[str] = field(default_factory=list)


@dataclass
class FailedRow:
    """A run that failed, with its error as far as the store has it. Only the newest KEPT_FAILURES of a store are told."""

    id: str
    stores: t.List[str]
    error: t.Optional[t.Dict[str, t.Any]] = None


@dataclass
class BadRow:
    """Something on one store that is no backup: damaged (``why``), or data without a manifest (``why``, where it is known)."""

    id: str
    store: str
    why: str = ""


@dataclass
class StoreRow:
    """One store of a job: its newest complete backup, and the age of that in seconds."""

    store: str
    backups: int = 0
    newest: t.Optional[str] = None
    age: t.Optional[int] = None
    stale: bool = False
    error: t.Optional[t.Dict[str, str]] = None


@dataclass
class JobListing:
    """One job of a host. ``backups`` newest first. ``stale``: no store that could be asked has a backup younger than ``max_age``.

    ``newest`` (of a store too) leaves out what restores saved of the state that they replaced, and what is suspicious: nobody is
    safer for it. ``tenant``: of a job of tenants, whose backups these are; ``gone``: this host did not find the
    tenant when it last took backups. ``bytes`` (logical), ``rows`` and ``tables`` (the
    ``rows`` and ``bytes`` of each) are those of the newest backup; of what has no rows, or tells none without a key, None.
    ``stored``: bytes of all backups that are told in detail.
    """

    host: str
    job: str
    max_age: t.Optional[int]
    tenant: t.Optional[str] = None
    gone: bool = False
    newest: t.Optional[str] = None
    age: t.Optional[int] = None
    stale: bool = False
    rows: t.Optional[int] = None
    bytes: t.Optional[int] = None
    stored: int = 0
    tables: t.Optional[t.Dict[str, t.Dict[str, int]]] = None
    stores: t.List[StoreRow] = field(default_factory=list)
    backups: t.List[BackupRow] = field(default_factory=list)
    failed: t.List[FailedRow] = field(default_factory=list)
    unfinished: t.List[BadRow] = field(default_factory=list)
    damaged: t.List[BadRow] = field(default_factory=list)


@dataclass
class ListResult(Result):
    """``detailed``: nothing is told by its name alone. ``read``: manifests and records that were read for it this time."""

    jobs: t.List[JobListing] = field(default_factory=list)
    detailed: bool = True
    read: int = 0
