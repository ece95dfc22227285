# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run builds upon: the parent that settles its kind, and of that the trees and the bases of dumps."""

from __future__ import annotations

import typing as t

from ..base_cache import BaseCache
from ..catalog import Catalog
from ..delivery import AnyDelivery
from ..errors import FleetBackupError, IntegrityError
from ..index_cache import IndexCache
from ..job import Encryption, Job
from ..manifest import Component, Manifest
from ..names import is_safety
from ..parents import Choice, choose_parent
from ..record import RecordCatalog
from ..result import utc_now
from ..sources import Source
from .backup_result import BackupResult
from .earlier import Earlier

if t.TYPE_CHECKING:
    from ..archive.index import IndexReader
    from ..archive.references import Base, Parent


class Upon:
    """Chooses, and tells ``result`` and ``say(text)`` why. ``indexes`` and ``bases``: what this host keeps of its own."""

    def __init__(
        self, job: Job, result: BackupResult, earlier: Earlier, indexes: IndexCache, bases: BaseCache,
        say: t.Callable[[str], None],
    ) -> None:  # fmt: skip
        self._job = job
        self._result = result
        self._earlier = earlier
        self._indexes = indexes
        self._bases = bases
        self._say = say

    def choose_parent(self) -> Choice:
        """Settle the kind of this run."""
        result, job = self._result, self._job
        usable = [s.name for s in self._earlier.stores if s.name not in self._earlier.failures]
        if not usable:
            return Choice(result.kind)
        choice = choose_parent(
            result.kind,
            [self._earlier.catalogs[name] for name in usable],
            [self._earlier.scans[name] for name in usable],
            utc_now(),
            full_every=job.full_every,
            max_increments=job.max_increments,
        )
        choice = self._usable(choice)
        result.kind, result.reason = choice.kind, choice.reason
        if choice.unexpected:
            result.warn("no-parent", "a full backup was taken instead of an increment: %s" % choice.reason)
        return choice

    def _usable(self, choice: Choice) -> Choice:
        """The same, unless encryption forbids to build upon that parent."""
        parent = choice.parent
        if parent is None:
            return choice
        if parent.encryption != described(self._job.encryption):
            return Choice("full", reason="the encryption has changed since %s" % parent.id)
        trees = [c for c in parent.components if c.shape != "stream"]
        readable = any(s.name not in self._earlier.failures and s.name not in self._earlier.blind for s in self._earlier.stores)
        if self._job.encryption is not None or not readable:
            if all(self._indexes.has(parent.id, c) for c in trees):
                return choice
            which = "cannot read the encrypted one" if readable else "may not read the one on the store"
            reason = "this host has no copy of the index of %s, and %s" % (parent.id, which)
            return Choice("full", reason=reason, unexpected=True)
        return choice

    def parents_to_come(self, backup_id: str) -> t.Set[str]:
        """What the next increments may be compared with: this backup, and the newest full one."""
        complete = {i for scan in self._earlier.scans.values() for i in scan.complete if not is_safety(i)}
        fulls = sorted(i for i in {backup_id, *complete} if i.split("-")[1] == "full")
        return {backup_id, *fulls[-1:]}

    def parent(self, parent: t.Optional[Manifest], name: str, driver: str, delivery: AnyDelivery) -> t.Optional[Parent]:
        """What the component ``name`` can build upon in the parent."""
        component = parent.component(name) if parent is not None else None
        if parent is None or component is None or component.source != driver or component.shape == "stream":
            return None
        from ..archive.references import Parent
        from ..bases import FileBases

        catalog = self._earlier.catalog(delivery)

        def component_of(backup_id: str) -> Component:
            older = catalog.manifest(backup_id).component(name)
            if older is None:
                raise IntegrityError(
                    "backup %s has no component %s, but entries of %s refer to it" % (backup_id, name, parent.id)
                )
            return older

        recorded = isinstance(catalog, RecordCatalog)
        if recorded and not self._indexes.has(parent.id, component):
            return None  # the store that could be read was dropped meanwhile
        sealed = recorded or self._job.encryption is not None
        try:
            index = self._index(parent.id, component, None if sealed else catalog)
        except (FleetBackupError, OSError) as error:
            self._result.warn("base-unreadable", "source %s: it was stored in full: %s" % (name, error))
            return None
        bases = FileBases(name, catalog, self._bases, sealed=sealed, recorded=recorded)
        return Parent(parent.id, self._result.kind, index, component_of, bases.open, bases.delta_table)

    def _index(self, parent_id: str, component: Component, catalog: t.Optional[Catalog]) -> IndexReader:
        """The index of a component, in ``catalog`` or as this host keeps it. A compressed one shows by itself what is damaged."""
        if catalog is None:
            return self._indexes.reader(parent_id, component)
        from ..archive.reader import ComponentReader
        from ..bases import require_whole

        if component.compression == "none":
            require_whole(catalog, parent_id, [component.index])
        return ComponentReader(catalog, parent_id, component).index

    def base(
        self, parent: t.Optional[Manifest], source: Source, driver: str, algorithm: str, delivery: AnyDelivery
    ) -> t.Tuple[t.Optional[Base], str]:
        """What the delta of a stream can build upon, or why there is nothing."""
        if parent is None or source.shape != "stream":
            return None, ""
        if not self._job.delta_cache:
            return None, "delta_cache is 0"
        if algorithm != "zstd":
            return None, "only zstd can compress what has changed alone, not %s" % algorithm
        from ..bases import choose_base

        catalog = self._earlier.catalog(delivery)
        sealed = self._job.encryption is not None or isinstance(catalog, RecordCatalog)
        choice = choose_base(self._result.kind, parent, source.name, driver, catalog, self._bases, sealed=sealed)
        if choice.unexpected:
            self._result.warn("no-base", "source %s was stored in full: %s" % (source.name, choice.reason))
        if choice.base is not None:
            self._say("source %s: builds upon %s" % (source.name, choice.base.backup_id))
        else:
            self._say("source %s: in full: %s" % (source.name, choice.reason))
        return choice.base, choice.reason


def described(encryption: t.Optional[Encryption]) -> t.Optional[t.Dict[str, t.Any]]:
    """``encryption`` of the manifest."""
    if encryption is None:
        return None
    return {"format": "age-encryption.org/v1", "recipients": list(encryption.recipients)}
