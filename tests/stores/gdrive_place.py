# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of a faked Google Drive, through Google's own client library."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from fake_drive import CLIENT_ID, FakeDrive

from .place import MIB, Address, Options, Place


@pytest.fixture(scope="session")
def google_drive(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[FakeDrive]:
    service = FakeDrive(tmp_path_factory.mktemp("drive"))
    yield service
    service.close()


class GdrivePlace(Place):
    driver = "gdrive"
    features = frozenset({"network", "integrity", "credentials", "container", "full"})
    huge = 3 * MIB + 77
    #: An unfinished upload is nothing that anybody can see.
    forgets = True
    many = 450  # the service gives 200 a page
    impatient = {"timeout": "1s"}

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__(request, folder)
        self.service: FakeDrive = request.getfixturevalue("google_drive")
        self.root = self.service.folder("backups")
        self.token = self.service.grant()

    def close(self) -> None:
        self.service._remove(self.root)

    def options(self) -> Options:
        return {
            "folder_id": self.root.id,
            "client_id": CLIENT_ID,
            "client_secret": self.service.client_secret,
            "refresh_token": self.token,
            "endpoint_url": self.service.url,
            "ca_bundle": str(self.service.ca),
            "chunk_size": "1MiB",
        }

    def objects(self) -> t.Dict[str, bytes]:
        with self.service.lock:
            found = [(key, f.content or b"") for key, f in self.service.below(self.root) if not f.properties]
        assert len(dict(found)) == len(found), "a key is there twice"
        return dict(found)

    def leftovers(self) -> t.List[str]:
        with self.service.lock:
            return [key for key, file in self.service.below(self.root) if file.properties]

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self.service.port)

    def via(self, address: Address) -> Options:
        return {"endpoint_url": "https://%s:%d" % address}

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        return {"refresh_token": "wrong-secret-9876543210"}, "wrong-secret-9876543210"

    def missing_container(self) -> Options:
        return {"folder_id": "1NoSuchFolder"}

    def full(self) -> contextlib.AbstractContextManager[None]:
        return self.service.full(MIB)
