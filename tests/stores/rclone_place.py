# SPDX-License-Identifier: GPL-3.0-or-later
"""Remotes of rclone: a folder, and a WebDAV server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from .place import Address, Options, Place, small_disk

PROGRAM = str(Path(sys.executable).parent / "rclone")
USER, PASSWORD = "host", "webdav-secret-0123456789"


class RcloneFolderPlace(Place):
    driver = "rclone"
    features = frozenset({"container", "full"})
    many = 24  # each object costs several processes, and rclone lists without pages

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__(request, folder)
        self._config = folder / "rclone.conf"
        self._config.write_text("[disk]\ntype = local\n")
        self.root = folder / "store"

    def options(self) -> Options:
        return {"remote": "disk:%s" % self.root, "config": str(self._config), "program": PROGRAM, "timeout": "1m"}

    def objects(self) -> t.Dict[str, bytes]:
        return {key: path.read_bytes() for key, path in self._files() if ".uploading-" not in key}

    def leftovers(self) -> t.List[str]:
        return [key for key, _path in self._files() if ".uploading-" in key]

    def missing_container(self) -> Options:
        return {"remote": "nothing-of-this-name:backups"}

    def full(self) -> contextlib.AbstractContextManager[None]:
        return small_disk(self.root)

    def _files(self) -> t.Iterator[t.Tuple[str, Path]]:
        for folder, _folders, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                yield str(path.relative_to(self.root)), path


class RcloneWebdavPlace(RcloneFolderPlace):
    #: Not "network": each request is a process, which makes that part of the contract take an hour.
    features = frozenset({"credentials", "container"})
    huge = 6 << 20
    forgets = True
    impatient: t.ClassVar[Options] = {"timeout": "3s"}
    fault_share = 0.15  # each request has a connection of its own

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__(request, folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        (folder / "served").mkdir()
        self.root = folder / "served" / "store"
        command = [
            PROGRAM,
            "serve",
            "webdav",
            "--addr",
            "127.0.0.1:%d" % self._port,
            "--dir-cache-time",
            "1ms",
            "--config",
            os.devnull,
        ]
        environment = {**os.environ, "RCLONE_USER": USER, "RCLONE_PASS": PASSWORD}
        self._log = open(folder / "webdav.log", "wb")
        self._process = subprocess.Popen(
            [*command, str(folder / "served")], env=environment, stdout=self._log, stderr=self._log, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                break
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def options(self) -> Options:
        return {**super().options(), **self._configured(self.address, PASSWORD), "remote": "dav:store"}

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self._port)

    def via(self, address: Address) -> Options:
        return self._configured(address, PASSWORD)

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        return self._configured(self.address, "wrong-secret-9876543210"), "wrong-secret-9876543210"

    def _configured(self, address: Address, password: str) -> Options:
        obscure = [PROGRAM, "obscure", "-"]
        obscured = subprocess.run(obscure, input=password, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        path = self.folder / ("rclone-%d-%d.conf" % (address[1], len(password)))
        path.write_text(
            "[dav]\ntype = webdav\nurl = http://%s:%d\nvendor = rclone\nuser = %s\npass = %s\n" % (*address, USER, obscured)
        )
        return {"config": str(path)}
