# SPDX-License-Identifier: GPL-3.0-or-later
"""The job files of a host: read, joined, and what people changed on the host itself put over what was deployed.

``conf.d/local.json`` is the host's own; no deployment touches it. Of what other files describe it changes, by name::

    {"notifiers": [{"name": "ops", "mail": {...}}],                     stands instead of the notifier ops
     "jobs": [{"name": "shop",
               "schedules": [{"name": "daily", "at": "03:00"}],         stands instead of the schedule daily of the job shop
               "notify": ["ops"]}]}                                     is told besides

Whatever else it holds (jobs, stores) is added, as from any other file. What it says of a job that is gone counts for nothing,
and is told: the other jobs must run on.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from .errors import ConfigurationError
from .job import Config, Origins, parse_config
from .schedules.planned import usual_name

#: What a deployment writes, and what is the host's own, in a folder of job files.
DEPLOYED, LOCAL = "jobs.json", os.path.join("conf.d", "local.json")

#: What a host may change of a job that another file describes.
_CHANGEABLE = ("name", "schedules", "notify")

Description = t.Dict[str, t.Any]


def load_config(path: str) -> Config:
    """Read a job file, or every ``*.json`` of a folder and of its ``conf.d``, and return the checked description.

    Lists (stores, jobs) of several files are joined. Raises ConfigurationError.
    """
    return JobFiles(path).config()


class JobFiles:
    """What the files hold, as it was written. Raises ConfigurationError when one cannot be read, or there is none."""

    def __init__(self, path: str, deployed: t.Optional[Description] = None) -> None:
        """``deployed`` stands instead of what DEPLOYED of the folder holds."""
        self._folder = path if os.path.isdir(path) else os.path.dirname(path)
        self.is_folder = os.path.isdir(path)
        self.local_path = os.path.join(path, LOCAL)
        names = _files(path) if deployed is None or self.is_folder else []
        self._parts = {} if deployed is None else {os.path.join(path, DEPLOYED): deployed}
        self._parts.update({name: _read_json(name) for name in names if name not in self._parts})
        if not self._parts:
            raise ConfigurationError("%s: there is no job file (*.json) in this folder" % path)
        self.local: Description = self._parts.pop(self.local_path, {}) if self.is_folder else {}
        for name, part in [*self._parts.items(), (self.local_path, self.local)]:
            if not isinstance(part, dict):
                raise ConfigurationError("%s: must hold one JSON object" % name)

    def config(self) -> Config:
        """The checked description of all. Raises ConfigurationError."""
        merged: Description = {}
        schedules: t.Dict[str, str] = {}
        notifiers: t.Dict[str, str] = {}
        for name, part in self._parts.items():
            _join(merged, part, name)
            origin = os.path.relpath(name, self._folder)
            for job in _named(part, "jobs"):
                schedules.update({key: origin for key in _schedules(job)})
            notifiers.update({notifier["name"]: origin for notifier in _named(part, "notifiers")})
        idle = self._put_over(merged)
        for job in _named(self.local, "jobs"):
            schedules.update({key: _origin(schedules.get(key)) for key in _schedules(job)})
        notifiers.update({n["name"]: _origin(notifiers.get(n["name"])) for n in _named(self.local, "notifiers")})
        names = [*self._parts, *([self.local_path] if self.local else [])]
        try:
            config = parse_config(merged)
        except ConfigurationError as error:
            raise ConfigurationError(*["%s: %s" % (", ".join(names), problem) for problem in error.problems]) from None
        return dataclasses.replace(config, origins=Origins(schedules, notifiers, tuple(idle)))

    def deployed_schedule(self, job: str, name: str) -> t.Optional[Description]:
        """A schedule as the other files have it."""
        return next((s for part in self._parts.values() for s in schedules_of(part, job) if usual_name(s) == name), None)

    def deployed_notifier(self, name: str) -> t.Optional[Description]:
        """A notifier as the other files have it."""
        return next((n for part in self._parts.values() for n in _named(part, "notifiers") if n["name"] == name), None)

    def _put_over(self, merged: Description) -> t.List[str]:
        """Join what the host changed to what was deployed; return what counts for nothing, for people."""
        idle = []
        new_jobs = []
        for n, change in enumerate(_entries(self.local, "jobs", self.local_path)):
            job = next((j for j in _named(merged, "jobs") if j["name"] == change.get("name")), None)
            if job is None and not {"sources", "stores"}.isdisjoint(change):
                new_jobs.append(change)
            elif job is None:
                gone = "%s: there is no job %s any more, so what was set for it counts for nothing"
                idle.append(gone % (self.local_path, change.get("name")))
            else:
                self._change_job(merged, job, change, n)
        notifiers = _entries(self.local, "notifiers", self.local_path)
        changed = {notifier.get("name") for notifier in notifiers}
        kept = [n for n in merged.get("notifiers") or () if not (isinstance(n, dict) and n.get("name") in changed)]
        rest = {key: value for key, value in self.local.items() if key not in ("jobs", "notifiers")}
        _join(merged, {**rest, "jobs": new_jobs} if new_jobs else rest, self.local_path)
        if notifiers:
            merged["notifiers"] = [*kept, *notifiers]
        return idle

    def _change_job(self, merged: Description, job: Description, change: Description, number: int) -> None:
        for key in change:
            if key not in _CHANGEABLE:
                raise ConfigurationError(
                    "%s: jobs[%d].%s: the job %s is described by another file; here only its %s can be changed"
                    % (self.local_path, number, key, job["name"], " and ".join(_CHANGEABLE[1:]))
                )
        schedules = _entries(change, "schedules", "%s: jobs[%d]" % (self.local_path, number))
        names = {usual_name(schedule) for schedule in schedules}
        kept = [s for s in job.get("schedules") or () if not (isinstance(s, dict) and usual_name(s) in names)]
        told = list(job.get("notify") or ())
        changed = {
            **job,
            "schedules": [*kept, *schedules],
            "notify": told + [name for name in change.get("notify") or () if name not in told],
        }
        merged["jobs"] = [changed if j is job else j for j in merged["jobs"]]


def schedules_of(part: Description, job: str) -> t.List[Description]:
    """The schedules of a job in what one file holds."""
    return [s for j in _named(part, "jobs") if j["name"] == job for s in j.get("schedules") or () if isinstance(s, dict)]


def _join(merged: Description, part: Description, name: str) -> None:
    for key, value in part.items():
        if isinstance(merged.get(key), list) and isinstance(value, list):
            merged[key] = merged[key] + value
        elif key in merged and merged[key] != value:
            raise ConfigurationError("%s: %s is already set to %r by another file" % (name, key, merged[key]))
        else:
            merged[key] = value


def _named(part: Description, key: str) -> t.List[Description]:
    """The entries of a list that have a name; what has none is told when all is checked."""
    entries = part.get(key)
    return [e for e in entries if isinstance(e, dict) and isinstance(e.get("name"), str)] if isinstance(entries, list) else []


def _entries(part: Description, key: str, place: str) -> t.List[Description]:
    entries = part.get(key)
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError("%s: %s: must be a list of dictionaries" % (place, key))
    return entries


def _schedules(job: Description) -> t.List[str]:
    schedules = job.get("schedules")
    listed = schedules if isinstance(schedules, list) else []
    return ["%s.%s" % (job["name"], usual_name(s)) for s in listed if isinstance(s, dict)]


def _origin(before: t.Optional[str]) -> str:
    return LOCAL if before is None else "%s, instead of %s" % (LOCAL, before)


def _files(path: str) -> t.List[str]:
    if not os.path.isdir(path):
        return [path]
    files = []
    for folder in (path, os.path.join(path, "conf.d")):
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError("%s: cannot be read: %s" % (folder, error.strerror)) from None
        files += [os.path.join(folder, n) for n in names if n.endswith(".json") and not n.startswith(".")]
    return files


def _read_json(path: str) -> t.Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ConfigurationError("%s: there is no such file; --config names a job file or a folder of them" % path) from None
    except OSError as error:
        raise ConfigurationError("%s: cannot be read: %s" % (path, error.strerror)) from None
    except ValueError as error:
        raise ConfigurationError("%s: is not valid JSON: %s" % (path, error)) from None
