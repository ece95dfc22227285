# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder on an SFTP server: OpenSSH through paramiko and through ssh."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ssh_servers import Sshd

from .place import FEW, Address, Options, Place, small_disk

_numbers = itertools.count()


@pytest.fixture(scope="session")
def sshd() -> t.Iterator[Sshd]:
    server = Sshd()
    yield server
    server.close()


class _FilesPlace(Place):
    """What lies on the server is seen in its folder."""

    base: Path
    impatient: t.ClassVar[Options] = {"timeout": "3s"}

    def objects(self) -> t.Dict[str, bytes]:
        return {key: open(path, "rb").read() for key, path in self._files() if ".uploading-" not in key}

    def leftovers(self) -> t.List[str]:
        return [key for key, _path in self._files() if ".uploading-" in key]

    def via(self, address: Address) -> Options:
        return {"host": address[0], "port": address[1]}

    def _files(self) -> t.Iterator[t.Tuple[str, str]]:
        for folder, _folders, names in os.walk(self.base / "store"):
            for name in names:
                path = os.path.join(folder, name)
                yield os.path.relpath(path, self.base / "store"), path


class SftpPlace(_FilesPlace):
    driver = "sftp"
    features = frozenset({"network", "resume", "integrity", "credentials", "container", "full"})

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__(request, folder)
        self.server: Sshd = request.getfixturevalue("sshd")
        self.base = self.server.data / ("place-%d" % next(_numbers))
        self.server.own(self.base)

    def options(self) -> Options:
        return self.server.options(self.base / "store")

    @property
    def address(self) -> Address:
        return "127.0.0.1", self.server.port

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        key = self.folder / "stranger"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "swordfish", "-f", key], check=True)
        return {"key_file": str(key), "passphrase": "swordfish"}, "swordfish"

    def missing_container(self) -> Options:
        return {"path": self.server.visible(self.base / "not-mounted" / "store")}

    def full(self) -> contextlib.AbstractContextManager[None]:
        return small_disk(self.base / "store")

    def close(self) -> None:
        shutil.rmtree(self.base)


class SftpReadBackPlace(SftpPlace):
    many = FEW
    features = frozenset({"network", "resume"})

    def options(self) -> Options:
        return {**super().options(), "read_back": True}


class SftpProgramPlace(SftpPlace):
    """The program ssh carries the connection."""

    def options(self) -> Options:
        return {**super().options(), "connection": "ssh"}

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        return {"key_file": str(self.server.folder / "stranger")}, "PRIVATE KEY"
