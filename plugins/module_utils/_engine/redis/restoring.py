# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting an RDB file into the data folder of a Redis server that is down.

A running server holds all of its data in memory and writes it over whatever lies in the folder; so it must not run. One in a
container is stopped for the moment and started again; one of the host is the affair of the job's hooks.

A server with an append-only file reads that and not the RDB file, and begins empty when there is none. So where one is used, it
is made anew too, from the same data. What lay there before is kept beside it.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import socket
import typing as t
from dataclasses import dataclass

from ..connections import connect
from ..containers.daemon import Daemon
from ..containers.hold import STOP, Hold
from ..errors import MissingDependencyError, RestoreError, SourceError
from ..interruption import uninterrupted
from ..result import Notice, utc_now
from ..scratch import Scratch, need_space
from ..sources import RestorePlan, RestoreTarget
from ..system import give_owner, sync_folder, unix_socket
from .copying import Check, Tail

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader

Json = t.Dict[str, t.Any]

_STOP_SECONDS = 60
_REACH_SECONDS = 10
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Since Redis 7 an append-only file is a folder: a base, which may be an RDB file, what was written since, and a list of both.
_FOLDER_SINCE = 7
_LIST = "file {name}.1.base.rdb seq 1 type b\nfile {name}.1.incr.aof seq 1 type i\n"


@dataclass
class Place:
    """Where the files of a server lie on this host, and what they are called."""

    folder: str
    file: str
    #: The append-only file and, for versions that have one, its folder.
    log: str
    log_folder: str
    #: Whether the server reads the append-only file, as far as that was known when it was backed up.
    uses_log: bool
    many: bool
    container: t.Any = None


def plan(component: ComponentReader, target: RestoreTarget) -> RestorePlan:
    """What restoring would replace or make."""
    daemon = _daemon(target)
    try:
        return _plan(_place(component, target, daemon))
    finally:
        if daemon is not None:
            daemon.close()


