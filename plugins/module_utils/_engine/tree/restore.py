# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring a tree of files: staged beside its place, swapped in by renames, undone the same way.

Without root, what only root may give (owners, devices) is left out and told; nothing else differs.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import typing as t

from ..archive.index import entry_target
from ..errors import RestoreError
from ..interruption import checkpoint, uninterrupted
from ..names import printable
from ..result import Notice
from ..sources import RestorePlan, RestoreTarget
from ..system import list_xattrs
from ..system.folder import Folder
from .compare import (
    CORRECT,
    CREATE,
    CREATE_FILES,
    ENTER,
    LEAVE,
    PARTIAL,
    REMOVE,
    REPLACE,
    SAME,
    Comparison,
    Frame,
    Holder,
    Step,
)  # fmt: skip
from .listing import FILE, LINK, Listing, PlainFile, stored_size
from .metadata import Metadata, Permissions
from .plain_files import PlainFiles
from .staging import Staging, recover
from .write import EntryWriter

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader
    from .walk import Rules

# What a file costs besides its bytes, at most: an inode and half a block.
_OVERHEAD = 4096

# The mode of folders that the archive knows nothing of.
_PLAIN_FOLDER = 0o755


def plan_restore(component: ComponentReader, target: RestoreTarget, rules: t.Optional[Rules] = None) -> RestorePlan:
    """What a restore would do. Nothing is written. ``rules``: what the source backs up; needed for ``target.delete``.

    Raises RestoreError, IntegrityError, ConfigurationError (a wrong pattern).
    """
    permissions = Permissions(target.set_ids, target.devices)
    comparison = Comparison(component, target, permissions, rules)
    counts = _Counts(permissions)
    try:
        for step in comparison.steps():
            counts.add(step)
    finally:
        comparison.close()
    return counts.plan


