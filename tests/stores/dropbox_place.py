# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of a faked Dropbox, through Dropbox's own library."""

from __future__ import annotations

import contextlib
import itertools
import typing as t
from pathlib import Path

import pytest
from fake_dropbox import APP_KEY, FakeDropbox

from .place import MIB, Address, Options, Place

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def dropbox_service(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[FakeDropbox]:
    service = FakeDropbox(tmp_path_factory.mktemp("dropbox"))
    yield service
    service.close()


class DropboxPlace(Place):
    driver = "dropbox"
    features = frozenset({"network", "integrity", "credentials", "container", "full"})
    huge = 3 * MIB + 77
    #: An unfinished upload is nothing that anybody can see.
    forgets = True
    many = 230  # the service gives 100 a page
    impatient = {"timeout": "1s"}
    #: Capital letters and small ones are the same.
    impossible_names = frozenset({"upper AND LOWER"})

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__(request, folder)
        self.service: FakeDropbox = request.getfixturevalue("dropbox_service")
        self.root = "/Backups/%d" % next(_NUMBERS)
        self.service.folder(self.root)
        self.token = self.service.grant()
        # Tests without a place ask it for something too.
        self.service.log.clear()

    def close(self) -> None:
        self.service.remove(self.root)

    def options(self) -> Options:
        return {
            "app_key": APP_KEY,
            "app_secret": self.service.app_secret,
            "refresh_token": self.token,
            "path": self.root[1:],
            "endpoint_url": self.service.url,
            "ca_bundle": str(self.service.ca),
            "chunk_size": "1MiB",
        }

    def objects(self) -> t.Dict[str, bytes]:
        return self.service.below(self.root)

    def leftovers(self) -> t.List[str]:
        return []

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self.service.port)

    def via(self, address: Address) -> Options:
        return {"endpoint_url": "https://%s:%d" % address}

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        return {"refresh_token": "wrong-secret-9876543210"}, "wrong-secret-9876543210"

    def missing_container(self) -> Options:
        return {"path": "no/such/folder"}

    def full(self) -> contextlib.AbstractContextManager[None]:
        return self.service.full(MIB)
