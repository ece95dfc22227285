# SPDX-License-Identifier: GPL-3.0-or-later
"""A real S3 server: SeaweedFS, which checks signatures, clocks, checksums, conditions and locks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session

BUCKET, LOCKED = "backups", "locked"

#: Who may do what: everything; what a host's policy in docs/stores.md allows.
ADMIN = ("AKADMIN", "admin-secret-0123456789")
HOST = ("AKHOST", "host-secret-0123456789")


class SeaweedFS:
    """Runs from start to close() with two buckets, of which the second locks objects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        data, config = folder / "data", folder / "s3.json"
        data.mkdir(parents=True)
        config.write_text(json.dumps({"identities": _IDENTITIES}))
        for _attempt in range(5):
            self.port = self._start(data, config)
            if self.port:
                break
        else:
            raise RuntimeError("SeaweedFS does not start: %s" % (folder / "log").read_text()[-2000:])
        self.endpoint = "http://127.0.0.1:%d" % self.port
        self.admin = self.client(*ADMIN)
        self.admin.create_bucket(Bucket=BUCKET)
        self.admin.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
        self._await_writing()
        # To this server, who may write may also delete.
        self.admin.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(_NO_DELETING))

    def client(self, access_key: str, secret_key: str) -> BaseClient:
        """A client of its own, as a look that does not go through the driver."""
        return Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 5}),
        )

    def options(self, identity: t.Tuple[str, str], **more: t.Any) -> t.Dict[str, t.Any]:
        """What a store needs that is used as this identity."""
        access, secret = identity
        return {"bucket": BUCKET, "endpoint_url": self.endpoint, "access_key": access, "secret_key": secret, **more}

    def close(self) -> None:
        # It would take half a minute to end in order.
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _start(self, data: Path, config: Path) -> int:
        """The port; 0 when one of its many was taken meanwhile."""
        master, volume, filer, s3 = _free_ports(4)
        command = [_weed(), "server", "-dir=%s" % data, "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command += ["-master.port=%d" % master, "-volume.port=%d" % volume, "-filer", "-filer.port=%d" % filer]
        command += ["-master.volumeSizeLimitMB=128", "-volume.max=100"]
        command += ["-s3", "-s3.port=%d" % s3, "-s3.autoCreateBucket=false", "-s3.config=%s" % config]
        # What else it would serve on fixed ports, and tell its makers.
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        environment = {**os.environ, "WEED_S3_SSE_KEY": "a key for server-side encryption"}
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", s3), timeout=1):
                    return s3
            except OSError:
                time.sleep(0.1)
        self._kill()
        return 0

    def _await_writing(self) -> None:
        """Its parts find each other some time after it listens."""
        deadline = time.monotonic() + 90
        for bucket in (BUCKET, LOCKED):
            while True:
                try:
                    made = self.admin.put_object(Bucket=bucket, Key="first", Body=b"x")
                    version = {"VersionId": made["VersionId"]} if made.get("VersionId") else {}
                    self.admin.delete_object(Bucket=bucket, Key="first", **version)
                    break
                except Exception:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)


_IDENTITIES = [
    {
        "name": "admin",
        "credentials": [{"accessKey": ADMIN[0], "secretKey": ADMIN[1]}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    },
    {"name": "host", "credentials": [{"accessKey": HOST[0], "secretKey": HOST[1]}], "actions": ["Write:%s" % BUCKET]},
]


_NO_DELETING = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": {"AWS": ["arn:aws:iam::000000000000:user/host"]},
            "Action": ["s3:DeleteObject"],
            "Resource": ["arn:aws:s3:::%s/*" % BUCKET],
        }
    ],
}


def _weed() -> str:
    return str(Path(sys.executable).parent / "weed")


def _free_ports(count: int) -> t.List[int]:
    """Ports that are free, and those 10,000 above, where it speaks gRPC, too."""
    found: t.List[int] = []
    for _attempt in range(1000):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            port -= 15000 if port > 40000 else 0
            try:
                with socket.socket() as third:
                    third.bind(("127.0.0.1", port)) if port != first.getsockname()[1] else None
                second.bind(("127.0.0.1", port + 10000))
            except (OSError, OverflowError):
                continue
        if port not in found:
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")
