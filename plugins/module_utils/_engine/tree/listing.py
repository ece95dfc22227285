# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the entries of a tree as what they are: input that anybody may have written.

Whoever reads a tree through here knows that every path is made of plain names, lies under a root, comes after its folder
and only once, and that what it lies in is a folder of the same archive, never a link or a file.
"""

from __future__ import annotations

import json
import re
import typing as t

from ..archive.index import Entries, Entry, Root, entry_path, entry_target, sort_key, stored_place
from ..errors import IntegrityError
from ..names import printable

FILE, LINK, DIRECTORY, SYMLINK, FIFO = "file", "link", "directory", "symlink", "fifo"
DEVICES = ("character", "block")
_KINDS = frozenset((FILE, LINK, DIRECTORY, SYMLINK, FIFO, *DEVICES))
_NO_NAMES = (b"", b".", b"..")
_NO_TEXTS = (".", "..")
_LARGEST = (1 << 63) - 1
# Nanoseconds: as many seconds as the system can be told (utimensat(2)); files from after 2262 exist.
_LAST_TIME = _LARGEST * 10**9
# 4294967295 means "no id" to chown(2).
_LAST_ID, _LAST_DEVICE = 0xFFFFFFFE, 0xFFFFF


# The whole line of a file like most: small, its path and owner written as they are, its bytes whole, nothing else to it.
_TEXT = r'[^"\\\x00-\x1f]*'
_PLAIN = re.compile(
    r'\{"path":"(TEXT)/([^"\\/\x00-\x1f]+)","type":"file",("mode":"[0-7]{4}","uid":\d{1,9},"gid":\d{1,9}'
    r'(?:,"user":"TEXT")?(?:,"group":"TEXT")?),"size":(\d{1,6}),"mtime":(-?\d{1,19}),"ctime":-?\d+,"dev":\d+,"ino":\d+'
    r'(?:,"bytes":\["(TEXT)",(\d{1,9}),(\d{1,9}),(\d{1,6})\])?,"sha256":"([0-9a-f]{64})"(?:,"young":true)?\}\n'.replace(
        "TEXT", _TEXT
    ),
    re.ASCII,
)

#: Of a file: its folder, name, mode and owner (as they stand in the index), size, time of modification; backup, frame, offset
#: and size of its bytes, or four times None when it has none; its SHA-256.
PlainFile = t.Tuple[str, str, str, str, str, t.Optional[str], t.Optional[str], t.Optional[str], t.Optional[str], str]

# So many files are taken at once: whoever looks at the progress wants to hear of it.
_MOST = 256


class Listing:
    """Iterates over ``(archive path, entry)`` in order.

    Raises IntegrityError at the first entry that is not as it must be, and names it.
    """

    def __init__(self, component: str, entries: Entries, roots: t.Sequence[Root]) -> None:
        self._component = component
        self._entries = entries
        self._waiting = {root.name for root in roots}
        # The folders that are open, each with the last name that was met in it. A root that is "/" has no entry of its own.
        self._stack: t.List[t.Tuple[bytes, t.List[bytes]]] = [(b"", [b""])] if b"" in self._waiting else []

    def __iter__(self) -> t.Iterator[t.Tuple[bytes, Entry]]:
        waiting, stack, refuse = self._waiting, self._stack, self._refuse
        for name in waiting:
            if name and any(part in _NO_NAMES or b"\0" in part for part in name.split(b"/")):
                raise refuse(name, "a root must be a plain path")
        checks = _Checks()
        for entry in self._entries:
            try:
                path, kind = entry_path(entry), entry["type"]
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise IntegrityError("component %s: an entry has no path or type: %s" % (self._component, error)) from None
            parent, _slash, name = path.rpartition(b"/")
            if name in _NO_NAMES or b"\0" in name:
                raise refuse(path, "its name is none that a file can have")
            while stack and stack[-1][0] != parent:
                stack.pop()
            if stack:
                last = stack[-1][1]
                if name <= last[0]:
                    raise refuse(path, "it is not in order, or there are two of it")
                last[0] = name
            elif path in waiting:
                waiting.remove(path)
            else:
                raise refuse(path, "it lies in no folder of the archive")
            try:
                if kind == FILE:
                    checks.file(entry)
                elif kind == DIRECTORY:
                    checks.metadata(entry)
                    stack.append((path, [b""]))
                elif isinstance(kind, str) and kind in _KINDS:
                    checks.other(path, entry, kind)
                else:
                    raise refuse(path, "%r is no type that a tree can hold" % (kind,))
            except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
                raise refuse(path, "it is malformed (%s)" % (error,)) from None
            yield path, entry

    def plain_files(self, folder: bytes) -> t.List[PlainFile]:
        """The files that come next in this folder, as long as they are plain: the pattern checks what is checked of others.

        They do not come again when the iteration goes on.
        """
        files: t.List[PlainFile] = []
        if not self._stack or self._stack[-1][0] != folder:
            return files
        last = self._stack[-1][1]
        try:
            where, before = folder.decode("utf-8"), last[0].decode("utf-8")
        except UnicodeDecodeError:
            return files
        entries = self._entries
        scan = _PLAIN.scanner(entries.text, entries.at).match  # type: ignore[attr-defined]  # typeshed does not know it
        for _number in range(_MOST):
            found = scan()
            if found is None:
                break
            file = found.groups()
            its_folder, name, _owner, size, _mtime, _backup, _frame, _offset, stored, _sha256 = file
            if its_folder != where or name <= before or name in _NO_TEXTS or (size != stored and (stored or size != "0")):
                break
            files.append(file)
            before = name
            entries.at = found.end()
        last[0] = before.encode("utf-8")
        return files

    @staticmethod
    def as_entry(file: PlainFile) -> t.Tuple[bytes, Entry]:
        """The archive path and the entry of a file that plain_files() gave."""
        folder, name, owner, size, mtime, backup, frame, offset, stored, sha256 = file
        entry: Entry = {"path": folder + "/" + name, "type": FILE, **json.loads("{%s}" % owner)}
        entry.update(size=int(size), mtime=int(mtime), sha256=sha256)
        if backup is not None and frame is not None and offset is not None and stored is not None:
            entry["bytes"] = [backup, int(frame), int(offset), int(stored)]
        return entry_path(entry), entry

    def _refuse(self, path: bytes, why: str) -> IntegrityError:
        return IntegrityError("component %s: the entry %s is refused: %s" % (self._component, printable(path) or "''", why))


def stored_size(entry: Entry) -> int:
    """How many bytes of a file the archive holds: all of them, or those of its segments."""
    segments = entry.get("segments")
    size: int = entry["size"]
    return size if segments is None else sum(length for _start, length in segments)


class _Checks:
    """Each raises ValueError and the like unless what a restore uses of an entry is in order."""

    def __init__(self) -> None:
        #: Mode, uid and gid that were found to be some: they repeat.
        self._known: t.Set[t.Tuple[str, int, int]] = set()

    def metadata(self, entry: Entry) -> None:
        mode, uid, gid = entry["mode"], entry.get("uid", 0), entry.get("gid", 0)
        if (mode, uid, gid) not in self._known:
            if len(mode) != 4 or not 0 <= int(mode, 8) <= 0o7777:
                raise ValueError("mode %r" % mode)
            self._known.add((mode, _number(uid, most=_LAST_ID), _number(gid, most=_LAST_ID)))
        _number(entry["mtime"], -_LAST_TIME, _LAST_TIME)

    def file(self, entry: Entry) -> None:
        self.metadata(entry)
        if _number(entry["size"]):
            _check_content(entry)

    def other(self, path: bytes, entry: Entry, kind: str) -> None:
        if kind == LINK:
            self.file(entry)
            if sort_key(entry_target(entry)) >= sort_key(path):
                raise ValueError("a link to an entry that does not come before it")
            return
        self.metadata(entry)
        if kind == SYMLINK:
            if not entry_target(entry) or b"\0" in entry_target(entry):
                raise ValueError("a symbolic link to nothing")
        elif kind in DEVICES:
            major, minor = entry["rdev"]
            _number(major, most=_LAST_DEVICE)
            _number(minor, most=_LAST_DEVICE)


def _check_content(entry: Entry) -> None:
    segments = entry.get("segments")
    stored = entry["size"] if segments is None else _check_segments(segments, entry["size"])
    _is_delta, place = stored_place(entry)
    if place is None:
        if stored:
            raise ValueError("its bytes are nowhere")
    else:
        _backup, frame, offset, size = place
        _number(frame)
        _number(offset)
        if _number(size) != stored:
            raise ValueError("it has %d bytes and the archive %d" % (stored, size))
    if len(entry["sha256"]) != 64:
        raise ValueError("no SHA-256")


def _check_segments(segments: t.Iterable[t.Sequence[int]], size: int) -> int:
    """How many bytes they hold."""
    end = stored = 0
    for offset, length in segments:
        if _number(offset) < end or _number(length) < 1:
            raise ValueError("its segments overlap or are not in order")
        end = offset + length
        stored += length
    if end > size:
        raise ValueError("its segments reach beyond its end")
    return stored


def _number(value: t.Any, least: int = 0, most: int = _LARGEST) -> int:
    if value.__class__ is not int or not least <= value <= most:  # true is an int too
        raise ValueError("%r is no number that can be here" % (value,))
    return value
