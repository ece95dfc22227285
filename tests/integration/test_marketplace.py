# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked example marketplace on all its stores: backed up by one run, destroyed, restored from each by itself, compared.

SFTP and FTP are real servers; Google Drive and Dropbox are the strict stand-ins.
"""

from __future__ import annotations

import contextlib
import json
import re
import typing as t

import pytest
from canary import Canary
from fake_drive import CLIENT_ID, FakeDrive
from fake_dropbox import APP_KEY, FakeDropbox
from fixtures import marketplace
from ftp_servers import PASSWORD, PyFtp
from playing import Ansible
from ssh_servers import Sshd
from test_playbooks import Marketplace, manifests

REMOTE = ("vault", "hosting", "drive", "dropbox")


class Servers:
    def __init__(self, folder):
        for name in ("ftp", "google", "dropbox"):
            (folder / name).mkdir(parents=True)
        self.folder = folder
        self.ssh, self.ftp = Sshd(), PyFtp(folder / "ftp", "explicit")
        self.drive, self.dropbox = FakeDrive(folder / "google"), FakeDropbox(folder / "dropbox")
        self.tokens = self.drive.grant(), self.dropbox.grant(needs_secret=False)

    def variables(self):
        """What somebody fills in, and has in a vault."""
        return {
            "marketplace_vault": self.ssh.options(self.ssh.data / "backups"),
            "marketplace_hosting": self.ftp.options("/backups"),
            "marketplace_drive": {
                "client_id": CLIENT_ID, "client_secret": self.drive.client_secret, "refresh_token": self.tokens[0],
                "path": "backups", "endpoint_url": self.drive.url, "ca_bundle": str(self.drive.ca),
            },
            "marketplace_dropbox": {
                "app_key": APP_KEY, "refresh_token": self.tokens[1], "endpoint_url": self.dropbox.url,
                "ca_bundle": str(self.dropbox.ca),
            },
        }  # fmt: skip

    def stored(self):
        """Everything that lies on them."""
        with self.drive.lock:
            yield from (file.content or b"" for _path, file in self.drive.below(self.drive.root))
        yield from self.dropbox.below("").values()
        for root in (self.ssh.data, self.ftp.root):
            yield from (path.read_bytes() for path in root.rglob("*") if path.is_file())

    def close(self):
        for server in (self.ssh, self.ftp, self.drive, self.dropbox):
            server.close()


@pytest.fixture
def servers(tmp_path):
    with contextlib.closing(Servers(tmp_path / "servers")) as made:
        yield made


def test_the_marketplace_comes_back_from_each_of_its_stores(tmp_path, servers):
    secret = tmp_path / "vault.json"
    secret.write_text(json.dumps(servers.variables()))
    example = Marketplace(Ansible(tmp_path / "ansible"), tmp_path, everywhere=True)
    application = example.application
    before = marketplace.state(application)

    def play(name, *options, **more):
        done = example.play(name, *options, "-e", "@%s" % secret, **more)
        told.append(done.stdout + done.stderr)
        return done

    told: t.List[str] = []
    with Canary(servers.tokens[0]) as canary:
        taken = play("backup", "-vvv", tag="daily")
    assert taken.returncode == 0, taken.stdout
    (manifest,) = manifests(example)
    assert manifest.parent == example.backups / "marketplace.example.org" / "marketplace"
    assert manifest.stem in taken.stdout
    marketplace.destroy(application)

    unconfirmed = play("restore")
    assert unconfirmed.returncode != 0
    assert "overwrite %s" % (application / "app.py") in unconfirmed.stdout
    assert "not confirmed; nothing was touched" in unconfirmed.stdout
    assert (application / "app.py").read_text() == "broken = True\n"

    for store in REMOTE:
        restored = play("restore", "-vvv", marketplace_stores=[store], confirm="yes")
        assert restored.returncode == 0, restored.stdout
        assert marketplace.state(application) == before, store
        assert "%s from store %s" % (manifest.stem, store) in restored.stdout
        marketplace.destroy(application)
    # What was there before a restore is a backup of its own.
    there = [key for key in servers.dropbox.below("") if key.count("/") == 2 and key.endswith(".json")]
    assert sorted(key.split("-", 1)[1][:-10] for key in there) == ["full-daily", "full-pre-restore"]

    # What is secret shows nowhere: in no output at its most talkative, no argument of a process, no URL, nothing that is kept.
    urls = ["%s?%s" % (r.path, r.query) for service in (servers.drive, servers.dropbox) for r in service.log]
    kept = [path.read_bytes() for name in ("state", "backups") for path in (tmp_path / name).rglob("*") if path.is_file()]
    arguments = [argv for argv in canary.arguments if b"pyftpdlib" not in argv]  # the server itself
    shown = [text.encode() for text in (*told, *urls)] + [*servers.stored(), *kept, *arguments]
    assert len(shown) > 100 and any("oauth2/token" in url for url in urls)
    # Every secret of the two services has this word in it; the others are looked for in every form.
    secret = re.compile(rb"canary-[\w-]+-[0-9a-f]{16}|" + re.escape(PASSWORD.encode()))
    assert [data[:500] for data in shown if secret.search(data)] == []
    texts = [data.decode("latin-1") for data in shown]
    assert [Canary(token).found(tmp_path / "ansible", *texts) for token in servers.tokens] == [[], []]
