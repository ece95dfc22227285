# SPDX-License-Identifier: GPL-3.0-or-later
"""The components of a backup: each source read once, and compared with what the backup builds upon."""

from __future__ import annotations

import functools
import os
import typing as t

from ..archive.codec import zstd_module
from ..archive.component import ComponentWriter
from ..base_cache import BaseCache
from ..delivery import AnyDelivery
from ..errors import SourceError
from ..index_cache import IndexCache
from ..job import Compression, Config, Job
from ..manifest import Component, Manifest
from ..parents import Choice
from ..progress import Progress
from ..result import WARNING
from ..sealing import Sealer
from ..sources import Source
from ..sources import load as load_source
from .backup_result import BackupResult, ComponentSummary
from .earlier import Earlier
from .upon import Upon

if t.TYPE_CHECKING:
    from ..archive.references import References

# Who wanted zstd wanted speed: a third faster than gzip's usual level, for archives that are 3 % larger.
_INSTEAD_OF_ZSTD = Compression("gzip", 4)


class Components:
    """Reads the sources of a job, and tells ``result`` and ``say(text)`` of each."""

    def __init__(
        self, config: Config, job: Job, result: BackupResult, earlier: Earlier, progress: Progress, say: t.Callable[[str], None]
    ) -> None:  # fmt: skip
        self._config = config
        self._job = job
        self._result = result
        self._earlier = earlier
        self._progress = progress
        self._say = say
        # What this run writes, the next one cannot read back, or perhaps not.
        self._keeps_copies = bool(earlier.blind) or job.encryption is not None
        self._references: t.List[References] = []
        #: Of each tree, the older backups that its entries need, and the volumes there.
        self.used: t.Dict[str, t.Mapping[str, t.Set[str]]] = {}
        self._indexes = IndexCache(config.state_dir, job.name)
        self._bases = BaseCache(config.state_dir, job.name, job.delta_cache)
        self._upon = Upon(job, result, earlier, self._indexes, self._bases, say)
        self._sources = [self._source(s.driver, s.name, s.options) for s in job.sources]

    def choose_parent(self) -> Choice:
        """Settle the kind of this run."""
        return self._upon.choose_parent()

    def plan(self) -> None:
        """Say what would be read. Raises SourceError."""
        self.choose_parent()
        for source, settings in zip(self._sources, self._job.sources):
            self._progress.phase("look at %s" % source.name)
            plan = source.plan()
            self._result.components.append(
                ComponentSummary(source.name, settings.driver, self._result.kind, plan.entries, plan.bytes, 0, plan.details)
            )

    def read(self, backup_id: str, parent: t.Optional[Manifest], delivery: AnyDelivery) -> t.List[Component]:
        """Read all sources, and store all but the manifest. Raises SourceError, the stores' errors."""
        drivers = [settings.driver for settings in self._job.sources]
        return [self._read(source, driver, backup_id, parent, delivery) for source, driver in zip(self._sources, drivers)]

    def references(self, delivery: AnyDelivery) -> t.List[t.Dict[str, t.Any]]:
        """``references`` of the manifest, oldest first."""
        catalog = self._earlier.catalog(delivery)
        return [
            {
                "id": backup_id,
                "sha256": catalog.manifest_sha256(backup_id),
                "volumes": sorted({v for r in self._references for v in r.volumes.get(backup_id, ())}),
                "bytes": sum(r.bytes.get(backup_id, 0) for r in self._references),
            }
            for backup_id in sorted({i for r in self._references for i in r.bytes})
        ]

    def bases(self, components: t.Sequence[Component], delivery: AnyDelivery) -> t.Dict[t.Tuple[str, str], Component]:
        """What ``components`` build upon, by the name and the id of the backup.

        Raises NotFoundError, IntegrityError, the store's errors.
        """
        catalog = self._earlier.catalog(delivery)
        wanted = [(c.name, c.base) for c in components if c.is_delta and c.base is not None]
        wanted += [(c.name, backup_id) for c in components if c.deltas is not None for backup_id in c.deltas.bases]
        wanted += [(name, backup_id) for name, ids in self.used.items() for backup_id in ids]
        bases = {(name, backup_id): catalog.manifest(backup_id).component(name) for name, backup_id in wanted}
        return {place: base for place, base in bases.items() if base is not None}

    def keep(self, backup_id: str) -> None:
        """The backup stands: keep on this host what the next ones build upon, and only that."""
        # Whatever deltas are made against is referred to.
        self._indexes.keep(self._upon.parents_to_come(backup_id), {i for r in self._references for i in r.bytes})

    def forget(self, backup_id: str) -> None:
        """The backup failed."""
        self._indexes.forget(backup_id)

    def _read(
        self, source: Source, driver: str, backup_id: str, parent: t.Optional[Manifest], delivery: AnyDelivery
    ) -> Component:
        self._progress.phase("back up %s" % source.name, self._earlier.expected(source.name))
        self._say("source %s (%s): begins" % (source.name, driver))
        base, why_full = self._upon.base(parent, source, driver, self._compression().algorithm, delivery)
        writer = ComponentWriter(
            source.name, driver, backup_id, self._job.format, self._compression(), self._sealer(source.name, backup_id, delivery),
            self._upon.parent(parent, source.name, driver, delivery), base, self._job.volume_size,
            self._job.delta_from if self._job.delta_cache else None,
        )  # fmt: skip
        try:
            reading = source.backup(writer, self._progress.advance)
            if reading.failure:
                raise SourceError("source %s: %s" % (source.name, reading.failure))
            warnings = {notice.code: notice.count for notice in reading.notices}
            component = writer.finish(reading.facts, warnings)
        except OSError as error:
            # Sources tell what they cannot read; this is the disk below what they keep for a while.
            writer.abort()
            what = "%s: %s" % (error.filename, error.strerror) if error.filename else str(error)
            raise SourceError("source %s: %s" % (source.name, what)) from None
        except BaseException:
            writer.abort()
            raise
        if writer.references is not None:
            self._references.append(writer.references)
            if component.shape == "tree":
                self.used[source.name] = writer.references.volumes
        if writer.trouble is not None:
            self._result.warn("base-unreadable", "source %s: more was stored than need be: %s" % (source.name, writer.trouble))
        for notice in reading.notices:
            self._result.warnings.append(notice)
            self._result.outcome = WARNING
            self._say("source %s: %s: %s" % (source.name, notice.code, notice.message))
        self._say(
            "source %s: %d entries, %d bytes, %d stored" % (source.name, component.entries, component.bytes, component.all_stored)
        )  # fmt: skip
        self._result.components.append(
            ComponentSummary(
                component.name,
                driver,
                component.kind,
                component.entries,
                component.bytes,
                component.all_stored,
                reading.facts,
                why_full,
            )
        )
        return component

    def _sealer(self, component: str, backup_id: str, delivery: AnyDelivery) -> Sealer:
        keep_base = None
        far = all(store.local_path() is None for store in delivery.stores)
        if self._job.delta_cache and (far or self._keeps_copies):
            keep_base = functools.partial(self._bases.copy, backup_id, component, self._say)
        keep_index = functools.partial(self._indexes.copy, backup_id, component, self._say) if self._keeps_copies else None
        spool = os.path.join(self._config.state_dir, "spool")
        return Sealer(delivery, self._job.encryption, keep_index, keep_base, spool)

    def _source(self, driver: str, name: str, options: t.Dict[str, t.Any]) -> Source:
        source = load_source(driver)(name, options)
        own = [store.local_path() for store in self._earlier.stores]
        source.leave_out = [path for path in [*own, self._config.state_dir] if path]
        source.spool = self._config.state_dir
        return source

    def _compression(self) -> Compression:
        wanted = self._job.compression
        if wanted.algorithm != "zstd" or zstd_module() is not None:
            return wanted
        if not any(w.code == "no-zstd" for w in self._result.warnings):
            self._result.warn(
                "no-zstd",
                "backports.zstd is not installed, so gzip was used instead of zstd; install it, or choose gzip in the job",
            )
        return _INSTEAD_OF_ZSTD
