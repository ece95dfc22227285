# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a listing of a fleet costs: one for each job, and none for each backup."""

from __future__ import annotations

import os

from fault_proxy import FaultProxy
from fleet_on_s3 import Requests, config, fill

from _engine.operations.listing import list_backups

EACH = 6


def test_a_listing_of_a_fleet_asks_once_for_each_job(seaweedfs, tmp_path, monkeypatch):
    """As of a store with more manifests than are read without being asked for."""
    monkeypatch.setattr("_engine.operations.listing.READ_UNASKED", 5)
    # Names that begin as ids do are where the one request for all of them could go wrong.
    fleet = [("web1", "shop"), ("web1", "mail"), ("2026-web", "shop"), ("db1", "books@caf%C3%A9"), ("db2", "20-years")]
    prefix = "fleet-" + os.urandom(6).hex()
    fill(seaweedfs, tmp_path / "made", prefix, fleet, EACH)
    with FaultProxy(("127.0.0.1", seaweedfs.port)) as proxy:
        requests = Requests(proxy)

        def listed(**options):
            requests.count = 0
            result = list_backups(config(tmp_path, proxy, prefix), all_hosts=True, **options)
            assert result.error is None
            assert all(len(job.backups) == EACH for job in result.jobs)
            return sorted((job.host, job.job) for job in result.jobs), requests.count

        # One more for all hosts and jobs, and one for the host whose job begins as an id does.
        assert listed() == (sorted(fleet), len(fleet) + 2)
        assert listed(details=True)[1] >= len(fleet) * (1 + EACH)
        # What is known of a backup is not asked for again.
        assert listed() == (sorted(fleet), len(fleet) + 2)
