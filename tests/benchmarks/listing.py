# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing a store with many backups of many hosts: requests and seconds, on SeaweedFS behind a proxy that delays 20 ms each way.

python tests/benchmarks/listing.py [HOSTS [BACKUPS_OF_EACH]]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins" / "module_utils"), str(ROOT / "tests")]

from fault_proxy import FaultProxy  # noqa: E402
from handmade import local_store, write_backup  # noqa: E402
from seaweedfs import ADMIN, BUCKET, SeaweedFS  # noqa: E402

from _engine.job import Config, parse_config  # noqa: E402
from _engine.operations.listing import list_backups  # noqa: E402

DELAY = 0.020


class Requests:
    """Counts the requests of HTTP/1.1 that a proxy hears; a piece may hold the end of one and not its beginning."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.count = 0
        proxy.hears = self.hear

    def hear(self, piece: bytes) -> None:
        self.count += piece.count(b" HTTP/1.1\r\n")


def main(hosts: int, each: int) -> int:
    """The exit code: 1 when a limit was missed."""
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        server = SeaweedFS(Path(folder, "server"))
        try:
            _fill(server, Path(folder, "made"), hosts, each)
            with FaultProxy(("127.0.0.1", server.port), latency=DELAY) as proxy:
                requests = Requests(proxy)
                at_most = hosts + hosts * each // 1000

                def show(what: str, limit: t.Optional[int], **options: t.Any) -> None:
                    nonlocal missed
                    requests.count = 0
                    began = time.monotonic()
                    result = list_backups(_config(folder, proxy.address), **options)
                    took = time.monotonic() - began
                    if result.error is not None or sum(len(job.backups) for job in result.jobs) != hosts * each:
                        raise SystemExit("%s: %s" % (what, result.error or "backups are missing"))
                    word = "" if limit is None else ", met" if requests.count <= limit else ", MISSED"
                    told = "" if limit is None else ", at most %d" % limit
                    text = "%-52s %6.2f s, %6d requests%s%s" % (what, took, requests.count, told, word)
                    sys.stdout.write(text + "\n")
                    sys.stdout.flush()
                    missed = missed or "MISSED" in word

                sys.stdout.write("%d backups of %d hosts, %d ms of delay each way\n" % (hosts * each, hosts, DELAY * 1000))
                # One more finds out which hosts there are.
                show("cold, one job of every host", at_most + 1, job_names=["shop"], all_hosts=True)
                show("cold, whatever jobs each host has", None, all_hosts=True)
                show("the same with --details: every manifest is read", None, job_names=["shop"], all_hosts=True, details=True)
                show("warm, with all details", at_most + 1, job_names=["shop"], all_hosts=True)
        finally:
            server.close()
    return 1 if missed else 0


def _config(folder: str, address: t.Tuple[str, int]) -> Config:
    access, secret = ADMIN
    options = {"bucket": BUCKET, "endpoint_url": "http://%s:%d" % address, "access_key": access, "secret_key": secret}
    return parse_config(
        {"host": "admin", "state_dir": os.path.join(folder, "state"), "stores": [{"name": "far", "s3": options}], "jobs": []}
    )


def _fill(server: SeaweedFS, folder: Path, hosts: int, each: int) -> None:
    """Backups of hand, with a signature, and of their data one object: more would not be looked at by any listing."""
    began = time.monotonic()
    store = local_store(folder)
    client = server.client(*ADMIN)

    def put(key: str, data: bytes) -> None:
        client.put_object(Bucket=BUCKET, Key=key, Body=data)

    with ThreadPoolExecutor(8) as pool:
        for host in ("web%03d" % n for n in range(hosts)):
            for n in range(each):
                backup_id = "2026%02d%02dT%02d0000Z-full-daily-%04x" % (1 + n // 28 % 12, 1 + n % 28, n // 336 % 24, n)
                write_backup(store, backup_id, host=host)
                prefix = "%s/shop/%s" % (host, backup_id)
                for key in (prefix + ".json", prefix + ".json.sha256", prefix + "/app.tar.gz"):
                    pool.submit(put, key, Path(store.path, key).read_bytes())
                pool.submit(put, prefix + ".json.sig", b"a signature has about three hundred bytes".ljust(300, b"."))
    sys.stdout.write("filled in %.0f s\n" % (time.monotonic() - began))


if __name__ == "__main__":
    raise SystemExit(main(*(int(argument) for argument in sys.argv[1:3])) if len(sys.argv) > 1 else main(100, 100))