class TreeRestore:
    """The restore of one tree (sources.Restoring). ``plan`` tells what stage() found to be done."""

    sets_times = True

    def __init__(self, component: ComponentReader, target: RestoreTarget, rules: t.Optional[Rules] = None) -> None:
        self._component = component
        self._target = target
        self._rules = rules
        self._permissions = Permissions(target.set_ids, target.devices)
        self._writer = EntryWriter(self._permissions)
        self._plain = PlainFiles(component, self._permissions, self._make_file)
        self._comparison = Comparison(component, target, self._permissions, rules, self._recover)
        self._counts = _Counts(self._permissions)
        self.plan = self._counts.plan
        self._stagings: t.Dict[bytes, Staging] = {}
        self._recovered: t.List[str] = []
        self._needed: t.Optional[t.Dict[int, int]] = None
        #: In a partial restore: links whose file was not chosen, by the path of that file; the first takes its part.
        self._first_links: t.Dict[bytes, bytes] = {}

    def stage(self, progress: t.Callable[[int], None]) -> None:
        for step in self._comparison.steps():
            self._stage(step, progress)
            self._counts.add(step)
        self._plain.settle()
        self._plain.close()
        for staging in self._stagings.values():
            staging.seal()

    def commit(self) -> t.List[Notice]:
        for staging in self._stagings.values():
            staging.commit()
        name = self._component.component.name
        notices = self._permissions.notices(name)
        if self._recovered:
            notices.append(Notice("interrupted-restore", "; ".join(self._recovered), name, len(self._recovered)))
        return notices

    def undo(self) -> None:
        self._plain.close()
        problems = []
        for staging in reversed(list(self._stagings.values())):
            try:
                staging.undo()
            except RestoreError as error:
                problems.append(str(error))
        if problems:
            raise RestoreError("\n".join(problems))

    def conclude(self) -> None:
        for staging in self._stagings.values():
            staging.conclude()

    def finish(self) -> None:
        self._plain.close()
        self.conclude()
        for staging in self._stagings.values():
            staging.finish()
        self._comparison.close()

    def _recover(self, holder: Holder) -> None:
        self._recovered += recover(holder.folder, holder.path, self._permissions)

    def _stage(self, step: Step, progress: t.Callable[[int], None]) -> None:
        try:
            self._take(step, progress)
        except OSError as error:
            raise _failed(step.frame, step.name, error) from error

    def _take(self, step: Step, progress: t.Callable[[int], None]) -> None:
        what, frame = step.what, step.frame
        if what in (CREATE, REPLACE):
            self._make(step, progress)
        elif what == CREATE_FILES:
            self._plain.write(frame, step.files, progress)
        elif what == LEAVE:
            self._leave(frame)
        elif what == SAME:
            progress(step.entry.get("size", 0))
        elif what == CORRECT:
            self._correct(step)
            progress(step.entry.get("size", 0))
        elif what == REMOVE:
            self._staging(frame).note(REMOVE, frame.below(step.name))
        elif what == PARTIAL:
            self._note_partial(frame, step.name)

    def _make(self, step: Step, progress: t.Callable[[int], None]) -> None:
        frame, name = step.frame, step.name
        if frame.made is not None:
            folder = frame.made
        else:
            staging = self._staging(frame)
            path = frame.below(name)
            known = step.path is None and staging.has(path)
            if not known:
                staging.note(step.what, path)
            folder, name = staging.new, staging.unit(path)
        if step.child is not None:
            step.child.made = self._make_folder(folder, name, step.path is None)
        elif step.entry["type"] == LINK and self._link(step, folder, name):
            progress(step.entry["size"])
        else:
            entry, path = step.entry, t.cast(bytes, step.path)
            self._writer.write(folder, name, path, entry, self._component.read(entry), progress)

    def _make_file(self, frame: Frame, folder: Folder, file: PlainFile, progress: t.Callable[[int], None]) -> None:
        path, entry = Listing.as_entry(file)
        name = os.path.basename(path)
        try:
            self._writer.write(folder, name, path, entry, self._component.read(entry), progress)
        except OSError as error:
            raise _failed(frame, name, error) from error

    @staticmethod
    def _make_folder(folder: Folder, name: bytes, on_the_way: bool) -> Folder:
        """A folder on the way to several roots may have been made for another of them."""
        try:
            return folder.make_folder(name)
        except FileExistsError:
            if not on_the_way:
                raise
            return folder.folder(name)

    def _link(self, step: Step, folder: Folder, name: bytes) -> bool:
        """Make a hard link to the entry's file; False when it must become a file of its own."""
        self._plain.settle()  # its file may be one of those
        target = entry_target(step.entry)
        if not self._comparison.selection.means(target, False):
            first = self._first_links.setdefault(target, t.cast(bytes, step.path))
            if first == step.path:
                return False
            target = first
        found = self._find(self._comparison.locate(target), step)
        if found is None:
            return False
        source, source_name = found
        try:
            source.link(source_name, folder, name)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EXDEV):
                raise
            self._permissions.miss("hard-link-copied", t.cast(bytes, step.path))
            return False
        finally:
            source.close()
        return True

    def _find(self, place: bytes, step: Step) -> t.Optional[t.Tuple[Folder, bytes]]:
        """Where the file at ``place`` is now: staged, or in its place already and as the archive has it."""
        for holder, staging in self._stagings.items():
            if place.startswith(holder.rstrip(b"/") + b"/"):
                found = _staged(staging, place[len(holder.rstrip(b"/")) + 1 :])
                if found is not None:
                    return found
        found = self._comparison.open_below(place)
        if found is not None and not self._comparison.judge_link(t.cast(bytes, step.path), step.entry, *found):
            found[0].close()
            return None
        return found

    def _correct(self, step: Step) -> None:
        frame, name = step.frame, step.name
        fd = t.cast(Folder, frame.live).read(name)
        try:
            was = Metadata.of(t.cast(os.stat_result, step.info), self._permissions.comparable(list_xattrs(fd)))
        finally:
            os.close(fd)
        self._staging(frame).note_set(frame.below(name), was, self._permissions.metadata(step.entry, step.path))

    def _leave(self, frame: Frame) -> None:
        """A folder is complete: give it what it is to have, now or, if it stays, after all swaps in it."""
        if frame.made is not None:
            self._plain.then(frame, functools.partial(self._dress, frame))
            return
        if frame.live is None or frame.info is None:
            return
        xattrs = list_xattrs(frame.live.handle)
        agrees = frame.entry is None or self._permissions.agrees(frame.info, xattrs, frame.entry)
        if agrees and not frame.touched:
            return
        was = Metadata.of(frame.info, self._permissions.comparable(xattrs))
        new = None
        if frame.entry is not None:
            new = self._permissions.metadata(frame.entry, None if agrees else frame.path)
        self._staging(frame).note_set(frame.rel, was, new)

    def _dress(self, frame: Frame, folder: Folder) -> None:
        if frame.entry is None:
            os.chmod(folder.handle, _PLAIN_FOLDER)
        else:
            path = t.cast(bytes, frame.path)
            self._permissions.give(folder.handle, self._permissions.metadata(frame.entry, path), path)

    def _note_partial(self, frame: Frame, path: bytes) -> None:
        found = self._comparison.open_below(frame.place(path))
        if found is None:
            return
        parent, name = found
        try:
            folder = parent.folder(name)
        finally:
            parent.close()
        try:
            was = Metadata.of(folder.own_state(), self._permissions.comparable(list_xattrs(folder.handle)))
        finally:
            folder.close()
        self._staging(frame).note_set(frame.below(path), was, None)

    def _staging(self, frame: Frame) -> Staging:
        holder = frame.holder
        staging = self._stagings.get(holder.path)
        if staging is None:
            with uninterrupted():  # or it would stay behind
                staging = Staging.begin(holder.folder, holder.path, self._permissions)
                self._stagings[holder.path] = staging
            checkpoint()
            self._check_space(holder.folder, holder.path)
        return staging

    def _check_space(self, folder: Folder, where: bytes) -> None:
        """Raise RestoreError when the file system has too little room. The index is counted only when it might be short."""
        free = folder.free_space()
        component = self._component.component
        if free >= component.bytes + component.entries * _OVERHEAD:
            return
        if self._needed is None:
            self._needed = self._count_needed()
        needed = self._needed.get(folder.own_state().st_dev, 0)
        if free < needed:
            raise RestoreError(
                "%s: %d bytes are needed to restore beside what is there, %d are free; make room, or restore elsewhere"
                % (printable(where), needed, free)
            )

    def _count_needed(self) -> t.Dict[int, int]:
        """The bytes that are to be written, by device."""
        needed: t.Dict[int, int] = {}
        permissions = Permissions(self._target.set_ids, self._target.devices)
        comparison = Comparison(self._component, self._target, permissions, self._rules)
        try:
            for step in comparison.steps():
                if step.what in (CREATE, REPLACE):
                    device = step.frame.holder.folder.own_state().st_dev
                    size = stored_size(step.entry) if step.entry["type"] == FILE else 0
                    needed[device] = needed.get(device, 0) + size + _OVERHEAD
                elif step.what == CREATE_FILES:
                    device = step.frame.holder.folder.own_state().st_dev
                    sizes = sum(int(file[3]) + _OVERHEAD for file in step.files)
                    needed[device] = needed.get(device, 0) + sizes
        finally:
            comparison.close()
        return needed


