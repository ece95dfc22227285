# SPDX-License-Identifier: GPL-3.0-or-later
"""One object on its way into a bucket: one request, or parts side by side when it is larger than a part."""

from __future__ import annotations

import os
import threading
import typing as t

from ..errors import FleetBackupError, NotFoundError, StoreRefusedError, StoreUnavailableError
from ..stores import Upload
from .bucket import Answer, Bucket, library_errors
from .digests import Digest, argument, composite
from .errors import code_of, is_taken, translate
from .parts import PartBuffer, Parts, size_of_part

#: The metadata by which an object is known to be the one of this upload, when the answer to a request was lost.
_MARK = "fleet-backup-upload"

Settings = t.Callable[[], t.Dict[str, t.Any]]


class Uncertain:
    """Uploads of which it is not known whether they arrived: the answer to their last request was lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: t.Dict[str, t.Dict[str, str]] = {}

    def add(self, key: str, mark: str, content: str) -> None:
        """``content`` stands for the bytes."""
        with self._lock:
            self._marks.setdefault(key, {})[mark] = content

    def content(self, key: str, mark: str) -> t.Optional[str]:
        """What an uncertain upload of this key held."""
        with self._lock:
            return self._marks.get(key, {}).get(mark)


class S3Upload(Upload):
    """``settings`` gives what every new object gets (storage class, lock, encryption)."""

    def __init__(
        self, bucket: Bucket, key: str, options: t.Mapping[str, t.Any], settings: Settings, uncertain: Uncertain
    ) -> None:
        self.key = key
        self._bucket = bucket
        self._algorithm: str = options["checksum"]
        self._part_size: int = options["part_size"]
        self._settings = settings
        self._uncertain = uncertain
        self._mark = os.urandom(8).hex()
        self._parts = Parts(options["parallel"])
        self._buffer: t.Optional[PartBuffer] = None
        self._upload_id: t.Optional[str] = None
        self._confirmed: t.Dict[int, t.Dict[str, t.Any]] = {}
        self._count = 0
        self._size = 0
        self._repeated = False
        self._unanswered = False
        self._committed = False

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        rest = memoryview(data).cast("B") if len(data) else memoryview(b"")
        self._size += len(rest)
        while rest:
            if self._buffer is None:
                self._buffer = self._parts.buffer(size_of_part(self._part_size, self._count))
            elif self._buffer.room == 0:
                self._send_part()
                continue
            count = min(self._buffer.room, len(rest))
            self._buffer.add(rest[:count])
            rest = rest[count:]

    def commit(self) -> None:
        if self._upload_id is None:
            self._put()
        else:
            self._complete()
        self._committed = True
        if self._repeated:
            self._abort_others()

    def abort(self) -> None:
        self._parts.close()
        self._buffer = None
        if self._committed:
            return
        try:
            if self._upload_id is not None:
                self._bucket.call("abort_multipart_upload", self.key, UploadId=self._upload_id)
                self._upload_id = None
            if self._unanswered:
                self._take_back()
            if self._repeated:
                self._abort_others()
        except FleetBackupError:
            # remove_leftovers() finds it; where this host may not remove anything, a rule of the bucket does.
            return

    # one request

    def _put(self) -> None:
        buffer = self._buffer or self._parts.buffer(0)
        body = buffer.body()
        digest = Digest(self._algorithm, body)
        arguments = {**self._settings(), **digest.arguments(), "Metadata": {_MARK: self._mark}}
        self._decide(
            digest.text,
            lambda: self._bucket.try_call("put_object", self.key, Body=body, **arguments),
            lambda answer: digest.check(answer, self._prefix()),
        )

    # many parts

    def _send_part(self) -> None:
        if self._upload_id is None:
            self._begin()
        buffer, self._buffer = self._buffer, None
        if buffer is None:
            return
        self._count += 1
        self._parts.send(buffer, self._upload_part, self._count)

    def _begin(self) -> None:
        arguments = {**self._settings(), "Metadata": {_MARK: self._mark}}
        if self._algorithm != "md5":
            arguments["ChecksumAlgorithm"] = self._algorithm.upper()
        answer = self._bucket.call("create_multipart_upload", self.key, **arguments)
        self._repeated = _was_repeated(answer)
        self._upload_id = answer.get("UploadId")
        if not self._upload_id:
            self._repeated = True
            raise StoreUnavailableError(self._prefix() + "the server began no upload")

    def _upload_part(self, number: int, buffer: PartBuffer) -> None:
        """Called in a thread of its own."""
        body = buffer.body()
        digest = Digest(self._algorithm, body)
        answer = self._bucket.call(
            "upload_part", self.key, UploadId=self._upload_id, PartNumber=number, Body=body, **digest.arguments()
        )
        digest.check(answer, self._prefix())
        part = {"PartNumber": number, "ETag": answer.get("ETag")}
        if self._algorithm != "md5" and answer.get(argument(self._algorithm)):
            part[argument(self._algorithm)] = digest.text
        # Also where the server keeps none: for the comparison with what it says in the end.
        self._confirmed[number] = {"part": part, "digest": digest.text}

    def _complete(self) -> None:
        self._send_part()
        self._parts.finish()
        ordered = [self._confirmed[number] for number in sorted(self._confirmed)]
        if len(ordered) != self._count:
            raise StoreUnavailableError(self._prefix() + "not every part was confirmed")
        content = composite(self._algorithm, [part["digest"] for part in ordered])
        parts = {"Parts": [part["part"] for part in ordered]}
        self._decide(
            content,
            lambda: self._bucket.try_call("complete_multipart_upload", self.key, UploadId=self._upload_id, MultipartUpload=parts),
            lambda answer: self._check_joined(answer, content),
        )
        self._upload_id = None

    def _check_joined(self, answer: Answer, content: str) -> None:
        if not answer.get("ETag"):
            raise StoreUnavailableError(self._prefix() + "the answer ended early")
        said = answer.get(argument(self._algorithm))
        if said is not None and "-" in said and said != content:
            raise StoreUnavailableError(self._prefix() + "the server joined the parts to something else than what was sent")

    # the end

    def _decide(self, content: str, request: t.Callable[[], Answer], check: t.Callable[[Answer], None]) -> None:
        """Send the request that makes the object visible and look at its answer, or at the object when that was lost.

        ``content`` stands for the bytes.
        """
        code = ""
        try:
            check(request())
            return
        except library_errors() as error:
            failure = translate(error, self._bucket.store, self._bucket.url(self.key))
            code = code_of(error)
            taken = is_taken(error) or code == "NoSuchUpload"
            if not taken and not isinstance(failure, StoreUnavailableError):
                raise failure from error
        except StoreUnavailableError as error:
            failure, taken = error, False
        if not taken:
            self._unanswered = True
            self._uncertain.add(self.key, self._mark, content)
        # It is told that the key exists, or nothing at all: perhaps the object is this one.
        if self._is_there(content):
            self._unanswered = False
            return
        if code == "NoSuchUpload":
            self._upload_id = None
        raise failure

    def _is_there(self, content: str) -> bool:
        """Whether the object under the key came from this upload, or an earlier one of the same bytes, whose answer was lost."""
        try:
            head = self._bucket.call("head_object", self.key, ChecksumMode="ENABLED")
        except FleetBackupError:
            return False
        mark = head.get("Metadata", {}).get(_MARK)
        ours = mark == self._mark or (mark is not None and self._uncertain.content(self.key, mark) == content)
        return ours and head.get("ContentLength") == self._size and head.get(argument(self._algorithm), content) == content

    def _take_back(self) -> None:
        """Remove the object when it is there after all, although the answer that said so was lost."""
        try:
            head = self._bucket.call("head_object", self.key)
        except (NotFoundError, StoreRefusedError):
            return
        if head.get("Metadata", {}).get(_MARK) == self._mark:
            version = {"VersionId": head["VersionId"]} if head.get("VersionId") else {}
            self._bucket.call("delete_object", self.key, **version)

    def _abort_others(self) -> None:
        """End the uploads of this key that a request began whose answer was lost."""
        try:
            for upload in self._bucket.call("list_multipart_uploads", Prefix=self._bucket.key(self.key)).get("Uploads", ()):
                if upload["Key"] == self._bucket.key(self.key):
                    self._bucket.call("abort_multipart_upload", self.key, UploadId=upload["UploadId"])
        except FleetBackupError:
            return

    def _prefix(self) -> str:
        return "store %s: %s: " % (self._bucket.store, self._bucket.url(self.key))


def _was_repeated(answer: t.Mapping[str, t.Any]) -> bool:
    return bool(answer.get("ResponseMetadata", {}).get("RetryAttempts"))
