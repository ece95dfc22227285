# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket of Amazon S3, or of any server or service that speaks its protocol (MinIO, Ceph, Wasabi, B2, R2, SeaweedFS, ...).

Putting needs only the permission to put: a host that can neither list, nor read, nor delete can be backed up.
"""

from __future__ import annotations

import typing as t

from ..errors import FleetBackupError, NotFoundError, StoreRefusedError
from ..options import Option
from ..s3.bucket import Answer, Bucket, library_errors, retain_until
from ..s3.digests import NAMES as CHECKSUMS
from ..s3.digests import Digest
from ..s3.errors import code_of, is_taken, status_of, translate
from . import Meant, Readable, Store, StoredObject, Upload, whatever

if t.TYPE_CHECKING:
    from ..s3.upload import Uncertain

#: What a check puts, and removes where it may. Where it may not, it stays, and tells the next check as much.
_PROBE = ".fleet-backup-check"

#: A clock that is further off than this (seconds) is worth a remark; at 15 minutes servers refuse.
_NOTEWORTHY = 60


class S3Store(Store):
    """Objects are objects. Larger ones go in parts; what an interrupted upload left is an unfinished upload of the bucket."""

    OPTIONS = (
        Option("bucket", "str", "The bucket. It must exist.", required=True, example="acme-backups"),
        Option("prefix", "str", "A folder in the bucket below which everything lies.", example="prod"),
        Option(
            "endpoint_url",
            "str",
            "The address of a server or service other than Amazon's.",
            example="https://s3.eu-central-003.backblazeb2.com",
        ),
        Option(
            "region", "str", "The region of the bucket. Default: what the host's AWS configuration says.", example="eu-west-1"
        ),
        Option(
            "access_key",
            "str",
            "The id of the access key. Without it, the credentials are those that the host has by its environment, its AWS"
            " configuration or its role.",
            secret=True,
        ),
        Option("secret_key", "str", "The secret of the access key.", secret=True),
        Option("session_token", "str", "The token that belongs to temporary credentials.", secret=True),
        Option("profile", "str", "The profile of the host's AWS configuration to use.", example="backup"),
        Option(
            "path_style",
            "bool",
            "Name the bucket in the path and not in the host name. Default: as soon as O(endpoint_url) is given.",
        ),
        Option("ca_bundle", "path", "The certificates of the authorities that the server's certificate may be signed by."),
        Option("timeout", "duration", "How long to wait for an answer that does not come.", default="60s"),
        Option(
            "part_size",
            "size",
            "Larger objects are sent in parts of this size. It grows by itself where an object would need too many. Up to 32 MiB"
            " of parts are on their way at once.",
            default="8MiB",
        ),
        Option("parallel", "int", "How many parts of an object are sent at once.", default=4, minimum=1, maximum=32),
        Option(
            "checksum",
            "str",
            "What the server compares of each part before it takes it. V(md5) is for servers that know no other.",
            default="sha256",
            choices=CHECKSUMS,
        ),
        Option(
            "conditional_create",
            "bool",
            "Let the server refuse to overwrite (C(If-None-Match)). Without it, only a look before tells whether a key is taken,"
            " for which the host must be allowed to read.",
            default=True,
        ),
        Option("storage_class", "str", "The storage class of new objects.", example="STANDARD_IA"),
        Option(
            "encryption",
            "str",
            "Let the server encrypt new objects: with keys of its own, or with those of its key management.",
            choices=("AES256", "aws:kms", "aws:kms:dsse"),
        ),
        Option("kms_key_id", "str", "The key of the key management. Default: the bucket's."),
        Option(
            "object_lock_mode",
            "str",
            "Lock new objects, so that nobody can remove them for O(object_lock_days): V(governance) but people with a special"
            " permission, V(compliance) nobody at all. The bucket must have been made for it.",
            choices=("governance", "compliance"),
        ),
        Option("object_lock_days", "int", "How many days new objects are locked.", minimum=1, maximum=36500),
    )
    confirms = "checksum"
    checks_by_putting = True
    requires = ("boto3",)

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        self._options = options
        self._bucket = Bucket(name, options)
        self._known: t.Optional[Uncertain] = None
        self._remarks: t.List[str] = []

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        if (options["access_key"] is None) != (options["secret_key"] is None):
            problems.append("secret_key: access_key and secret_key belong together; give both, or none of them")
        if options["session_token"] is not None and options["access_key"] is None:
            problems.append("session_token: needs access_key and secret_key")
        if options["profile"] is not None and options["access_key"] is not None:
            problems.append("profile: give either a profile or an access_key")
        if (options["object_lock_mode"] is None) != (options["object_lock_days"] is None):
            problems.append("object_lock_days: object_lock_mode and object_lock_days belong together; give both, or none of them")
        if options["kms_key_id"] is not None and not (options["encryption"] or "").startswith("aws:kms"):
            problems.append("kms_key_id: needs encryption: aws:kms")
        if isinstance(options["part_size"], int) and not 5 << 20 <= options["part_size"] <= 64 << 20:
            problems.append("part_size: must be 5MiB to 64MiB")
        endpoint = options["endpoint_url"]
        if endpoint is not None and not endpoint.startswith(("https://", "http://")):
            problems.append("endpoint_url: must begin with https:// (or http://)")
        return problems

    def put(self, key: str) -> Upload:
        from ..s3.upload import S3Upload, Uncertain

        if self._known is None:
            self._known = Uncertain()
        if not self._options["conditional_create"]:
            self._refuse_taken(key)
        return S3Upload(self._bucket, key, self._options, self._settings, self._known)

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        from ..s3.reader import Nothing, S3Reader

        if size == 0:
            self.size(key)
            return Nothing()
        arguments = {}
        if offset or size is not None:
            arguments["Range"] = "bytes=%d-%s" % (offset, "" if size is None else offset + size - 1)
        try:
            answer = self._bucket.try_call("get_object", key, **arguments)
        except library_errors() as error:
            if status_of(error) == 416:
                return Nothing()
            raise translate(error, self.name, self._bucket.url(key)) from error
        return S3Reader(self._bucket, key, answer, offset if arguments else None)

    def size(self, key: str) -> int:
        return int(self._bucket.call_whole("head_object", "ContentLength", key)["ContentLength"])

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        objects, folders = [], []
        prefix = folder + "/" if folder else ""
        root = len(self._bucket.key(prefix))
        for page in self._pages("list_objects_v2", prefix, "ContinuationToken", "NextContinuationToken", Delimiter="/"):
            for found in page.get("Contents", ()):
                name = found["Key"][root:]
                if name and not name.startswith("."):
                    objects.append(StoredObject(prefix + name, found["Size"], found.get("ETag", "")))
            folders += [found["Prefix"][root:].rstrip("/") for found in page.get("CommonPrefixes", ())]
        return sorted(objects, key=lambda o: o.key), sorted(name for name in set(folders) if name)

    def beginnings(self, mark: str) -> t.Optional[t.List[str]]:
        root = len(self._bucket.key(""))
        found: t.List[str] = []
        try:
            for page in self._pages("list_objects_v2", "", "ContinuationToken", "NextContinuationToken", Delimiter=mark):
                keys = [one["Key"] for one in page.get("Contents", ())]
                if keys and page.get("IsTruncated"):
                    return None  # much else is there, or the server knows no such delimiter
                cut = [one["Prefix"] for one in page.get("CommonPrefixes", ())]
                if not all(one.endswith(mark) for one in cut):
                    return None
                found += [one[root:] for one in (*keys, *cut)]
        except FleetBackupError:
            return None  # a server that refuses it; of one that is gone the usual listing tells
        return found

    def delete(self, key: str) -> None:
        try:
            self._bucket.call("delete_object", key)
        except NotFoundError:
            return

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        return sum(
            part["Size"]
            for upload in self._unfinished(folder, meant)
            for page in self._part_pages(upload)
            for part in page.get("Parts", ())
        )

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        removed = 0
        for upload in self._unfinished(folder, meant):
            try:
                self._bucket.call("abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])
            except NotFoundError:
                continue
            removed += 1
        if folder:
            self._remove_folder(folder)
        return removed

    def check(self) -> None:
        self._remarks = []
        body = b"fleet.backup\n"
        digest = Digest(self._options["checksum"], body)
        made = self._put_probe(body, digest)
        if made is not None:
            digest.check(made, "store %s: %s: " % (self.name, self._bucket.url(_PROBE)))
            if self._options["conditional_create"] and self._put_probe(body, digest) is not None:
                self._remarks.append(
                    "the server overwrites what exists, although it was told not to; set conditional_create: false"
                )
            wanted = self._options["encryption"]
            if wanted and made.get("ServerSideEncryption") != wanted:
                self._remarks.append(
                    "the server does not say that it encrypts what it holds, although it was told to: %s" % wanted
                )
        self._remove_probe(made)
        self._check_lock()
        behind = self._bucket.behind
        if behind is not None and abs(behind) > _NOTEWORTHY:
            self._remarks.append("the clock of this host is %d s %s" % (abs(behind), "behind" if behind > 0 else "ahead"))

    def remarks(self) -> t.List[str]:
        return list(self._remarks)

    def url(self, key: str) -> t.Optional[str]:
        return self._bucket.url(key)

    def _settings(self) -> t.Dict[str, t.Any]:
        """What every new object gets."""
        options = self._options
        settings: t.Dict[str, t.Any] = {}
        if options["storage_class"]:
            settings["StorageClass"] = options["storage_class"]
        if options["encryption"]:
            settings["ServerSideEncryption"] = options["encryption"]
        if options["kms_key_id"]:
            settings["SSEKMSKeyId"] = options["kms_key_id"]
        if options["object_lock_mode"]:
            settings["ObjectLockMode"] = options["object_lock_mode"].upper()
            settings["ObjectLockRetainUntilDate"] = retain_until(options["object_lock_days"])
        return settings

    def _refuse_taken(self, key: str) -> None:
        try:
            self.size(key)
        except NotFoundError:
            return
        except StoreRefusedError:
            return  # may not look
        raise StoreRefusedError("store %s: %s: exists already, and nothing is overwritten" % (self.name, self._bucket.url(key)))

    def _pages(self, operation: str, prefix: str, ask: str, answer: str, **arguments: t.Any) -> t.Iterator[Answer]:
        token: t.Dict[str, t.Any] = {}
        while True:
            page = self._bucket.call_whole(operation, "IsTruncated", Prefix=self._bucket.key(prefix), **arguments, **token)
            yield page
            if not page.get("IsTruncated") or not page.get(answer):
                return
            token = {ask: page[answer]}

    def _unfinished(self, folder: str, meant: Meant) -> t.List[t.Dict[str, t.Any]]:
        """The uploads directly in a folder that were begun and not ended."""
        prefix = folder + "/" if folder else ""
        root = len(self._bucket.key(prefix))
        found = []
        marker: t.Dict[str, str] = {}
        while True:
            page = self._bucket.call_whole("list_multipart_uploads", "IsTruncated", Prefix=self._bucket.key(prefix), **marker)
            found += [u for u in page.get("Uploads", ()) if "/" not in u["Key"][root:] and meant(u["Key"][root:])]
            if not page.get("IsTruncated") or not page.get("NextKeyMarker"):
                return found
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page.get("NextUploadIdMarker", "")}

    def _remove_folder(self, folder: str) -> None:
        """Remove what stands for a folder on some servers, and for tools that show folders, when nothing else is in it."""
        place = self._bucket.key(folder + "/")
        page = self._bucket.call_whole("list_objects_v2", "IsTruncated", Prefix=place, Delimiter="/", MaxKeys=2)
        if [found["Key"] for found in page.get("Contents", ())] == [place]:
            self._bucket.call("delete_object", Key=place)

    def _part_pages(self, upload: t.Dict[str, t.Any]) -> t.Iterator[Answer]:
        marker = 0
        while True:
            try:
                page = self._bucket.call_whole(
                    "list_parts", "IsTruncated", Key=upload["Key"], UploadId=upload["UploadId"], PartNumberMarker=marker
                )
            except NotFoundError:
                return
            yield page
            if not page.get("IsTruncated") or not page.get("NextPartNumberMarker"):
                return
            marker = page["NextPartNumberMarker"]

    def _put_probe(self, body: bytes, digest: Digest) -> t.Optional[Answer]:
        """The answer; None when the probe was there already."""
        # As backups are put, but for the lock: it is to be removed again.
        settings = {name: value for name, value in self._settings().items() if not name.startswith("ObjectLock")}
        try:
            return self._bucket.try_call("put_object", _PROBE, Body=body, **settings, **digest.arguments())
        except library_errors() as error:
            if is_taken(error):
                return None
            raise translate(error, self.name, self._bucket.url(_PROBE)) from error

    def _remove_probe(self, made: t.Optional[Answer]) -> None:
        version = {"VersionId": made["VersionId"]} if made and made.get("VersionId") else {}
        try:
            self._bucket.call("delete_object", _PROBE, **version)
        except StoreRefusedError:
            self._remarks.append("this host may not delete")

    def _check_lock(self) -> None:
        """Whether the bucket can lock objects, when they are to be locked; what it does by itself."""
        wanted = self._options["object_lock_mode"]
        try:
            answer = self._bucket.try_call("get_object_lock_configuration")
        except library_errors() as error:
            if wanted and code_of(error) == "ObjectLockConfigurationNotFoundError":
                raise StoreRefusedError(
                    "store %s: %s: the bucket has no object lock, so object_lock_mode cannot be had; it is chosen when a bucket"
                    " is made" % (self.name, self._bucket.url())
                ) from error
            if wanted:
                self._remarks.append("object lock: this host may not ask whether the bucket has it")
            return
        rule = answer.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        if wanted:
            self._remarks.append("object lock: %s, %d days" % (wanted, self._options["object_lock_days"]))
        elif rule:
            length = "%d days" % rule["Days"] if rule.get("Days") else "%d years" % rule.get("Years", 0)
            self._remarks.append("object lock: %s, %s, by the bucket" % (str(rule.get("Mode", "")).lower(), length))
