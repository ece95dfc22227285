# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of Google Drive: of a person's own drive, or of a shared one."""

from __future__ import annotations

import os
import typing as t

from ..gdrive.client import DriveClient
from ..gdrive.tree import ROOT, DriveTree, Entry, objects
from ..options import Option
from . import Meant, Readable, Store, StoredObject, Upload, whatever

if t.TYPE_CHECKING:
    from ..gdrive.upload import Lost
    from ..person import Person

#: Pieces of an upload are multiples of it.
_UNIT = 256 << 10


class GdriveStore(Store):
    """Objects are files, in folders as their keys have them. Names need not be unique there; gdrive/tree.py has the rules."""

    OPTIONS = (
        Option(
            "folder_id",
            "str",
            "The folder below which everything lies: the last part of its address in the browser. Default: the person's drive.",
            default=ROOT,
            example="1AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        ),
        Option("path", "str", "Folders below that one, which are made when they are missing.", example="backups/prod"),
        Option("client_id", "str", "The id of the OAuth client, with O(refresh_token)."),
        Option("client_secret", "str", "The secret of the OAuth client.", secret=True),
        Option(
            "refresh_token",
            "str",
            "What gives access to the drive of a person; C(fleet-backup store setup) gets it (docs/stores.md).",
            secret=True,
        ),
        Option(
            "service_account",
            "str",
            "The key of a service account (JSON), instead of a refresh token. It has no storage of its own: it needs a folder of"
            " a shared drive, or a O(subject).",
            secret=True,
        ),
        Option(
            "subject",
            "str",
            "The person for whom the service account acts (domain-wide delegation).",
            example="backup@example.org",
        ),
        Option(
            "chunk_size",
            "size",
            "How much of an object is sent at once, and kept in memory until it arrived. A multiple of 256 KiB.",
            default="8MiB",
        ),
        Option("timeout", "duration", "How long to wait for an answer that does not come.", default="60s"),
        Option("ca_bundle", "path", "The certificates of the authorities that the server's certificate may be signed by."),
        Option(
            "endpoint_url",
            "str",
            "The address of what stands in for Google, a gateway or a test server. It is asked for access tokens too.",
            example="https://drive-gateway.example.org",
        ),
    )
    confirms = "checksum"
    requires = ("googleapiclient",)
    granted = "refresh_token"
    asks_with = ("client_id", "client_secret")

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        self._options = options
        self._client = DriveClient(name, options)
        self._tree = DriveTree(self._client, options["folder_id"], (options["path"] or "").strip("/"))
        self._lost: t.Optional[Lost] = None
        self._remarks: t.List[str] = []

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        if (options["service_account"] is None) == (options["refresh_token"] is None):
            problems.append("refresh_token: give either a refresh_token or a service_account")
        if options["refresh_token"] is not None and (options["client_id"] is None or options["client_secret"] is None):
            problems.append("client_id: a refresh_token needs the client_id and client_secret that it was made for")
        if options["subject"] is not None and options["service_account"] is None:
            problems.append("subject: needs service_account")
        if isinstance(options["chunk_size"], int):
            chunk = options["chunk_size"]
            if chunk % _UNIT or not _UNIT <= chunk <= 256 << 20:
                problems.append("chunk_size: must be a multiple of 256KiB, at most 256MiB")
        endpoint = options["endpoint_url"]
        if endpoint is not None and not endpoint.startswith("https://"):
            problems.append("endpoint_url: must begin with https://")
        return problems

    @classmethod
    def ask_consent(cls, name: str, options: t.Dict[str, t.Any], person: Person, device: bool) -> str:
        from ..gdrive.consent import DriveConsent

        # A folder that was made by hand is seen with access to the whole drive only.
        return DriveConsent(name, options, options["folder_id"] != ROOT, person).refresh_token(device)

    def whose(self) -> t.Optional[str]:
        user = self._client.ask("GET", "about", {"fields": "user"}, "the account").get("user", {})
        told = user.get("emailAddress") or user.get("displayName")
        return None if told is None else str(told)

    def put(self, key: str) -> Upload:
        from ..gdrive.upload import DriveUpload, Lost

        if self._lost is None:
            self._lost = Lost()
        return DriveUpload(self._tree, key, self._options["chunk_size"], self._options["timeout"], self._lost)

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        from ..gdrive.reader import DriveReader

        entry = self._tree.object(key)
        left = max((entry.size or 0) - offset, 0)
        return DriveReader(self._client, entry, offset, left if size is None else min(left, size), self._tree.place(key))

    def size(self, key: str) -> int:
        return self._tree.object(key).size or 0

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        entries = [entry for entry in self._tree.entries(folder) if not entry.name.startswith(".")]
        prefix = folder + "/" if folder else ""
        found = [StoredObject(prefix + entry.name, entry.size or 0, entry.id) for entry in objects(entries)]
        return sorted(found, key=lambda o: o.key), sorted({entry.name for entry in entries if entry.is_folder})

    def delete(self, key: str) -> None:
        folder, _slash, name = key.rpartition("/")
        # The younger ones too: they would be the object otherwise.
        for entry in reversed(self._tree.entries(folder, name)):
            if entry.size is not None and entry.arriving is None:
                self._tree.remove(entry.id, self._tree.place(key))

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        return sum(entry.size or 0 for entry in self._arriving(folder, meant))

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        left = self._arriving(folder, meant)
        place = self._tree.place(folder)
        for entry in left:
            self._tree.remove(entry.id, place)
        if folder and not self._tree.entries(folder):
            for folder_id in self._tree.folders(folder):
                self._tree.remove(folder_id, place)
            self._tree.forget()
        return len(left)

    def free_space(self) -> t.Optional[int]:
        if self._tree.drive is not None:
            return None  # what is asked about is the account's own drive
        quota = self._client.ask("GET", "about", {"fields": "storageQuota"}, "the account").get("storageQuota", {})
        if "limit" not in quota:
            return None
        return max(int(quota["limit"]) - int(quota.get("usage", 0)), 0)

    def check(self) -> None:
        self._remarks = []
        upload = self.put(".check-%s" % os.urandom(4).hex())
        try:
            upload.write(b"fleet.backup\n")
            upload.commit()
        finally:
            upload.abort()
        key = t.cast(t.Any, upload).key
        self.delete(key)
        if self._tree.drive is not None:
            self._remarks.append("a shared drive: its quota cannot be asked for")

    def remarks(self) -> t.List[str]:
        return list(self._remarks)

    def url(self, key: str) -> t.Optional[str]:
        found = self._client.file("GET", self._tree.object(key).id, self._tree.place(key), fields="webViewLink")
        link = found.get("webViewLink")
        return None if link is None else str(link)

    def _arriving(self, folder: str, meant: Meant) -> t.List[Entry]:
        return [entry for entry in self._tree.entries(folder) if entry.arriving is not None and meant(entry.name)]