class _Counts:
    """Fills a plan from the steps."""

    def __init__(self, permissions: Permissions) -> None:
        self.plan = RestorePlan()
        self._permissions = permissions

    def add(self, step: Step) -> None:
        plan, what = self.plan, step.what
        if what == SAME or (what == ENTER and self._is_same_folder(step)):
            plan.unchanged_count += 1
        elif what in (CORRECT, REPLACE, ENTER):
            plan.overwrite_count += 1
            self._list(plan.overwrite, step)
        elif what == CREATE and step.path is not None:
            plan.create_count += 1
            self._list(plan.create, step)
        elif what == CREATE_FILES:
            plan.create_count += len(step.files)
            for file in step.files[: RestorePlan.LIMIT - len(plan.create)]:
                plan.create.append(printable(step.frame.place(file[1].encode("utf-8"))))
        elif what == REMOVE:
            plan.remove_count += 1
            self._list(plan.remove, step)

    def _is_same_folder(self, step: Step) -> bool:
        """The time of a folder is no reason to call it overwritten: it follows what is in it."""
        frame = step.frame
        if frame.entry is None or frame.info is None or frame.live is None:
            return True
        return self._permissions.agrees(frame.info, list_xattrs(frame.live.handle), frame.entry, times=False)

    def _list(self, paths: t.List[str], step: Step) -> None:
        if len(paths) < RestorePlan.LIMIT:
            paths.append(printable(step.frame.place(b"" if step.what == ENTER else step.name)))


def _failed(frame: Frame, name: bytes, error: OSError) -> RestoreError:
    return RestoreError("%s: cannot be restored: %s" % (printable(frame.place(name)), error.strerror or error))


def _staged(staging: Staging, path: bytes) -> t.Optional[t.Tuple[Folder, bytes]]:
    """The staged file that belongs to ``path`` below the staging's holder: a unit, or something in a folder that is one."""
    parts = path.split(b"/")
    for count in range(1, len(parts) + 1):
        unit = b"/".join(parts[:count])
        if not staging.has(unit):
            continue
        folder = staging.new.folder(b".")
        rest = [staging.unit(unit), *parts[count:]]
        try:
            for part in rest[:-1]:
                below = folder.folder(part)
                folder.close()
                folder = below
            info = folder.state(rest[-1])
        except OSError:
            info = None
        if info is not None and stat.S_ISREG(info.st_mode):
            return folder, rest[-1]
        folder.close()
        return None
    return None
