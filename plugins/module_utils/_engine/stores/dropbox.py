# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of Dropbox: of a whole Dropbox, or of an app's own folder in it."""

from __future__ import annotations

import contextlib
import os
import typing as t
from urllib.parse import quote

from ..dropbox.client import DropboxClient
from ..dropbox.folder import DropboxFolder
from ..errors import ConfigurationError, NotFoundError, StoreRefusedError
from ..options import Option
from . import Meant, Readable, Store, StoredObject, Upload, whatever

if t.TYPE_CHECKING:
    from ..person import Person

HOME = "https://www.dropbox.com/home"


class DropboxStore(Store):
    """Objects are files, in folders as their keys have them, which Dropbox makes by itself."""

    OPTIONS = (
        Option("app_key", "str", "The key of the app, from Dropbox's app console.", required=True, example="a1b2c3d4e5f6g7h"),
        Option(
            "app_secret",
            "str",
            "The secret of the app. Not needed for a refresh token that was made without it (PKCE).",
            secret=True,
        ),
        Option(
            "refresh_token",
            "str",
            "What gives the app access to somebody's Dropbox; C(fleet-backup store setup) gets it (docs/stores.md).",
            required=True,
            secret=True,
        ),
        Option(
            "path",
            "str",
            "The folder below which everything lies, from the root of what the app may see. It must exist. Default: that root.",
            example="backups/prod",
        ),
        Option(
            "app_folder",
            "str",
            "Where the app's own folder lies in the Dropbox, when the app may see no more than that. Only links need it.",
            example="Apps/fleet-backup",
        ),
        Option(
            "chunk_size",
            "size",
            "How much of an object is sent at once, and kept in memory until it arrived. At most 128 MiB.",
            default="8MiB",
        ),
        Option("timeout", "duration", "How long to wait for an answer that does not come.", default="60s"),
        Option("ca_bundle", "path", "The certificates of the authorities that the server's certificate may be signed by."),
        Option(
            "endpoint_url",
            "str",
            "The address of what stands in for Dropbox, a gateway or a test server. It is asked for access tokens too.",
            example="https://dropbox-gateway.example.org",
        ),
    )
    confirms = "checksum"
    requires = ("dropbox",)
    granted = "refresh_token"
    asks_with = ("app_key",)

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        self._options = options
        self._client = DropboxClient(name, options)
        self._folder = DropboxFolder(self._client, (options["path"] or "").strip("/"))
        self._remarks: t.List[str] = []

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        if isinstance(options["chunk_size"], int) and not 1 << 20 <= options["chunk_size"] <= 128 << 20:
            problems.append("chunk_size: must be at least 1MiB and at most 128MiB")
        if options["endpoint_url"] is not None and not options["endpoint_url"].startswith("https://"):
            problems.append("endpoint_url: must begin with https://")
        return problems

    @classmethod
    def ask_consent(cls, name: str, options: t.Dict[str, t.Any], person: Person, device: bool) -> str:
        from ..dropbox.consent import refresh_token

        if device:
            raise ConfigurationError("store %s: Dropbox has no short codes for other devices; leave --device out" % name)
        return refresh_token(name, options, person)

    def whose(self) -> t.Optional[str]:
        try:
            return self._client.account("the account")
        except StoreRefusedError:
            # The app may not ask; whether it may do anything shows elsewhere.
            self._client.entries("", "the root")
            return None

    def put(self, key: str) -> Upload:
        from ..dropbox.upload import DropboxUpload

        return DropboxUpload(self._folder, key, self._options["chunk_size"])

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        from ..dropbox.reader import DropboxReader

        return DropboxReader(self._client, self._folder.read(key, offset, size), self._folder.place(key))

    def size(self, key: str) -> int:
        return self._folder.object(key).size or 0

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        entries = [entry for entry in self._folder.entries(folder) if not entry.name.startswith(".")]
        prefix = folder + "/" if folder else ""
        found = [StoredObject(prefix + entry.name, entry.size, entry.rev) for entry in entries if entry.size is not None]
        return sorted(found, key=lambda o: o.key), sorted(entry.name for entry in entries if entry.size is None)

    def delete(self, key: str) -> None:
        with contextlib.suppress(NotFoundError):
            # Only the file that was seen: a folder would be removed with all that is in it.
            self._client.delete(self._folder.path(key), self._folder.object(key).rev, self._folder.place(key))

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        if folder and not self._folder.entries(folder):
            with contextlib.suppress(NotFoundError):
                self._client.delete(self._folder.path(folder), None, self._folder.place(folder))
        return 0  # an unfinished upload is invisible, and ends by itself

    def free_space(self) -> t.Optional[int]:
        try:
            usage = self._client.space("the account")
        except StoreRefusedError:
            return None  # the app may not ask
        if usage.allocation.is_individual():
            return max(int(usage.allocation.get_individual().allocated) - int(usage.used), 0)
        if not usage.allocation.is_team():
            return None
        team = usage.allocation.get_team()
        room = int(team.allocated) - int(team.used)
        if team.user_within_team_space_allocated:
            room = min(room, int(team.user_within_team_space_allocated) - int(usage.used))
        return max(room, 0)

    def check(self) -> None:
        self._remarks = []
        key = ".check-%s" % os.urandom(4).hex()
        upload = self.put(key)
        try:
            upload.write(b"fleet.backup\n")
            upload.commit()
        finally:
            upload.abort()
        try:
            self.open(key).close()
        except StoreRefusedError as error:
            self._remarks.append("nothing can be read: %s" % error)
        self.delete(key)

    def remarks(self) -> t.List[str]:
        return list(self._remarks)

    def url(self, key: str) -> t.Optional[str]:
        above = (self._options["app_folder"] or "").strip("/")
        folder, _slash, name = self._folder.path(key).rpartition("/")
        folder = ("/" + above if above else "") + folder
        return "%s%s?preview=%s" % (HOME, quote(folder), quote(name, safe=""))
