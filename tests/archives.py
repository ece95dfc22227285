# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of trees that a villain made up, for tests of restoring."""

from __future__ import annotations

import hashlib
import os
import types
import typing as t

from _engine.archive.index import Entry, Root
from _engine.errors import IntegrityError


class Forged:
    """What a reader would give if somebody had written an index and volumes by hand. Contents by path."""

    backup_id = "20261122T020000Z-full-manual-0000"

    def __init__(self, roots: t.Sequence[t.Tuple[str, str]], entries: t.Sequence[Entry], contents: t.Mapping[str, bytes]) -> None:
        self.roots = [Root(os.fsencode(path), os.fsencode(name)) for path, name in roots]
        self._entries = list(entries)
        self._contents = dict(contents)
        self.component = types.SimpleNamespace(
            name="forged", source="files", shape="tree", bytes=sum(map(len, contents.values())), entries=len(entries)
        )

    def entries(self, start: bytes = b"") -> t.Iterator[Entry]:
        yield from (dict(entry) for entry in self._entries)

    def read(self, entry: Entry) -> t.Iterator[memoryview]:
        content = self._contents[entry["path"]]
        for start in range(0, len(content), 7000):
            yield memoryview(content[start : start + 7000])
        if "segments" not in entry and hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise IntegrityError("%s differs" % entry["path"], ["volume"])


def entry(path: str, kind: str = "file", content: bytes = b"", **more: t.Any) -> Entry:
    """An entry as an honest writer would make it; ``more`` overrides what it says."""
    value: Entry = {
        "path": path, "type": kind, "mode": "0755" if kind == "directory" else "0644",
        "uid": os.geteuid(), "gid": os.getegid(), "mtime": 1_600_000_000_123_456_789, "ctime": 1, "dev": 1, "ino": 1,
    }  # fmt: skip
    if kind in ("file", "link"):
        value["size"] = len(content)
        if content:
            value["bytes"] = [Forged.backup_id, 0, 0, len(content)]
        value["sha256"] = hashlib.sha256(content).hexdigest()
    value.update(more)
    return {key: field for key, field in value.items() if field is not None}


def forged(root: str, *entries: Entry, **contents: bytes) -> Forged:
    """An archive with one root called ``r``; the entries' contents by path, with ``/`` written as ``__``."""
    return Forged([(root, "r")], entries, {path.replace("__", "/"): content for path, content in contents.items()})
