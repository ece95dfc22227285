# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies below one folder of a Dropbox, by keys.

Dropbox keeps capital letters and small ones but does not tell them apart: an object whose name differs in them is another one.
"""

from __future__ import annotations

import threading
import typing as t

from ..errors import NotFoundError, StoreRefusedError
from .client import Content, DropboxClient, Entry


class DropboxFolder:
    """``path``: the folder, without slashes around it; empty: the root of what the app may see. It must be there."""

    def __init__(self, client: DropboxClient, path: str) -> None:
        self.client = client
        self._root = path
        self._lock = threading.Lock()
        self._seen = not path

    def path(self, key: str) -> str:
        """A key as Dropbox has it."""
        return "".join("/" + part for part in (self._root, key) if part)

    def place(self, key: str) -> str:
        """A key as people write it."""
        return "dropbox:" + (self.path(key) or "/")

    def object(self, key: str) -> Entry:
        """The file that is the object of a key. Raises NotFoundError."""
        self.look()
        entry = self.client.metadata(self.path(key), self.place(key))
        return self._own(entry, key)

    def read(self, key: str, begin: int, size: t.Optional[int]) -> t.Optional[Content]:
        """Begin to read an object; None: there is nothing to read. Raises NotFoundError."""
        if size != 0:
            self.look()
            try:
                content = self.client.read(self.path(key), begin, size, self.place(key))
            except EOFError:
                pass
            else:
                try:
                    self._own(content.file, key)
                except NotFoundError:
                    content.response.close()
                    raise
                return content
        self.object(key)
        return None

    def entries(self, folder: str) -> t.List[Entry]:
        """Everything directly in a folder, nothing where there is no such folder."""
        self.look()
        try:
            return self.client.entries(self.path(folder), self.place(folder))
        except NotFoundError:
            return []

    def look(self) -> None:
        """Raise unless the folder is there, which is asked once. Dropbox would make it with the first file in it."""
        with self._lock:
            if self._seen:
                return
            place = self.place("")
            try:
                found = self.client.metadata(self.path(""), place)
            except NotFoundError:
                raise StoreRefusedError(
                    "store %s: %s: there is no such folder: make it, or correct the option path (an app that may see only its own"
                    " folder begins in that)" % (self.client.store, place)
                ) from None
            if found.size is not None:
                raise StoreRefusedError("store %s: %s: is no folder" % (self.client.store, place))
            self._seen = True

    def _own(self, entry: Entry, key: str) -> Entry:
        if entry.size is None or entry.name != key.rpartition("/")[2]:
            what = "is a folder" if entry.size is None else "does not exist, only %r" % entry.name
            raise NotFoundError("store %s: %s: %s" % (self.client.store, self.place(key), what))
        return entry
