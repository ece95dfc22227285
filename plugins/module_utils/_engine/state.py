# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers: how each job's runs ended, and who did what.

``<state_dir>/<job>.json`` is the status of a job, for reports and for the next run; ``<state_dir>/audit.log`` has one line of
JSON for every operation. Both are the host's convenience: nothing here decides what a backup is (the stores do), so a file
that is damaged or cannot be written never stops a run. What went wrong is in ``State.notices``, for the result.

The status file, version 1::

    {"version": 1, "job": "...", "newest_id": "..." or null,
     "confirmed": {"<store>": ["<id>", ...]},
     "operations": {"backup": {"last_run": {result}, "last_success": {result}, "last_failure": {result},
                               "consecutive_failures": 0}},
     "missing": {"<store>": ["<id>", ...]},
     "tenants": ["<job>@<tenant>", ...],
     "samples": {"<store>/<level>": {how far verifying samples came}}}

``newest_id`` is the newest id that a run ever took, so that ids go on increasing whatever the clock and the stores do.
``tenants``: of a job of tenants, the jobs of those that there were when a backup was last taken.
``confirmed`` lists the newest backups that each store confirmed whole, oldest first; ``missing`` those that others have and it
should have too. A ``last_success`` may have warnings.
A module and an older agent may share the file: keys may be added under the same version, and unknown ones are kept; a file
of a newer version is left alone.
"""

from __future__ import annotations

import json
import os
import typing as t

from .errors import FleetBackupError
from .lock import JobLock
from .private import open_private, private_folder, write_all
from .replacement import Replacement
from .result import FAILURE, Notice, Result, iso, utc_now
from .system import current_user

VERSION = 1

#: How many confirmed ids are remembered for each store.
KEPT_IDS = 1000

# Another process changes the same status file only for the moment of one write.
_LOCK_SECONDS = 10


class State:
    """The files below ``state_dir``. Folders 0700, files 0600. Its methods raise nothing; problems are in ``notices``."""

    def __init__(self, state_dir: str) -> None:
        self.path = state_dir
        self.notices: t.List[Notice] = []

    def read_status(self, job_name: str) -> t.Dict[str, t.Any]:
        """The status of a job, complete in its keys; that of a job that never ran when there is none or it is damaged."""
        path = self._status_path(job_name)
        status: t.Dict[str, t.Any] = {"version": VERSION, "job": job_name, "newest_id": None, "confirmed": {}, "operations": {}}
        try:
            with open(path, "rb") as file:
                value = json.loads(file.read())
        except FileNotFoundError:
            return status
        except OSError as error:
            self._notice("%s: the status of the job cannot be read: %s" % (path, error.strerror))
            return status
        except ValueError:
            value = None
        if _is_newer(value):
            self._notice("%s: the status of the job is of a newer fleet.backup; it is neither used nor changed" % path)
            return {**status, "version": value["version"]}
        if not _is_status(value):
            self._set_aside(path)
            return status
        return {**status, **value}

    def write_status(self, job_name: str, result: t.Mapping[str, t.Any]) -> None:
        """Record how an operation ended. ``result`` is Result.to_dict()."""

        def record(status: t.Dict[str, t.Any]) -> None:
            entry = status["operations"].setdefault(result["operation"], {})
            failed = result["outcome"] == FAILURE
            entry["last_run"] = dict(result)
            entry["last_failure" if failed else "last_success"] = dict(result)
            entry["consecutive_failures"] = entry.get("consecutive_failures", 0) + 1 if failed else 0

        self._change(job_name, record)

    def newest_id(self, job_name: str) -> t.Optional[str]:
        """The newest id that a run of this job took on this host, if any is known."""
        newest: t.Optional[str] = self.read_status(job_name)["newest_id"]
        return newest

    def take_id(self, job_name: str, backup_id: str) -> None:
        """Record an id before anything is stored under it."""

        def record(status: t.Dict[str, t.Any]) -> None:
            status["newest_id"] = max(backup_id, status["newest_id"] or "")

        self._change(job_name, record)

    def confirm(self, job_name: str, backup_id: str, stores: t.Iterable[str]) -> None:
        """Record that ``stores`` confirmed every object of a backup, its manifest last."""

        def record(status: t.Dict[str, t.Any]) -> None:
            for store in stores:
                ids = set(status["confirmed"].get(store, [])) | {backup_id}
                status["confirmed"][store] = sorted(ids)[-KEPT_IDS:]
                _not_missing(status, backup_id, store)

        self._change(job_name, record)

    def miss(self, job_name: str, backup_id: str, stores: t.Iterable[str]) -> None:
        """Record that ``stores`` have no copy of a backup that others have."""

        def record(status: t.Dict[str, t.Any]) -> None:
            for store in stores:
                ids = set(_missing(status).get(store, [])) | {backup_id}
                status["missing"] = {**_missing(status), store: sorted(ids)[-KEPT_IDS:]}

        self._change(job_name, record)

    def missing(self, job_name: str) -> t.Dict[str, t.List[str]]:
        """What miss() recorded and nobody has made up for yet, by store."""
        return _missing(self.read_status(job_name))

    def give_up(self, job_name: str, backup_id: str, store: str) -> None:
        """Record that a copy is no longer to be made up for."""
        self._change(job_name, lambda status: _not_missing(status, backup_id, store))

    def tenants(self, job_name: str) -> t.Optional[t.List[str]]:
        """What keep_tenants() recorded; None when it never did."""
        names = self.read_status(job_name).get("tenants")
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else None

    def keep_tenants(self, job_name: str, names: t.Sequence[str]) -> None:
        """Record the jobs of the tenants that there are. What kept them from being found before is over."""

        def record(status: t.Dict[str, t.Any]) -> None:
            status["tenants"] = list(names)
            status["operations"].pop("backup", None)

        self._change(job_name, record)

    def sample(self, job_name: str, key: str) -> t.Dict[str, t.Any]:
        """How far verifying samples came, as keep_sample() left it; empty when it never ran. ``key``: store and level."""
        samples = self.read_status(job_name).get("samples")
        value = samples.get(key) if isinstance(samples, dict) else None
        return value if isinstance(value, dict) else {}

    def keep_sample(self, job_name: str, key: str, position: t.Dict[str, t.Any]) -> None:
        """Record how far verifying samples came."""

        def record(status: t.Dict[str, t.Any]) -> None:
            if not isinstance(status.get("samples"), dict):
                status["samples"] = {}
            status["samples"][key] = position

        self._change(job_name, record)

    def audit(self, result: Result, what: str = "", actor: t.Optional[str] = None) -> None:
        """Append who did what, when, and how it ended. ``what`` is the backup or the like; ``actor`` the controller's user."""
        uid, user = current_user()
        line = {
            "at": iso(utc_now()),
            "uid": uid,
            "user": user,
            "sudo_user": os.environ.get("SUDO_USER"),
            "actor": actor,
            "operation": result.operation,
            "host": result.host,
            "job": result.job,
            "what": what,
            "dry_run": result.dry_run,
            "changed": result.changed,
            "outcome": result.outcome,
            "error": result.error["code"] if result.error else None,
        }
        path = os.path.join(self.path, "audit.log")
        try:
            private_folder(self.path)
            _append_line(path, json.dumps(line).encode("ascii"))
        except OSError as error:
            self._notice("%s: the audit log cannot be written: %s" % (path, error.strerror))
        except FleetBackupError as error:
            self._notice("%s: the audit log cannot be written: %s" % (path, error))

    def _status_path(self, job_name: str) -> str:
        return os.path.join(self.path, job_name + ".json")

    def _change(self, job_name: str, change: t.Callable[[t.Dict[str, t.Any]], None]) -> None:
        path = self._status_path(job_name)
        try:
            # A job's name holds no dot, so this is no job's own lock.
            with JobLock(self.path, job_name + ".status", _LOCK_SECONDS):
                status = self.read_status(job_name)
                if _is_newer(status):
                    return
                change(status)
                with Replacement(path, 0o600) as new:
                    new.write(json.dumps(status, indent=2).encode("ascii") + b"\n")
                    new.commit()
        except OSError as error:
            self._notice("%s: the status of the job cannot be written: %s" % (path, error.strerror))
        except FleetBackupError as error:
            self._notice("%s: the status of the job cannot be written: %s" % (path, error))

    def _set_aside(self, path: str) -> None:
        aside = path + ".damaged"
        try:
            os.replace(path, aside)
            self._notice("%s: the status of the job was damaged; a new one is begun, the old one is now %s" % (path, aside))
        except OSError as error:
            self._notice("%s: the status of the job is damaged and cannot be set aside: %s" % (path, error.strerror))

    def _notice(self, message: str) -> None:
        self.notices.append(Notice("state", message))


