# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host backs itself up to its stores, and the one that was lost has its data again."""

import json

import pytest
import testinfra

testinfra_hosts = ["docker://molecule-fleet-%s" % name for name in ("mariadb", "postgresql", "sqlite", "docker")]

STORES = {"mariadb": ["sftp"], "postgresql": ["s3"], "sqlite": ["s3", "sftp"], "docker": ["sftp"]}


def name(host):
    return host.check_output("hostname")


def test_timers_have_taken_backups_to_every_store(host):
    listed = json.loads(host.check_output("fleet-backup list --json"))
    (job,) = listed["jobs"]
    newest = job["backups"][0]
    assert (newest["outcome"], newest["tag"]) == ("success", "minutely")
    assert sorted(newest["stores"]) == STORES[name(host).rpartition("-")[2]]
    assert job["damaged"] == []


def test_the_host_tells_that_it_is_well(host):
    (schedule,) = json.loads(host.check_output("fleet-backup schedule list --json"))["schedules"]
    assert schedule["state"] == "active"


def test_the_stores_hold_them():
    store = testinfra.get_host("docker://molecule-fleet-sftp")
    folders = store.check_output("ls /srv/backups/fleet").split()
    assert folders == ["molecule-fleet-docker", "molecule-fleet-mariadb", "molecule-fleet-sqlite"]
    # No name of a table, and no row, is readable there.
    assert store.run("zstdcat -f /srv/backups/fleet/molecule-fleet-mariadb/shop/*/* 2>/dev/null | grep -a 'INSERT INTO'").rc == 1


def test_what_was_lost_is_as_it_was():
    host = testinfra.get_host("docker://molecule-fleet-mariadb")
    assert host.check_output("mariadb -N shop -e 'SELECT count(*), sum(cents), max(id) FROM orders'").split() == [
        "1000",
        "3503500",
        "1000",
    ]
    # The identity never came there.
    assert host.run("grep -rlE 'AGE-SECRET-KEY-1[A-Z0-9]{50}' /etc /root /var/lib /tmp /usr/local").rc == 1


@pytest.mark.parametrize("application", ["postgresql", "sqlite", "docker"])
def test_the_others_still_verify(application):
    host = testinfra.get_host("docker://molecule-fleet-%s" % application)
    assert json.loads(host.check_output("fleet-backup verify shop --json"))["outcome"] == "success"
