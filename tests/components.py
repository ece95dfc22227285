# SPDX-License-Identifier: GPL-3.0-or-later
"""One component backed up to a store and opened again, without a job around it."""

from __future__ import annotations

import typing as t

from _engine.archive.component import ComponentWriter
from _engine.archive.reader import ComponentReader
from _engine.catalog import Catalog
from _engine.delivery import Delivery
from _engine.job import Compression
from _engine.options import check
from _engine.sealing import Sealer
from _engine.sources import Reading, load
from _engine.stores.local import LocalStore

ID = "20261122T020000Z-full-manual-3f9a"


def make_source(driver: str, options: dict, name: str = "database", spool=None):
    """A source as a job would make it: its options checked and completed."""
    kind = load(driver)
    source = kind(name, check(options, kind.OPTIONS, ""))
    source.spool = None if spool is None else str(spool)
    return source


def back_up(source, driver: str, folder, algorithm: str = "gzip") -> t.Tuple[Reading, ComponentReader]:
    """Back the source up into ``folder`` (a store of its own); return what it reported and a reader of the component."""
    store = LocalStore("disk", {"path": str(folder)})
    writer = ComponentWriter(
        source.name, driver, ID, "tar", Compression(algorithm, 1), Sealer(Delivery([store], "web/app/" + ID), None)
    )  # fmt: skip
    told = []
    try:
        reading = source.backup(writer, told.append)
        component = writer.finish(reading.facts, {n.code: n.count for n in reading.notices})
    except BaseException:
        writer.abort()
        raise
    assert sum(told) == component.bytes
    return reading, ComponentReader(Catalog(store, "web/app"), ID, component)