def _missing(status: t.Mapping[str, t.Any]) -> t.Dict[str, t.List[str]]:
    value = status.get("missing")
    if not isinstance(value, dict):
        return {}
    return {store: [i for i in ids if isinstance(i, str)] for store, ids in value.items() if isinstance(ids, list)}


def _not_missing(status: t.Dict[str, t.Any], backup_id: str, store: str) -> None:
    missing = _missing(status)
    if backup_id in missing.get(store, ()):
        missing[store].remove(backup_id)
        status["missing"] = {name: ids for name, ids in missing.items() if ids}


def _is_newer(value: t.Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("version"), int) and value["version"] > VERSION


def _is_status(value: t.Any) -> bool:
    """True for a status that this program can go on with."""
    if not isinstance(value, dict) or value.get("version") != VERSION:
        return False
    newest, confirmed, operations = value.get("newest_id"), value.get("confirmed"), value.get("operations")
    return (
        (newest is None or isinstance(newest, str))
        and isinstance(confirmed, dict)
        and all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in confirmed.values())
        and isinstance(operations, dict)
        and all(isinstance(o, dict) and isinstance(o.get("consecutive_failures"), int) for o in operations.values())
    )


def _append_line(path: str, line: bytes) -> None:
    """Append a line whole, in one write, so that two processes do not mix theirs. Raises OSError."""
    fd = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        size = os.fstat(fd).st_size
        torn = b""
        if size:
            # A crash may have cut the last line: end it, so that this one can be read.
            os.lseek(fd, size - 1, os.SEEK_SET)
            torn = b"" if os.read(fd, 1) == b"\n" else b"\n"
        write_all(fd, torn + line + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
