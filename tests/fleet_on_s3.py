# SPDX-License-Identifier: GPL-3.0-or-later
"""Many backups of many hosts in a bucket, and the requests that it takes to list them."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fault_proxy import FaultProxy
from handmade import local_store, write_backup
from seaweedfs import ADMIN, BUCKET, SeaweedFS

from _engine.job import Config, parse_config

_SIGNATURE = b"a signature has about three hundred bytes".ljust(300, b".")


class Requests:
    """Counts the requests of HTTP/1.1 that a proxy hears; a piece may hold the end of one and not its beginning."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.count = 0
        proxy.hears = self.hear

    def hear(self, piece: bytes) -> None:
        self.count += piece.count(b" HTTP/1.1\r\n")


def fill(server: SeaweedFS, folder: Path, prefix: str, jobs: t.Sequence[t.Tuple[str, str]], each: int) -> None:
    """Put ``each`` signed backups of every job (host and name): of their data one object, as a listing looks at no more."""
    store = local_store(folder)
    client = server.client(*ADMIN)

    def put(key: str, data: bytes) -> None:
        client.put_object(Bucket=BUCKET, Key="%s/%s" % (prefix, key), Body=data)

    with ThreadPoolExecutor(8) as pool:
        done = []
        for host, job in jobs:
            for n in range(each):
                backup_id = "2026%02d%02dT%02d0000Z-full-daily-%04x" % (1 + n // 28 % 12, 1 + n % 28, n // 336 % 24, n)
                write_backup(store, backup_id, host=host, job=job)
                place = "%s/%s/%s" % (host, job, backup_id)
                done.append(pool.submit(put, place + ".json.sig", _SIGNATURE))
                for key in (place + ".json", place + ".json.sha256", place + "/app.tar.gz"):
                    done.append(pool.submit(put, key, Path(store.path, key).read_bytes()))
        for one in done:
            one.result()


def config(folder: Path, proxy: FaultProxy, prefix: str) -> Config:
    """A host that has no job and reaches the bucket through ``proxy``."""
    access, secret = ADMIN
    options = {
        "bucket": BUCKET,
        "prefix": prefix,
        "endpoint_url": "http://%s:%d" % proxy.address,
        "access_key": access,
        "secret_key": secret,
    }
    return parse_config(
        {"host": "admin", "state_dir": str(folder / "state"), "stores": [{"name": "far", "s3": options}], "jobs": []}
    )
