# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing the entries of an archive with what lies on the disk, folder by folder, and saying what has to be done.

What counts as unchanged: the same type, size, content (its SHA-256 is computed; times prove nothing about a disk that is
suspected), mode, owner (for root), time and attributes. A file whose content is right and which has no other
name is corrected in place; any other difference means a new file.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ..archive.index import Entries, Entry, Root
from ..archive.reader import ComponentReader
from ..errors import RestoreError
from ..names import printable
from ..system import HAS_DIR_FD, join, makes_symlinks, slashed
from ..system.folder import Folder, mount_points
from .extra import Extras, ExtraSearch
from .judge import Judge, Verdict
from .listing import DEVICES, DIRECTORY, FIFO, LINK, SYMLINK, Listing, PlainFile
from .metadata import Permissions
from .select import Selection

if t.TYPE_CHECKING:
    from ..sources import RestoreTarget
    from .walk import Rules

#: What is to be done: nothing, only the metadata, a new thing, a new thing in the place of another, nothing but taking away.
SAME, CORRECT, CREATE, REPLACE, REMOVE = "same", "correct", "create", "replace", "remove"
#: Several new files in a folder that is new itself.
CREATE_FILES = "create files"
#: A folder that exists: before and (for made ones too) after all that is in it. PARTIAL: one that stays, but loses something.
ENTER, LEAVE, PARTIAL = "enter", "leave", "partial"

_VERDICTS = {Verdict.SAME: SAME, Verdict.CORRECT: CORRECT, Verdict.REPLACE: REPLACE}

_UNNAMED: Entry = {"type": DIRECTORY}


class Holder(t.NamedTuple):
    """A folder that exists and on whose file system all below it lies, up to the next holder."""

    path: bytes
    folder: Folder


class Frame:
    """A folder that is being compared; ``rel`` is its path below ``holder``.

    ``live`` is what is there now, None for nothing. ``made`` is what the consumer of the steps makes for it elsewhere.
    ``entry`` is None for a folder whose metadata is not to be restored: it only leads to a root or to something chosen.
    """

    __slots__ = ("entry", "folded", "holder", "info", "live", "made", "path", "rel", "touched")

    def __init__(
        self, holder: Holder, rel: bytes, path: t.Optional[bytes], entry: t.Optional[Entry], live: t.Optional[Folder]
    ) -> None:  # fmt: skip
        self.holder = holder
        self.rel = rel
        self.path = path
        self.entry = entry
        self.live = live
        self.info = live.own_state() if live is not None else None
        self.made: t.Optional[Folder] = None
        #: Whether something in it is to be swapped, so that its own time changes.
        self.touched = False
        #: What Folder.fold() makes of the names in it that were met.
        self.folded: t.Set[bytes] = set()

    def below(self, name: bytes) -> bytes:
        """The path of something in it, relative to the holder."""
        return self.rel + b"/" + name if self.rel else name

    def place(self, name: bytes = b"") -> bytes:
        """The whole path of something in it, or its own."""
        return join(self.holder.path, self.below(name) if name else self.rel).rstrip(b"/") or b"/"

    def close(self) -> None:
        for folder in (self.live, self.made):
            if folder is not None and folder is not self.holder.folder:
                folder.close()


class Step(t.NamedTuple):
    """``name`` is a name in ``frame``. ``child``: the folder's own frame, when it is one that is to be made.

    Of ENTER, LEAVE and CREATE_FILES, ``frame`` is the folder itself. ``info`` is what is there now. Of a folder that has no
    entry in the archive and is only to be made on the way, ``path`` is None.
    """

    what: str
    frame: Frame
    name: bytes
    path: t.Optional[bytes]
    entry: Entry
    info: t.Optional[os.stat_result]
    child: t.Optional[Frame] = None
    files: t.Sequence[PlainFile] = ()


