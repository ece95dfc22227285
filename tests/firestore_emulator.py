# SPDX-License-Identifier: GPL-3.0-or-later
"""The Firestore emulator of the gcloud SDK, and documents in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

NO_EMULATOR = "no Firestore emulator: the gcloud SDK with its component cloud-firestore-emulator, and Java, are not installed"

_BELOW = "platform/cloud-firestore-emulator/cloud_firestore_emulator"
_PATIENCE = 120


def program() -> t.Optional[Path]:
    """Where the emulator is; None when it, or the Java that it needs, is missing."""
    if shutil.which("java") is None:
        return None
    roots = ["/usr/lib/google-cloud-sdk", "/opt/google-cloud-sdk", "/usr/share/google-cloud-sdk"]
    gcloud = shutil.which("gcloud")
    if gcloud:
        roots.append(str(Path(gcloud).resolve().parents[1]))
    return next((Path(root, _BELOW) for root in roots if Path(root, _BELOW).exists()), None)


class Emulator:
    """A running emulator on a free port of the loopback interface."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = "127.0.0.1:%d" % free.getsockname()[1]
        self._log = tempfile.TemporaryFile()
        # The program is a shell script; the Java process that it starts is of the same group.
        self._process = subprocess.Popen(
            [str(program()), "start", "--host=127.0.0.1", "--port=" + self.host.split(":")[1]],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                urllib.request.urlopen("http://%s/" % self.host, timeout=5).close()
                return
            except (OSError, urllib.error.URLError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._log.seek(0)
                    raise AssertionError(self._log.read().decode("utf-8", "replace")) from None
                time.sleep(0.1)

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


class Database:
    """The default database of a project in the emulator, asked by its REST API alone."""

    def __init__(self, host: str, project: str) -> None:
        self.host = host
        self.project = project
        self.root = "projects/%s/databases/(default)/documents" % project

    def ask(self, method: str, **body: t.Any) -> t.Any:
        request = urllib.request.Request(
            "http://%s/v1/%s:%s" % (self.host, self.root, method),
            json.dumps(body).encode("ascii"),
            {"Authorization": "Bearer owner", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return json.load(answer)

    def write(self, documents: t.Mapping[str, t.Optional[t.Mapping[str, t.Any]]]) -> None:
        """Write documents (path: typed fields); None deletes one."""
        writes: t.List[t.Dict[str, t.Any]] = []
        for path, fields in documents.items():
            name = "%s/%s" % (self.root, path)
            writes.append({"delete": name} if fields is None else {"update": {"name": name, "fields": fields}})
        for start in range(0, len(writes), 400):
            self.ask("commit", writes=writes[start : start + 400])

    def read(self) -> t.Dict[str, t.Any]:
        """All documents: path, and fields."""
        answer = self.ask("runQuery", structuredQuery={"from": [{"allDescendants": True}]})
        found = [part["document"] for part in answer if "document" in part]
        return {document["name"][len(self.root) + 1 :]: document.get("fields", {}) for document in found}

    def clear(self) -> None:
        self.write(dict.fromkeys(self.read()))


def text(value: str) -> t.Dict[str, t.Any]:
    return {"stringValue": value}


def number(value: int) -> t.Dict[str, t.Any]:
    return {"integerValue": str(value)}
