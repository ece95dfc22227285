# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling how an operation ended, through the notifiers of its job. Never fails or hangs a run: what cannot be told now waits.

``<state_dir>/outbox/<notifier>.json`` (0600) keeps what could not be told, for the next run::

    {"version": 1, "messages": [{"event", "at", "result"}, ...]}

Everything that ends badly is told; of what ends well, only what people wait for: backups and restores.
"""

from __future__ import annotations

import datetime
import json
import os
import threading
import typing as t

from .errors import FleetBackupError, NotificationError
from .job import Config, Job, NotifierConfig
from .lock import JobLock
from .notifiers import TEST, Message, Notifier, load
from .private import private_folder
from .replacement import Replacement
from .result import SUCCESS, Notice, Result, from_iso, iso, utc_now
from .state import State

VERSION = 1

#: What waits for a notifier is forgotten after a week, or when there is this much newer.
KEPT_DAYS, KEPT_MESSAGES = 7, 100

# A notifier has its own time limit; this is for one that ignores it (a name server that does not answer), in seconds.
_GRACE = 15

# Another process holds the outbox only while it tells.
_LOCK_SECONDS = 60

_WAITED_FOR = ("backup", "restore")
_PATHS = 20


def tell(config: Config, jobs: t.Sequence[Job], result: Result) -> None:
    """Tell ``result`` to the notifiers of the jobs that it is about, each once.

    What goes wrong becomes a notice of the result and changes nothing else.
    """
    names = dict.fromkeys(name for job in jobs for name in job.notify)
    if not names or result.dry_run:
        return
    chosen = [config.notifier(name) for name in names]
    if all("@" in job.name for job in jobs):
        chosen = [c for c in chosen if not load(c.driver).told_once]
    if result.outcome == SUCCESS and result.operation not in _WAITED_FOR:
        chosen = [c for c in chosen if load(c.driver).told_everything]
    _tell(config, chosen, jobs, result)


def tell_once(config: Config, job: Job, result: Result) -> None:
    """Tell how a run ended for all tenants of a job, to those who count only the last thing that they are told."""
    chosen = [c for c in map(config.notifier, job.notify) if load(c.driver).told_once]
    if chosen and not result.dry_run:
        _tell(config, chosen, [job], result)


def _tell(config: Config, chosen: t.Sequence[NotifierConfig], jobs: t.Sequence[Job], result: Result) -> None:
    data = _trimmed(result.to_dict())
    data["job"] = data["job"] or ", ".join(job.name for job in jobs)
    problems = tell_event(config, chosen, result.outcome, data, jobs[0] if len(jobs) == 1 else None)
    result.warnings += [Notice("notification", "notifier %s: %s" % item) for item in problems.items() if item[1]]


def tell_event(
    config: Config, chosen: t.Sequence[NotifierConfig], event: str, data: t.Dict[str, t.Any], job: t.Optional[Job]
) -> t.Dict[str, str]:
    """Tell one event to each notifier that wants it, side by side. ``data``: a result as plain data.

    Returns by the name of each notifier why it could not tell; nothing when it did.
    """
    status = State(config.state_dir).read_status(job.name) if job else {}
    message = Message(event, data, iso(utc_now()), status, job.max_age if job else None)
    runs = [_Run(config.state_dir, c, message) for c in chosen if _wants(c, message)]
    for run in runs:
        run.start()
    for run in runs:
        run.wait()
    return {run.name: run.problem for run in runs}


def _wants(chosen: NotifierConfig, message: Message) -> bool:
    kind = load(chosen.driver)
    if message.event == TEST:
        return True
    if kind.operations is not None and message.operation not in kind.operations:
        return False
    return kind.told_everything or message.event in chosen.on


class _Run:
    """One notifier at work, in a thread that nobody waits for longer than it is worth."""

    def __init__(self, state_dir: str, chosen: NotifierConfig, message: Message) -> None:
        self.name = chosen.name
        self.problem = "did not end in time; what it had to tell is told by the next run"
        self._notifier: Notifier = load(chosen.driver)(chosen.name, chosen.options, chosen.language)
        self._message = message
        self._outbox = _Outbox(state_dir, chosen.name) if self._notifier.keeps and message.event != TEST else None
        self._seconds = (chosen.options.get("timeout") or 30) + _GRACE
        self._thread = threading.Thread(target=self._tell, name="notify", daemon=True)

    def start(self) -> None:
        if self._outbox is not None:
            # Before anything else: a run that is killed while it tells has told, or will.
            self.problem = self._outbox.add(self._message) or self.problem
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(self._seconds)

    def _tell(self) -> None:
        try:
            if self._outbox is None:
                self._notifier.tell(self._message)
            else:
                self._outbox.tell_all(self._notifier, self._message)
            self.problem = ""
        except FleetBackupError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 - a library's surprise must not end the run
            self.problem = "%s: %s" % (type(error).__name__, error)


class _Outbox:
    """What waits for one notifier. Losing it loses messages, never backups, so its troubles are told and no more."""

    def __init__(self, state_dir: str, name: str) -> None:
        self._folder = os.path.join(state_dir, "outbox")
        self._path = os.path.join(self._folder, name + ".json")
        # A job's name holds no dot, so this is no job's own lock.
        self._lock_name = name + ".outbox"
        self._state_dir = state_dir

    def add(self, message: Message) -> str:
        """Keep a message; return what went wrong."""
        try:
            with JobLock(self._state_dir, self._lock_name, _LOCK_SECONDS):
                self._write([*self._read(), message.to_dict()][-KEPT_MESSAGES:])
        except FleetBackupError as error:
            return "what it had to tell could not be kept: %s" % error
        return ""

    def tell_all(self, notifier: Notifier, newest: Message) -> None:
        """Tell everything that waits, the oldest first; what was told is forgotten. Raises what the first failure raised."""
        with JobLock(self._state_dir, self._lock_name, _LOCK_SECONDS):
            waiting = self._read()
            if newest.to_dict() not in waiting:
                waiting.append(newest.to_dict())
            while waiting:
                first = waiting[0]
                notifier.tell(newest if first == newest.to_dict() else Message(first["event"], first["result"], first["at"]))
                waiting.pop(0)
                self._write(waiting)

    def _read(self) -> t.List[t.Dict[str, t.Any]]:
        try:
            with open(self._path, "rb") as file:
                value = json.loads(file.read())
        except FileNotFoundError:
            return []
        except (OSError, ValueError):
            value = None
        if not isinstance(value, dict) or value.get("version") != VERSION:
            return []
        oldest = utc_now() - datetime.timedelta(days=KEPT_DAYS)
        return [m for m in value.get("messages", []) if _is_message(m) and from_iso(m["at"]) >= oldest]

    def _write(self, messages: t.Sequence[t.Dict[str, t.Any]]) -> None:
        private_folder(self._folder)
        if not messages and not os.path.exists(self._path):
            return
        try:
            with Replacement(self._path, 0o600) as new:
                new.write(json.dumps({"version": VERSION, "messages": messages}, indent=2).encode("ascii") + b"\n")
                new.commit()
        except OSError as error:
            raise NotificationError("%s: %s" % (self._path, error.strerror)) from None


def _is_message(value: t.Any) -> bool:
    try:
        from_iso(value["at"])
        return isinstance(value["event"], str) and isinstance(value["result"], dict)
    except (KeyError, TypeError, ValueError):
        return False


def _trimmed(data: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """A result without what is too long to tell."""
    data.pop("results", None)
    for warning in data.get("warnings", ()):
        warning["paths"] = warning["paths"][:_PATHS]
    for component in data.get("components") or ():
        if isinstance(component, dict):
            component.pop("facts", None)
    return data
