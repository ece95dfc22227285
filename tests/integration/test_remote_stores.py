# SPDX-License-Identifier: GPL-3.0-or-later
"""The marketplace on real SFTP and FTP servers, several ways at once: backed up, destroyed, restored from each, compared."""

from __future__ import annotations

import shutil

import pytest
from fixtures import marketplace
from ftp_servers import PASSWORD, PyFtp
from ssh_servers import Sshd

from _engine.job import parse_config
from _engine.operations.backup import backup
from _engine.operations.check import check
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify

REMOTE = ("vault", "vault-ssh", "hosting")


@pytest.fixture
def servers(tmp_path):
    (tmp_path / "ftp").mkdir()
    ssh, ftp = Sshd(), PyFtp(tmp_path / "ftp", "explicit")
    yield ssh, ftp
    ssh.close()
    ftp.close()


@pytest.fixture
def config(tmp_path, servers):
    ssh, ftp = servers
    app = tmp_path / "marketplace"
    marketplace.make(app, vehicles=40)
    return parse_config(
        {
            "host": "web1",
            "state_dir": str(tmp_path / "state"),
            "stores": [
                {"name": "disk", "local": {"path": str(tmp_path / "disk")}},
                {"name": "vault", "sftp": ssh.options(ssh.data / "one")},
                {"name": "vault-ssh", "sftp": {**ssh.options(ssh.data / "two"), "connection": "ssh"}},
                {"name": "hosting", "ftp": ftp.options("/backups")},
            ],
            "jobs": [
                {
                    "name": "marketplace",
                    "sources": [
                        {"name": "database", "sqlite": {"path": str(app / marketplace.DATABASE)}},
                        {"name": "code", "files": {"paths": [str(app)], "exclude": ["*.db", "*.db-*"]}},
                    ],
                    "stores": ["disk", *REMOTE],
                    "retention": {"keep_last": 1},
                }
            ],
        }
    )


def test_the_marketplace_comes_back_from_everywhere(config, servers, tmp_path):
    app, job = tmp_path / "marketplace", config.job("marketplace")
    checked = check(config)
    assert checked.error is None, checked.error
    before = marketplace.state(app)
    first = backup(config, job)
    assert (first.error, first.warnings) == (None, [])
    links = {copy.store: copy.link for copy in first.copies}
    assert open(links["disk"], encoding="utf-8").read().startswith("{")
    for store, scheme in (("vault", "sftp"), ("vault-ssh", "sftp"), ("hosting", "ftp")):
        assert links[store].startswith(scheme + "://") and links[store].endswith("/%s.json" % first.id), links
    assert {copy.store: copy.confirms for copy in first.copies} == {
        "disk": "sync",
        "vault": "sync",
        "vault-ssh": "sync",
        "hosting": "size",
    }
    for number, store in enumerate(REMOTE):
        shutil.rmtree(app)
        app.mkdir()
        restored = restore(config, "marketplace", RestoreRequest(store=store, confirm=True, safety_backup=False))
        assert restored.error is None, restored.error
        after = marketplace.state(app)
        assert after == before, store
        again = backup(config, job, kind="incremental", tag="daily")
        assert again.error is None, (number, again.error)
    for store in REMOTE:
        verified = verify(config, ["marketplace"], store=store)
        assert verified.error is None, verified.error
    pruned = prune(config, job)
    assert pruned.error is None, pruned.error
    assert not [path for root in (servers[0].data, servers[1].root) for path in root.rglob("*uploading-*")]


def test_nothing_secret_is_kept(config, servers, tmp_path):
    assert backup(config, config.job("marketplace")).error is None
    for root in (tmp_path / "disk", tmp_path / "state", servers[0].data, servers[1].root):
        for path in root.rglob("*"):
            assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
