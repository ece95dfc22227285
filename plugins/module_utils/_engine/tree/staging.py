# SPDX-License-Identifier: GPL-3.0-or-later
"""A private folder beside what is to be replaced: new things are made in it, and swapped in by renames only.

``new/`` holds what waits to be put in place, ``old/`` what was there before, both under the same name for the same place.
The plan, one JSON line a step, is written and made durable before the first rename. Which steps have been done can be seen from
what lies in ``new/`` and ``old/``; so undoing needs no other record, works after a crash at any point, and can be repeated.

The plan's name tells how far things went: ``staged.jsonl`` (nothing was touched), ``commit.jsonl`` (steps may have been
done), ``done.jsonl`` (the rest is only to be removed).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import typing as t

from ..errors import LockedError, RestoreError
from ..names import STAGING_PREFIX, printable
from ..system import HAS_DIR_FD, list_xattrs, lock_file, remove_xattr
from ..system.folder import Folder
from .beneath import Beneath, link, move
from .metadata import Metadata, Permissions
from .remove import remove_tree

PREFIX = STAGING_PREFIX.encode("ascii")

CREATE, REPLACE, REMOVE, SET = "create", "replace", "remove", "set"

_STAGED, _COMMIT, _DONE, _README = b"staged.jsonl", b"commit.jsonl", b"done.jsonl", b"README.txt"
# Its name sorts before the others, so it is removed last.
_LOCK, _TIMES = b"lock", b".times.json"
_NEW, _OLD = b"new", b"old"
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")

_TEXT = b"""This folder belongs to a restore by fleet.backup into the folder that it lies in.

If no restore is running, one was interrupted here. The next restore to this place
first puts everything back as it was. To do that by hand, when there is a
commit.jsonl: each of its lines names a place ("path", relative to the folder above) and a "unit".
  "create":  if new/<unit> is gone, the thing at <path> is new: remove it.
  "replace": if old/<unit> is there, move it to <path>, in place of what is there.
  "remove":  if old/<unit> is there, move it to <path>.
  "set":     "was" holds the mode, owner and times that <path> had.
