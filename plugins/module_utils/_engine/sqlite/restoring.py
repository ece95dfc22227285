# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a database back: into one that applications have open, or as a file.

A database that SQLite can open is never replaced as a file, because an application that has it open would go on with the old
one. Its content is replaced in one transaction of the backup API: others see all of the old or all of the new. Where
there is no database, the new file is renamed in; what lay there (a damaged file, side files of a database that is
gone, which SQLite would apply to the new one) is kept beside it under another name.
"""

from __future__ import annotations

import base64
import functools
import os
import typing as t

from ..errors import RestoreError, SourceError
from ..interruption import uninterrupted
from ..private import open_private, write_all
from ..result import Notice, utc_now
from ..scratch import Scratch, need_space
from ..sources import RestorePlan, RestoreTarget
from ..system import give_owner, gives_owners, group_id, sync_folder, user_id
from .checking import Findings, examine
from .copying import Watch, copy_database, transfer
from .database import (
    PATIENCE,
    SIDE_FILES,
    connect,
    explain,
    hold,
    is_no_database,
    journal_mode,
    mode_to_read,
    patiently,
    shown,
    sqlite3,
    value,
)

if t.TYPE_CHECKING:
    from ..archive.index import Entry
    from ..archive.reader import ComponentReader

Facts = t.Dict[str, t.Any]


def plan(component: ComponentReader, target: RestoreTarget) -> RestorePlan:
    """What restoring would do: one file is overwritten or made."""
    result = RestorePlan()
    if _chosen(component, target) is not None:
        path = _target_path(component, target)
        if os.path.lexists(path):
            result.overwrite, result.overwrite_count = [shown(path)], 1
        else:
            result.create, result.create_count = [shown(path)], 1
    return result


class SqliteRestoring:
    """See sources.Restoring."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self.plan = plan(component, target)
        self._component = component
        self._entry = _chosen(component, target)
        self._facts: Facts = component.facts
        self._path = os.path.realpath(_target_path(component, target))
        self._patience: float = (target.options or {}).get("timeout") or PATIENCE
        self._scratch: t.Optional[Scratch] = None
        self._new_folders: t.List[str] = []
        #: What undoes each step that was taken, in the order of the steps.
        self._steps: t.List[t.Callable[[], None]] = []

    def stage(self, progress: t.Callable[[int], None]) -> None:
        if self._entry is None:
            return
        try:
            self._make_folders(os.path.dirname(self._path))
            self._scratch = Scratch(os.path.dirname(self._path))
            need_space(self._scratch.path, self._entry["size"])
            self._write(self._entry, progress)
        except OSError as error:
            raise RestoreError("%s: the database cannot be staged beside it: %s" % (shown(self._path), error)) from error
        try:
            self._check(examine(self._staged, "full", False))
        except sqlite3.Error as error:
            raise RestoreError("the database in the backup cannot be opened: %s" % error) from error

    def commit(self) -> t.List[Notice]:
        if self._entry is None:
            return []
        try:
            if self._is_database():
                self._commit_into_database()
                return []
            return self._commit_as_file()
        except sqlite3.Error as error:
            raise RestoreError(explain(error, self._path, self._patience)) from error
        except SourceError as error:
            raise RestoreError("the present state cannot be kept for a way back: %s" % error) from error
        except OSError as error:
            raise RestoreError("%s: the database cannot be put back: %s" % (shown(self._path), error)) from error

    def undo(self) -> None:
        try:
            while self._steps:
                self._steps[-1]()
                self._steps.pop()
        except sqlite3.Error as error:
            self._steps.clear()
            kept = _beside(self._path, "previous")
            os.rename(self._previous, kept)
            raise RestoreError(
                "the previous state could not be put back, and was kept as %s: %s"
                % (shown(kept), explain(error, self._path, self._patience))
            ) from error
        except OSError as error:
            raise RestoreError("%s: the previous state could not be put back: %s" % (shown(self._path), error)) from error

    def finish(self) -> None:
        self._steps.clear()
        if self._scratch is not None:
            self._scratch.close()
        # Folders that were made for a database that did not come, or was taken back, are empty.
        for folder in self._new_folders:
            try:
                os.rmdir(folder)
            except OSError:
                break
        self._new_folders = []

    @property
    def _staged(self) -> str:
        return t.cast(Scratch, self._scratch).file("new.sqlite")

    @property
    def _previous(self) -> str:
        return t.cast(Scratch, self._scratch).file("previous.sqlite")

    def _make_folders(self, folder: str) -> None:
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for name in reversed(missing):
            os.mkdir(name)
            self._new_folders.insert(0, name)

    def _write(self, entry: Entry, progress: t.Callable[[int], None]) -> None:
        with open(open_private(self._staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb", buffering=0) as file:
            for data in self._component.read(entry):
                write_all(file.fileno(), data)
                progress(len(data))
            os.fsync(file.fileno())

    def _check(self, findings: Findings) -> None:
        """The staged database must be what was backed up, and as sound as it was then."""
        if findings.damage and self._facts.get("integrity_check") == "ok":
            raise RestoreError("the database in the backup is damaged: %s" % "; ".join(findings.damage[:5]))
        recorded = _dictionary(self._facts, "tables")
        for table in sorted(set(recorded) | set(findings.tables)):
            # What one of the two SQLites could not count proves nothing.
            if recorded.get(table) != findings.tables.get(table) and table not in {
                **findings.unchecked,
                **_dictionary(self._facts, "unchecked"),
            }:
                raise RestoreError(
                    "table %s of the database in the backup has %s rows, not the %s that were recorded"
                    % (table, findings.tables.get(table, "no"), recorded.get(table, "none"))
                )

    def _is_database(self) -> bool:
        """Whether there is something that an application may have open. Raises sqlite3.Error while it is locked."""
        if not os.path.exists(self._path):
            return False
        if not os.path.isfile(self._path):
            raise RestoreError("%s: is no regular file; a database cannot be restored there" % shown(self._path))
        if not os.path.getsize(self._path):
            # SQLite would remove the side files, which may be all that is left.
            return not any(os.path.exists(self._path + ending) for ending in SIDE_FILES)
        # Read-only: closing the last connection that may write removes the log, also beside a file that is no database.
        connection = connect(self._path, "ro")
        try:
            patiently(lambda: hold(connection), self._patience)
        except sqlite3.DatabaseError as error:
            if is_no_database(error):
                return False
            # Half a transaction of a dead writer waits to be rolled back: that is a database.
            if "readonly" not in str(error):
                raise
        finally:
            connection.close()
        return True

    def _commit_into_database(self) -> None:
        copy_database(self._path, self._previous, self._patience)
        self._steps.append(lambda: self._fill(self._previous))
        self._fill(self._staged)
        if self._facts.get("integrity_check", "ok") == "ok":
            self._check_result()

    def _fill(self, new: str) -> None:
        """Replace the content of the database by that of the file ``new``, in one transaction."""
        source = connect(new, "ro", immutable=True)
        target = connect(self._path, "rw")
        try:
            with_log = patiently(lambda: journal_mode(target), self._patience) == "wal"
            # In WAL mode SQLite cannot change the page size, not even through the backup API.
            leave_log = with_log and value(source, "PRAGMA page_size") != value(target, "PRAGMA page_size")
            if leave_log:
                self._leave_log(target)
            transfer(source, target, Watch(self._patience))
            if leave_log:
                target.execute("PRAGMA journal_mode = WAL")
        finally:
            target.close()
            source.close()

    def _leave_log(self, target: sqlite3.Connection) -> None:
        try:
            patiently(lambda: value(target, "PRAGMA journal_mode = DELETE"), self._patience)
        except sqlite3.OperationalError as error:
            raise RestoreError(
                "%s: the database in the backup has another page size, and SQLite cannot change that in WAL mode while an"
                " application has the database open (%s); stop it (hooks: before_restore), or restore elsewhere (to)"
                % (shown(self._path), error)
            ) from error

    def _check_result(self) -> None:
        connection = connect(self._path, mode_to_read(self._path))
        try:
            lines = patiently(lambda: connection.execute("PRAGMA quick_check").fetchall(), self._patience)
        finally:
            connection.close()
        # Not for the rows: the application may be writing again. What the staged copy passed can only fail here by damage.
        damage = [line for (line,) in lines if line != "ok"]
        if damage and examine(self._staged, "quick", False).damage != damage:
            raise RestoreError("%s: is damaged after the restore: %s" % (shown(self._path), "; ".join(damage[:5])))

    def _commit_as_file(self) -> t.List[Notice]:
        self._give_owner()
        with uninterrupted():  # or undo() would not know of a step that was taken
            notices = self._set_aside()
            os.rename(self._staged, self._path)
            self._steps.append(self._take_back)
        sync_folder(os.path.dirname(self._path))
        return notices

    def _give_owner(self) -> None:
        """The owner and the mode of the file that is replaced, else those that were recorded. Set-id bits never."""
        try:
            info = os.stat(self._path)
            mode, uid, gid = info.st_mode, info.st_uid, info.st_gid
        except FileNotFoundError:
            try:
                mode, uid, gid = _recorded_owner(self._facts["file"])
            except (KeyError, TypeError, ValueError):
                # Nothing that makes sense was recorded: it stays private to the one who restores it.
                return
        if gives_owners():
            give_owner(self._staged, uid, gid)
        os.chmod(self._staged, mode & 0o777)

    def _set_aside(self) -> t.List[Notice]:
        """Move away what is there, so that it can be looked at later."""
        aside = _beside(self._path, "replaced")
        present = [ending for ending in ("", *SIDE_FILES) if os.path.lexists(self._path + ending)]
        for ending in present:
            os.rename(self._path + ending, aside + ending)
            self._steps.append(functools.partial(os.rename, aside + ending, self._path + ending))
        if not present:
            return []
        message = "%s held no database that could be opened; what was there was kept as %s" % (
            shown(self._path),
            " and ".join(shown(aside + ending) for ending in present),
        )
        return [Notice("set-aside", message, self._component.component.name, len(present))]

    def _take_back(self) -> None:
        for ending in ("",) + SIDE_FILES:
            try:
                os.unlink(self._path + ending)
            except FileNotFoundError:
                continue


def _dictionary(facts: Facts, key: str) -> Facts:
    """A part of the facts; they come from the store, so they may be anything."""
    value = facts.get(key)
    return value if isinstance(value, dict) else {}


def _recorded_owner(recorded: Facts) -> t.Tuple[int, int, int]:
    """Mode, owner and group: by name where the name is known here, by number otherwise."""
    user, group = user_id(recorded["user"]), group_id(recorded["group"])
    return (
        int(recorded["mode"], 8),
        int(recorded["uid"]) if user is None else user,
        int(recorded["gid"]) if group is None else group,
    )


def _recorded_path(facts: Facts) -> str:
    """Where the database was; an empty text when that is not known."""
    try:
        path = facts["path"] if "path" in facts else os.fsdecode(base64.b64decode(facts["path_b64"]))
    except (KeyError, TypeError, ValueError):
        return ""
    return path if isinstance(path, str) and "\0" not in path else ""


def _beside(path: str, why: str) -> str:
    """A new name beside a file, for what is kept of it."""
    return "%s.%s-%s" % (path, why, utc_now().strftime("%Y%m%dT%H%M%S.%fZ"))


def _chosen(component: ComponentReader, target: RestoreTarget) -> t.Optional[Entry]:
    """The one entry, or None when the patterns leave it out."""
    from ..archive.index import entry_path
    from ..tree.select import Selection

    for found in Selection(target.include).of((entry_path(entry), entry) for entry in component.entries()):
        return found.entry
    return None


def _target_path(component: ComponentReader, target: RestoreTarget) -> str:
    original: str = (target.options or {}).get("path") or _recorded_path(component.facts)
    if target.to is None:
        if not os.path.isabs(original):
            raise RestoreError(
                "component %s does not say where its database was; name a folder to restore it to" % component.component.name
            )
        return original
    name = os.path.basename(original)
    if name in ("", ".", ".."):
        name = component.component.name + ".sqlite"
    return os.path.join(target.to, name)
