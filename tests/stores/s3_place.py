# SPDX-License-Identifier: GPL-3.0-or-later
"""A prefix of a bucket of SeaweedFS."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from seaweedfs import ADMIN, BUCKET

from .place import MIB, Address, Options, Place


class S3Place(Place):
    driver = "s3"
    features = frozenset({"network", "integrity", "credentials", "container"})
    huge = 18 * MIB + 77
    impatient = {"timeout": "2s"}

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__(request, folder)
        self.server = request.getfixturevalue("seaweedfs")
        self.prefix = "test-" + os.urandom(6).hex()

    def options(self) -> Options:
        return t.cast(Options, self.server.options(ADMIN, prefix=self.prefix, part_size="5MiB"))

    def objects(self) -> t.Dict[str, bytes]:
        client = self.server.admin
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self.prefix + "/")
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        return {k[len(self.prefix) + 1 :]: client.get_object(Bucket=BUCKET, Key=k)["Body"].read() for k in keys}

    def leftovers(self) -> t.List[str]:
        found = self.server.admin.list_multipart_uploads(Bucket=BUCKET, Prefix=self.prefix + "/").get("Uploads", ())
        return [upload["Key"] for upload in found]

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self.server.port)

    def via(self, address: Address) -> Options:
        return {"endpoint_url": "http://%s:%d" % address}

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        return {"secret_key": "wrong-secret-9876543210"}, "wrong-secret-9876543210"

    def missing_container(self) -> Options:
        return {"bucket": "no-such-bucket"}


class S3Md5Place(S3Place):
    """As for a server that knows no other checksum."""

    features = frozenset({"credentials"})

    def options(self) -> Options:
        return {**super().options(), "checksum": "md5", "path_style": True}
