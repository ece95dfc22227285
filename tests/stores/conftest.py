# SPDX-License-Identifier: GPL-3.0-or-later
"""The place of each test, once for each driver; the servers."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

import pytest

from .dropbox_place import dropbox_service
from .ftp_place import ftp_explicit, ftp_implicit, ftp_none, vsftpd
from .gdrive_place import google_drive
from .place import Place
from .registry import PLACES
from .sftp_place import sshd

#: The servers.
__all__ = ["dropbox_service", "ftp_explicit", "ftp_implicit", "ftp_none", "google_drive", "vsftpd", "sshd"]


class NONE:
    """What a test without parameters has instead of them."""

    params: t.Dict[str, t.Any] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*features): run for the places that have all these features")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a place for all that have what it needs."""
    if "place" not in metafunc.fixturenames:
        return
    needed = {feature for mark in metafunc.definition.iter_markers("needs") for feature in mark.args}
    names = [name for name, place in PLACES.items() if needed <= place.features]
    metafunc.parametrize("place", names, indirect=True)


def pytest_collection_modifyitems(items: t.List[pytest.Item]) -> None:
    """Leave out the tests for which there is no place yet, instead of skipping them."""
    items[:] = [item for item in items if isinstance(getattr(item, "callspec", NONE).params.get("place", ""), str)]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[Place]:
    made = PLACES[request.param](request, tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def random_bytes() -> t.Callable[[int], bytes]:
    """Bytes that no compression on the way makes smaller; the same in every run."""
    return random.Random(5).randbytes


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that failed is made again at once."""
    monkeypatch.setattr("_engine.asking_again._FIRST", 0.01)