With staged.jsonl or done.jsonl instead there is nothing to put back. Then remove this folder.
"""

Step = t.Dict[str, t.Any]

#: The names of this process's own staging folders: several components may be restored below one folder at once.
_own: t.Set[bytes] = set()


class Staging:
    """The staged part of a restore below one folder, the holder. ``where`` is the holder's path, for messages.

    note() and note_set() plan; seal() and commit() carry the plan out; undo() reverses whatever of it was done, until conclude();
    finish() removes the staging folder. All raise RestoreError.
    """

    #: What waits to be put in place.
    new: Folder
    _old: Folder
    _folder: Folder
    _plan: t.TextIO
    _lock: int

    def __init__(self, holder: Folder, where: bytes, name: bytes, permissions: Permissions) -> None:
        """See begin() and leftover()."""
        self._holder = holder
        self._where = where
        self._name = name
        self._permissions = permissions
        self._beneath = Beneath(holder)
        self._gives_up = False
        self._kept = False
        self._finished = False
        #: What the holder's own times are to be in the end; None: what they have become.
        self._times: t.Optional[t.Tuple[int, int]] = None

    @classmethod
    def begin(cls, holder: Folder, where: bytes, permissions: Permissions) -> Staging:
        """Make a staging folder in ``holder``."""
        info = holder.own_state()
        while True:
            self = cls(holder, where, PREFIX + os.urandom(4).hex().encode("ascii"), permissions)
            self._times = (info.st_atime_ns, info.st_mtime_ns)
            _own.add(self._name)
            try:
                if not self._take():
                    continue
                self._fill()
            except OSError as error:
                remove_tree(holder, self._name)
                with contextlib.suppress(PermissionError):  # then nothing could be made in it either
                    os.utime(holder.handle, ns=self._times)
                raise self._error(b"", "no staging folder can be made there", error) from None
            return self

    def _take(self) -> bool:
        """Make the folder and lock it; False when another process, at this very moment, took it for a leftover."""
        self._folder = self._holder.make_folder(self._name)
        try:
            self._lock = self._folder.create(_LOCK)
        except (FileExistsError, FileNotFoundError):
            self._folder.close()
            return False
        if lock_file(self._lock) and self._folder.state(_LOCK) is not None:
            return True
        os.close(self._lock)
        self._folder.close()
        return False

    def _fill(self) -> None:
        self._make_private()
        self.new = self._folder.make_folder(_NEW)
        self._old = self._folder.make_folder(_OLD)
        with os.fdopen(self._folder.create(_README), "wb") as readme:
            readme.write(_TEXT)
        self._plan = os.fdopen(self._folder.create(_STAGED), "w", encoding="ascii")
        self._line({"version": 1, "holder": os.fsdecode(self._where), "times": self._times})
        self._plan.flush()

    @classmethod
    def leftover(cls, holder: Folder, where: bytes, name: bytes, permissions: Permissions) -> Staging:
        """What another restore left in ``holder``. Raises LockedError when that one is still running."""
        self = cls(holder, where, name, permissions)
        try:
            self._folder = holder.folder(name)
            if self._folder.own_state().st_uid not in (0, permissions.user):
                raise PermissionError(errno.EPERM, "it belongs to somebody else; look into it, and remove it")
            if self._is_in_use():
                raise LockedError("%s: another restore is under way there; wait for its end" % printable(where))
            self._times = self._last_times()
            if self._folder.state(_COMMIT) is not None:
                self.new, self._old = self._folder.folder(_NEW), self._folder.folder(_OLD)
        except OSError as error:
            raise self._error(name, "what an interrupted restore left cannot be read", error) from None
        return self

    @staticmethod
    def unit(path: bytes) -> bytes:
        """The name in ``new/`` and ``old/`` of what belongs to ``path``, relative to the holder."""
        return hashlib.blake2b(path, digest_size=16).hexdigest().encode("ascii")

    def has(self, path: bytes) -> bool:
        """Whether something new waits for exactly ``path``."""
        return self.new.state(self.unit(path)) is not None

    def note(self, step: str, path: bytes) -> None:
        """Plan to put ``new/<unit>`` at ``path`` (CREATE, REPLACE), or to take away what is there (REMOVE)."""
        self._gives_up = self._gives_up or step != CREATE
        self._line({"do": step, "unit": self.unit(path).decode("ascii"), "path": os.fsdecode(path)})

    def note_set(self, path: bytes, was: Metadata, new: t.Optional[Metadata]) -> None:
        """Plan to give ``new`` to what stays at ``path``. None: only that undoing must give back ``was``."""
        self._line({"do": SET, "path": os.fsdecode(path), "was": was.to_json(), "new": new.to_json() if new else None})

    def free_space(self) -> int:
        return self._folder.free_space()

    def seal(self) -> None:
        """Make what is staged durable, and the plan, where anything that is there now will be given up for it."""
        try:
            self._plan.flush()
            if self._gives_up:
                os.fsync(self._plan.fileno())
                self._folder.sync()
            self._plan.close()
        except OSError as error:
            raise self._error(b"", "what was staged cannot be made durable", error) from None

    def commit(self) -> None:
        """Carry out the plan."""
        try:
            self._folder.rename(_STAGED, self._folder, _COMMIT)
        except OSError as error:
            raise self._error(b"", "the restore cannot begin", error) from None
        for step in self._steps():
            path = os.fsencode(step["path"])
            try:
                self._do(step, path)
            except OSError as error:
                raise self._error(path, "cannot be put in place", error) from None
        self._beneath.close()

    def undo(self) -> None:
        """Put back what was there. Idempotent; what cannot be put back is tried again by the next call."""
        if self._folder.state(_COMMIT) is None:
            return
        problems = self._for_each(self._take_back) + self._for_each(self._reset)
        self._beneath.close()
        if not problems and self._old.names():
            problems.append("%s: the plan of the restore is damaged" % printable(self._where))
        self._kept = bool(problems)
        if problems:
            kept = printable(os.path.join(self._where, self._name))
            raise RestoreError("%s\nwhat was there before is kept in %s; see README.txt there" % ("\n".join(problems[:10]), kept))
        self._times = self._first_times(_COMMIT)
        self._end()

    def conclude(self) -> None:
        """Say that what was put in place stays: no later restore undoes it. Idempotent."""
        if self._kept or self._finished:
            return
        try:
            if self._folder.state(_COMMIT) is not None:
                self._end()
        except OSError as error:
            raise self._error(self._name, "the restore cannot be concluded", error) from None

    def finish(self) -> None:
        """Remove the staging folder, unless undo() could not put everything back. Idempotent."""
        if self._kept or self._finished:
            return
        self.conclude()
        try:
            self._close()
            remove_tree(self._holder, self._name)
            if self._times is not None:
                os.utime(self._holder.handle, ns=self._times)
        except OSError as error:
            raise self._error(self._name, "the staging folder cannot be removed", error) from None
        self._finished = True
        _own.discard(self._name)

    def _close(self) -> None:
        self._beneath.close()
        if hasattr(self, "_plan"):
            self._plan.close()
        for folder in (getattr(self, "new", None), getattr(self, "_old", None), self._folder):
            if folder is not None:
                folder.close()
        os.close(self._lock)

    def _do(self, step: Step, path: bytes) -> None:
        folder, name = self._beneath.reach(path)
        what = step["do"]
        if what == SET:
            if step["new"] is not None:
                self._correct(path, Metadata.from_json(step["new"]))
            if not path:
                self._times = None if step["new"] is None else tuple(step["new"]["times"])
            return
        unit = step["unit"].encode("ascii")
        there = folder.state(name)
        if what == CREATE:
            if there is not None:
                raise FileExistsError(errno.EEXIST, "it appeared there while the restore was being prepared")
        elif there is not None:
            self._put_aside(folder, name, unit, there, what == REPLACE)
        if what != REMOVE:
            move(self.new, unit, folder, name)

    def _put_aside(self, folder: Folder, name: bytes, unit: bytes, there: os.stat_result, follows: bool) -> None:
        # The old one stays in its place until the new one takes it: at no time is there nothing.
        if not follows or not link(folder, name, self._old, unit, there, self.new.state(unit)):
            move(folder, name, self._old, unit)

    def _for_each(self, take_back: t.Callable[[Step, bytes], None]) -> t.List[str]:
        """Do something for every step of the plan; return what went wrong."""
        problems = []
        path = b""
        try:
            for step in self._steps():
                path = os.fsencode(step["path"])
                try:
                    take_back(step, path)
                except OSError as error:
                    problems.append(str(self._error(path, "cannot be put back", error)))
        except OSError as error:
            problems.append(str(self._error(path, "what follows cannot be put back", error)))
        return problems

    def _take_back(self, step: Step, path: bytes) -> None:
        if step["do"] == SET:
            return
        folder, name = self._beneath.reach(path)
        unit = step["unit"].encode("ascii")
        old = self._old.state(unit)
        if step["do"] != REMOVE and self.new.state(unit) is None:
            # Back to new/ with it, so that a second undoing sees that this step has been taken back.
            there = folder.state(name)
            if there is not None and (old is None or not link(folder, name, self.new, unit, there, old)):
                move(folder, name, self.new, unit)
        if old is not None:
            move(self._old, unit, folder, name)
            if self._old.state(unit) is not None:
                # The same file under both names: a rename leaves both.
                self._old.remove(unit)

    def _reset(self, step: Step, path: bytes) -> None:
        if step["do"] == SET:
            self._correct(path, Metadata.from_json(step["was"]))

    def _correct(self, path: bytes, metadata: Metadata) -> None:
        folder, name = self._beneath.reach(path)
        place = os.path.join(self._where, path)
        if not path:
            self._permissions.correct(folder.handle, metadata, place)
            return
        info = folder.state(name)
        if info is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if stat.S_ISDIR(info.st_mode):
            below = folder.folder(name)
            try:
                self._permissions.correct(below.handle, metadata, place)
            finally:
                below.close()
            return
        if not HAS_DIR_FD:
            self._permissions.correct(folder.handle_of(name), metadata, place)
            return
        fd = folder.read(name)
        try:
            self._permissions.correct(fd, metadata, place)
        finally:
            os.close(fd)

    def _first_times(self, plan: bytes) -> t.Optional[t.Tuple[int, int]]:
        """The times that the holder had before anything was staged; None when the power failed before that was on the disk."""
        with os.fdopen(self._folder.read(plan), encoding="ascii", errors="replace") as file:
            try:
                return tuple(json.loads(file.readline())["times"])
            except (ValueError, KeyError, TypeError):
                return None

    def _end(self) -> None:
        """From now on there is nothing left to be done but removing the staging folder and setting the holder's times."""
        if self._folder.state(_TIMES) is not None:
            self._folder.remove(_TIMES)
        with os.fdopen(self._folder.create(_TIMES), "w", encoding="ascii") as file:
            json.dump(self._times, file)
        self._folder.rename(_COMMIT, self._folder, _DONE)

    def _last_times(self) -> t.Optional[t.Tuple[int, int]]:
        """What a restore that was killed before or after its steps left to be set."""
        if self._folder.state(_TIMES) is not None:
            with os.fdopen(self._folder.read(_TIMES), encoding="ascii") as file:
                times = file.read()
            return tuple(json.loads(times)) if times.endswith("]") else None
        return self._first_times(_STAGED) if self._folder.state(_STAGED) is not None else None

    def _steps(self) -> t.Iterator[Step]:
        with os.fdopen(self._folder.read(_COMMIT), encoding="ascii", errors="replace") as file:
            file.readline()
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    # A plan that gives nothing up is not made durable, so a power failure may have spoilt it.
                    if not self._old.names():
                        return
                    raise OSError(errno.EIO, "the plan is damaged") from None

    def _line(self, value: Step) -> None:
        try:
            self._plan.write(json.dumps(value) + "\n")
        except OSError as error:
            raise self._error(b"", "the plan of the restore cannot be written", error) from None

    def _is_in_use(self) -> bool:
        try:
            self._lock = self._folder.read(_LOCK)
        except FileNotFoundError:
            # Killed right at its beginning or its end; or just beginning, and then it takes another folder.
            self._lock = self._folder.create(_LOCK)
        return not lock_file(self._lock)

    def _make_private(self) -> None:
        """Take off what a new folder inherits: default ACLs and the set-gid bit would pass on to all that is made in it."""
        for name in list_xattrs(self._folder.handle):
            if name in _ACLS:
                remove_xattr(self._folder.handle, name)
        os.chmod(self._folder.handle, 0o700)

    def _error(self, path: bytes, what: str, error: OSError) -> RestoreError:
        place = printable(os.path.join(self._where, path) if path else self._where)
        return RestoreError("%s: %s: %s" % (place, what, error.strerror or error))


def recover(holder: Folder, where: bytes, permissions: Permissions) -> t.List[str]:
    """Undo every restore that was interrupted in the folder ``holder`` (at ``where``); return a line for each.

    Raises LockedError when one is not interrupted but still running, RestoreError when it cannot be undone.
    """
    told = []
    for name in holder.names():
        if name.startswith(PREFIX) and name not in _own:
            staging = Staging.leftover(holder, where, name, permissions)
            staging.undo()
            staging.finish()
            told.append("%s: a restore that had been interrupted there was undone" % printable(where))
    return told
