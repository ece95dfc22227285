# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the bytes of a file to the driver of a store, and nothing else: ``put.py ENGINE STORE FILE``. STORE is JSON."""

from __future__ import annotations

import json
import sys


def main(engine: str, store: str, path: str) -> None:
    sys.path.insert(0, engine)
    from _engine.options import check
    from _engine.stores import load

    ((driver, options),) = json.loads(store).items()
    kind = load(driver)
    upload = kind("bench", check(options, kind.OPTIONS, driver)).put("object")
    buffer = memoryview(bytearray(1 << 20))
    with open(path, "rb", buffering=0) as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                break
            upload.write(buffer[:count])
    upload.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