class RedisRestoring:
    """See sources.Restoring."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self._component = component
        self._options: Json = target.options or {}
        self._daemon = _daemon(target)
        self._place = _place(component, target, self._daemon)
        self.plan = _plan(self._place)
        self._scratch: t.Optional[Scratch] = None
        self._hold: t.Optional[Hold] = None
        self._owner = _owner(self._place)
        self._stamp = "before-restore-%s" % utc_now().strftime("%Y%m%dT%H%M%SZ")
        #: What undoes each step that was taken, in the order of the steps.
        self._steps: t.List[t.Callable[[], None]] = []

    def stage(self, progress: t.Callable[[int], None]) -> None:
        try:
            self._scratch = Scratch(self._place.folder)
            need_space(self._scratch.path, (2 if self._place.uses_log else 1) * self._component.component.bytes)
            self._write(progress)
        except OSError as error:
            raise RestoreError("%s: the copy cannot be staged there: %s" % (self._place.folder, error)) from None
        except SourceError as error:
            raise RestoreError("the copy in the backup is damaged: %s" % error) from None

    def commit(self) -> t.List[Notice]:
        place = self._place
        try:
            self._stop()
        except SourceError as error:
            raise RestoreError(str(error)) from None
        _check_down(self._options, place)
        kept: t.List[str] = []
        try:
            with uninterrupted():
                # Looked at only now: a server that was stopped may have made what was not there when this began.
                replaced = [name for name in (place.file, place.log, place.log_folder) if os.path.lexists(self._at(name))]
                for name in replaced:
                    self._move(self._at(name), "%s.%s" % (self._at(name), self._stamp))
                    kept.append("%s.%s" % (self._at(name), self._stamp))
                self._move(self._staged, self._at(place.file))
                if place.uses_log or place.log in replaced or place.log_folder in replaced:
                    self._make_log(place.many or place.log_folder in replaced)
                sync_folder(place.folder)
        except OSError as error:
            raise RestoreError("%s: the data cannot be put there: %s" % (place.folder, error)) from None
        name = self._component.component.name
        message = "what lay there before was kept, and can be removed: %s" % ", ".join(kept)
        return [Notice("previous-kept", message, name, len(kept), kept)] if kept else []

    def undo(self) -> None:
        try:
            while self._steps:
                self._steps[-1]()
                self._steps.pop()
        except OSError as error:
            raise RestoreError("%s: the previous data could not be put back: %s" % (self._place.folder, error)) from None

    def finish(self) -> None:
        with uninterrupted():
            self._steps.clear()
            if self._scratch is not None:
                self._scratch.close()
            problems = self._hold.release() if self._hold is not None else []
            self._hold = None
            if self._daemon is not None:
                self._daemon.close()
                self._daemon = None
        if problems:
            raise RestoreError("\n".join(problems))

    @property
    def _staged(self) -> str:
        return t.cast(Scratch, self._scratch).file("new.rdb")

    def _at(self, name: str) -> str:
        return os.path.join(self._place.folder, name)

    def _write(self, progress: t.Callable[[int], None]) -> None:
        check = self._check()
        try:
            with open(os.open(self._staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:

                def keep(part: memoryview) -> None:
                    file.write(part)
                    if check is not None:
                        check.write(part)

                tail = Tail(keep)
                for entry in self._component.entries():
                    for data in self._component.read(entry):
                        tail.add(data)
                        progress(len(data))
                tail.end(False)
                file.flush()
                os.fsync(file.fileno())
            if check is not None:
                check.finish()
        finally:
            if check is not None:
                check.close()
        self._dress(self._staged)

    def _check(self) -> t.Optional[Check]:
        """The program of the host, or of the container as long as it runs. What it says is worth more than nothing."""
        options = {"container": None, "docker_host": None, "run_as": None}
        container = self._place.container
        if container is not None and container.status == "running":
            options["container"] = container.id
            options["docker_host"] = self._options.get("docker_host")
        elif shutil.which("redis-check-rdb") is None:
            return None
        try:
            return Check(connect(options), "redis-check-rdb", _STOP_SECONDS)
        except (SourceError, MissingDependencyError):
            return None

    def _stop(self) -> None:
        container = self._place.container
        if container is None or self._daemon is None:
            return
        container.reload()
        if container.status not in ("running", "paused", "restarting"):
            return
        self._hold = Hold(self._daemon, [container], STOP, _STOP_SECONDS)
        self._hold.begin()
        # Half of the data must not be read by a server, nor written over by it.
        self._hold.keep()

    def _move(self, old: str, new: str) -> None:
        os.rename(old, new)
        self._steps.append(lambda: os.rename(new, old))

    def _make_log(self, many: bool) -> None:
        place = self._place
        if not many:
            self._copy(self._at(place.log))
            return
        folder = self._at(place.log_folder)
        os.mkdir(folder, 0o755)
        self._steps.append(lambda: shutil.rmtree(folder))
        base = os.path.join(folder, "%s.1.base.rdb" % place.log)
        shutil.copyfile(self._at(place.file), base)
        increment = os.path.join(folder, "%s.1.incr.aof" % place.log)
        listed = os.path.join(folder, "%s.manifest" % place.log)
        for path, text in ((increment, ""), (listed, _LIST.format(name=place.log))):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        for path in (base, increment, listed, folder):
            self._dress(path)
            _sync(path)

    def _copy(self, path: str) -> None:
        shutil.copyfile(self._at(self._place.file), path)
        self._steps.append(lambda: os.unlink(path))
        self._dress(path)
        _sync(path)

    def _dress(self, path: str) -> None:
        """Give it to the server: to whom its files belong now, or the folder that they lie in."""
        owner = self._owner
        os.chmod(path, 0o750 if os.path.isdir(path) else 0o640)
        with contextlib.suppress(PermissionError):
            give_owner(path, owner.st_uid, owner.st_gid)


def _daemon(target: RestoreTarget) -> t.Optional[Daemon]:
    options = target.options or {}
    if not options.get("container"):
        return None
    try:
        return Daemon(options.get("docker_host"))
    except SourceError as error:
        raise RestoreError(str(error)) from None


def _place(component: ComponentReader, target: RestoreTarget, daemon: t.Optional[Daemon]) -> Place:
    options, facts = target.options or {}, component.facts
    folder = options.get("data_dir") or facts.get("dir")
    if not folder:
        raise RestoreError("where the server's data folder is was not known when it was backed up; name it (data_dir)")
    container = None
    if daemon is not None:
        try:
            container = daemon.container(options["container"])
        except SourceError as error:
            raise RestoreError(str(error)) from None
        if container is None:
            raise RestoreError("there is no container %s; make it, without starting it" % options["container"])
        folder = _outside(container, folder)
    elif not options.get("socket") and options.get("host", _LOOPBACK[0]) not in _LOOPBACK and not options.get("data_dir"):
        raise RestoreError(
            "the server %s is not on this host; restore into a folder (to), and bring the file to where it is" % options["host"]
        )
    if not os.path.isdir(folder):
        raise RestoreError("%s: there is no such folder; it should be the server's data folder (data_dir)" % folder)
    version = str(facts.get("version") or "0").split(".", 1)[0]
    return Place(
        folder=folder,
        file=_plain(facts, "dbfilename", "dump.rdb"),
        log=_plain(facts, "appendfilename", "appendonly.aof"),
        log_folder=_plain(facts, "appenddirname", "appendonlydir"),
        uses_log=bool(facts.get("appendonly")),
        many=version.isdigit() and int(version) >= _FOLDER_SINCE,
        container=container,
    )


def _plain(facts: Json, key: str, default: str) -> str:
    """A name of the facts that leads nowhere else."""
    name = facts.get(key) or default
    if not isinstance(name, str) or "/" in name or name in (os.curdir, os.pardir) or "\0" in name:
        raise RestoreError("the backup names a file that is no plain name (%s)" % key)
    return name


def _outside(container: t.Any, folder: str) -> str:
    """Where a folder of a container is on the host."""
    best: t.Tuple[int, str] = (-1, "")
    for mount in container.attrs.get("Mounts") or []:
        below = posixpath.relpath(folder, mount["Destination"])
        if not below.startswith("..") and len(mount["Destination"]) > best[0]:
            best = (len(mount["Destination"]), os.path.normpath(os.path.join(mount["Source"], below)))
    if best[0] < 0:
        raise RestoreError(
            "container %s: its folder %s lies in no volume, so its data would not outlive it; give it one"
            % (container.name, folder)
        )
    return best[1]


def _plan(place: Place) -> RestorePlan:
    result = RestorePlan()
    for name in (place.file, place.log, place.log_folder):
        path = os.path.join(place.folder, name)
        if os.path.lexists(path):
            result.overwrite.append(path)
            result.overwrite_count += 1
        elif name == place.file:
            result.create.append(path)
            result.create_count += 1
    return result


def _check_down(options: Json, place: Place) -> None:
    """Raise RestoreError while a server of the host answers."""
    if place.container is not None:
        return
    unix = options.get("socket")
    address: t.Any = unix or (_LOOPBACK[0], options.get("port", 6379))
    try:
        with unix_socket() if unix else socket.socket() as connection:
            connection.settimeout(_REACH_SECONDS)
            connection.connect(address)
    except OSError:
        return
    raise RestoreError(
        "the redis server runs, and would write its data over the restored file: stop it first, by a before_restore hook of the"
        " job, say (and start it again by after_restore)"
    )


def _owner(place: Place) -> os.stat_result:
    for name in (place.file, place.log_folder, place.log):
        try:
            return os.stat(os.path.join(place.folder, name), follow_symlinks=False)
        except OSError:
            continue
    return os.stat(place.folder)


def _sync(path: str) -> None:
    if os.path.isdir(path):
        sync_folder(path)
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
