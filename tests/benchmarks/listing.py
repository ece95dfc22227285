# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing a store with many backups of many hosts: requests and seconds, on SeaweedFS behind a proxy that delays 20 ms each way.

python tests/benchmarks/listing.py [HOSTS [BACKUPS_OF_EACH]]
"""

from __future__ import annotations

import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins" / "module_utils"), str(ROOT / "tests")]

from fault_proxy import FaultProxy  # noqa: E402
from fleet_on_s3 import Requests, config, fill  # noqa: E402
from seaweedfs import SeaweedFS  # noqa: E402

from _engine.operations.listing import list_backups  # noqa: E402

DELAY = 0.020


def main(hosts: int, each: int) -> int:
    """The exit code: 1 when a limit was missed."""
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        server = SeaweedFS(Path(folder, "server"))
        try:
            began = time.monotonic()
            fill(server, Path(folder, "made"), "fleet", [("web%03d" % n, "shop") for n in range(hosts)], each)
            sys.stdout.write("filled in %.0f s\n" % (time.monotonic() - began))
            with FaultProxy(("127.0.0.1", server.port), latency=DELAY) as proxy:
                requests = Requests(proxy)
                at_most = hosts + hosts * each // 1000

                def show(what: str, limit: t.Optional[int], **options: t.Any) -> None:
                    nonlocal missed
                    requests.count = 0
                    began = time.monotonic()
                    result = list_backups(config(Path(folder), proxy, "fleet"), all_hosts=True, **options)
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
                show("cold, whatever jobs each host has", at_most)
                show("cold, one job of every host", at_most, job_names=["shop"])
                show("the same with --details: every manifest is read", None, job_names=["shop"], details=True)
                show("warm, with all details", at_most)
        finally:
            server.close()
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(*(int(argument) for argument in sys.argv[1:3])) if len(sys.argv) > 1 else main(100, 100))
