# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder on an FTP server: pyftpdlib with each kind of TLS, and vsftpd."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import typing as t
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from ftp_servers import PyFtp, Vsftpd

from .place import FEW, Address, Options, Place, small_disk

_numbers = itertools.count()


@pytest.fixture(scope="session")
def ftp_none(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[PyFtp]:
    server = PyFtp(tmp_path_factory.mktemp("ftp"), "none")
    yield server
    server.close()


@pytest.fixture(scope="session")
def ftp_explicit(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[PyFtp]:
    server = PyFtp(tmp_path_factory.mktemp("ftps"), "explicit")
    yield server
    server.close()


@pytest.fixture(scope="session")
def ftp_implicit(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[PyFtp]:
    server = PyFtp(tmp_path_factory.mktemp("ftpi"), "implicit")
    yield server
    server.close()


@pytest.fixture(scope="session")
def vsftpd() -> t.Iterator[Vsftpd]:
    server = Vsftpd()
    yield server
    server.close()


class FtpPlace(Place):
    """With explicit TLS, to pyftpdlib."""

    driver = "ftp"
    #: Not "full": pyftpdlib says nothing any more when it could not write a file to its end.
    features = frozenset({"network", "resume", "credentials", "container"})
    impatient: t.ClassVar[Options] = {"timeout": "3s"}
    fault_share = 0.12  # each object and each listing has a connection of its own
    server_fixture = "ftp_explicit"

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__(request, folder)
        self.server: t.Any = request.getfixturevalue(self.server_fixture)
        self.base = self.server.root / ("place-%d" % next(_numbers))
        self.base.mkdir()
        if os.geteuid() == 0 and self.server_fixture == "vsftpd":
            shutil.chown(self.base, self.server.account)

    def options(self) -> Options:
        return self.server.options("/%s/store" % self.base.name)

    def objects(self) -> t.Dict[str, bytes]:
        return {key: open(path, "rb").read() for key, path in self._files() if "_uploading-" not in key}

    def leftovers(self) -> t.List[str]:
        return [key for key, _path in self._files() if "_uploading-" in key]

    @property
    def address(self) -> Address:
        return "127.0.0.1", self.server.port

    @contextlib.contextmanager
    def proxied(self) -> t.Iterator[t.List[FaultProxy]]:
        """Also for the connections of data, which go to where the server was reached, at ports that it tells."""
        with contextlib.ExitStack() as proxies:
            yield [
                proxies.enter_context(
                    FaultProxy(("127.0.0.1", port), listen=("127.0.0.2", 0 if port == self.server.port else port))
                )
                for port in (self.server.port, *self.server.data_ports)
            ]

    def via(self, address: Address) -> Options:
        return {"host": address[0], "port": address[1]}

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        return {"password": "swordfish"}, "swordfish"

    def missing_container(self) -> Options:
        return {"path": "/%s/not-mounted/store" % self.base.name}

    def full(self) -> contextlib.AbstractContextManager[None]:
        return small_disk(self.base / "store")

    def close(self) -> None:
        shutil.rmtree(self.base)

    def _files(self) -> t.Iterator[t.Tuple[str, str]]:
        for folder, _folders, names in os.walk(self.base / "store"):
            for name in names:
                path = os.path.join(folder, name)
                yield os.path.relpath(path, self.base / "store"), path


class FtpImplicitPlace(FtpPlace):
    server_fixture = "ftp_implicit"
    many = FEW
    features = frozenset({"credentials"})


class FtpClearPlace(FtpPlace):
    server_fixture = "ftp_none"
    many = FEW
    features = frozenset({"credentials"})


class FtpReadBackPlace(FtpPlace):
    many = FEW
    features = frozenset({"container"})

    def options(self) -> Options:
        return {**super().options(), "read_back": True}


class VsftpdPlace(FtpPlace):
    """It lists in lines for people only, and wants the data connection to continue the TLS session."""

    server_fixture = "vsftpd"
    features = frozenset({"network", "resume", "container", "full"})
