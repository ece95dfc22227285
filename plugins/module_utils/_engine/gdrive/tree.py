# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files of a drive by their names, which need not be unique there.

The rules, for readers and writers alike:

- Folders of one name are one folder. New files go into the oldest of them.
- Of several files of one name the oldest is the object, the others are nothing. Age is ``createdTime``, then the id.
- A file with the property ``fleet-backup-arriving`` is not there yet: its upload is between its last byte and its confirmation.
"""

from __future__ import annotations

import threading
import typing as t

from ..errors import NotFoundError, StoreRefusedError, StoreUnavailableError
from .client import FIELDS, DriveClient, Json

FOLDER = "application/vnd.google-apps.folder"
ARRIVING = "fleet-backup-arriving"

#: The alias of a person's own drive; it cannot always be asked about (with the scope drive.file it cannot).
ROOT = "root"


class Entry(t.NamedTuple):
    """A file or folder. ``size``: None for what has none, folders and documents of Google's own; ``arriving``: the mark of its
    upload."""

    created: str
    id: str
    name: str
    size: t.Optional[int]
    is_folder: bool
    arriving: t.Optional[str]


class DriveTree:
    """What lies below one folder of a drive, and below ``path`` in it."""

    def __init__(self, client: DriveClient, root: str, path: str) -> None:
        self.client = client
        self._root = root
        self._path = path
        self._lock = threading.RLock()
        self._drive: t.Optional[str] = None
        self._known: t.Dict[str, t.List[str]] = {}

    @property
    def drive(self) -> t.Optional[str]:
        """The id of the shared drive that everything lies in, None in a person's own."""
        self._root_ids()
        return self._drive

    def place(self, key: str) -> str:
        """An object as people write it."""
        return "/".join(part for part in ("gdrive:" + self._root, self._path, key) if part)

    def entries(self, folder: str, name: t.Optional[str] = None) -> t.List[Entry]:
        """The files and folders in a folder, those of one name if it is given, the oldest first."""
        try:
            return self._entries(self.folders(folder), name, self.place(folder))
        except NotFoundError:
            # Somebody removed a folder that was known.
            self.forget()
            return self._entries(self.folders(folder), name, self.place(folder))

    def object(self, key: str) -> Entry:
        """The file that is the object of a key. Raises NotFoundError."""
        folder, _slash, name = key.rpartition("/")
        found = objects(self.entries(folder, name))
        if not found:
            raise NotFoundError("store %s: %s: does not exist" % (self.client.store, self.place(key)))
        return found[0]

    def folders(self, folder: str) -> t.List[str]:
        """The ids of the folders that are this one, the oldest first; none when it does not exist."""
        with self._lock:
            ids = self._root_ids()
            path = ""
            for name in self._names(folder):
                path = path + "/" + name
                if path not in self._known:
                    found = [e.id for e in self._entries(ids, name, self.place(folder)) if e.is_folder]
                    if not found:
                        return []
                    self._known[path] = found
                ids = self._known[path]
            return ids

    def make(self, folder: str) -> str:
        """The id of the folder that new files of this one go into; it is made where it is missing."""
        with self._lock:
            ids = self._root_ids()
            path = ""
            for name in self._names(folder):
                path = path + "/" + name
                if path not in self._known:
                    self._known[path] = self._found_or_made(ids, name, self.place(folder))
                ids = self._known[path]
            return ids[0]

    def remove(self, file_id: str, place: str) -> None:
        """Remove a file for good, so that its space is free. Who may not do that in a shared drive moves it to the trash."""
        try:
            self.client.file("DELETE", file_id, place)
        except NotFoundError:
            return
        except StoreRefusedError:
            if self.drive is None:
                raise
            self.client.file("PATCH", file_id, place, {"trashed": True})

    def forget(self) -> None:
        """Look for folders again."""
        with self._lock:
            self._known.clear()

    def _names(self, folder: str) -> t.List[str]:
        return [name for name in "/".join((self._path, folder)).split("/") if name]

    def _found_or_made(self, parents: t.List[str], name: str, place: str) -> t.List[str]:
        found = [e.id for e in self._entries(parents, name, place) if e.is_folder]
        if found:
            return found
        made = self.client.ask(
            "POST",
            "files",
            {"supportsAllDrives": "true", "fields": "id,name"},
            place,
            {"name": name, "mimeType": FOLDER, "parents": [parents[0]]},
        )
        if made.get("name") != name or not made.get("id"):
            raise StoreUnavailableError("store %s: %s: the server made another folder" % (self.client.store, place))
        # Others may have made one at the same moment; all agree on the oldest.
        return [e.id for e in self._entries(parents, name, place) if e.is_folder] or [str(made["id"])]

    def _entries(self, parents: t.Sequence[str], name: t.Optional[str], place: str) -> t.List[Entry]:
        if not parents:
            return []
        terms = ["(%s)" % " or ".join("'%s' in parents" % _quoted(parent) for parent in parents), "trashed = false"]
        if name is not None:
            terms.append("name = '%s'" % _quoted(name))
        query: Json = {
            "q": " and ".join(terms),
            "fields": "nextPageToken,incompleteSearch,files(%s)" % FIELDS,
            "pageSize": 1000,
            "supportsAllDrives": "true",
            "includeItemsFromAllDrives": "true",
        }
        if self._drive is not None:
            query.update({"corpora": "drive", "driveId": self._drive})
        found: t.Dict[str, Entry] = {}
        while True:
            page = self.client.ask("GET", "files", query, place)
            if "files" not in page or page.get("incompleteSearch"):
                raise StoreUnavailableError("store %s: %s: the listing is not whole" % (self.client.store, place))
            for file in page["files"]:
                entry = entry_of(file)
                # The service compares names without regard to case.
                if name is None or entry.name == name:
                    found[entry.id] = entry
            if not page.get("nextPageToken"):
                return sorted(found.values())
            query["pageToken"] = page["nextPageToken"]

    def _root_ids(self) -> t.List[str]:
        with self._lock:
            if "" not in self._known:
                if self._root != ROOT:
                    self._look_at_root()
                self._known[""] = [self._root]
            return self._known[""]

    def _look_at_root(self) -> None:
        place = self.place("")
        try:
            found = self.client.file("GET", self._root, place, fields="id,mimeType,trashed,driveId")
        except NotFoundError:
            raise StoreRefusedError(
                "store %s: %s: there is no such folder, or this account may not see it: share it with the account; one that was"
                " authorized for its own files only (scope drive.file) sees no others" % (self.client.store, place)
            ) from None
        if found.get("mimeType") != FOLDER or found.get("trashed"):
            what = "is in the trash" if found.get("trashed") else "is no folder"
            raise StoreRefusedError("store %s: %s: %s" % (self.client.store, place, what))
        self._drive = found.get("driveId")


def entry_of(file: Json) -> Entry:
    """What an answer says of a file."""
    arriving = (file.get("properties") or {}).get(ARRIVING)
    size = file.get("size")
    is_folder = file.get("mimeType") == FOLDER
    return Entry(
        str(file.get("createdTime", "")),
        str(file.get("id", "")),
        str(file.get("name", "")),
        None if size is None or is_folder else int(size),
        is_folder,
        arriving,
    )


def objects(entries: t.Iterable[Entry]) -> t.List[Entry]:
    """The files that are objects, by the rules; ``entries`` are the oldest first."""
    found: t.Dict[str, Entry] = {}
    for entry in entries:
        if entry.size is not None and entry.arriving is None:
            found.setdefault(entry.name, entry)
    return list(found.values())


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
