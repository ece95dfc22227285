# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of trees that a villain made up, for tests of restoring."""

from __future__ import annotations

import hashlib
import json
import os
import types
import typing as t

from _engine.archive.index import Entries, Entry, Root
from _engine.errors import IntegrityError

KEYS = ("path", "type", "mode", "uid", "gid", "size", "mtime", "ctime", "dev", "ino", "bytes", "sha256")


class Forged:
    """What a reader would give if somebody had written an index and volumes by hand. Contents by path."""

    backup_id = "20261122T020000Z-full-manual-0000"

    def __init__(self, roots: t.Sequence[t.Tuple[str, str]], entries: t.Sequence[Entry], contents: t.Mapping[str, bytes]) -> None:
        self.roots = [Root(os.fsencode(path), os.fsencode(name)) for path, name in roots]
        self._contents = dict(contents)
        self._paths = [value.get("path") for value in entries]
        # Each content has a frame of its own.
        self._lines = [json.dumps(_placed(value, n), separators=(",", ":")).encode() for n, value in enumerate(entries)]
        self.component = types.SimpleNamespace(
            name="forged", source="files", shape="tree", bytes=sum(map(len, contents.values())), entries=len(entries)
        )

    def entries(self, start: bytes = b"") -> Entries:
        return Entries("forged.index", [b"".join(line + b"\n" for line in self._lines)] if self._lines else [])

    def frame(self, backup_id: str, number: int) -> bytes:
        return self._contents[self._paths[number]]

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
    return {key: value[key] for key in sorted(value, key=_order) if value[key] is not None}


def _order(key: str) -> int:
    """The order in which an honest writer has the keys."""
    return KEYS.index(key) if key in KEYS else len(KEYS)


def _placed(value: Entry, frame: int) -> Entry:
    place = value.get("bytes")
    if isinstance(place, list) and place[1:3] == [0, 0]:
        return {**value, "bytes": [place[0], frame, 0, place[3]]}
    return value


def forged(root: str, *entries: Entry, **contents: bytes) -> Forged:
    """An archive with one root called ``r``; the entries' contents by path, with ``/`` written as ``__``."""
    return Forged([(root, "r")], entries, {path.replace("__", "/"): content for path, content in contents.items()})
