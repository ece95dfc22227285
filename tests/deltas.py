# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams stored in full and as what has changed, without a source or a job around them; and dumps to store so."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

from _engine.archive.component import ComponentWriter
from _engine.archive.reader import ComponentReader
from _engine.base_cache import BaseCache
from _engine.bases import BaseChoice, choose_base
from _engine.catalog import Catalog
from _engine.delivery import Delivery
from _engine.job import Compression
from _engine.manifest import Component, Manifest
from _engine.sealing import Sealer
from _engine.stores.local import LocalStore

FULL = "20261122T020000Z-full-daily-3f9a"
DELTA = "20261123T020000Z-incremental-daily-3f9b"
NAME = "dump"

_WORDS = ["%s%s" % (a, b) for a in ("pin", "kar", "lo", "mest", "ur", "ado") for b in ("ta", "lin", "vo", "rek", "sim", "on")]


def row(number: int, rng: random.Random) -> bytes:
    """A row of about 100 bytes, as mysqldump writes it."""
    text = " ".join(rng.choices(_WORDS, k=9))
    return b"(%d,'%012x','%s',%d.%02d,NULL)" % (number, rng.getrandbits(48), text.encode(), number % 997, number % 97)


def rows(count: int, seed: int, start: int = 0) -> t.List[bytes]:
    rng = random.Random(seed)
    return [row(start + n, rng) for n in range(count)]


def dump(all_rows: t.Sequence[bytes]) -> bytes:
    """The rows as statements."""
    statements = [b",".join(all_rows[n : n + 200]) for n in range(0, len(all_rows), 200)]
    return b"".join(b"INSERT INTO `orders` VALUES %s;\n" % statement for statement in statements)


class Streams:
    """One stream called NAME, in a store below ``folder``."""

    def __init__(self, folder: Path) -> None:
        (folder / "store").mkdir()
        self.store = LocalStore("disk", {"path": str(folder / "store")})
        self.catalog = Catalog(self.store, "web/app")
        self.cache = BaseCache(str(folder / "state"), "app", 1 << 30)
        self.folder = folder / "store" / "web" / "app"

    def keep(self, backup_id: str, data: t.Iterable[bytes], choice: t.Optional[BaseChoice] = None, level: int = 3) -> Component:
        """Store a stream and a manifest for it."""
        base = choice.base if choice else None
        delivery = Delivery([self.store], "web/app/" + backup_id)
        writer = ComponentWriter(
            NAME, "sql", backup_id, "tar", Compression("zstd", level), Sealer(delivery, None), base=base
        )  # fmt: skip
        try:
            stream = writer.stream(b"dump.sql", ".sql")
            for part in data:
                stream.write(part)
            component = writer.finish({}, {})
        except BaseException:
            writer.abort()
            raise
        assert writer.trouble is None
        manifest = Manifest(
            engine="0", id=backup_id, host="web", job="app", kind=component.kind, tag="daily", started="", timezone=None,
            finished="2026-11-23T00:00:00.000Z", outcome="success", encryption=None, previous=None, references=[], stores=[],
            warnings=[], components=[component], objects=[],
        )  # fmt: skip
        Delivery([self.store], "").put_key("web/app/%s.json" % backup_id, manifest.to_bytes())
        return component

    def choose(self, parent: str = FULL) -> BaseChoice:
        manifest = self.catalog.manifest(parent)
        return choose_base("incremental", manifest, NAME, "sql", self.catalog, self.cache, sealed=False)

    def full_and_delta(self, old: bytes, new: bytes) -> t.Tuple[Component, Component]:
        return self.keep(FULL, [old]), self.keep(DELTA, [new], self.choose())

    def read(self, backup_id: str) -> bytes:
        reader = ComponentReader(self.catalog, backup_id, self.catalog.manifest(backup_id).components[0])
        try:
            (entry,) = reader.entries()
            return b"".join(bytes(data) for data in reader.read(entry))
        finally:
            reader.close()
