# SPDX-License-Identifier: GPL-3.0-or-later
"""Store a file as a stream: ``stream.py ENGINE STORE STATE full|incremental FILE``. An increment builds upon the full one."""

from __future__ import annotations

import sys


def main(engine: str, store_path: str, state: str, kind: str, path: str) -> None:
    sys.path.insert(0, engine)
    from _engine.archive.component import ComponentWriter
    from _engine.base_cache import BaseCache
    from _engine.bases import choose_base
    from _engine.catalog import Catalog
    from _engine.delivery import Delivery
    from _engine.job import Compression
    from _engine.manifest import Manifest
    from _engine.sealing import Sealer
    from _engine.stores.local import LocalStore

    full, increment = "20261122T020000Z-full-daily-0000", "20261123T020000Z-incremental-daily-0000"
    backup_id = full if kind == "full" else increment
    store = LocalStore("disk", {"path": store_path})
    catalog = Catalog(store, "bench/dump")
    base = None
    if kind != "full":
        cache = BaseCache(state, "dump", 1 << 31)
        choice = choose_base(kind, catalog.manifest(full), "dump", "sql", catalog, cache, sealed=False)
        if choice.base is None:
            raise SystemExit(choice.reason)
        base = choice.base
    sealer = Sealer(Delivery([store], "bench/dump/" + backup_id), None)
    writer = ComponentWriter("dump", "sql", backup_id, "tar", Compression("zstd", 3), sealer, base=base)
    stream = writer.stream(b"dump.sql", ".sql")
    buffer = memoryview(bytearray(1 << 20))
    with open(path, "rb", buffering=0) as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                break
            stream.write(buffer[:count])
    component = writer.finish({}, {})
    manifest = Manifest(
        engine="", id=backup_id, host="bench", job="dump", kind=component.kind, tag="daily", started="", timezone=None,
        finished="2026-11-23T02:00:00.000Z", outcome="success", encryption=None, previous=None, references=[], stores=[],
        warnings=[], components=[component], objects=[],
    )  # fmt: skip
    Delivery([store], "").put_key("bench/dump/%s.json" % backup_id, manifest.to_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