class Comparison:
    """The steps from what is on the disk to what a component holds. Raises RestoreError, IntegrityError, ConfigurationError."""

    def __init__(
        self,
        component: ComponentReader,
        target: RestoreTarget,
        permissions: Permissions,
        rules: t.Optional[Rules],
        opened: t.Callable[[Holder], None] = lambda _: None,
    ) -> None:
        """``opened`` is told of each holder before anything in it is looked at."""
        if target.delete and rules is None:
            raise RestoreError("what is not in the backup cannot be deleted: that needs the job's description of the source")
        self.selection = Selection(target.include)
        self._component = component
        self._permissions = permissions
        self._rules = rules
        self._delete = target.delete
        self._roots = sorted(component.roots, key=lambda root: len(root.name), reverse=True)
        self._names = {root.name for root in self._roots}
        self._to = slashed(os.fsencode(os.path.realpath(target.to))) if target.to is not None else None
        self._mounts = mount_points()
        self._judge = Judge(permissions)
        self._extras: t.Dict[bytes, Extras] = {}
        self._opened = opened
        #: By path; they stay open until close().
        self.holders: t.Dict[bytes, Holder] = {}

    def close(self) -> None:
        """Close all folders. Idempotent."""
        for holder in self.holders.values():
            holder.folder.close()
        self.holders.clear()

    def steps(self) -> t.Iterator[Step]:
        """Yield what is to be done, in the order of the index; a folder's LEAVE after all that is in it.

        Whoever makes a folder sets ``step.child.made`` before asking for the next step.
        """
        if self._delete:
            for root in self._roots:
                self._find_extras(root)
        stack: t.List[Frame] = []
        left_out = b"/"  # no archive path begins so
        listing = self._listing(self._component.entries())
        many_at_once = self.selection.is_all and HAS_DIR_FD
        try:
            for path, entry, is_parent in self.selection.of(listing):
                if path.startswith(left_out):
                    self._permissions.miss("name-skipped", path)
                    continue
                parent, _slash, name = path.rpartition(b"/")
                while stack and stack[-1].path != parent:
                    yield from self._leave(stack)
                if not stack:
                    name = yield from self._begin(path, stack)
                if not self._is_possible(stack[-1], name, path):
                    left_out = path + b"/"
                    continue
                if entry["type"] == DIRECTORY:
                    yield from self._directory(stack, name, path, entry, is_parent)
                elif self._is_allowed(path, entry["type"]):
                    yield self._other(stack[-1], name, path, entry)
                frame = stack[-1]
                if many_at_once and frame.live is None and frame.path is not None:
                    files = listing.plain_files(frame.path)
                    while files:
                        yield Step(CREATE_FILES, frame, b"", frame.path, _UNNAMED, None, None, files)
                        files = listing.plain_files(frame.path)
            while stack:
                yield from self._leave(stack)
        finally:
            for frame in stack:
                frame.close()

    def locate(self, path: bytes) -> bytes:
        """Where on the disk the entry with this archive path belongs."""
        if self._to is not None:
            return join(self._to, path)
        for root in self._roots:
            if path == root.name or not root.name or path.startswith(root.name + b"/"):
                rest = path[len(root.name) :].lstrip(b"/")
                return join(self._original(root), rest) if rest else self._original(root)
        raise RestoreError("%s lies under no root of the backup" % printable(path))

    def judge_link(self, path: bytes, entry: Entry, folder: Folder, name: bytes) -> bool:
        """Whether the file ``name`` in ``folder`` is what the hard link ``entry`` must be a name of."""
        info = folder.state(name)
        return info is not None and self._judge.other(folder, name, info, path, entry) is not Verdict.REPLACE

    def open_below(self, place: bytes) -> t.Optional[t.Tuple[Folder, bytes]]:
        """The folder of a place below a holder, opened without following a link, and its name there; None when there is none."""
        holder = max((h for h in self.holders.values() if _is_below(place, h.path)), key=lambda h: len(h.path), default=None)
        if holder is None:
            return None
        parts = place[len(holder.path) :].strip(b"/").split(b"/")
        folder = holder.folder.folder(b".")
        try:
            for part in parts[:-1]:
                below = folder.folder(part)
                folder.close()
                folder = below
        except OSError:
            folder.close()
            return None
        return folder, parts[-1]

    def _listing(self, entries: Entries) -> Listing:
        return Listing(self._component.component.name, entries, self._component.roots)

    def _original(self, root: Root) -> bytes:
        if not os.path.isabs(root.path) or b"\0" in root.path:
            raise RestoreError("%s: the root that the backup names is no absolute path" % printable(root.path))
        return slashed(os.path.realpath(root.path))

    def _begin(self, path: bytes, stack: t.List[Frame]) -> t.Generator[Step, None, bytes]:
        """Go to the folder that a root lies in, making what is missing on the way; return the root's name on the disk."""
        place = self.locate(path)
        name = os.path.basename(place)
        if not name:
            raise RestoreError("%s: is not a place that can be replaced" % printable(place))
        # The archive says what lies below ``start``. How one gets to that is the user's and the system's affair.
        start, parts = os.path.dirname(place), []
        if self._to is not None:
            start, parts = self._to, path.split(b"/")[:-1]
        while True:
            try:
                holder = self._holder(start)
                break
            except FileNotFoundError:
                start, missing = os.path.split(start)
                parts.insert(0, missing)
            except OSError as error:
                raise RestoreError("%s: is no folder to restore into: %s" % (printable(start), error.strerror)) from None
        # Only the root "/" has no entry of its own; what lies in it finds its frame by the empty path.
        is_top = path not in self._names
        stack.append(Frame(holder, b"", b"" if is_top and not parts else None, None, holder.folder))
        for number, part in enumerate(parts):
            last = is_top and number == len(parts) - 1
            yield from self._directory(stack, part, None, _UNNAMED, True)
            stack[-1].path = b"" if last else None
        return name

    def _holder(self, path: bytes) -> Holder:
        if path not in self.holders:
            self._add_holder(Holder(path, Folder.at(path)))
        return self.holders[path]

    def _add_holder(self, holder: Holder) -> None:
        self.holders[holder.path] = holder
        self._opened(holder)

    def _directory(
        self, stack: t.List[Frame], name: bytes, path: t.Optional[bytes], entry: Entry, is_parent: bool
    ) -> t.Iterator[Step]:
        frame = stack[-1]
        info = None
        if frame.live is not None:
            info = self._state(frame, name)
            if info is not None and stat.S_ISDIR(info.st_mode):
                child = self._enter(frame, name, path, None if is_parent else entry, info)
                stack.append(child)
                if path is not None:
                    yield Step(ENTER, child, name, path, entry, info)
                return
            if info is not None and path is None:
                place = printable(frame.place(name))
                raise RestoreError("%s: is in the way: it is no folder, and nothing is restored through links" % place)
            frame.touched = True
        child = Frame(frame.holder, frame.below(name), path, None if path is None else entry, None)
        stack.append(child)
        yield Step(CREATE if info is None else REPLACE, frame, name, path, entry, info, child)

    def _enter(
        self, frame: Frame, name: bytes, path: t.Optional[bytes], entry: t.Optional[Entry], info: os.stat_result
    ) -> Frame:  # fmt: skip
        place = frame.place(name)
        try:
            folder = t.cast(Folder, frame.live).folder(name)
        except OSError as error:
            raise RestoreError("%s: the folder cannot be opened: %s" % (printable(place), error.strerror)) from None
        elsewhere = info.st_dev != t.cast(os.stat_result, frame.info).st_dev or place in self._mounts
        if path not in self._names and not elsewhere:
            return Frame(frame.holder, frame.below(name), path, entry, folder)
        if place in self.holders:
            folder.close()
        else:
            self._add_holder(Holder(place, folder))
        return Frame(self.holders[place], b"", path, entry, self.holders[place].folder)

    def _is_possible(self, frame: Frame, name: bytes, path: bytes) -> bool:
        """Whether this system takes the name, and tells it from those before it."""
        folded = Folder.fold(name)
        if folded is None or folded in frame.folded:
            self._permissions.miss("name-skipped", path)
            return False
        if folded is not name:
            frame.folded.add(folded)
        return True

    def _is_allowed(self, path: bytes, kind: str) -> bool:
        if kind in DEVICES and not self._permissions.devices:
            self._permissions.miss("device-skipped", path)
            return False
        if kind == FIFO and not Folder.HAS_SPECIAL:
            self._permissions.miss("special-skipped", path)
            return False
        if kind == SYMLINK and not makes_symlinks():
            self._permissions.miss("link-skipped", path)
            return False
        return True

    def _other(self, frame: Frame, name: bytes, path: bytes, entry: Entry) -> Step:
        if frame.live is None:
            return Step(CREATE, frame, name, path, entry, None)
        info = self._state(frame, name)
        if info is None:
            frame.touched = True
            return Step(CREATE, frame, name, path, entry, None)
        if stat.S_ISDIR(info.st_mode):
            self._check_may_go(frame, name)
            verdict = Verdict.REPLACE
        else:
            verdict = self._judge.other(frame.live, name, info, path, entry)
            if entry["type"] == LINK and verdict is not Verdict.REPLACE and not self._is_linked(path, entry, info):
                verdict = Verdict.REPLACE
        frame.touched = frame.touched or verdict is Verdict.REPLACE
        return Step(_VERDICTS[verdict], frame, name, path, entry, info)

    def _is_linked(self, path: bytes, entry: Entry, info: os.stat_result) -> bool:
        """Whether what is there is the same file as the one that it is to be a link to."""
        found = self.open_below(self.locate(self._judge.target(entry)))
        if found is None:
            return False
        folder, name = found
        try:
            other = folder.state(name)
        finally:
            folder.close()
        return other is not None and (other.st_dev, other.st_ino) == (info.st_dev, info.st_ino)

    def _check_may_go(self, frame: Frame, name: bytes) -> None:
        """A folder makes way for something else when it is empty; with ``delete`` ExtraSearch has looked into it."""
        if self._delete:
            return
        try:
            folder = t.cast(Folder, frame.live).folder(name)
        except OSError as error:
            raise RestoreError("%s: the folder cannot be opened: %s" % (printable(frame.place(name)), error.strerror)) from None
        try:
            if folder.names():
                place = printable(frame.place(name))
                raise RestoreError(
                    "%s: is no folder in the backup, and is one now that is not empty; move it away, or restore with delete"
                    % place
                )
        finally:
            folder.close()

    def _state(self, frame: Frame, name: bytes) -> t.Optional[os.stat_result]:
        try:
            return t.cast(Folder, frame.live).state(name)
        except OSError as error:
            raise RestoreError("%s: cannot be looked at: %s" % (printable(frame.place(name)), error.strerror)) from None

    def _leave(self, stack: t.List[Frame]) -> t.Iterator[Step]:
        frame = stack[-1]
        if frame.live is not None and frame.path is not None:
            extras = self._extras.pop(frame.path, None)
            for paths, what in zip(extras or (), (REMOVE, PARTIAL)):
                for path in paths:
                    frame.touched = True
                    yield Step(what, frame, path, None, _UNNAMED, None)
        yield Step(LEAVE, frame, b"", frame.path, frame.entry or _UNNAMED, frame.info)
        stack.pop().close()

    def _find_extras(self, root: Root) -> None:
        place = self.locate(root.name)
        if not os.path.isdir(place) or os.path.islink(place) or self._rules is None:
            return
        prefix = root.name + b"/" if root.name else b""

        def entries() -> t.Iterator[t.Tuple[bytes, Entry]]:
            for path, entry in self._listing(self._component.entries()):
                if path == root.name or path.startswith(prefix):
                    yield path, entry

        try:
            found = ExtraSearch(root.name, place, self._rules, self.selection.means, self._mounts).run(entries())
        except OSError as error:
            raise RestoreError("%s: cannot be read: %s" % (printable(place), error.strerror)) from None
        self._extras.update(found)


def _is_below(place: bytes, folder: bytes) -> bool:
    return place.startswith(folder.rstrip(b"/") + b"/")
